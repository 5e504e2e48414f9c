"""BEHAVIOUR.md, S20 to S25, in virtual time and to the hour: the scenario that ships, with real signatures."""

from __future__ import annotations

import itertools

import pytest

from quorate.core.policy import DAY_S, HOUR_S, MINUTE_S
from quorate.core.trust import utc_text
from tests.simulation.playing import Played, story

LEFT_S = 14 * DAY_S
BACK_S = 60 * DAY_S + 9 * HOUR_S + 30 * MINUTE_S


@pytest.fixture(scope="module")
def tale() -> Played:
    return story("25-to-23", is_quick=False)


def drop_s(tale: Played) -> int:
    """The first full hour at which 23 were counted after 25 had been."""
    samples, start_s = tale.result.recording.samples, tale.result.scenario.start_s
    is_full = False
    for sample in samples:
        count = sample.counts["kms1"][0]
        is_full = is_full or count == 25
        if is_full and count == 23:
            return sample.at_s - start_s
    raise AssertionError("the count never fell to 23")


def test_no_rule_is_broken(tale: Played) -> None:
    assert tale.result.violations == ()


def test_s05_the_25th_is_activated_at_once_and_the_other_24_at_their_two_hour_attempt(tale: Played) -> None:
    activated = tale.of("ACTIVATED", 0, DAY_S)
    first_s = activated[0].at_s
    assert first_s - tale.result.scenario.start_s == 10 * HOUR_S
    assert activated[0].who == "office-025"
    assert len({each.who for each in activated}) == 25
    assert activated[-1].at_s - first_s <= 2 * HOUR_S


def test_s20_within_30_days_both_cmids_are_gone_and_the_count_is_23(tale: Played) -> None:
    gone = [each.who for each in tale.of("left")]
    assert len(gone) == 2
    heard = {who: max(each.at_s for each in tale.of("ACTIVATED") if each.who == who) for who in gone}
    start_s = tale.result.scenario.start_s
    last_s = max(heard.values()) - start_s
    assert last_s < LEFT_S
    lapsed_s = last_s + 30 * DAY_S
    hour_s = -(-lapsed_s // HOUR_S) * HOUR_S
    assert drop_s(tale) == hour_s
    assert tale.sample(hour_s - HOUR_S)[1] > 23
    assert hour_s <= LEFT_S + 30 * DAY_S


def test_the_drop_is_announced_weeks_ahead_then_told_then_told_to_be_over(tale: Played) -> None:
    start_s = tale.result.scenario.start_s
    told = [each for each in tale.result.recording.milestones if each.kind == "forecast"]
    ahead, fallen, over = told
    assert LEFT_S < ahead.at_s - start_s <= drop_s(tale) - 14 * DAY_S
    assert (
        f"fall below the threshold of 25 for clients and ephemerals on {utc_text(start_s + drop_s(tale))[:10]}"
        in ahead.text
    )
    assert drop_s(tale) <= fallen.at_s - start_s <= drop_s(tale) + DAY_S
    assert "has fallen to 23" in fallen.text
    assert BACK_S <= over.at_s - start_s <= BACK_S + DAY_S
    assert "no longer falls" in over.text


def test_s21_from_then_on_nobody_is_activated_or_renewed(tale: Played) -> None:
    assert tale.of("ACTIVATED", drop_s(tale), BACK_S) == []
    assert {each.detail for each in tale.of("COUNT_INSUFFICIENT", drop_s(tale), BACK_S - HOUR_S)} == {"23"}


def test_s22_within_7_days_all_23_ask_every_two_hours(tale: Played) -> None:
    refused = tale.of("COUNT_INSUFFICIENT", drop_s(tale), BACK_S - HOUR_S)
    first: dict[str, int] = {}
    times: dict[str, list[int]] = {}
    for each in refused:
        first.setdefault(each.who, each.at_s - tale.result.scenario.start_s)
        times.setdefault(each.who, []).append(each.at_s)
    assert len(first) == 23
    assert max(first.values()) <= drop_s(tale) + 7 * DAY_S
    steps = [after - before for asked in times.values() for before, after in itertools.pairwise(asked)]
    assert min(steps) >= 0.95 * 2 * HOUR_S
    assert max(steps) <= 2 * HOUR_S


def test_s23_all_stay_licensed_as_their_leases_last_180_days(tale: Played) -> None:
    for hour_s in range(drop_s(tale), 60 * DAY_S, HOUR_S):
        assert tale.sample(hour_s) == (23, 23)
    assert [each for each in tale.result.recording.changes if each.at_s > tale.result.scenario.start_s + DAY_S] == [
        each for each in tale.result.recording.changes if each.machine.startswith("new-")
    ]


def test_s24_each_failure_is_an_error_in_the_event_logs(tale: Played) -> None:
    recording = tale.result.recording
    refused = recording.answers["COUNT_INSUFFICIENT"]
    assert recording.client_errors["12289 COUNT_INSUFFICIENT"] == refused
    assert recording.host_errors["COUNT_INSUFFICIENT"] == refused
    assert recording.client_events["12288"] == recording.attempts == sum(recording.answers.values())


def test_s25_two_new_clients_and_everything_is_normal_again_within_two_hours(tale: Played) -> None:
    renewed = {each.who: each.at_s for each in reversed(tale.of("ACTIVATED", 60 * DAY_S))}
    assert len(renewed) == 25
    start_s = tale.result.scenario.start_s
    assert min(renewed.values()) == start_s + BACK_S
    assert max(renewed.values()) <= start_s + BACK_S + 2 * HOUR_S
    assert tale.of("COUNT_INSUFFICIENT", BACK_S) == []
    assert tale.sample(75 * DAY_S) == (25, 25)


def test_s25_the_rhythm_is_seven_days_again(tale: Played) -> None:
    times: dict[str, list[int]] = {}
    for each in tale.of("ACTIVATED", BACK_S):
        times.setdefault(each.who, []).append(each.at_s)
    steps = [after - before for asked in times.values() for before, after in itertools.pairwise(asked)]
    assert len(steps) >= 25
    assert min(steps) >= 0.95 * 7 * DAY_S
    assert max(steps) <= 7 * DAY_S + 1
