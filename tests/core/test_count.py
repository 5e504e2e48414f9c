"""The activation count: S5 to S10, S16 to S19, and the proof that reading a bounded number of records is exact."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.count import ActivationCount, is_in_window, shown_max
from quorate.core.decision import Asked, decide_by_count
from quorate.core.policy import DAY_S, PROFILES, MachineClass, Policy, Threshold
from tests.support.clocks import START_S
from tests.support.documents import CLIENT_EDITION, EPHEMERAL_EDITION, SERVER_EDITION, World

SERVER, CLIENT, EPHEMERAL = MachineClass.SERVER, MachineClass.CLIENT, MachineClass.EPHEMERAL


@dataclass
class PlainHost:
    """A host without a store: every record in a dictionary, every count made over all of them."""

    policy: Policy = PROFILES["windows-7"]
    records: dict[str, tuple[MachineClass, int]] = field(default_factory=dict)

    def ask(self, number: int, edition: str, now_s: int = START_S) -> str | None:
        """The code of the refusal, or None when activated."""
        world = World(self.policy)
        request = world.request(number, edition)
        known = world.product.edition(edition)
        assert known is not None
        threshold = self.policy.thresholds.of(known.machine_class)
        heard = [
            cmid
            for cmid, (machine_class, last_s) in self.records.items()
            if machine_class in threshold.counts and is_in_window(last_s, now_s, self.policy.count_window_s)
        ]
        count = ActivationCount(threshold, heard[: ActivationCount.rows_max(threshold, 1)], batch=1)
        count.hear(request.cmid, known.machine_class)
        self.records[request.cmid] = (known.machine_class, now_s)
        decided = decide_by_count(Asked(request, world.product, known), count.current, now_s)
        assert (decided.code is None) == count.is_met
        return decided.code

    def ask_many(self, numbers: range, edition: str, now_s: int = START_S) -> list[str | None]:
        return [self.ask(number, edition, now_s) for number in numbers]


REFUSED = "COUNT_INSUFFICIENT"


@pytest.mark.parametrize("minimum", [1, 2, 3, 25, 10_000])
def test_s05_activation_works_from_the_threshold_on(minimum: int) -> None:
    threshold = Threshold(minimum, (CLIENT,))
    count = ActivationCount(threshold, [f"heard-{n}" for n in range(minimum - 1)], batch=2)
    below = count.is_met
    count.hear("the one that was missing", CLIENT)
    assert (below, count.is_met) == (False, True)
    assert count.current == minimum


def test_s06_a_server_is_refused_at_four_servers_and_activated_at_five() -> None:
    assert PlainHost().ask_many(range(5), SERVER_EDITION) == [REFUSED] * 4 + [None]


@pytest.mark.parametrize("one_more", [SERVER_EDITION, CLIENT_EDITION])
def test_s07_five_servers_and_nineteen_clients_are_not_enough_and_one_more_of_either_is(one_more: str) -> None:
    host = PlainHost()
    host.ask_many(range(5), SERVER_EDITION)
    assert host.ask_many(range(5, 24), CLIENT_EDITION) == [REFUSED] * 19
    host.ask(24, one_more)
    assert host.ask(23, CLIENT_EDITION) is None


def test_s07_the_twenty_fifth_client_is_activated_at_its_first_request_and_the_others_at_their_next() -> None:
    host = PlainHost()
    assert host.ask_many(range(25), CLIENT_EDITION) == [REFUSED] * 24 + [None]
    assert host.ask_many(range(24), CLIENT_EDITION, START_S + 7200) == [None] * 24


@pytest.mark.parametrize(("profile", "answer"), [("windows-7", REFUSED), ("combined", None)])
def test_s06_four_servers_and_thirty_clients_activate_a_server_only_where_classes_are_combined(
    profile: str, answer: str | None
) -> None:
    host = PlainHost(PROFILES[profile])
    host.ask_many(range(100, 130), CLIENT_EDITION)
    assert host.ask_many(range(4), SERVER_EDITION) == [answer] * 4


def test_s06_three_clients_and_two_servers_activate_servers_where_classes_are_combined() -> None:
    host = PlainHost(PROFILES["combined"])
    assert host.ask_many(range(3), CLIENT_EDITION) == [REFUSED] * 3
    assert host.ask_many(range(3, 5), SERVER_EDITION) == [REFUSED, None]


def test_s07_ephemeral_machines_are_activated_and_never_counted() -> None:
    host = PlainHost()
    host.ask_many(range(24), CLIENT_EDITION)
    assert host.ask_many(range(50, 80), EPHEMERAL_EDITION) == [REFUSED] * 30
    assert host.ask(24, CLIENT_EDITION) is None
    assert host.ask(50, EPHEMERAL_EDITION) is None


def test_s10_when_the_count_falls_activation_and_renewal_stop_again() -> None:
    host = PlainHost()
    host.ask_many(range(25), CLIENT_EDITION)
    later_s = START_S + 30 * DAY_S
    for number in range(23):  # 23 keep asking, 2 went away
        host.ask(number, CLIENT_EDITION, later_s - DAY_S)
    assert host.ask(0, CLIENT_EDITION, later_s) == REFUSED  # renewal
    assert host.ask(99, CLIENT_EDITION, later_s) == REFUSED  # the 24th


def test_s25_two_new_clients_bring_everything_back() -> None:
    host = PlainHost()
    host.ask_many(range(23), CLIENT_EDITION)
    assert host.ask_many(range(100, 102), CLIENT_EDITION) == [REFUSED, None]
    assert host.ask_many(range(23), CLIENT_EDITION, START_S + 7200) == [None] * 23


def test_s16_the_same_cmid_twice_is_one_and_two_cmids_are_two() -> None:
    count = ActivationCount(Threshold(5, (CLIENT,)), [], batch=3)
    count.hear("a", CLIENT)
    count.hear("a", CLIENT)
    assert count.current == 1
    count.hear("b", CLIENT)
    assert count.current == 2


def test_s17_a_refused_request_renews_the_record_too() -> None:
    host = PlainHost()
    assert host.ask(1, CLIENT_EDITION, START_S) == REFUSED
    assert host.ask(1, CLIENT_EDITION, START_S + 29 * DAY_S) == REFUSED
    host.ask_many(range(2, 25), CLIENT_EDITION, START_S + 58 * DAY_S)
    assert host.ask(25, CLIENT_EDITION, START_S + 58 * DAY_S) is None


@pytest.mark.parametrize(("age_s", "counts"), [(0, True), (30 * DAY_S - 1, True), (30 * DAY_S, False)])
def test_s18_a_record_counts_while_it_is_younger_than_thirty_days(age_s: int, counts: bool) -> None:
    assert is_in_window(START_S, START_S + age_s, PROFILES["windows-7"].count_window_s) is counts


def test_s18_a_record_of_a_clock_that_was_set_back_counts() -> None:
    assert is_in_window(START_S + DAY_S, START_S, 30 * DAY_S)


def test_s19_a_discarded_cmid_no_longer_counts() -> None:
    host = PlainHost()
    host.ask(1, CLIENT_EDITION, START_S)
    host.ask_many(range(2, 25), CLIENT_EDITION, START_S + DAY_S)
    assert host.ask(25, CLIENT_EDITION, START_S + 30 * DAY_S) == REFUSED  # 24, without number 1
    assert host.ask(26, CLIENT_EDITION, START_S + 30 * DAY_S) is None


def test_an_answer_shows_at_most_twice_the_threshold() -> None:
    threshold = Threshold(25, (CLIENT,))
    count = ActivationCount(threshold, map(str, range(ActivationCount.rows_max(threshold, 64))), batch=64)
    assert count.current == shown_max(threshold) == 50


def test_a_machine_that_changes_to_a_class_that_does_not_count_leaves() -> None:
    count = ActivationCount(Threshold(2, (SERVER,)), ["a", "b"], batch=1)
    count.hear("a", CLIENT)
    assert count.current == 1
    assert not count.is_met


def test_a_rearmed_machine_replaces_its_former_self() -> None:
    count = ActivationCount(Threshold(2, (CLIENT,)), ["old", "other"], batch=1)
    count.hear("new", CLIENT, previous="old")
    assert count.current == 2


def test_a_machine_that_names_itself_as_its_former_self_stays() -> None:
    count = ActivationCount(Threshold(1, (CLIENT,)), ["a"], batch=1)
    count.hear("a", CLIENT, previous="a")
    assert count.current == 1


# --- against a naive model --------------------------------------------------------------------------------------------

Asking = tuple[int, MachineClass, int | None]
Batch = tuple[Threshold, dict[int, MachineClass], list[int], list[Asking]]

machines = st.integers(0, 40)
requests = st.tuples(machines, st.sampled_from(list(MachineClass)), st.none() | machines)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    counts = draw(st.sampled_from([(SERVER,), (CLIENT,), (SERVER, CLIENT)]))
    threshold = Threshold(draw(st.integers(1, 6)), counts)
    stored = draw(st.dictionaries(machines, st.sampled_from(list(MachineClass))))
    order = draw(st.permutations(sorted(stored)))
    return threshold, stored, order, draw(st.lists(requests, min_size=1, max_size=12))


@given(batches())
def test_the_count_of_a_batch_agrees_with_counting_everything(batch: Batch) -> None:
    threshold, stored, order, asked = batch
    rows = [str(n) for n in order if stored[n] in threshold.counts][: ActivationCount.rows_max(threshold, len(asked))]
    named = {number for number, _, _ in asked} | {previous for _, _, previous in asked}
    heard = [str(n) for n in order if n in named and stored[n] in threshold.counts]
    counts = [
        ActivationCount(threshold, rows, len(asked)),
        ActivationCount(threshold, heard, len(asked), others=max(0, len(rows) - len(heard))),
    ]
    model = dict(stored)
    for number, machine_class, previous in asked:
        for count in counts:
            count.hear(str(number), machine_class, None if previous is None else str(previous))
        if previous is not None and previous != number:
            model.pop(previous, None)
        model[number] = machine_class
        there = sum(each in threshold.counts for each in model.values())
        assert [count.current for count in counts] == [min(there, shown_max(threshold))] * 2
        assert [count.is_met for count in counts] == [there >= threshold.minimum] * 2


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_the_count_stays_exact_when_each_request_of_a_batch_takes_two_records_away(batch: int) -> None:
    threshold = Threshold(3, (SERVER,))
    fleet = [str(n) for n in range(1000)]
    rows = fleet[: ActivationCount.rows_max(threshold, batch)]
    count = ActivationCount(threshold, rows, batch)
    for n in range(batch):  # the worst: both records were among those that were read
        count.hear(rows[2 * n], CLIENT, previous=rows[2 * n + 1])
        assert count.current == shown_max(threshold)
        assert count.is_met


def test_arrivals_beyond_the_rows_that_were_read_do_not_blur_later_departures() -> None:
    threshold = Threshold(2, (SERVER,))
    batch = 6
    rows = [str(n) for n in range(ActivationCount.rows_max(threshold, batch))]
    count = ActivationCount(threshold, rows, batch)
    for n in range(3):
        count.hear(f"new-{n}", SERVER)
    for n in range(3):
        count.hear(rows[2 * n], CLIENT, previous=rows[2 * n + 1])
    assert count.current == shown_max(threshold)
