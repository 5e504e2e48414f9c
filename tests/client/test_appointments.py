"""When the next attempt is due: whatever clock made the appointment, and whatever a host advised."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from quorate import Client
from quorate.core.messages import ActivationRequest, Answer
from quorate.core.policy import DAY_S, HOUR_S, Policy
from quorate.errors import ClockSkewError, QuorateError
from tests.client.parties import Installation, ScriptedHost, scripted
from tests.support.clocks import START_S, ManualClock
from tests.support.documents import World


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


@pytest.mark.parametrize("ahead_s", [5 * HOUR_S, 2 * DAY_S, 20 * DAY_S, 800 * DAY_S])
@pytest.mark.parametrize("wish", ["set_host", "attempt", "rearm"])
def test_an_appointment_made_by_a_clock_that_was_ahead_is_void(
    here: Installation, licensed: Client, host: ScriptedHost, ahead_s: int, wish: str
) -> None:
    here.clock.advance(ahead_s)
    if wish == "attempt":
        host.say_raw(b"no", 500)
        licensed.renew_if_due()
        with pytest.raises(QuorateError):
            licensed.activate()
        host.script = host.honest
    elif wish == "rearm":
        licensed.rearm()
    else:
        licensed.set_host(f"127.0.0.1:{host.port}")
    here.clock.advance(-ahead_s)
    assert here.client(seed=7).renew_if_due().last_attempt_s == here.clock.now_s()


def test_an_appointment_further_away_than_any_is_void(here: Installation, licensed: Client) -> None:
    life = here.read()["life"]
    here.change(life=life | {"next_attempt_s": here.clock.now_s() + 31 * DAY_S, "appointed_s": None})
    here.clock.advance(2 * DAY_S)
    assert here.client(seed=7).status().next_attempt_s <= here.clock.now_s() + 30 * DAY_S
    here.change(life=life | {"next_attempt_s": here.clock.now_s() + 800 * DAY_S, "appointed_s": None})
    assert here.client(seed=7).renew_if_due().last_attempt_s == here.clock.now_s()


def test_a_renewal_is_never_further_away_than_an_appointment_may_be(tmp_path: Path, clock: ManualClock) -> None:
    world = World(Policy(interval_max_s=HOUR_S))
    with scripted(world, clock) as host:
        here = Installation(tmp_path / "pc", world, clock)
        client = here.client(host)
        client.activate()
        heard = len(host.requests)
        for _ in range(10):
            clock.advance(60)
            client.renew_if_due()
        assert len(host.requests) == heard


@pytest.mark.parametrize("retry_after", ["1", "30", "0"])
def test_advice_to_come_back_soon_does_not_make_it_ask_each_second(
    here: Installation, host: ScriptedHost, retry_after: str
) -> None:
    client = here.client(host)
    host.say_raw(b"no", 503, Retry_After=retry_after)
    for _ in range(3600):
        client.renew_if_due()
        here.clock.advance(1)
    assert 1 <= len(host.requests) <= 7  # after 1, 2, 4, 8, 15, 15 minutes
