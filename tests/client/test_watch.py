"""After nobody was reached: fifteen minutes for the network to come, or the host to start; then every two hours."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import dns.message
import pytest

from quorate import Status
from quorate.client.attempt.network_watch import (
    ON_THE_WAY,
    RETRIES_S,
    WATCH_S,
    NetworkWatch,
    network_picture,
)
from quorate.client.discovery.network import Network
from quorate.core.policy import HOUR_S
from quorate.errors import BY_CODE
from tests.client.nameserver import asking, nameserver, reply, zone
from tests.client.parties import Installation, closed_port, scripted
from tests.client.sites import SRV
from tests.client.test_agent import StoppingClock
from tests.support.clocks import START_S, ManualClock, SeededEntropy
from tests.support.documents import World

MINUTE_S = 60


@dataclass
class Days:
    """An agent that runs until a time, and when it asked. `changes`: what happens, by seconds since the start."""

    here: Installation
    asked_s: list[int] = field(default_factory=list)
    codes: list[str | None] = field(default_factory=list)

    def told(self, status: Status) -> None:
        assert status.last_attempt_s is not None
        self.asked_s.append(status.last_attempt_s - START_S)
        self.codes.append(status.code)

    def run(self, host: object = None, network: Network | None = None) -> None:
        self.here.client(host, network=network).run(threading.Event(), self.told)


def agent(folder: Path, hours: float) -> Days:
    return Days(Installation(folder, World(), StoppingClock(START_S + int(hours * HOUR_S))))


def test_a_host_that_is_gone_is_asked_four_times_more_and_then_every_two_hours(tmp_path: Path) -> None:
    days = agent(tmp_path, 9)
    days.run(closed_port())
    soon = [each for each in days.asked_s if each < HOUR_S]
    assert len(soon) == 1 + len(RETRIES_S)
    assert soon[-1] <= sum(RETRIES_S) + 30
    rest = [each for each in days.asked_s if each >= HOUR_S]
    assert len(rest) == 4, "no second watch in the same outage"
    apart = [after - before for before, after in pairwise(rest)]
    assert all(0.95 * 2 * HOUR_S <= each <= 2 * HOUR_S + MINUTE_S for each in apart)
    assert set(days.codes) == {"HOST_UNREACHABLE"}


def test_a_host_that_starts_two_minutes_later_is_found_within_minutes(tmp_path: Path) -> None:
    days = agent(tmp_path, 3)
    is_up = threading.Event()
    with scripted(days.here.world, days.here.clock) as host:
        records = {(SRV, "SRV"): [f"0 0 {host.port} kms01.corp.test."], ("kms01.corp.test", "A"): ["127.0.0.1"]}

        def answer(question: dns.message.QueryMessage, is_tcp: bool) -> dns.message.Message | bytes | None:
            if days.here.clock.now_s() >= START_S + 2 * MINUTE_S:
                is_up.set()
            return zone(records)(question, is_tcp) if is_up.is_set() else reply(question, rcode="SERVFAIL")

        with nameserver(answer) as names:
            days.run(network=asking(names))
    assert days.codes[0] == "DNS_SERVER_FAILURE"
    assert days.codes[-1] is None
    assert 2 * MINUTE_S <= days.asked_s[-1] <= 8 * MINUTE_S, "not two hours later"


def test_s11_a_refusal_is_no_reason_to_ask_again_soon(tmp_path: Path) -> None:
    days = agent(tmp_path, 5)
    with scripted(days.here.world, days.here.clock) as host:
        host.script = lambda request: host.say(host.claims(request, "COUNT_INSUFFICIENT"))
        days.run(host)
    assert set(days.codes) == {"COUNT_INSUFFICIENT"}
    assert len(days.asked_s) == 3
    assert days.asked_s[1] >= 0.95 * 2 * HOUR_S


# --- the watch alone -------------------------------------------------------------------------------------------------


@dataclass
class Watched:
    """A watch, its clock, and the network that it sees."""

    clock: ManualClock = field(default_factory=ManualClock)
    network: list[str] = field(default_factory=lambda: ["nothing"])

    def __post_init__(self) -> None:
        self.watch = NetworkWatch(self.clock, SeededEntropy(1), lambda: tuple(self.network))

    def asks_within(self, seconds: int) -> list[int]:
        """After how many seconds it wants to ask; each attempt finds nobody."""
        asked = []
        for second in range(1, seconds + 1):
            self.clock.advance(1)
            if self.watch.is_time():
                asked.append(second)
                self.watch.attempted(found_nobody=True)
        return asked


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_network_that_comes_up_is_used_at_once_but_not_within_ten_seconds(watched: Watched) -> None:
    watched.watch.attempted(found_nobody=True)
    watched.network[0] = "an address"
    assert watched.asks_within(12)[0] == 10


def test_a_network_that_changes_all_the_time_is_asked_six_times_a_minute_at_most_and_only_for_the_watch() -> None:
    watched = Watched()
    watched.watch.attempted(found_nobody=True)
    asked: list[int] = []
    for second in range(1, 3600):
        watched.network[0] = str(second)
        watched.clock.advance(1)
        if watched.watch.is_time():
            asked.append(second)
            watched.watch.attempted(found_nobody=True)
    assert asked[-1] <= WATCH_S
    assert min(after - before for before, after in pairwise(asked)) >= 10


def test_an_outage_has_one_watch_and_the_next_outage_its_own(watched: Watched) -> None:
    watched.watch.attempted(found_nobody=True)
    assert len(watched.asks_within(3600)) == len(RETRIES_S)
    watched.watch.attempted(found_nobody=True)
    assert watched.asks_within(3600) == []
    watched.watch.attempted(found_nobody=False)
    assert watched.asks_within(3600) == []
    watched.watch.attempted(found_nobody=True)
    assert len(watched.asks_within(3600)) == len(RETRIES_S)


def test_an_attempt_that_was_not_made_after_all_is_not_asked_for_every_second(watched: Watched) -> None:
    watched.watch.attempted(found_nobody=True)
    times = 0
    for _ in range(int(WATCH_S)):
        watched.clock.advance(1)
        times += watched.watch.is_time()  # and nobody tells of an attempt
    assert times == 1


def test_machines_that_start_together_do_not_ask_again_together() -> None:
    first = set()
    for seed in range(20):
        watched = Watched()
        watched.watch = NetworkWatch(watched.clock, SeededEntropy(seed), lambda: ())
        watched.watch.attempted(found_nobody=True)
        first.add(watched.asks_within(40)[0])
    assert len(first) > 5
    assert all(15 <= each <= 31 for each in first)


def test_the_picture_of_the_network_is_the_same_twice_and_costs_no_packet() -> None:
    assert network_picture() == network_picture()
    assert set(BY_CODE) >= ON_THE_WAY
