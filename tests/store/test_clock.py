"""A host's wrong clock destroys nothing: records and events stay, it is told, and all is as it was when it is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from quorate.core.events import ClockUnconfirmed
from quorate.core.policy import DAY_S, HOUR_S
from quorate.host.chores import SWEEP_EVERY_S, StoreChores
from quorate.host.config import Settings
from quorate.host.keyring import Credentials
from quorate.host.store.certaintime import clock_fault
from tests.store.world import SIGNER, Site
from tests.support.documents import cmid_of

MACHINES = 12


@dataclass
class Running:
    """A host's housekeeping over a site's store; `run` passes time, `restart` begins anew on what is on disk."""

    site: Site
    settings: Settings = field(default_factory=lambda: Settings(event_days=90))

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        credentials = Credentials(SIGNER.host_id, SIGNER.key, (), None, None)
        self.chores = StoreChores(self.site.store, self.site.clock, credentials, self.settings, _at_once)
        self.chores.adopt((self.site.product,), self.settings)

    def run(self, seconds: float = SWEEP_EVERY_S) -> None:
        """Time passes, and what is due then is done."""
        self.site.clock.advance(seconds)
        for _ in range(1000):
            if not self.chores.step():
                return
        raise AssertionError("housekeeping does not end")

    def restart(self, off_s: float = 0, *, is_crash: bool = False) -> None:
        """Off for so long."""
        if not is_crash:
            self.chores.finish()
        self.site.clock.advance(off_s)
        self.site.reopen()
        self.start()

    def held(self) -> tuple[set[str], set[int]]:
        """The machines and the events that are there; events about the clock aside."""
        reports = self.site.store.reports
        events = {each.id for each in reports.iter_events() if not isinstance(each.event, ClockUnconfirmed)}
        return {row.cmid for row in reports.iter_clients()}, events

    def told(self) -> list[str | None]:
        """What the events about the clock say, in their order."""
        return [each.event.code for each in self.site.store.reports.iter_events(12319)]


def _at_once(work: Callable[[], None]) -> None:
    work()


@pytest.fixture
def host(site: Site) -> Running:
    """A host that has known its machines for a week."""
    site.ask_all(range(MACHINES))
    running = Running(site)
    running.run()
    running.run(7 * DAY_S)
    site.ask_all(range(MACHINES))
    running.run()
    assert running.told() == []
    return running


JUMPS = [5 * HOUR_S, DAY_S, 31 * DAY_S, 40 * DAY_S, 3650 * DAY_S, 9000 * 365 * DAY_S, -5 * HOUR_S, -100 * DAY_S]


@pytest.mark.parametrize("by_s", JUMPS)
def test_an_hour_of_a_wrong_clock_destroys_nothing_and_is_told(host: Running, by_s: int) -> None:
    before, count = host.held(), host.site.count()
    host.site.clock.set_by(by_s)
    for _ in range(12):
        host.run()
        assert host.chores.time.fault is not None
        assert "nothing is deleted" in host.chores.time.fault
    assert host.told() == ["CLOCK_UNCONFIRMED"]
    host.site.clock.set_by(-by_s)
    host.run()
    assert host.chores.time.fault is None
    assert host.told() == ["CLOCK_UNCONFIRMED", None]
    assert host.held() == before
    assert host.site.count() == count


@pytest.mark.parametrize("by_s", [each for each in JUMPS if abs(each) > 4 * DAY_S])
@pytest.mark.parametrize("is_crash", [False, True])
def test_starts_at_a_wrong_clock_destroy_nothing(host: Running, by_s: int, is_crash: bool) -> None:
    before, count = host.held(), host.site.count()
    host.site.clock.set_by(by_s)
    for _ in range(5):
        host.restart(600, is_crash=is_crash)
        host.run()
        host.run(HOUR_S)
        assert host.chores.time.fault is not None
        assert clock_fault(host.site.store.settings(), host.site.clock.now_s()) is not None
    assert host.told() == ["CLOCK_UNCONFIRMED"], "once, and not at every start"
    host.site.clock.set_by(-by_s)
    host.restart(600, is_crash=is_crash)
    host.run()
    assert host.held() == before
    assert host.site.count() == count
    assert host.told() == ["CLOCK_UNCONFIRMED", None]


def test_a_host_of_before_has_its_newest_event_for_certain(host: Running) -> None:
    """A database without a certain time, first started by a version that knows one while the clock is wrong."""
    before = host.held()
    host.site.store.clear_setting("certain-time")
    host.site.clock.set_by(3650 * DAY_S)
    host.restart(is_crash=True)
    host.site.store.clear_setting("certain-time")
    host.start()
    host.run()
    assert host.held() == before
    assert host.told() == ["CLOCK_UNCONFIRMED"]


def test_weeks_of_a_wrong_clock_without_anybody_destroy_nothing(host: Running) -> None:
    before = host.held()
    host.site.clock.set_by(400 * DAY_S)
    for _ in range(20):
        host.run(DAY_S)
    assert host.held() == before
    host.run(10 * DAY_S)
    assert host.held()[0] == set(), "thirty days have really passed"


def test_after_months_off_housekeeping_goes_on_once_machines_confirm_the_clock(host: Running) -> None:
    _, events = host.held()
    host.restart(200 * DAY_S)
    host.run()
    assert len(host.held()[0]) == MACHINES
    assert host.site.count() == 0, "what has lapsed does not count, deleted or not"
    host.site.ask_all(range(3))
    host.run(HOUR_S)
    assert len(host.held()[0]) == MACHINES
    host.run(DAY_S)
    host.run()
    assert host.held()[0] == {cmid_of(number) for number in range(3)}
    assert not host.held()[1] & events, "and old events go as well"
    assert host.told() == ["CLOCK_UNCONFIRMED", None]
    assert host.chores.time.fault is None


def test_strangers_do_not_confirm_a_wrong_clock(host: Running) -> None:
    """Machines that nobody knew a day before may be invented by anybody who has the host's own time."""
    before, events = host.held()
    host.site.clock.set_by(40 * DAY_S)
    for round_ in range(20):
        host.run(HOUR_S)
        host.site.ask_all(range(1000 + 100 * round_, 1100 + 100 * round_))
    host.run()
    machines, kept = host.held()
    assert before <= machines
    assert events <= kept


