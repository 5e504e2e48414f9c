"""This machine's own clock: turned back, ahead, or set right again."""

from __future__ import annotations

import pytest

from quorate import Client
from quorate.client.clockmark import BACK_GRACE_S, ClockMark
from quorate.core.policy import DAY_S, HOUR_S
from tests.client.lived import lives, mark
from tests.client.parties import Installation, ScriptedHost
from tests.support.clocks import START_S

YEARS = 73 * 365 * DAY_S  # one look at the end of this century


# --- a glance ahead --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead_s", [5 * HOUR_S, DAY_S, 200 * DAY_S, 800 * DAY_S, YEARS])
@pytest.mark.parametrize("hours", [0, 1, 3])
@pytest.mark.parametrize("is_restarted", [True, False])
def test_a_clock_that_is_ahead_for_a_while_leaves_no_mark(
    here: Installation, licensed: Client, ahead_s: int, hours: int, is_restarted: bool
) -> None:
    lives(here, licensed, 30)
    before = licensed.status()
    here.clock.advance(ahead_s)
    ahead = here.client(seed=2) if is_restarted else licensed
    ahead.status()
    lives(here, ahead, hours)
    here.clock.advance(-ahead_s)
    for client in (licensed, ahead, here.client(seed=3)):
        assert client.status() == before
    assert mark(here).ahead_s == 0
    assert mark(here).confirmed_s <= here.clock.now_s()


def test_glances_ahead_again_and_again_leave_no_mark(here: Installation, licensed: Client) -> None:
    for _ in range(50):
        here.clock.advance(800 * DAY_S)
        assert not licensed.status().usable
        here.clock.advance(-800 * DAY_S)
        assert here.client(seed=3).status().usable
        lives(here, licensed, 1)
    assert licensed.status().code is None


def test_a_machine_that_first_looked_at_a_wrong_time_has_its_whole_grace(here: Installation) -> None:
    here.clock.advance(YEARS)
    assert here.client().status().status.value == "initial_grace"
    here.clock.advance(-YEARS)
    status = here.client(seed=2).status()
    assert (status.status.value, status.code, status.expires_s) == ("initial_grace", None, START_S + 30 * DAY_S)
    here.clock.advance(30 * DAY_S)
    assert here.client(seed=2).status().status.value == "notification"  # and not a day more


def test_a_grace_does_not_begin_before_the_product_was_made(here: Installation) -> None:
    here.clock.advance(-START_S + 60)  # a machine without a battery, at its first start: 1970
    assert here.client().status().status.value == "initial_grace"
    here.clock.advance(START_S - 60)
    status = here.client(seed=2).status()
    assert (status.status.value, status.expires_s) == ("initial_grace", START_S + 30 * DAY_S)


def test_after_months_switched_off_the_new_time_is_confirmed_by_going_on(here: Installation, licensed: Client) -> None:
    here.clock.advance(100 * DAY_S)
    later = here.client(seed=3)
    lives(here, later, 5)
    here.clock.advance(-50 * DAY_S)
    for client in (licensed, later, here.client(seed=4)):
        assert client.status().code == "CLOCK_TURNED_BACK"


def test_looks_once_a_day_confirm_within_days(here: Installation, licensed: Client) -> None:
    for seed in range(40):
        here.clock.advance(DAY_S)
        here.client(seed=seed).status()  # a program that is started once a day, and looks once
    assert 0 < here.clock.now_s() - mark(here).confirmed_s <= 10 * DAY_S


def test_sessions_at_the_same_time_again_are_counted(here: Installation, licensed: Client) -> None:
    """Who sets the clock back before each session has lived all of them."""
    for session in range(60):
        here.clock.advance(DAY_S)
        client = here.client(seed=3 + session)
        client.status()
        lives(here, client, 3)
        here.clock.advance(-DAY_S - 3 * HOUR_S)
        if here.client(seed=3 + session).status().code == "CLOCK_TURNED_BACK":
            break
    assert session == 1  # six hours were lived, four are tolerated


# --- turned back -----------------------------------------------------------------------------------------------------


def test_a_clock_turned_back_is_told_and_usable_for_a_week(here: Installation, licensed: Client) -> None:
    lives(here, licensed, 20 * 24)
    here.clock.advance(-4 * HOUR_S)
    assert licensed.status().code is None  # within the tolerance
    here.clock.advance(-10 * DAY_S)
    for client in (licensed, here.client(seed=3)):  # the other one knows it from the disk
        status = client.status()
        assert (status.code, status.usable, status.status.value) == ("CLOCK_TURNED_BACK", True, "licensed")
        assert "accept-clock" in status.hint
        assert "usable for 6 days more" in status.message
    lives(here, licensed, 6 * 24)
    assert here.client(seed=3).status().usable
    lives(here, licensed, 24)
    for client in (licensed, here.client(seed=3)):
        assert (client.status().code, client.status().usable) == ("CLOCK_TURNED_BACK", False)
    here.clock.advance(5 * DAY_S)
    assert (licensed.status().code, licensed.status().usable) == (None, True)


def test_the_grace_for_it_is_not_renewed_by_turning_it_back_again(here: Installation, licensed: Client) -> None:
    lives(here, licensed, 20 * 24)
    used_s = 0
    for seed in range(200):
        here.clock.advance(-10 * DAY_S)
        client = here.client(seed=seed)
        if not client.status().usable:
            break
        lives(here, client, 8)
        used_s += 8 * HOUR_S
        here.clock.advance(10 * DAY_S - 8 * HOUR_S)
        assert here.client(seed=seed).status().code is None
    assert 3 * DAY_S < used_s <= BACK_GRACE_S


