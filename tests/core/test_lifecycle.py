"""The client's life: S9, S11 to S15, S22, S23, S25, S26, the table's totality, and random walks through it."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.decision import Decided, answer_for
from quorate.core.lease import Intervals, Lease
from quorate.core.lifecycle import (
    JITTER,
    RETRY_AFTER_MAX_S,
    TRANSITIONS,
    USABLE,
    Effect,
    Event,
    Life,
    advance,
    step,
    unlicensed,
)
from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S, PROFILES, MachineClass, Policy
from quorate.errors import RearmLimitReachedError
from tests.support.clocks import START_S
from tests.support.documents import CLIENT_EDITION, EPHEMERAL_EDITION, HOST_ID, World

POLICY = PROFILES["windows-7"]
WORLD = World()
INSTALLED = [status for status in LicenseStatus if status is not LicenseStatus.UNLICENSED]
chances = st.floats(0, 1, exclude_max=True)


def fresh(policy: Policy = POLICY) -> Life:
    return step(unlicensed(), Event.INSTALLED, START_S, policy)


def licensed(at_s: int = START_S, chance: float = 0.0) -> Life:
    return step(fresh(), Event.ACTIVATED, at_s, POLICY, lease=WORLD.lease(at_s=at_s), chance=chance)


def in_state(status: LicenseStatus) -> Life:
    """A life that came to `status` in the ordinary way, at `START_S` or a few months later."""
    match status:
        case LicenseStatus.UNLICENSED:
            return unlicensed()
        case LicenseStatus.INITIAL_GRACE:
            return fresh()
        case LicenseStatus.LICENSED:
            return licensed()
        case LicenseStatus.ADDITIONAL_GRACE:
            return advance(licensed(), START_S + 180 * DAY_S, POLICY)
        case LicenseStatus.NOTIFICATION:
            return advance(licensed(), START_S + 210 * DAY_S, POLICY)


# --- the statements ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", INSTALLED)
def test_s09_a_refusal_changes_no_state(status: LicenseStatus) -> None:
    before = in_state(status)
    after = step(before, Event.REFUSED, START_S, POLICY)
    assert (after.status, after.deadline_s) == (before.status, before.deadline_s)


@given(chances)
def test_s11_a_client_that_was_refused_asks_again_within_two_hours_and_hardly_earlier(chance: float) -> None:
    life = step(fresh(), Event.REFUSED, START_S, POLICY, chance=chance)
    assert life.next_attempt_s is not None
    assert START_S + 7200 * (1 - JITTER) <= life.next_attempt_s <= START_S + 7200


def test_s11_attempts_are_120_minutes_apart() -> None:
    life, times = fresh(), []
    for _ in range(5):
        assert life.next_attempt_s is not None
        times.append(life.next_attempt_s)
        life = step(life, Event.REFUSED, life.next_attempt_s, POLICY)
    assert [b - a for a, b in itertools.pairwise(times)] == [120 * 60] * 4


def test_s12_licensed_at_180_days_less_a_second() -> None:
    life = advance(licensed(), START_S + 180 * DAY_S - 1, POLICY)
    assert life.status is LicenseStatus.LICENSED


def test_s13_not_licensed_at_180_days_but_in_additional_grace_and_then_in_notification() -> None:
    life = advance(licensed(), START_S + 180 * DAY_S, POLICY)
    assert life.status is LicenseStatus.ADDITIONAL_GRACE
    assert life.deadline_s == START_S + 210 * DAY_S
    assert advance(life, START_S + 210 * DAY_S - 1, POLICY).status is LicenseStatus.ADDITIONAL_GRACE
    ended = advance(life, START_S + 210 * DAY_S, POLICY)
    assert (ended.status, ended.deadline_s) == (LicenseStatus.NOTIFICATION, None)


def test_s13_a_machine_that_slept_for_a_year_wakes_in_notification() -> None:
    assert advance(licensed(), START_S + 366 * DAY_S, POLICY).status is LicenseStatus.NOTIFICATION


def test_s13_a_year_of_sleep_in_one_step_ends_where_many_steps_end() -> None:
    life = licensed()
    for day in range(366):
        life = advance(life, START_S + day * DAY_S, POLICY)
    assert life == advance(licensed(), START_S + 365 * DAY_S, POLICY)


@given(chances)
def test_s14_a_client_renews_in_the_last_twentieth_of_seven_days(chance: float) -> None:
    life = licensed(chance=chance)
    assert life.next_attempt_s is not None
    assert START_S + 7 * DAY_S * 0.95 <= life.next_attempt_s <= START_S + 7 * DAY_S


def test_s14_renewals_are_10080_minutes_apart() -> None:
    life, times = licensed(chance=1.0), []
    for _ in range(4):
        at_s = life.next_attempt_s
        assert at_s is not None
        times.append(at_s)
        life = step(life, Event.ACTIVATED, at_s, POLICY, lease=WORLD.lease(at_s=at_s), chance=1.0)
    assert [b - a for a, b in itertools.pairwise(times)] == [10_080 * 60] * 3


def test_s15_a_success_resets_the_180_days() -> None:
    later_s = START_S + 179 * DAY_S
    life = step(licensed(), Event.ACTIVATED, later_s, POLICY, lease=WORLD.lease(at_s=later_s))
    assert life.deadline_s == later_s + 180 * DAY_S


@given(chances)
def test_s22_after_the_count_fell_every_client_asks_within_seven_days_and_then_every_two_hours(chance: float) -> None:
    life = licensed(chance=chance)
    assert life.next_attempt_s is not None
    assert life.next_attempt_s <= START_S + 7 * DAY_S
    refused = step(life, Event.REFUSED, life.next_attempt_s, POLICY, chance=chance)
    assert refused.next_attempt_s is not None
    assert 0 < refused.next_attempt_s - life.next_attempt_s <= 7200


def test_s23_refused_every_two_hours_it_stays_licensed_until_180_days_after_its_own_last_success() -> None:
    life = licensed()
    end_s = START_S + 180 * DAY_S
    for now_s in range(START_S + 7 * DAY_S, end_s, 7200):
        life = step(advance(life, now_s, POLICY), Event.REFUSED, now_s, POLICY)
    assert advance(life, end_s - 1, POLICY).status is LicenseStatus.LICENSED
    assert advance(life, end_s, POLICY).status is LicenseStatus.ADDITIONAL_GRACE


@pytest.mark.parametrize("status", INSTALLED)
def test_s25_one_success_leads_from_every_state_straight_to_licensed(status: LicenseStatus) -> None:
    now_s = START_S + 400 * DAY_S
    life = step(in_state(status), Event.ACTIVATED, now_s, POLICY, lease=WORLD.lease(at_s=now_s), chance=1.0)
    assert life.status is LicenseStatus.LICENSED
    assert life.deadline_s == now_s + 180 * DAY_S
    assert life.next_attempt_s == now_s + 7 * DAY_S


@pytest.mark.parametrize(
    "status", [LicenseStatus.INITIAL_GRACE, LicenseStatus.LICENSED, LicenseStatus.ADDITIONAL_GRACE]
)
def test_s26_every_usable_state_ends(status: LicenseStatus) -> None:
    life = in_state(status)
    assert life.deadline_s is not None
    assert life.status in USABLE
    assert advance(life, life.deadline_s, POLICY).status is not status


def test_the_initial_grace_is_30_days_and_leads_to_notification() -> None:
    assert advance(fresh(), START_S + 30 * DAY_S - 1, POLICY).status is LicenseStatus.INITIAL_GRACE
    assert advance(fresh(), START_S + 30 * DAY_S, POLICY).status is LicenseStatus.NOTIFICATION


# --- what else happens to a client ------------------------------------------------------------------------------------


def test_a_client_asks_at_once_when_it_is_installed() -> None:
    assert fresh().next_attempt_s == START_S


def test_the_hosts_intervals_are_adopted_at_its_first_answer_of_any_kind() -> None:
    life = step(fresh(), Event.REFUSED, START_S, POLICY, intervals=Intervals(30, 2000))
    assert life.intervals == Intervals(30, 2000)
    assert life.next_attempt_s == START_S + 30 * 60
    life = step(life, Event.UNANSWERED, START_S, POLICY)
    assert life.next_attempt_s == START_S + 30 * 60  # kept


@given(st.integers(1, 43_200), st.integers(1, 43_200), st.integers(60, 30 * DAY_S), st.integers(60, 30 * DAY_S))
def test_adopted_intervals_keep_the_publishers_bounds(activation: int, renewal: int, one_s: int, two_s: int) -> None:
    policy = Policy(interval_min_s=min(one_s, two_s), interval_max_s=max(one_s, two_s))
    life = step(fresh(policy), Event.REFUSED, START_S, policy, intervals=Intervals(activation, renewal))
    for minutes in (life.intervals.activation_min, life.intervals.renewal_min):
        assert policy.interval_min_s <= minutes * 60
        assert minutes * 60 <= max(policy.interval_max_s, policy.interval_min_s + 59)
        assert 1 <= minutes <= 43_200


def test_a_policy_of_short_intervals_binds_a_client_that_has_not_heard_any_host() -> None:
    policy = Policy(interval_min_s=60, interval_max_s=600)
    life = step(fresh(policy), Event.UNANSWERED, START_S, policy)
    assert life.next_attempt_s == START_S + 600


@given(st.integers(0, RETRY_AFTER_MAX_S), chances)
def test_a_client_never_comes_earlier_than_a_busy_host_asked_for(retry_after_s: int, chance: float) -> None:
    life = step(fresh(), Event.UNANSWERED, START_S, POLICY, retry_after_s=retry_after_s, chance=chance)
    assert life.next_attempt_s is not None
    asked_s = max(60, retry_after_s)  # and never sooner than a minute
    assert asked_s <= life.next_attempt_s - START_S <= asked_s * (1 + JITTER) + 1


def test_advice_to_come_back_at_once_is_followed_ever_less_up_to_the_policys_least_interval() -> None:
    life, waits = fresh(), []
    for _ in range(8):
        life = step(life, Event.UNANSWERED, START_S, POLICY, retry_after_s=1)
        waits.append((life.next_attempt_s or 0) - START_S)
    assert waits == [60, 120, 240, 480, 900, 900, 900, 900]
    life = step(life, Event.REFUSED, START_S, POLICY)
    life = step(life, Event.UNANSWERED, START_S, POLICY, retry_after_s=1)
    assert life.next_attempt_s == START_S + 60


def test_one_forged_retry_after_silences_a_client_for_little_more_than_a_day() -> None:
    life = step(fresh(), Event.UNANSWERED, START_S, POLICY, retry_after_s=10**12, chance=0.999)
    assert life.next_attempt_s is not None
    assert life.next_attempt_s - START_S <= DAY_S * (1 + JITTER)


def test_a_window_that_a_host_opens_at_once_does_not_make_a_client_come_at_once() -> None:
    hasty = WORLD.lease(renew_from_s=START_S, renew_until_s=START_S, intervals=Intervals(1, 1))
    life = step(fresh(), Event.ACTIVATED, START_S, POLICY, lease=hasty)
    assert life.next_attempt_s == START_S + POLICY.interval_min_s // 2


@given(chances, st.integers(3600, 400 * DAY_S), st.integers(1, 43_200), st.integers(0, 90 * DAY_S))
def test_a_lease_is_renewed_before_it_ends_however_short_it_is(
    chance: float, validity_s: int, renewal_min: int, widening_s: int
) -> None:
    policy = Policy(ephemeral_validity_s=validity_s, interval_min_s=60)
    world = World(policy)
    edition = world.product.edition(EPHEMERAL_EDITION)
    assert edition is not None
    assert edition.machine_class is MachineClass.EPHEMERAL
    intervals = Intervals(120, renewal_min)
    lease = answer_for(
        world.request(edition=EPHEMERAL_EDITION),
        Decided(None, 25, 25, START_S),
        (world.product, edition),
        HOST_ID,
        intervals,
        widening_s,
    )
    assert isinstance(lease, Lease)
    life = step(fresh(policy), Event.ACTIVATED, START_S, policy, chance=chance, lease=lease, intervals=intervals)
    assert life.next_attempt_s is not None
    assert life.deadline_s == START_S + validity_s
    assert START_S < life.next_attempt_s < life.deadline_s


def test_a_client_edition_keeps_its_seven_days_whatever_the_validity_rule() -> None:
    lease = WORLD.lease(edition=CLIENT_EDITION)
    assert (lease.renew_from_s, lease.renew_until_s) == (START_S + 7 * DAY_S * 19 // 20, START_S + 7 * DAY_S)


def test_rearms_are_counted_and_end_at_the_policys_limit() -> None:
    life = fresh()
    for used in range(1, 4):
        life = step(life, Event.REARMED, START_S + used, POLICY)
        assert (life.rearms, life.status) == (used, LicenseStatus.INITIAL_GRACE)
        assert life.deadline_s == START_S + used + 30 * DAY_S
    with pytest.raises(RearmLimitReachedError, match="rearmed 3 times"):
        step(life, Event.REARMED, START_S, POLICY)


def test_a_void_lease_of_an_activated_machine_leads_to_additional_grace_and_asks_now() -> None:
    now_s = START_S + DAY_S
    life = step(licensed(), Event.LEASE_VOID, now_s, POLICY)
    assert (life.status, life.deadline_s) == (LicenseStatus.ADDITIONAL_GRACE, now_s + 30 * DAY_S)
    assert life.next_attempt_s == now_s


@pytest.mark.parametrize(
    "status", [LicenseStatus.INITIAL_GRACE, LicenseStatus.ADDITIONAL_GRACE, LicenseStatus.NOTIFICATION]
)
def test_spoiling_the_lease_file_buys_no_time(status: LicenseStatus) -> None:
    before = in_state(status)
    now_s = START_S + 500 * DAY_S
    after = step(before, Event.LEASE_VOID, now_s, POLICY)
    assert (after.status, after.deadline_s, after.next_attempt_s) == (status, before.deadline_s, now_s)


@pytest.mark.parametrize("status", INSTALLED)
def test_an_uninstalled_client_asks_nobody_anything(status: LicenseStatus) -> None:
    life = step(in_state(status), Event.UNINSTALLED, START_S, POLICY)
    assert (life.status, life.deadline_s, life.next_attempt_s) == (LicenseStatus.UNLICENSED, None, None)


def test_an_activation_without_its_lease_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="comes with its lease"):
        step(fresh(), Event.ACTIVATED, START_S, POLICY)


def test_a_life_survives_being_written_down() -> None:
    for status in LicenseStatus:
        life = in_state(status)
        assert msgspec.json.decode(msgspec.json.encode(life), type=Life) == life


@pytest.mark.parametrize(
    "damage", [b'"rearms":-1', b'"rearms":1e3', b'"deadline_s":-5', b'"next_attempt_s":1e30', b'"grace":1']
)
def test_a_life_that_cannot_be_is_not_read(damage: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"status":"licensed",' + damage + b"}", type=Life)


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "event"), list(itertools.product(LicenseStatus, Event)))
def test_every_event_in_every_state_is_in_the_table_or_refused(status: LicenseStatus, event: Event) -> None:
    life = in_state(status)
    if event in TRANSITIONS[status]:
        after = step(life, event, START_S, POLICY, lease=WORLD.lease())
        assert after.status is TRANSITIONS[status][event][0]
    else:
        with pytest.raises(ValueError, match="cannot happen in state"):
            step(life, event, START_S, POLICY, lease=WORLD.lease())


def test_every_event_and_every_effect_is_used() -> None:
    used = [(event, effects) for row in TRANSITIONS.values() for event, (_, effects) in row.items()]
    assert {event for event, _ in used} == set(Event)
    assert {effect for _, effects in used for effect in effects} == set(Effect)


def test_only_a_lease_makes_licensed() -> None:
    entries = {
        event
        for status, row in TRANSITIONS.items()
        for event, (target, _) in row.items()
        if target is LicenseStatus.LICENSED and status is not LicenseStatus.LICENSED
    }
    assert entries == {Event.ACTIVATED}


# --- random walks -----------------------------------------------------------------------------------------------------

steps = st.lists(st.tuples(st.integers(0, 100 * DAY_S), st.sampled_from(list(Event)), chances), max_size=30)


@given(steps)
def test_whatever_happens_nobody_is_licensed_past_the_lease_and_everybody_knows_when_to_ask(
    walk: list[tuple[int, Event, float]],
) -> None:
    life, now_s, lease, rearms = fresh(), START_S, None, 0
    for pause_s, event, chance in walk:
        now_s += pause_s
        life = advance(life, now_s, POLICY)
        assert advance(life, now_s, POLICY) == life
        if event is Event.DEADLINE or event not in TRANSITIONS[life.status]:
            continue
        if event is Event.REARMED and rearms == POLICY.rearm_limit:
            continue
        if event is Event.ACTIVATED:
            lease = WORLD.lease(at_s=now_s)
        rearms += event is Event.REARMED
        life = step(life, event, now_s, POLICY, chance=chance, lease=lease)
        assert life.rearms == rearms
        assert (life.next_attempt_s is None) == (life.status is LicenseStatus.UNLICENSED)
        assert (life.deadline_s is None) == (life.status in (LicenseStatus.UNLICENSED, LicenseStatus.NOTIFICATION))
        if life.status is LicenseStatus.LICENSED:
            assert lease is not None
            assert now_s < lease.expires_s
            assert life.deadline_s == lease.expires_s


@given(st.sampled_from(INSTALLED), st.integers(0, 500 * DAY_S), st.integers(0, 500 * DAY_S))
def test_advancing_twice_is_advancing_once(status: LicenseStatus, first_s: int, second_s: int) -> None:
    life, early_s, late_s = in_state(status), START_S + min(first_s, second_s), START_S + max(first_s, second_s)
    assert advance(advance(life, early_s, POLICY), late_s, POLICY) == advance(life, late_s, POLICY)
    assert advance(advance(life, late_s, POLICY), early_s, POLICY) == advance(life, late_s, POLICY)
