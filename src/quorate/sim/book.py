"""What one database must hold: a naive model of it, in the words of the protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from quorate.core.messages import ActivationRequest
from quorate.core.policy import MachineClass, Policy
from quorate.sim.ownership import Owner, Whose, owner_after, removes, whose

__all__ = ["Book", "Given"]


class Given(msgspec.Struct, frozen=True, gc=False):
    """The last lease of a CMID; `full_s`: when the last one at the threshold was given."""

    nonce: str
    edition: str
    issued_s: int
    expires_s: int
    count: int
    full_s: int


class Book:
    """What one database must hold: a naive model of it."""

    def __init__(self, policy: Policy) -> None:
        self._window_s = policy.count_window_s
        self.heard: dict[str, tuple[int, MachineClass]] = {}  # in the order of the time they were heard
        self.given: dict[str, Given] = {}
        self._owners: dict[str, Owner] = {}
        self._per_class = dict.fromkeys(MachineClass, 0)
        self._newest_s = 0
        self.is_ordered = True

    def hear(self, cmid: str, machine_class: MachineClass, previous: str | None, now_s: int) -> None:
        """S16, S17: this machine is known now, under this CMID alone."""
        if now_s < self._newest_s:
            self.is_ordered = False  # the host's clock was set back: from now on the slow way
        self._newest_s = max(self._newest_s, now_s)
        if previous is not None and previous != cmid:
            self._drop(previous)
        self._drop(cmid, keeps_lease=True)
        self.heard[cmid] = now_s, machine_class
        self._per_class[machine_class] += 1

    def whose(self, request: ActivationRequest, address: str, now_s: int) -> Whose:
        """What the request proves of the record of its CMID; by the host's clock, which may hide that there is one."""
        owner = None if self.is_hidden(request.cmid, now_s) else self._owners.get(request.cmid)
        return whose(owner, request, address, now_s, self._window_s)

    def asked(
        self,
        request: ActivationRequest,
        address: str,
        machine_class: MachineClass,
        claim: Whose,
        now_s: int,
        *,
        is_new: bool,
    ) -> None:
        """A request that was counted: what it proves decides what it changes."""
        cmid, previous = request.cmid, request.previous_cmid
        if claim is not Whose.OWN:
            heard_s, kept = self.heard[cmid]
            self.hear(cmid, kept, None, now_s if claim is Whose.ASIDE else heard_s)
            return
        owner = None if is_new else self._owners.get(cmid)
        is_proved = previous is not None and removes(self._owners.get(previous), request)
        given = None if is_new else self.given.get(cmid)
        self.hear(cmid, machine_class, previous if is_proved else None, now_s)
        self._owners[cmid] = owner_after(owner, request, address, now_s, None if given is None else given.nonce)

    def lapse(self, now_s: int) -> None:
        """S18: records of the age of the window are discarded."""
        if not self.is_ordered:
            for cmid in [each for each, (heard_s, _) in self.heard.items() if now_s - heard_s >= self._window_s]:
                self._drop(cmid)
            return
        while self.heard:
            cmid, (heard_s, _) = next(iter(self.heard.items()))
            if now_s - heard_s < self._window_s:
                break
            self._drop(cmid)

    def count(self, classes: Iterable[MachineClass]) -> int:
        """Distinct machines of these classes; lapse first."""
        return sum(self._per_class[each] for each in classes)

    def is_hidden(self, cmid: str, now_s: int) -> bool:
        """Whether a host whose clock shows this time takes the machine for lapsed, rightly or not."""
        known = self.heard.get(cmid)
        return known is not None and now_s - known[0] >= self._window_s

    def count_at(self, classes: Sequence[MachineClass], now_s: int) -> int:
        """The same as a host sees it whose clock shows this time."""
        return sum(
            machine_class in classes and now_s - heard_s < self._window_s
            for heard_s, machine_class in self.heard.values()
        )

    def date_back(self, cmid: str, heard_s: int) -> None:
        """The host no longer says that it heard this machine in the future."""
        self.heard[cmid] = heard_s, self.heard[cmid][1]
        self.is_ordered = False

    def _drop(self, cmid: str, *, keeps_lease: bool = False) -> None:
        known = self.heard.pop(cmid, None)
        if known is not None:
            self._per_class[known[1]] -= 1
        if not keeps_lease:
            self.given.pop(cmid, None)
            self._owners.pop(cmid, None)