def test_a_lease_gives_the_grace_for_it_back(here: Installation, licensed: Client) -> None:
    lives(here, licensed, 20 * 24)
    here.clock.advance(-10 * DAY_S)
    lives(here, licensed, 8 * 24)
    assert not licensed.status().usable
    licensed.activate()
    assert (licensed.status().code, mark(here)) == (None, ClockMark(confirmed_s=here.clock.now_s()))


def test_a_clock_turned_back_does_not_bring_back_what_was_over(here: Installation, licensed: Client) -> None:
    here.clock.advance(200 * DAY_S)
    assert licensed.status().status.value == "additional_grace"
    lives(here, licensed, 5)
    here.clock.advance(-150 * DAY_S)
    status = here.client().status()
    assert (status.status.value, status.code) == ("additional_grace", "CLOCK_TURNED_BACK")


def test_a_lease_is_not_believed_before_its_issue(here: Installation, licensed: Client) -> None:
    (here.record.parent / "seen").unlink()
    here.change(proven_s=0)
    here.clock.advance(-5 * HOUR_S)
    assert here.client().status().code == "CLOCK_TURNED_BACK"


def test_one_lease_proves_the_time_also_downwards(here: Installation, licensed: Client, host: ScriptedHost) -> None:
    here.clock.advance(900 * DAY_S)  # somebody set the year wrong, for a day
    lives(here, licensed, 24)
    here.clock.advance(-890 * DAY_S)
    assert licensed.status().code == "CLOCK_TURNED_BACK"
    status = here.client(seed=4).renew_if_due()  # due at once, without waiting for the year to come
    assert status.last_attempt_s == here.clock.now_s()
    assert (status.usable, status.code) == (True, None)
    assert licensed.status() == status


def test_a_refusal_proves_no_time_and_takes_no_grace(here: Installation, licensed: Client, host: ScriptedHost) -> None:
    here.clock.advance(900 * DAY_S)
    lives(here, licensed, 24)
    here.clock.advance(-890 * DAY_S)
    host.count = 3
    status = here.client(seed=4).renew_if_due()
    assert status.last_attempt_s == here.clock.now_s()
    assert (status.usable, status.code) == (True, "CLOCK_TURNED_BACK")
    assert here.read()["lease"] is not None


def test_a_lease_from_a_future_that_was_none_stays_until_there_is_another(
    here: Installation, licensed: Client, host: ScriptedHost
) -> None:
    here.clock.advance(600 * DAY_S)  # host and client both were wrong
    licensed.activate()
    here.clock.advance(-590 * DAY_S)
    host.count = 3
    status = licensed.renew_if_due()
    assert (status.code, status.usable) == ("CLOCK_TURNED_BACK", True)
    host.count = 25
    licensed.activate()
    status = licensed.status()
    assert (status.code, status.expires_s) == (None, here.clock.now_s() + 180 * DAY_S)


def test_with_the_clock_turned_back_and_no_host_it_asks_every_two_hours(here: Installation, licensed: Client) -> None:
    lives(here, licensed, 20 * 24)
    licensed.set_host("127.0.0.1:1")
    here.clock.advance(-10 * DAY_S)
    asked = []
    for _ in range(3):
        status = licensed.renew_if_due()
        asked.append(status.last_attempt_s or 0)
        assert 0 < status.next_attempt_s - here.clock.now_s() <= 2 * HOUR_S
        here.clock.advance(status.next_attempt_s - here.clock.now_s())
    assert len(set(asked)) == 3


# --- what is on disk -------------------------------------------------------------------------------------------------


def test_the_newest_time_is_noted_at_most_once_an_hour(here: Installation, licensed: Client) -> None:
    noted = mark(here).confirmed_s
    here.clock.advance(HOUR_S - 1)
    licensed.status()
    assert mark(here).confirmed_s == noted
    here.clock.advance(1)
    licensed.status()
    assert mark(here).confirmed_s == noted + HOUR_S


@pytest.mark.parametrize(
    "text", ["", "not a time", "-5", "9" * 40, "١٢٣", "1 2 3", " ".join(["1" * 13] * 9), " ".join(["1" * 12] * 8)]
)
def test_a_damaged_note_of_the_time_is_ignored(here: Installation, licensed: Client, text: str) -> None:
    (here.record.parent / "seen").write_text(text)
    assert here.client().status().code is None


def test_the_note_of_an_older_client_is_provisional(here: Installation, licensed: Client) -> None:
    """It believed every time at a glance, so a machine that was unusable for that is usable again."""
    (here.record.parent / "seen").write_text(f"{START_S + YEARS:012d}")
    assert here.client(seed=3).status().code is None
    (here.record.parent / "seen").write_text(f"{START_S + 10 * DAY_S:012d}")
    here.clock.advance(10 * DAY_S)
    later = here.client(seed=3)
    lives(here, later, 5)
    here.clock.advance(-5 * DAY_S)
    assert later.status().code == "CLOCK_TURNED_BACK"


def test_a_record_of_an_older_client_that_a_refusal_had_moved_is_usable_again(
    here: Installation, licensed: Client
) -> None:
    here.change(proven_s=START_S + YEARS)
    status = here.client(seed=3).status()
    assert (status.status.value, status.usable, status.code) == ("licensed", True, None)


def test_two_processes_know_the_same(here: Installation, licensed: Client) -> None:
    other = here.client(seed=3)
    for _ in range(20 * 24):
        here.clock.advance(HOUR_S)
        licensed.status()
        other.status()
    here.clock.advance(-10 * DAY_S)
    for _ in range(8 * 24):
        here.clock.advance(HOUR_S)
        assert licensed.status().code == other.status().code == "CLOCK_TURNED_BACK"
    assert (licensed.status().usable, other.status().usable) == (False, False)
    assert here.client(seed=4).status().usable is False
