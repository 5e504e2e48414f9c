"""The mark of a machine's clock, by itself: what is confirmed, what is provisional, what is spent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.client.clockmark import BACK_GRACE_S, GAP_S, ClockMark, decode_mark, encode_mark
from quorate.core.policy import DAY_S, HOUR_S
from tests.support.clocks import START_S

TOLERANCE_S = 4 * HOUR_S
times = st.integers(1, 253_402_300_799)


def shown(mark: ClockMark, *times_s: int) -> ClockMark:
    for now_s in times_s:
        mark = mark.looked(now_s, 0, TOLERANCE_S)
    return mark


def hours(from_s: int, many: int) -> list[int]:
    return [from_s + hour * HOUR_S for hour in range(many + 1)]


BEGUN = ClockMark(confirmed_s=START_S)


def test_small_steps_are_believed_at_once() -> None:
    assert shown(BEGUN, START_S + GAP_S) == ClockMark(confirmed_s=START_S + GAP_S)


@pytest.mark.parametrize("jump_s", [GAP_S + 1, DAY_S, 10**10])
def test_a_jump_ahead_is_provisional_until_four_hours_were_lived_there(jump_s: int) -> None:
    there_s = START_S + jump_s
    assert shown(BEGUN, *hours(there_s, 3)).confirmed_s == START_S
    assert shown(BEGUN, *hours(there_s, 4)) == ClockMark(confirmed_s=there_s + 4 * HOUR_S)


def test_a_jump_confirms_no_time_but_the_one_before() -> None:
    monday, tuesday = START_S + DAY_S, START_S + 2 * DAY_S
    mark = shown(BEGUN, *hours(monday, 3), *hours(tuesday, 1))
    assert (mark.confirmed_s, mark.ahead_s) == (monday + 3 * HOUR_S, tuesday + HOUR_S)
    assert shown(mark, START_S + 10**10).confirmed_s < START_S + 3 * DAY_S
    assert shown(mark, START_S + 10**10, tuesday + HOUR_S).newest_s == tuesday + HOUR_S


def test_what_was_lived_in_a_run_has_passed_although_it_is_dropped() -> None:
    mark = shown(BEGUN, *hours(START_S + 10**9, 3), START_S + 60)
    assert mark == ClockMark(confirmed_s=START_S + 3 * HOUR_S)


def test_steps_back_and_time_spent_there_use_the_grace_up() -> None:
    mark = shown(BEGUN, START_S - DAY_S)
    assert (mark.steps, mark.grace_left_s(TOLERANCE_S)) == (1, BACK_GRACE_S - TOLERANCE_S)
    mark = shown(mark, START_S - DAY_S + HOUR_S)
    assert (mark.spent_s, mark.confirmed_s) == (HOUR_S, START_S)
    mark = shown(mark, START_S, START_S - DAY_S)
    assert (mark.steps, mark.spent_s) == (2, HOUR_S)
    mark = shown(mark, START_S - DAY_S - 30)  # time synchronisation at work
    assert mark.steps == 2
    for day in range(2, 60):
        mark = shown(mark, START_S - day * DAY_S)
    assert mark.grace_left_s(TOLERANCE_S) == 0
    assert mark.grace_left_s(0) > 0  # a step costs an hour at least


def test_a_proven_time_counts_as_confirmed() -> None:
    mark = ClockMark().looked(START_S, START_S + DAY_S, TOLERANCE_S)
    assert (mark.confirmed_s, mark.steps) == (START_S + DAY_S, 1)


@given(st.lists(times, max_size=30), st.sampled_from([0, TOLERANCE_S, DAY_S]))
def test_it_keeps_its_own_rules_whatever_the_clock_shows(seen: list[int], tolerance_s: int) -> None:
    mark = ClockMark()
    for now_s in seen:
        before, mark = mark, mark.looked(now_s, 0, tolerance_s)
        assert mark.confirmed_s >= before.confirmed_s
        assert mark.confirmed_s <= max(before.newest_s, before.confirmed_s + before.lived_s, now_s)
        assert not mark.ahead_s or mark.confirmed_s < mark.run_s <= mark.ahead_s
        assert bool(mark.back_s) <= (now_s < mark.confirmed_s - tolerance_s)
        assert mark.spent_s >= before.spent_s
        assert mark.steps >= before.steps
        assert mark.looked(now_s, 0, tolerance_s) == mark  # a second look at the same time says nothing new
        assert decode_mark(encode_mark(mark)) == mark


@given(st.binary(max_size=200))
def test_any_bytes_are_a_mark_or_none(data: bytes) -> None:
    assert isinstance(decode_mark(data), ClockMark)


def test_a_client_before_these_rules_reads_the_confirmed_time() -> None:
    assert encode_mark(shown(BEGUN, START_S + 10**9))[:13].strip() == b"%012d" % START_S
