"""The soft threshold in a host's records: who goes on renewing below the threshold, for how long, and who does not."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from quorate.core.decision import Decided
from quorate.core.events import RequestHandled
from quorate.core.ids import link_of
from quorate.core.policy import DAY_S, HOUR_S, PROFILES, Policy, SoftThreshold
from quorate.host.store.store import Store
from tests.store.world import CLIENT, EPHEMERAL, Site
from tests.support.clocks import START_S
from tests.support.documents import cmid_of, nonce_of

WINDOW_S = 30 * DAY_S


def softened(minimum: int, lowest: int, lasts_s: int, **changes: Any) -> Policy:
    """Clients need `minimum`, and `lowest` to go on renewing for `lasts_s`."""
    policy = PROFILES["windows-7"]
    client = msgspec.structs.replace(
        policy.thresholds.client, minimum=minimum, soft=SoftThreshold(lowest, lasts_s) if lowest else UNSET
    )
    thresholds = msgspec.structs.replace(policy.thresholds, client=client, ephemeral=client)
    return msgspec.structs.replace(policy, thresholds=thresholds, **changes)


class Fleet:
    """Machines that show the lease they hold, as clients do."""

    def __init__(self, path: Path, policy: Policy) -> None:
        self.site = Site(path, policy)
        self.clock = self.site.clock
        self._nonces: dict[int, str] = {}  # of the leases they hold
        self._asked = 0

    def ask(self, machine: int, **more: Any) -> Decided:
        """One machine asks, and keeps what it is given."""
        self._asked += 1
        nonce = more.pop("nonce", nonce_of(10_000 + self._asked))
        decided = self.site.ask(machine, nonce=nonce, **({"link": self.link(machine)} | more))
        if decided.code is None:
            self._nonces[machine] = nonce
        return decided

    def ask_all(self, machines: Iterable[int]) -> list[Decided]:
        return [self.ask(each) for each in machines]

    def link(self, machine: int) -> str | None:
        """The link of the lease that the machine holds."""
        nonce = self._nonces.get(machine)
        return None if nonce is None else link_of(cmid_of(machine), nonce)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """25 machines, all activated now: threshold 25, soft 20 for 30 days."""
    made = Fleet(tmp_path / "host.sqlite3", softened(25, 20, 30 * DAY_S))
    made.ask_all(range(25))
    made.ask_all(range(24))  # all of them are activated at START_S
    yield made
    made.site.store.close()


def fallen(fleet: Fleet, left: int, days: int = 29) -> None:
    """Weekly renewals of `left` machines until the others have lapsed; the last one at full count `days` days after
    the beginning. Then the count is `left`."""
    for day in (7, 14, 21, days):
        fleet.clock.advance(START_S + day * DAY_S - fleet.clock.now_s())
        assert {each.code for each in fleet.ask_all(range(left))} == {None}
    fleet.clock.advance(START_S + WINDOW_S - fleet.clock.now_s())
    assert fleet.site.count() == left


def test_who_is_activated_renews_below_the_threshold_and_is_told_so(fleet: Fleet) -> None:
    fallen(fleet, 23)
    full_s = START_S + 29 * DAY_S
    decided = fleet.ask(0)
    assert decided == Decided(None, 23, 25, START_S + WINDOW_S, full_s)
    event = fleet.site.store.reports.events(limit=1)[0].event
    assert isinstance(event, RequestHandled)
    assert (event.code, event.count, event.threshold, event.soft_until_s) == (None, 23, 25, full_s + 30 * DAY_S)


def test_a_renewal_at_the_threshold_says_nothing_of_it_in_the_log(fleet: Fleet) -> None:
    event = fleet.site.store.reports.events(limit=1)[0].event
    assert isinstance(event, RequestHandled)
    assert event.soft_until_s is UNSET


def test_soft_renewals_prolong_nothing_and_end_to_the_second(fleet: Fleet) -> None:
    fallen(fleet, 23)
    full_s = START_S + 29 * DAY_S
    for day in (31, 38, 45, 52):
        fleet.clock.advance(START_S + day * DAY_S - fleet.clock.now_s())
        assert {each.full_s for each in fleet.ask_all(range(23))} == {full_s}
    fleet.clock.advance(full_s + 30 * DAY_S - 1 - fleet.clock.now_s())
    assert fleet.ask(0).full_s == full_s
    fleet.clock.advance(1)
    assert fleet.ask(1).code == "COUNT_INSUFFICIENT"
    assert fleet.ask(0).code == "COUNT_INSUFFICIENT"


def test_below_the_soft_minimum_nobody_renews_and_back_above_it_they_do_again(fleet: Fleet) -> None:
    fallen(fleet, 19)
    assert [each.code for each in fleet.ask_all(range(19))] == ["COUNT_INSUFFICIENT"] * 19
    assert fleet.ask(500).code == "COUNT_INSUFFICIENT"  # a newcomer, who makes 20
    assert fleet.ask(0) == Decided(None, 20, 25, fleet.clock.now_s(), START_S + 29 * DAY_S)


def test_at_the_threshold_again_the_time_begins_anew(fleet: Fleet) -> None:
    fallen(fleet, 23)
    assert fleet.ask(0).full_s is not None
    assert [each.code for each in fleet.ask_all((500, 501))] == ["COUNT_INSUFFICIENT", None]
    again_s = fleet.clock.now_s()
    assert set(fleet.ask_all(range(23))) == {Decided(None, 25, 25, again_s)}
    fleet.clock.advance(20 * DAY_S)
    fleet.ask_all(range(23))
    fleet.clock.advance(10 * DAY_S)  # the two newcomers have lapsed
    assert fleet.ask(0).full_s == again_s + 20 * DAY_S


@pytest.mark.parametrize(
    "more",
    [
        {"link": None},
        {"link": nonce_of(4711)},
        {"link": link_of(cmid_of(1), nonce_of(10_026))},
        {"edition": "cad-ephemeral", "machine_class": EPHEMERAL},
    ],
    ids=["shows no lease", "shows a made-up one", "shows its first one", "asks for another edition"],
)
def test_who_does_not_show_the_lease_that_was_given_last_does_not_profit(fleet: Fleet, more: dict[str, Any]) -> None:
    fallen(fleet, 23)
    assert fleet.ask(1, **more).code == "COUNT_INSUFFICIENT"
    assert fleet.ask(1).code is None  # while the machine itself does


def test_a_new_machine_and_a_rearmed_one_do_not_profit(fleet: Fleet) -> None:
    fallen(fleet, 22)
    assert fleet.ask(900).code == "COUNT_INSUFFICIENT"
    assert fleet.ask(901, previous_cmid=cmid_of(1)).code == "COUNT_INSUFFICIENT"
    assert fleet.ask(901, previous_cmid=cmid_of(1), link=fleet.link(1)).code == "COUNT_INSUFFICIENT"
    assert fleet.ask(1).code is None  # who only names its CMID takes nothing away from it


def test_a_machine_whose_record_has_lapsed_does_not_profit(fleet: Fleet) -> None:
    fallen(fleet, 23)
    assert fleet.ask(24).code == "COUNT_INSUFFICIENT"  # not heard for 30 days, although its lease runs on
    assert fleet.ask(23).code is None  # which makes the count 25


def test_a_copy_does_not_profit_before_and_after_it_is_told(fleet: Fleet) -> None:
    stolen = fleet.link(1)
    fallen(fleet, 23)
    for _ in range(2):
        answers = {fleet.ask(1, link=stolen, nonce=nonce_of(77)).code for _ in range(2)}
        assert answers <= {"CMID_SUPERSEDED", "COUNT_INSUFFICIENT"}
        fleet.clock.advance(5 * HOUR_S)
    assert fleet.ask(1).code is None


def test_a_lease_that_has_ended_is_not_renewed_below_the_threshold(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "host.sqlite3", softened(2, 1, 30 * DAY_S, activation_validity_s=5 * DAY_S))
    with closing(fleet.site.store):
        fleet.ask_all((0, 1, 0))
        fleet.clock.advance(29 * DAY_S)
        fleet.ask(0)
        fleet.clock.advance(DAY_S)
        assert fleet.ask(0).count == 1
        fleet.clock.advance(5 * DAY_S - 1)
        assert fleet.ask(0, link=None).code == "COUNT_INSUFFICIENT"
        assert fleet.ask(0).code is None
        fleet.clock.advance(5 * DAY_S)
        assert fleet.ask(0).code == "COUNT_INSUFFICIENT"


def test_the_same_question_gets_the_same_soft_lease_again(fleet: Fleet) -> None:
    fallen(fleet, 23)
    first = fleet.ask(0, nonce=nonce_of(9000))
    assert first.full_s is not None
    old = fleet.link(0)
    fleet.clock.advance(HOUR_S)
    fleet.ask(700)
    assert fleet.ask(0, nonce=nonce_of(9000), link=old) == first
    fleet.clock.advance(
        4 * HOUR_S
    )  # beyond the tolerance it is decided anew, and still profits: it is the same machine
    again = fleet.ask(0, nonce=nonce_of(9000), link=nonce_of(1))
    assert (again.code, again.decided_s, again.full_s) == (None, fleet.clock.now_s(), first.full_s)


def test_a_probe_says_what_an_activation_would(fleet: Fleet) -> None:
    fallen(fleet, 23)
    request = fleet.site.request(0, link=fleet.link(0)).verdict
    assert not isinstance(request, Decided)
    said = fleet.site.store.probe(request, fleet.clock.now_s())
    assert said == fleet.ask(0)
    assert fleet.site.probe(0).code == "COUNT_INSUFFICIENT"  # without its lease


def test_after_a_restart_all_of_it_is_as_it_was(fleet: Fleet) -> None:
    fallen(fleet, 23)
    fleet.ask(0)
    fleet.site.reopen()
    fleet.clock.advance(7 * DAY_S)
    assert fleet.ask(0).full_s == START_S + 29 * DAY_S


def test_a_clock_that_was_ahead_at_the_full_lease_grants_nothing_until_it_has_come_there(fleet: Fleet) -> None:
    fallen(fleet, 23)
    fleet.clock.advance(-2 * DAY_S)  # the full lease is of tomorrow now, and the record of 24 machines is in the window
    with closing(sqlite3.connect(fleet.site.path)) as connection, connection:
        connection.execute("DELETE FROM cmid_records WHERE lease_issued_s = ?", (START_S,))
    assert fleet.ask(0).code == "COUNT_INSUFFICIENT"
    fleet.clock.advance(DAY_S)
    assert fleet.ask(0).code is None


def test_a_record_from_before_there_were_soft_leases_counts_as_given_at_the_threshold(fleet: Fleet) -> None:
    with closing(sqlite3.connect(fleet.site.path)) as connection:
        assert connection.execute("SELECT DISTINCT lease_full_s FROM cmid_records").fetchall() == [(None,)]


def test_two_hosts_on_one_database_grant_the_same(fleet: Fleet) -> None:
    fallen(fleet, 23)
    first = fleet.ask(0)
    mine, fleet.site.store = fleet.site.store, Store.open(fleet.site.path)
    try:
        fleet.clock.advance(DAY_S)
        assert fleet.ask(0).full_s == first.full_s
    finally:
        fleet.site.store.close()
        fleet.site.store = mine


def test_another_host_that_has_not_given_the_lease_grants_nothing(fleet: Fleet, tmp_path: Path) -> None:
    other = Fleet(tmp_path / "other.sqlite3", softened(25, 20, 30 * DAY_S))
    with closing(other.site.store):
        other.ask_all(range(100, 123))
        assert other.ask(0, link=fleet.link(0)).code == "COUNT_INSUFFICIENT"


# --- against a naive model -------------------------------------------------------------------------------------------

_steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 5)),
        st.tuples(st.just("ask-without"), st.integers(0, 5)),
        st.tuples(st.just("ask-with-old"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.sampled_from([1, HOUR_S, 12 * HOUR_S, DAY_S, 3 * DAY_S, 4 * DAY_S])),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    min_size=1,
    max_size=50,
)
_SMALL = softened(4, 2, 6 * DAY_S, count_window_s=4 * DAY_S, activation_validity_s=7 * DAY_S)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_steps)
def test_whatever_happens_leases_are_given_by_the_rule_alone(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(Path(folder) / "host.sqlite3", _SMALL)
        try:
            _play(fleet, steps)
        finally:
            fleet.site.store.close()


def _play(fleet: Fleet, steps: list[tuple[str, int]]) -> None:
    heard: dict[int, int] = {}
    held: dict[int, tuple[int, int]] = {}  # machine: when its last lease was given, and its last full one
    for what, number in steps:
        now_s = fleet.clock.now_s()
        if what == "wait":
            fleet.clock.advance(number)
            continue
        if what == "restart":
            fleet.site.reopen()
            continue
        if number not in heard or now_s - heard[number] >= 4 * DAY_S:
            held.pop(number, None)  # its record has lapsed
        heard[number] = now_s
        count = sum(now_s - each < 4 * DAY_S for each in heard.values())
        shown: dict[str, dict[str, Any]] = {"ask-without": {"link": None}, "ask-with-old": {"link": nonce_of(1)}}
        given_s, full_s = held.get(number, (None, None))
        decided = fleet.ask(number, **shown.get(what, {}))
        may = count >= 4 or (
            what == "ask"
            and given_s is not None
            and full_s is not None
            and count >= 2
            and now_s - given_s < 7 * DAY_S
            and now_s - full_s < 6 * DAY_S
        )
        assert (decided.code is None) == may, (what, number, count, given_s, full_s)
        if may:
            held[number] = (now_s, now_s if count >= 4 else full_s or 0)
            assert decided.full_s == (None if count >= 4 else full_s)


def test_a_policy_without_a_soft_threshold_refuses_all_below_it(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "host.sqlite3", softened(2, 0, 0))
    with closing(fleet.site.store):
        fleet.ask_all((0, 1, 0))
        fleet.clock.advance(29 * DAY_S)
        fleet.ask(0)
        fleet.clock.advance(DAY_S)
        assert fleet.ask(0).code == "COUNT_INSUFFICIENT"
        assert fleet.site.count(CLIENT) == 1
