"""What neither a refusal nor a wrong clock may do to a client: checked in every simulation.

A refusal changes nothing but the intervals and the next attempt: it takes no lease, moves no proven time and makes
nothing unusable (S23). A clock that is wrong for less than it takes to be believed leaves no trace. One that is turned
back keeps nothing usable for longer than the grace for it. What a client held is remembered each time it looks at its
record, and held against what it sees the next time.
"""

from __future__ import annotations

from typing import NamedTuple

from quorate.client.clockmark import BACK_GRACE_S, CONFIRMED_AFTER_S, STEP_S
from quorate.client.standing import Standing
from quorate.core.lease import Lease, Refusal
from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S, Policy
from quorate.sim.machine import SimMachine

__all__ = ["REFUSAL_RULE", "WRONG_CLOCK_RULE", "ClientRules"]

REFUSAL_RULE = "refusal-changes-intervals-only"
TURNED_BACK_RULE = "clock-turned-back"
WRONG_CLOCK_RULE = "wrong-clock-destroys-nothing"

_TOLD_OTHERWISE = frozenset({"CMID_SUPERSEDED"})  # a copy takes another CMID: it holds what it had no right to


class _Held(NamedTuple):
    """What a client held when it looked last."""

    cmid: str
    lease: Lease | None
    proven_s: int
    is_good: bool


class ClientRules:
    """Both rules, for all machines of a simulation."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._held: dict[int, _Held] = {}
        self._refused: set[int] = set()
        self._back: dict[int, tuple[int, int]] = {}  # with the clock turned back: what it showed last; seconds spent so
        self._wrong: dict[int, _Held] = {}  # machines whose clock is wrong for a moment, and what they held before

    def believed(self, machine: SimMachine, said: Lease | Refusal) -> None:
        """It accepted an answer: a lease changes everything, and so does what tells a copy from its original."""
        if isinstance(said, Lease) or said.code in _TOLD_OTHERWISE:
            self.forgets(machine)
            self._back.pop(machine.number, None)
        else:
            self._refused.add(machine.number)

    def forgets(self, machine: SimMachine) -> None:
        """Something other than time and refusals happens to its record: it is compared from the next look on."""
        self._held.pop(machine.number, None)
        self._wrong.pop(machine.number, None)
        self._refused.discard(machine.number)

    def clock_steps(self, machine: SimMachine, for_s: int) -> None:
        """Its clock is about to be set wrong, for so long."""
        held = self._held.get(machine.number)
        if held is None or not held.is_good or _is_wrong(machine) or for_s >= CONFIRMED_AFTER_S:
            self._wrong.pop(machine.number, None)
        else:
            self._wrong[machine.number] = held

    def looked(
        self, machine: SimMachine, standing: Standing, status: LicenseStatus, *, is_usable: bool
    ) -> list[tuple[str, str]]:
        """The rules that are broken, each with how it shows."""
        if machine.disk.is_full:  # it goes on with what it could not write, and may forget it
            self.forgets(machine)
            return []
        number, now_s, lease = machine.number, machine.clock.now_s(), standing.lease
        is_good = status is LicenseStatus.LICENSED and is_usable
        state = standing.state
        found: list[tuple[str, str]] = []
        before = self._held.get(number)
        is_kept = before is None or (lease == before.lease and state.proven_s == before.proven_s)
        if number in self._refused and before is not None and before.cmid == state.cmid and not is_kept:
            found.append((REFUSAL_RULE, f"{machine.name} held {before}, and holds {lease}, {state.proven_s}"))
        self._refused.discard(number)
        wrong = None if _is_wrong(machine) else self._wrong.pop(number, None)
        is_running = wrong is not None and wrong.lease is not None and now_s < wrong.lease.expires_s
        if wrong is not None and wrong.cmid == state.cmid and is_running and not is_good:
            found.append((WRONG_CLOCK_RULE, f"{machine.name} was Licensed, and is {status.value}"))
        if standing.is_turned_back(now_s, self._policy):
            shown_s, spent_s = self._back.get(number, (now_s, 0))
            spent_s += min(max(now_s - shown_s, 0), DAY_S)
            self._back[number] = now_s, spent_s
            if is_usable and spent_s > BACK_GRACE_S + DAY_S:
                found.append(
                    (TURNED_BACK_RULE, f"{machine.name} is usable after {spent_s} s with its clock turned back")
                )
        self._held[number] = _Held(state.cmid, lease, state.proven_s, is_good)
        return found


def _is_wrong(machine: SimMachine) -> bool:
    return abs(machine.clock.error_s()) > STEP_S
