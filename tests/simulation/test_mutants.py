"""The checkers see: bugs planted in the rules, the life cycle and the store are caught, each by its own rule.

| mutant | planted in | caught by |
|---|---|---|
| one too few is enough | core/decision.py | no-lease-below-threshold |
| clocks are not compared | core/decision.py | clock-skew |
| a lease never ends | core/lifecycle.py | licensed-until-expiry |
| a refused client sleeps for a week | core/lifecycle.py | licensed-again |
| after a rearm the old CMID stays | host/store | counted-once |
| a soft renewal begins its time anew | host/store | no-lease-below-threshold |
| a newcomer profits from the soft threshold | host/store | no-lease-below-threshold |
| renewals are answered, not written | host/store | answered-is-on-disk |
| what is old is judged by the host's clock | host/store | wrong-clock-destroys-nothing |
| a refusal proves the time | client/state.py | refusal-changes-intervals-only |
| a clock is believed at a glance | client/clockmark.py | wrong-clock-destroys-nothing |
| a clock that is turned back uses nothing up | client/clockmark.py | clock-turned-back |
| what was heard in the future is set to a clock that is behind | host/store | counted-once |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from quorate.client import clockmark
from quorate.client.state import ClientState
from quorate.core import lifecycle
from quorate.core.decision import Asked, Decided
from quorate.core.lease import Lease, Refusal
from quorate.core.lifecycle import TRANSITIONS, Effect, Event, Life
from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S, HOUR_S, PROFILES, MachineClass, Policy, SoftThreshold, Threshold, Thresholds
from quorate.host import service
from quorate.host.store import batch
from quorate.host.store.certaintime import ClockWatch
from quorate.host.store.record import Record
from quorate.sim.play import play
from quorate.sim.scenario import Happening, HostPlan, Kind, Population, Scenario, What

_BOTH = (MachineClass.SERVER, MachineClass.CLIENT)
_SOFT = Threshold(5, _BOTH, SoftThreshold(4, 3 * DAY_S))
FIVE = Thresholds(server=Threshold(5, _BOTH), client=_SOFT, ephemeral=_SOFT)


def policy() -> Policy:
    return msgspec.structs.replace(
        PROFILES["windows-7"],
        thresholds=FIVE,
        activation_validity_s=10 * DAY_S,
        count_window_s=9 * DAY_S,
        additional_grace_s=2 * DAY_S,
    )


def trouble() -> Scenario:
    """A small office in which everything goes wrong once: two rearms, a wrong clock, people who leave, a host's clock
    that is wrong for an hour, a crash, an outage longer than a lease; then peace."""
    return Scenario(
        name="trouble",
        title="Trouble",
        about="",
        length_s=57 * DAY_S,
        hosts=(HostPlan("kms1", "kms1"),),
        populations=(
            Population("office", Kind.PC, 7),
            Population("new", Kind.PC, 3, join_s=22 * DAY_S),
        ),
        happenings=(
            Happening(1 * DAY_S, What.REARM, "office", 2),
            Happening(2 * DAY_S, What.CLOCK_STEP, "office", 1, by_s=5 * HOUR_S, for_s=10 * DAY_S),
            Happening(3 * DAY_S, What.CLOCK_STEP, "office", 3, by_s=800 * DAY_S, for_s=2 * HOUR_S),
            Happening(4 * DAY_S, What.RETIRE, "office", 3),
            Happening(12 * DAY_S, What.HOST_CLOCK_STEP, host="kms1", by_s=40 * DAY_S, for_s=HOUR_S),
            Happening(13 * DAY_S, What.HOST_CLOCK_STEP, host="kms1", by_s=-100 * DAY_S, for_s=HOUR_S),
            Happening(14 * DAY_S, What.CLOCK_STEP, "office", 1, by_s=-40 * DAY_S, for_s=12 * DAY_S),
            Happening(15 * DAY_S, What.HOST_CRASH, host="kms1", for_s=HOUR_S),
            Happening(26 * DAY_S, What.HOST_STOP, host="kms1", for_s=15 * DAY_S),
        ),
        policy=policy(),
        seed=6,
        is_quick=True,
        faults_end_s=45 * DAY_S,
    )


def rules(scenario: Scenario) -> set[str]:
    return {each.rule for each in play(scenario).violations}


def test_without_a_mutant_no_rule_is_broken() -> None:
    assert rules(trouble()) == set()
    assert rules(dataclasses.replace(trouble(), is_quick=False)) == set()


def _one_too_few(patch: pytest.MonkeyPatch) -> None:
    def decide(asked: Asked, count: int, now_s: int, full_s: int | None = None) -> Decided:
        minimum = asked.product.policy.thresholds.of(asked.edition.machine_class).minimum
        return Decided(None if count >= minimum - 1 else "COUNT_INSUFFICIENT", count, minimum, now_s)

    patch.setattr(batch, "decide_by_count", decide)


def _any_clock(patch: pytest.MonkeyPatch) -> None:
    def refuse(request: Any, covered: Any, now_s: int) -> Asked | Decided:
        return Decided("PRODUCT_NOT_COVERED", 0, 0, now_s) if covered is None else Asked(request, *covered)

    patch.setattr(service, "refuse_unheard", refuse)


def _endless_lease(patch: pytest.MonkeyPatch) -> None:
    forever = LicenseStatus.LICENSED, (Effect.NO_DEADLINE,)
    patch.setitem(TRANSITIONS[LicenseStatus.LICENSED], Event.DEADLINE, forever)


def _sleepy_client(patch: pytest.MonkeyPatch) -> None:
    real = lifecycle._change

    def change(life: Life, effect: Effect, now_s: int, *others: Any) -> dict[str, int | None]:
        if effect is Effect.ATTEMPT_AT_RETRY:
            return {"next_attempt_s": now_s + 7 * DAY_S}
        return real(life, effect, now_s, *others)

    patch.setattr(lifecycle, "_change", change)


def _old_cmid_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(batch.Batch, "_forget", lambda self, key: None)


def _renewals_unwritten(patch: pytest.MonkeyPatch) -> None:
    real = batch.Batch.written

    def written(self: batch.Batch) -> list[Record]:
        return [record for record in real(self) if record.requests % 5]

    patch.setattr(batch.Batch, "written", written)


def _endless_softness(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(batch.Batch, "_full_s", lambda self, counted, before: self._now_s)


def _generous_softness(patch: pytest.MonkeyPatch) -> None:
    def full_s(self: batch.Batch, counted: Any, before: Any) -> int | None:
        return None if before is None else int(before.lease_full_s or before.lease_issued_s or before.first_heard_s)

    patch.setattr(batch.Batch, "_full_s", full_s)


def _old_by_the_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ClockWatch, "deletes_at_s", lambda self: self._clock.now_s())


def _always_confirmed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ClockWatch, "is_confirmed", lambda self: True)


def _refusals_prove_the_time(patch: pytest.MonkeyPatch) -> None:
    real = ClientState.answered

    def answered(self: ClientState, said: Lease | Refusal, *others: Any) -> ClientState:
        return msgspec.structs.replace(real(self, said, *others), proven_s=said.issued_s)

    patch.setattr(ClientState, "answered", answered)


def _believed_at_a_glance(patch: pytest.MonkeyPatch) -> None:
    def gone_on(self: clockmark.ClockMark, now_s: int) -> clockmark.ClockMark:
        return msgspec.structs.replace(self, confirmed_s=max(self.confirmed_s, now_s))

    patch.setattr(clockmark.ClockMark, "_gone_on", gone_on)


def _endless_back_grace(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(clockmark.ClockMark, "grace_left_s", lambda self, tolerance_s: clockmark.BACK_GRACE_S)


MUTANTS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "one too few is enough": (_one_too_few, "no-lease-below-threshold"),
    "clocks are not compared": (_any_clock, "clock-skew"),
    "a lease never ends": (_endless_lease, "licensed-until-expiry"),
    "a refused client sleeps for a week": (_sleepy_client, "licensed-again"),
    "after a rearm the old CMID stays": (_old_cmid_stays, "counted-once"),
    "a soft renewal begins its time anew": (_endless_softness, "no-lease-below-threshold"),
    "a newcomer profits from the soft threshold": (_generous_softness, "no-lease-below-threshold"),
    "renewals are answered, not written": (_renewals_unwritten, "answered-is-on-disk"),
    "what is old is judged by the host's clock": (_old_by_the_clock, "wrong-clock-destroys-nothing"),
    "a refusal proves the time": (_refusals_prove_the_time, "refusal-changes-intervals-only"),
    "a clock is believed at a glance": (_believed_at_a_glance, "wrong-clock-destroys-nothing"),
    "a clock that is turned back uses nothing up": (_endless_back_grace, "clock-turned-back"),
    "what was heard in the future is set to a clock that is behind": (_always_confirmed, "counted-once"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, rule = MUTANTS[name]
    plant(monkeypatch)
    assert rule in rules(trouble())
