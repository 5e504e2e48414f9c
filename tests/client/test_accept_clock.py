"""`accept-clock`: the administrator's way back from a clock that was turned back, where no KMS host can be reached."""

from __future__ import annotations

import pytest

from quorate import Client
from quorate.core.policy import DAY_S, HOUR_S
from quorate.errors import RearmLimitReachedError, UninstalledError
from tests.client.lived import lives
from tests.client.parties import Installation, ScriptedHost
from tests.support.clocks import START_S


def turned_back(here: Installation, client: Client) -> None:
    lives(here, client, 20 * 24)
    here.clock.advance(-10 * DAY_S)
    lives(here, client, 8 * 24)
    here.clock.advance(-8 * DAY_S)
    assert (client.status().code, client.status().usable) == ("CLOCK_TURNED_BACK", False)


def test_an_administrator_accepts_the_clock_and_keeps_the_lease(here: Installation, licensed: Client) -> None:
    expires_s, known_s = licensed.status().expires_s, START_S + 20 * DAY_S
    turned_back(here, licensed)
    status = licensed.accept_clock()
    assert (status.code, status.usable, status.status.value) == (None, True, "licensed")
    assert status.expires_s == expires_s
    assert here.client(seed=9).status() == status
    assert here.read()["life"]["rearms"] == 1
    event = here.events()[-1]
    assert (event["event_id"], event["known_s"], event["rearms_left"]) == (12320, known_s, 2)
    assert licensed.accept_clock() == status  # nothing to accept, and no rearm used
    assert here.read()["life"]["rearms"] == 1


def test_an_accepted_clock_is_what_counts_from_then_on(here: Installation, licensed: Client) -> None:
    turned_back(here, licensed)
    licensed.accept_clock()
    here.clock.advance(-5 * HOUR_S)
    assert licensed.status().code == "CLOCK_TURNED_BACK"
    here.clock.advance(200 * DAY_S)
    assert licensed.status().status.value == "additional_grace"


def test_accepting_a_clock_makes_no_lease_of_the_future_longer(
    here: Installation, licensed: Client, host: ScriptedHost
) -> None:
    here.clock.advance(300 * DAY_S)  # host and client both
    licensed.activate()
    here.clock.advance(-300 * DAY_S)
    status = licensed.accept_clock()
    assert abs((status.expires_s or 0) - here.clock.now_s() - 180 * DAY_S) <= 4 * HOUR_S


def test_a_clock_is_accepted_as_often_as_a_machine_is_rearmed(here: Installation, licensed: Client) -> None:
    lives(here, licensed, 5 * 24)
    for _ in range(3):
        here.clock.advance(-DAY_S)
        assert licensed.accept_clock().code is None
    here.clock.advance(-DAY_S)
    with pytest.raises(RearmLimitReachedError):
        licensed.accept_clock()
    assert licensed.status().code == "CLOCK_TURNED_BACK"
    licensed.activate()
    assert licensed.status().code is None


def test_a_clock_accepted_without_a_lease_begins_the_grace_anew(here: Installation) -> None:
    client = here.client()
    lives(here, client, 20 * 24)
    here.clock.advance(-10 * DAY_S)
    status = client.accept_clock()
    assert (status.code, status.expires_s) == (None, here.clock.now_s() + 30 * DAY_S)


def test_where_it_was_uninstalled_no_clock_is_accepted(here: Installation, licensed: Client) -> None:
    licensed.uninstall()
    here.clock.advance(-DAY_S)
    with pytest.raises(UninstalledError):
        licensed.accept_clock()
