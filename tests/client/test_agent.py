"""The agent: it asks when it starts and whenever it is due, survives everything, and stops when told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate import Status
from quorate.client.attempt.agent import Agent
from quorate.core.policy import DAY_S, HOUR_S
from tests.client.parties import BOUND_S, Installation, RawReply, RealWaits, ScriptedHost, scripted
from tests.support.clocks import START_S, ManualClock
from tests.support.documents import World


class StoppingClock(ManualClock):
    """Time passes as it is waited for, until `end_s`: then everybody is told to stop."""

    def __init__(self, end_s: int) -> None:
        super().__init__()
        self.end_s = end_s

    def wait(self, wake: threading.Event, timeout_s: float) -> bool:
        super().wait(wake, timeout_s)
        if self.now_s() >= self.end_s:
            wake.set()
        return wake.is_set()


@pytest.fixture
def clock() -> StoppingClock:
    return StoppingClock(START_S + 22 * DAY_S)


@pytest.fixture
def host(clock: StoppingClock) -> Iterator[ScriptedHost]:
    with scripted(World(), clock) as host:
        yield host


@pytest.fixture
def here(tmp_path: Path, clock: StoppingClock) -> Installation:
    return Installation(tmp_path, World(), clock)


def test_s14_three_weeks_of_an_agent_are_four_attempts(here: Installation, host: ScriptedHost) -> None:
    told: list[Status] = []
    here.client(host).run(threading.Event(), told.append)
    asked_s = [request.time_s for request in host.requests]
    assert asked_s[0] == START_S
    assert len(asked_s) == 4
    assert [status.last_attempt_s for status in told] == asked_s


def test_s11_a_day_of_refusals_is_an_attempt_every_two_hours(
    here: Installation, host: ScriptedHost, clock: StoppingClock
) -> None:
    host.count = 7
    clock.end_s = START_S + DAY_S - 60
    here.client(host).run(threading.Event())
    assert 12 <= len(host.requests) <= 13


def test_an_agent_asks_when_it_starts_due_or_not(here: Installation, host: ScriptedHost, clock: StoppingClock) -> None:
    here.client(host).activate()
    clock.end_s = START_S + HOUR_S
    here.client(seed=2).run(threading.Event())
    assert len(host.requests) == 2


def test_a_host_set_meanwhile_is_asked_within_a_minute(
    here: Installation, host: ScriptedHost, clock: StoppingClock
) -> None:
    clock.end_s = START_S + HOUR_S
    client = here.client()

    def administrator(status: Status) -> None:
        if status.code == "DNS_NAME_DOES_NOT_EXIST":
            here.client(host, seed=2)

    client.run(threading.Event(), administrator)
    assert host.requests[0].time_s <= START_S + 61


def test_an_agent_survives_what_nobody_thought_of(
    clock: StoppingClock, here: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    status = here.client().status()
    looks: list[int] = []

    def look() -> Status:
        looks.append(clock.now_s())
        if len(looks) < 3:
            raise RuntimeError("surprise")
        return status

    clock.end_s = START_S + 600
    with caplog.at_level(logging.ERROR, "quorate.client"):
        Agent(look, clock).run(threading.Event())
    assert len(looks) >= 4
    assert looks[1] - looks[0] == 60  # and it does not spin
    assert "surprise" in caplog.text


def test_start_renews_in_the_background_and_stop_ends_it(here: Installation, host: ScriptedHost) -> None:
    here.client(host)
    client = here.client(clock=RealWaits(ManualClock()))
    client.start()
    client.start()
    assert host.heard.wait(BOUND_S)
    assert [thread.name for thread in threading.enumerate()].count("quorate-client") == 1
    client.stop()
    assert client.status().status.value == "licensed"
    assert "quorate-client" not in [thread.name for thread in threading.enumerate()]
    client.stop()


def test_start_does_not_ask_a_host_that_has_just_answered(here: Installation, host: ScriptedHost) -> None:
    here.client(host).activate()
    looked = threading.Event()
    clock = RealWaits(here.clock, looked)
    client = here.client(clock=clock)
    client.start()
    assert looked.wait(BOUND_S)
    client.stop()
    assert len(host.requests) == 1


def test_renew_if_due_never_raises_for_the_network(here: Installation, host: ScriptedHost) -> None:
    client = here.client(host)
    host.script = lambda _: RawReply(b"<html>", 500)
    assert client.renew_if_due().code == "NOT_A_QUORATE_HOST"