def test_what_was_heard_in_the_future_counts_no_longer_than_anything_else(host: Running) -> None:
    """Two machines share the host's wrong clock for an hour; one is never heard again."""
    host.site.clock.set_by(3650 * DAY_S)
    host.run()
    host.site.ask_all([0, 1])
    host.run(HOUR_S)
    host.site.clock.set_by(-3650 * DAY_S)
    host.run()
    host.run()
    now_s = host.site.clock.now_s()
    assert max(row.last_heard_s for row in host.site.store.reports.iter_clients()) <= now_s
    assert host.site.count() == MACHINES
    host.run(20 * DAY_S)
    host.site.ask_all(range(1, MACHINES))
    host.run(10 * DAY_S)
    host.run()
    assert cmid_of(0) not in host.held()[0]


def test_a_clock_behind_dates_no_record_back(host: Running) -> None:
    host.site.clock.set_by(-100 * DAY_S)
    for _ in range(3):
        host.run()
    host.site.clock.set_by(100 * DAY_S)
    host.run()
    assert host.site.count() == MACHINES


def test_events_of_a_wrong_clock_keep_nothing_for_ever(host: Running) -> None:
    """An event that says 2036 goes with those around it, and none behind it is kept for its sake."""
    host.site.clock.set_by(3650 * DAY_S)
    host.run()
    host.site.ask_all([0, 1])
    host.site.clock.set_by(-3650 * DAY_S)
    host.run()
    for _ in range(10):
        host.run(10 * DAY_S)
        host.site.ask_all(range(3))
    host.run()
    now_s = host.site.clock.now_s()
    times = [each.event.time_s for each in host.site.store.reports.iter_events(12290)]
    assert min(times) > now_s - 91 * DAY_S
    assert max(times) <= now_s
    assert host.told() == ["CLOCK_UNCONFIRMED", None], "what is administrative stays for longer"


def test_what_was_heard_under_a_wrong_clock_is_no_reason_to_lose_what_came_before(host: Running) -> None:
    """A log of nothing but future events: none goes before one behind it is old."""
    host.site.clock.set_by(3650 * DAY_S)
    host.run()
    host.site.ask_all(range(3))
    host.site.clock.set_by(-3650 * DAY_S)
    _, events = host.held()
    host.run()
    assert host.held()[1] == events
