"""Event 12314: a count that will fall is told weeks ahead, once for each change, by a running host."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from quorate.core.events import CountFalling, info_text
from quorate.core.policy import DAY_S, MachineClass, SoftThreshold, Threshold
from quorate.core.trust import utc_text
from quorate.errors import CountWillFallError, StoreUnavailableError
from quorate.host.forecast import alert as falling_module
from quorate.host.forecast.alert import (
    EVERY_S,
    TOLD_ROW,
    FallingWatch,
    falling,
    news,
    on_a_thread,
    remembered,
)
from quorate.host.forecast.forecast import CountOf, Forecast, forecast
from quorate.host.settings.settings import Settings
from quorate.host.store.store import Store
from tests.store.world import CLIENT, SERVER, Site
from tests.support.clocks import START_S, ManualClock
from tests.support.documents import World
from tests.support.hosting import BOUND_S, Hosted, hosting, running

WEEK_S = 7 * DAY_S
BOTH = (SERVER, CLIENT)


class Looks:
    """Counts the looks of a running host, and can make one last."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.done = 0
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self.may_go_on.set()
        self._pause = threading.Event()
        patch.setattr(falling_module, "forecast", self._look)

    def _look(self, *arguments: Any, **named: Any) -> Forecast:
        self.begun.set()
        assert self.may_go_on.wait(BOUND_S)
        found = forecast(*arguments, **named)
        self.done += 1
        return found

    def wait_for(self, number: int) -> None:
        for _ in range(int(BOUND_S / 0.05)):
            if self.done >= number:
                return
            self._pause.wait(0.05)
        raise AssertionError(f"{self.done} looks, {number} were waited for")


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


def a_day_later(host: Hosted, looks: Looks) -> None:
    """The next look, begun after the clock was moved, has ended."""
    before = looks.done
    host.clock.advance(EVERY_S)
    looks.wait_for(before + 1)


def told(state_dir: Path) -> list[tuple[str | None, str | None]]:
    """The code and day of each event 12314, once the host has stopped."""
    store = Store.open(state_dir / "host.db")
    try:
        events = [stored.event for stored in store.reports.events(12314)]
    finally:
        store.close()
    assert all(isinstance(event, CountFalling) for event in events)
    return [(event.code, event.falls_on) for event in events if isinstance(event, CountFalling)]


# --- a running host --------------------------------------------------------------------------------------------------


def test_s20_two_of_25_go_silent_and_the_day_is_told_once_and_weeks_ahead(tmp_path: Path, looks: Looks) -> None:
    world, clock, state_dir = World(), ManualClock(), tmp_path / "host"
    with hosting(tmp_path, world, clock) as host:
        for number in range(25):
            host.activate(number)
        last_heard_s = clock.now_s()
        looks.wait_for(1)
        clock.advance(WEEK_S)
        for number in range(23):  # from here on two are not heard
            host.activate(number)
        for _ in range(5):  # ten days of silence are over on the third
            a_day_later(host, looks)
    falls_on = utc_text(last_heard_s + 30 * DAY_S)[:10]
    assert told(state_dir) == [("COUNT_WILL_FALL", falls_on)]
    assert clock.now_s() < last_heard_s + 13 * DAY_S, "seventeen days ahead"

    with running(state_dir, world, clock) as host:  # a restart repeats nothing
        looks.wait_for(looks.done + 1)
        a_day_later(host, looks)
    assert len(told(state_dir)) == 1

    with running(state_dir, world, clock) as host:
        for number in (100, 101):
            host.activate(number)
        a_day_later(host, looks)
        a_day_later(host, looks)
    assert told(state_dir)[1:] == [(None, None)], "all is well again, told once"


def test_a_day_that_comes_and_goes_is_told_as_what_it_is(tmp_path: Path, looks: Looks) -> None:
    world, clock, state_dir = World(), ManualClock(), tmp_path / "host"
    with hosting(tmp_path, world, clock) as host:
        for number in range(25):
            host.activate(number)
        looks.wait_for(1)
        clock.advance(11 * DAY_S)
        looks.wait_for(2)
        clock.advance(20 * DAY_S)
        looks.wait_for(3)
        a_day_later(host, looks)
        for number in range(25):
            host.activate(number)
        a_day_later(host, looks)
    codes = [code for code, _ in told(state_dir)]
    assert codes == ["COUNT_WILL_FALL", "COUNT_INSUFFICIENT", None]


def test_clients_are_answered_while_a_look_takes_long(tmp_path: Path, looks: Looks) -> None:
    with hosting(tmp_path) as host:
        looks.wait_for(1)
        looks.begun.clear()
        looks.may_go_on.clear()
        host.clock.advance(EVERY_S)
        try:
            assert looks.begun.wait(BOUND_S)
            assert host.activate(1).count == 1
            assert host.activate(2).count == 2
        finally:
            looks.may_go_on.set()


# --- what is news ----------------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "host.sqlite3")
    yield made
    made.store.close()


def count_of(machine_class: MachineClass, minimum: int = 5) -> CountOf:
    return CountOf(group="acme", machine_class=machine_class, threshold=Threshold(minimum, BOTH), window_s=30 * DAY_S)


