"""The certain time: it goes on with the time a host ran, and comes up with the clock when machines confirm it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.certaintime import FEW_HOLD_S, OFF_MAX_S, TOLERANCE_S, CertainTime
from quorate.core.policy import DAY_S, HOUR_S
from tests.support.clocks import START_S

THREE = ("a", "b", "c")


def test_a_clock_that_runs_right_is_what_is_certain() -> None:
    time = CertainTime(START_S).ran(100 * DAY_S, START_S + 100 * DAY_S)
    assert time.deletes_at_s(START_S + 100 * DAY_S) == START_S + 100 * DAY_S
    assert not time.is_doubtful(START_S + 100 * DAY_S)
    assert not time.needs_witnesses(START_S + 100 * DAY_S)


@pytest.mark.parametrize("by_s", [5 * HOUR_S, DAY_S, 40 * DAY_S, 3650 * DAY_S, -5 * HOUR_S, -100 * DAY_S])
def test_an_hour_at_a_wrong_clock_leaves_nothing_when_it_is_right_again(by_s: int) -> None:
    wrong = CertainTime(START_S).ran(HOUR_S, START_S + HOUR_S + by_s)
    assert wrong.is_doubtful(START_S + HOUR_S + by_s)
    assert wrong.deletes_at_s(START_S + HOUR_S + by_s) == START_S + HOUR_S + min(by_s, 0)
    right = wrong.ran(HOUR_S, START_S + 2 * HOUR_S)
    assert not right.is_doubtful(START_S + 2 * HOUR_S)
    assert right == CertainTime(START_S + 2 * HOUR_S)


def test_no_number_of_restarts_at_a_wrong_clock_makes_it_certain() -> None:
    time, now_s = CertainTime(START_S), START_S + 3650 * DAY_S
    for _ in range(50):
        time = time.resumed(now_s)
        assert time.is_doubtful(now_s)
        time = time.ran(HOUR_S, now_s + HOUR_S)
        now_s += HOUR_S + 60
    assert time.deletes_at_s(now_s) == START_S + 50 * HOUR_S


def test_a_wrong_clock_that_nobody_asks_is_not_confirmed_by_weeks() -> None:
    time = CertainTime(START_S).resumed(START_S + 400 * DAY_S).ran(60 * DAY_S, START_S + 460 * DAY_S)
    assert time.deletes_at_s(START_S + 460 * DAY_S) == START_S + 60 * DAY_S


def test_three_known_machines_and_a_day_confirm_a_clock_after_months_off() -> None:
    now_s = START_S + 100 * DAY_S
    time = CertainTime(START_S).resumed(now_s)
    assert time.is_doubtful(now_s)
    assert time.needs_witnesses(now_s)
    time = time.heard(THREE, now_s)
    assert time.deletes_at_s(now_s) == START_S, "who asks in the first hour may share the wrong clock"
    time = time.ran(DAY_S - 1, now_s + DAY_S - 1)
    assert time.deletes_at_s(now_s + DAY_S - 1) == START_S + DAY_S - 1
    assert time.ran(1, now_s + DAY_S) == CertainTime(now_s + DAY_S)


def test_two_machines_that_ask_again_and_again_are_two() -> None:
    now_s = START_S + 100 * DAY_S
    time = CertainTime(START_S).resumed(now_s)
    for _ in range(20):
        time = time.heard(("a", "b"), now_s).ran(DAY_S, now_s := now_s + DAY_S)
    assert time.certain_s == START_S + 20 * DAY_S


def test_after_thirty_days_one_machine_is_enough() -> None:
    now_s = START_S + 100 * DAY_S
    time = CertainTime(START_S).resumed(now_s).heard(("a",), now_s)
    time = time.ran(FEW_HOLD_S - 1, now_s + FEW_HOLD_S - 1)
    assert time.certain_s < now_s
    assert time.ran(1, now_s + FEW_HOLD_S) == CertainTime(now_s + FEW_HOLD_S)


def test_who_asked_before_a_jump_says_nothing_about_the_clock_after_it() -> None:
    time = CertainTime(START_S).resumed(START_S + 50 * DAY_S).heard(THREE, START_S + 50 * DAY_S)
    jumped = time.ran(10, START_S + 90 * DAY_S)
    assert (jumped.witnesses, jumped.ran_s) == ((), 0)
    assert jumped.ran(2 * DAY_S, START_S + 92 * DAY_S).certain_s == START_S + 2 * DAY_S + 10


def test_a_host_that_is_off_at_night_is_confirmed_all_the_same() -> None:
    """Months off, then ten hours a day: what it ran is summed up over the nights."""
    now_s = START_S + 100 * DAY_S
    time = CertainTime(START_S).resumed(now_s)
    for day in range(3):
        time = time.heard(THREE[day : day + 1], now_s).ran(10 * HOUR_S, now_s := now_s + 10 * HOUR_S)
        now_s += 14 * HOUR_S
        time = time.resumed(now_s)
    assert time.certain_s == now_s - 14 * HOUR_S


@pytest.mark.parametrize("off_s", [0, 60, 14 * HOUR_S, OFF_MAX_S])
def test_an_ordinary_time_off_is_no_reason_for_doubt(off_s: int) -> None:
    time = CertainTime(START_S).resumed(START_S + off_s)
    assert not time.is_doubtful(START_S + off_s)
    assert time.deletes_at_s(START_S + off_s) == START_S, "and is not believed either"


def test_a_clock_behind_what_is_certain_is_doubtful_and_deletes_by_the_earlier_time() -> None:
    time = CertainTime(START_S).resumed(START_S - DAY_S)
    assert time.is_doubtful(START_S - DAY_S)
    assert time.deletes_at_s(START_S - DAY_S) == START_S - DAY_S


def test_machines_also_confirm_that_what_was_certain_was_wrong() -> None:
    """A site whose clocks were wrong all together is put right: the certain time comes down as well."""
    time = CertainTime(START_S + 3650 * DAY_S).resumed(START_S).heard(THREE, START_S).ran(DAY_S, START_S + DAY_S)
    assert time == CertainTime(START_S + DAY_S)


@given(
    st.lists(
        st.tuples(st.sampled_from(["run", "set", "off"]), st.integers(min_value=-4000, max_value=4000)), max_size=40
    )
)
def test_without_witnesses_nothing_is_certain_but_what_passed(happened: list[tuple[str, int]]) -> None:
    time, true_s, wrong_s = CertainTime(START_S), START_S, 0
    for what, hours in happened:
        if what == "set":
            wrong_s += hours * HOUR_S
            time = time.ran(0, true_s + wrong_s)
        elif what == "run":
            true_s += abs(hours) * HOUR_S
            time = time.ran(abs(hours) * HOUR_S, true_s + wrong_s)
        else:
            true_s += abs(hours) * HOUR_S
            time = time.resumed(true_s + wrong_s)
        assert time.certain_s <= true_s
        assert time.deletes_at_s(true_s + wrong_s) <= true_s


def test_slow_creeping_does_not_escape_either() -> None:
    time, now_s = CertainTime(START_S), START_S
    for _ in range(1000):
        now_s += TOLERANCE_S - 1
        time = time.ran(60, now_s)
    assert time.certain_s == START_S + 60_000
    assert time.is_doubtful(now_s)
