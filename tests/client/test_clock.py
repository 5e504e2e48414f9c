"""A clock that is wrong: turned back, ahead, or set right again by one contact with a host."""

from __future__ import annotations

import msgspec
import pytest

from quorate import Client
from quorate.client.identity import Machine
from quorate.core.messages import ActivationRequest, Answer
from quorate.core.policy import DAY_S, HOUR_S
from quorate.errors import ClockSkewError
from tests.client.parties import Installation, ScriptedHost
from tests.support.clocks import START_S

ELSEWHERE = Machine(name="pc-0002.contoso.example", identity="b" * 32, is_virtual=False)


def test_a_clock_turned_back_is_told_and_not_usable(here: Installation, licensed: Client) -> None:
    here.clock.advance(100 * DAY_S)
    licensed.status()
    here.clock.advance(-4 * HOUR_S)
    assert licensed.status().code is None  # within the tolerance
    here.clock.advance(-1)
    for client in (licensed, here.client(seed=3)):  # the other one knows it from the disk
        status = client.status()
        assert (status.code, status.usable, status.status.value) == ("CLOCK_TURNED_BACK", False, "licensed")
    here.clock.advance(4 * HOUR_S + 1)
    assert licensed.status().usable


def test_a_clock_turned_back_does_not_bring_back_what_was_over(here: Installation, licensed: Client) -> None:
    here.clock.advance(200 * DAY_S)
    assert licensed.status().status.value == "additional_grace"
    here.clock.advance(-150 * DAY_S)
    assert here.client().status().status.value == "additional_grace"


def test_a_lease_is_not_believed_before_its_issue(here: Installation, licensed: Client) -> None:
    (here.record.parent / "seen").unlink()
    here.change(proven_s=0)
    here.clock.advance(-5 * HOUR_S)
    assert here.client().status().code == "CLOCK_TURNED_BACK"


@pytest.mark.parametrize("count", [25, 3])
def test_one_contact_proves_the_time_also_downwards(
    here: Installation, licensed: Client, host: ScriptedHost, count: int
) -> None:
    here.clock.advance(900 * DAY_S)  # somebody set the year wrong
    licensed.status()
    here.clock.advance(-890 * DAY_S)
    assert licensed.status().code == "CLOCK_TURNED_BACK"
    host.count = count
    status = here.client(seed=4).renew_if_due()  # due at once, without waiting for the year to come
    assert status.last_attempt_s == here.clock.now_s()
    assert (status.usable, status.code) == (True, None if count == 25 else "COUNT_INSUFFICIENT")
    assert licensed.status() == status


def test_a_lease_from_a_future_that_was_none_is_given_up(
    here: Installation, licensed: Client, host: ScriptedHost
) -> None:
    here.clock.advance(600 * DAY_S)  # host and client both were wrong
    licensed.activate()
    here.clock.advance(-590 * DAY_S)
    host.count = 3
    status = licensed.renew_if_due()
    assert (status.code, status.status.value) == ("COUNT_INSUFFICIENT", "additional_grace")
    assert (status.expires_s or 0) <= here.clock.now_s() + 30 * DAY_S


def test_with_the_clock_turned_back_and_no_host_it_asks_every_two_hours(here: Installation, licensed: Client) -> None:
    here.clock.advance(50 * DAY_S)
    licensed.set_host("127.0.0.1:1")
    here.clock.advance(-40 * DAY_S)
    asked = []
    for _ in range(3):
        status = licensed.renew_if_due()
        asked.append(status.last_attempt_s or 0)
        assert 0 < status.next_attempt_s - here.clock.now_s() <= 2 * HOUR_S
        here.clock.advance(status.next_attempt_s - here.clock.now_s())
    assert len(set(asked)) == 3


def test_a_clock_that_runs_ahead_for_a_day_leaves_no_mark(here: Installation, host: ScriptedHost) -> None:
    client = here.client(host)
    client.status()
    here.clock.advance(400 * DAY_S)
    assert client.status().status.value == "notification"
    here.clock.advance(-400 * DAY_S)
    host.count = 3
    assert client.renew_if_due().status.value == "initial_grace"
    assert client.status().usable


def test_the_newest_time_is_noted_at_most_once_an_hour(here: Installation, licensed: Client) -> None:
    seen = here.record.parent / "seen"
    noted = seen.read_text()
    here.clock.advance(HOUR_S - 1)
    licensed.status()
    assert seen.read_text() == noted
    here.clock.advance(1)
    licensed.status()
    assert int(seen.read_text()) == int(noted) + HOUR_S


@pytest.mark.parametrize("text", ["", "not a time", "-5", "9" * 40, "١٢٣"])
def test_a_damaged_note_of_the_time_is_ignored(here: Installation, licensed: Client, text: str) -> None:
    (here.record.parent / "seen").write_text(text)
    assert here.client().status().code is None


def test_a_clock_set_right_after_a_refusal_for_it_asks_at_once(here: Installation, host: ScriptedHost) -> None:
    client = here.client(host)
    here.clock.advance(900 * DAY_S)  # only this machine is wrong

    def skewed(request: ActivationRequest) -> Answer:
        return host.say(msgspec.structs.replace(host.claims(request, "CLOCK_SKEW", 0), issued_s=START_S))

    host.script = skewed
    with pytest.raises(ClockSkewError) as caught:
        client.activate()
    assert "2027-01-15 08:00:00 UTC" in caught.value.message  # both times are shown
    assert "2029-07-03" in caught.value.message
    here.clock.advance(-900 * DAY_S)
    host.script = host.honest
    assert client.renew_if_due().status.value == "licensed"  # not in 900 days