def ahead(site: Site, *counts: CountOf) -> Forecast:
    return forecast(site.store.reports, counts or [count_of(CLIENT)], WEEK_S, site.clock.now_s(), silent_rows=0)


def test_a_day_that_moves_by_two_days_is_no_news_and_by_three_it_is(site: Site) -> None:
    for number in range(5):
        site.ask(number)
    site.clock.advance(11 * DAY_S)
    shown = ahead(site)
    (event,) = news(shown, {})
    assert (event.code, event.falls_in_days, event.lapsing, event.lowest) == ("COUNT_WILL_FALL", 19, 5, 0)
    memory = remembered({}, [event])
    assert news(shown, memory) == []
    for days, is_news in ((2, False), (3, True), (-2, False), (-3, True)):
        moved = {key: utc_text(START_S + (30 + days) * DAY_S)[:10] for key in memory}
        assert bool(news(shown, moved)) is is_news, days


def test_classes_that_share_a_threshold_are_one_event_and_others_are_not(site: Site) -> None:
    for number in range(5):
        site.ask(number)
    site.clock.advance(11 * DAY_S)
    counts = [count_of(CLIENT), count_of(MachineClass.EPHEMERAL), count_of(SERVER, 4)]
    events = news(ahead(site, *counts), {})
    assert sorted(event.machine_classes for event in events) == [("client", "ephemeral"), ("server",)]
    assert info_text(events[0]).startswith("0x0,5,5,acme,client ephemeral,")


def test_a_count_that_was_never_large_enough_is_no_news(site: Site) -> None:
    for number in range(4):
        site.ask(number)
    site.clock.advance(11 * DAY_S)
    assert news(ahead(site), {}) == []


def test_what_is_going_to_fall_is_told_with_what_to_do(site: Site) -> None:
    for number in range(5):
        site.ask(number)
    assert falling(ahead(site)) == ()
    site.clock.advance(11 * DAY_S)
    (warning,) = falling(ahead(site))
    assert isinstance(warning, CountWillFallError)
    day = utc_text(START_S + 30 * DAY_S)[:10]
    assert warning.message == (
        f"acme: the count of 5 will fall below the threshold of 5 for clients on {day}, in 19 days: the records of "
        "5 machines not heard for long lapse until then"
    )
    assert "5 machines" in warning.hint


def test_a_soft_threshold_is_told_with_it(site: Site) -> None:
    soft = CountOf(
        group="acme",
        machine_class=CLIENT,
        threshold=Threshold(5, BOTH, SoftThreshold(3, 30 * DAY_S)),
        window_s=30 * DAY_S,
    )
    for number in range(5):
        site.ask(number)
    site.clock.advance(11 * DAY_S)
    (event,) = news(ahead(site, soft), {})
    assert event.hint.endswith(
        "By the publisher's soft threshold, activated machines go on renewing down to 3, for 30 days after their last "
        "renewal at 5."
    )


# --- trouble ---------------------------------------------------------------------------------------------------------


def watching(site: Site, start: Callable[[Callable[[], None]], threading.Thread | None]) -> FallingWatch:
    watch = FallingWatch(site.store, site.clock, start)
    watch.adopt((site.product,), Settings())
    return watch


def at_once(work: Callable[[], None]) -> None:
    work()


@contextmanager
def broken(patch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    def fail(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError(reason="the disk is full", path="host.db", retry_after_s=30)

    with patch.context() as bent:
        bent.setattr(falling_module, name, fail)
        yield


def test_a_store_that_fails_keeps_the_news_waiting(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(25):
        site.ask(number)
    site.clock.advance(11 * DAY_S)
    watch = watching(site, at_once)
    with broken(monkeypatch, "transaction"), pytest.raises(StoreUnavailableError):
        watch.step()
    assert site.store.reports.events(12314) == []
    watch.step()
    watch.step()
    assert len(site.store.reports.events(12314)) == 1


def test_records_that_cannot_be_read_are_read_an_hour_later(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(25):
        site.ask(number)
    site.clock.advance(11 * DAY_S)
    watch = watching(site, at_once)
    with broken(monkeypatch, "forecast"):
        watch.step()
    site.clock.advance(3599)
    watch.step()
    assert site.store.reports.events(12314) == []
    site.clock.advance(1)
    watch.step()
    assert len(site.store.reports.events(12314)) == 1


@pytest.mark.parametrize("spoilt", [7, "x", ["acme client"], {"acme client ephemeral": "soon"}, {"acme": 3}])
def test_a_spoilt_memory_costs_one_event_more_and_no_thread(site: Site, spoilt: Any) -> None:
    for number in range(25):
        site.ask(number)
    site.clock.advance(11 * DAY_S)
    site.store.set_setting(TOLD_ROW, spoilt)
    watching(site, at_once).step()
    watching(site, at_once).step()
    assert len(site.store.reports.events(12314)) == 1


def test_the_end_waits_for_a_look_and_writes_down_what_it_found(site: Site) -> None:
    for number in range(25):
        site.ask(number)
    site.clock.advance(11 * DAY_S)
    watch = watching(site, on_a_thread)
    watch.step()
    watch.end()
    assert [stored.event.code for stored in site.store.reports.events(12314)] == ["COUNT_WILL_FALL"]
