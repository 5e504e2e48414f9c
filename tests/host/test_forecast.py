"""The forecast of a count, held against the count of the real store once the clock is there (S18, S19, S20)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.cli.host.forecast import forecast_lines
from quorate.cli.host.status import status_lines
from quorate.core.lease import Lease, Refusal
from quorate.core.policy import DAY_S, PROFILES, MachineClass, Policy, Threshold, Thresholds
from quorate.core.trust import utc_text
from quorate.host.forecast.forecast import (
    CountOf,
    Forecast,
    ForecastWatch,
    Outlook,
    forecast,
    outlook,
    patience_s,
)
from quorate.host.store.reports import LapseDay
from quorate.host.store.store import Store
from tests.cli.test_host_cli import said
from tests.store.world import CLIENT, SERVER, Site, arrived, product
from tests.support.clocks import START_S, ManualClock
from tests.support.documents import cmid_of, nonce_of
from tests.support.hosting import Hosted, hosting

WEEK_S = 7 * DAY_S
BOTH = (SERVER, CLIENT)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A new store under the profile `windows-7`."""
    made = Site(tmp_path / "host.sqlite3")
    yield made
    made.store.close()


def day_of(time_s: int) -> str:
    return utc_text(time_s)[:10]


def client_forecast(host: Hosted, **what_if: int) -> tuple[Forecast, Outlook]:
    shown = host.administration.forecast(**what_if)
    (found,) = [each for each in shown.thresholds if each.machine_class is CLIENT]
    return shown, found.what_if or found.if_silent_stay_silent


def readyz(host: Hosted) -> tuple[int, dict[str, Any]]:
    reply = host.admin("/readyz")
    (check,) = [each for each in reply.json["checks"] if each["name"] == "forecast"]
    return reply.status, check


# --- the story -------------------------------------------------------------------------------------------------------


def test_s20_25_clients_two_go_silent_and_the_day_is_named_weeks_ahead(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        for _ in range(2):  # 25 machines live their weekly rhythm
            for number in range(25):
                host.activate(number)
            assert readyz(host)[1]["ok"]
            host.clock.advance(WEEK_S)
        last_heard_s = host.clock.now_s() - WEEK_S
        for number in range(23):  # from here on two are not heard
            host.activate(number)
        host.clock.advance(patience_s(WEEK_S, 30 * DAY_S) - WEEK_S + 1)

        shown, ahead = client_forecast(host)
        falls_s = last_heard_s + 30 * DAY_S
        assert (ahead.count, ahead.falls_on, ahead.lowest, ahead.short) == (25, day_of(falls_s), 23, 2)
        assert ahead.falls_in_days is not None
        assert ahead.falls_in_days >= 19, "weeks ahead"
        assert {each.cmid for each in shown.silent_machines} == {host.request(23).cmid, host.request(24).cmid}
        assert {(each.last_heard_s, each.lapses_s) for each in shown.silent_machines} == {(last_heard_s, falls_s)}
        status, check = readyz(host)
        assert (status, check["ok"], check["required"]) == (200, False, False), "a warning, never a host taken away"
        assert f"below 25 on {day_of(falls_s)}" in check["reason"]
        assert any(f"WARNING: {check['reason']}" in line for line in status_lines(host.administration.status()))

        host.clock.advance(2 * WEEK_S - 3 * DAY_S)
        for number in range(23):
            answer = host.activate(number)
        assert isinstance(answer, Lease)
        host.clock.advance(falls_s - 1 - host.clock.now_s())
        assert host.administration.counts()["acme"]["client"].current == 25, "not a second earlier"
        host.clock.advance(1)
        assert day_of(host.clock.now_s()) == ahead.falls_on
        assert host.administration.counts()["acme"]["client"].current == 23
        assert isinstance(host.activate(0), Refusal)  # S21


def test_what_if_tells_how_many_machines_mend_it_and_how_many_more_break_it(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        for number in range(25):
            host.activate(number)
        assert client_forecast(host)[1].falls_on is None
        _, bent = client_forecast(host, retire=1)
        assert (bent.falls_on, bent.lowest, bent.short) == (day_of(host.clock.now_s() + 30 * DAY_S), 24, 1)
        _, mended = client_forecast(host, retire=40, add=25)
        assert (mended.count, mended.falls_on, mended.lowest) == (50, None, 25)


def test_people_read_words_and_scripts_a_stable_object(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        for number in range(25):
            host.activate(number)
        host.clock.advance(11 * DAY_S)
        host.activate(0)
        text = "\n".join(forecast_lines(host.administration.forecast(retire=1)))
        said_json = said("forecast", "--days", "40", "--add", "3", state_dir=host.state_dir)
    assert "Silent: not heard for more than 10 days: the renewal interval (7 days) and a margin." in text
    assert "BELOW 25 ON 2027-02-14, in 19 days; 1 in the end, 24 machines short" in text
    assert "confidence 4%: 1 of 25 were heard within one renewal interval, 0 are late, 24 silent" in text
    assert set(said_json) == {
        "time_s", "days", "renewal_interval_min", "silent_means", "retire", "add", "thresholds", "silent_machines",
        "notes", "warning", "hint",
    }  # fmt: skip
    assert set(said_json["thresholds"][0]) == {
        "group", "class", "counted", "threshold", "window_s", "silent_after_s", "count", "is_met", "prompt", "late",
        "silent", "confidence", "if_silent_stay_silent", "what_if", "soft_minimum", "soft_lasts_s",
    }  # fmt: skip
    assert set(said_json["thresholds"][0]["what_if"]) == {
        "count", "falls_on", "falls_in_days", "lowest", "short", "lapses"
    }  # fmt: skip
    assert (said_json["days"], said_json["add"]) == (40, 3)


# --- against the real store, whatever the history --------------------------------------------------------------------

ODD_WINDOW_S = 30 * DAY_S + 12_345  # a day of lapse that does not follow the day of hearing
groups = count()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store.create(tmp_path_factory.mktemp("forecast") / "host.sqlite3", is_durable=False)
    yield made
    made.close()


def policy(window_s: int) -> Policy:
    thresholds = Thresholds(server=Threshold(3, (SERVER,)), client=Threshold(8, BOTH), ephemeral=Threshold(8, BOTH))
    return msgspec.structs.replace(PROFILES["windows-7"], thresholds=thresholds, count_window_s=window_s)


def ages(window_s: int, renewal_s: int) -> st.SearchStrategy[int]:
    """How long ago: anything within the window, and the seconds around each line that is drawn in it."""
    lines = [0, renewal_s, patience_s(renewal_s, window_s), window_s, (START_S + window_s) % DAY_S + 9 * DAY_S]
    near = [line + by for line in lines for by in (-1, 0, 1)]
    return st.integers(0, window_s - 1) | st.sampled_from([each for each in near if 0 <= each < window_s])


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, int, list[tuple[MachineClass, int, int]], int, int]:
    """Window, renewal interval, (class, age, number of machines) in the order of hearing, retire, add."""
    window_s = draw(st.sampled_from([30 * DAY_S, ODD_WINDOW_S, 2 * DAY_S]))
    renewal_s = draw(st.sampled_from([WEEK_S, DAY_S, 15 * 60]))
    heard = st.tuples(st.sampled_from(BOTH), ages(window_s, renewal_s), st.integers(1, 5))
    history = sorted(draw(st.lists(heard, min_size=1, max_size=6)), key=lambda each: -each[1])
    return window_s, renewal_s, history, draw(st.integers(0, 6)), draw(st.integers(0, 3))


@settings(max_examples=120, deadline=None)
@given(histories())
def test_s19_the_count_of_the_real_store_falls_on_the_day_that_was_forecast(
    store: Store, drawn: tuple[int, int, list[tuple[MachineClass, int, int]], int, int]
) -> None:
    window_s, renewal_s, history, retire, add = drawn
    of, asked = product(policy(window_s), group=f"g{next(groups)}"), count()
    nonces = count()

    def hear(machines: list[tuple[int, MachineClass]], at_s: int) -> None:
        batch = [arrived(of, kind, cmid_of(number), nonce_of(next(nonces)), at_s) for number, kind in machines]
        store.decide(batch, at_s)

    known: list[tuple[int, int, MachineClass]] = []  # age, number, class
    for kind, age_s, number in history:
        machines = [(next(asked), kind) for _ in range(number)]
        known += [(age_s, machine, kind) for machine, kind in machines]
        hear(machines, START_S - age_s)
    threshold = of.policy.thresholds.client
    terms = CountOf(group=of.group, machine_class=CLIENT, threshold=threshold, window_s=window_s)
    (shown,) = forecast(store.reports, [terms], renewal_s, START_S, 40, retire, add).thresholds
    assert shown.count == len(known)
    ahead = shown.what_if or shown.if_silent_stay_silent

    regular = [(number, kind) for age_s, number, kind in known if age_s <= shown.silent_after_s]
    regular = regular[retire:] + [(next(asked), CLIENT) for _ in range(add)]  # heard in this order
    if add:
        hear(regular[-add:], START_S)
    today, at_end = START_S // DAY_S, {lapse.day: lapse.count for lapse in ahead.lapses}
    current = ahead.count
    for day in range(today, today + 41):
        end_s = (day + 1) * DAY_S - 1
        hear(regular, end_s)
        current = at_end.get(day_of(end_s), current)
        real = store.count(of.group, threshold, end_s, window_s)
        assert real == min(current, 2 * threshold.minimum), f"on {day_of(end_s)}"
        if ahead.count >= threshold.minimum:
            has_fallen = ahead.falls_on is not None and day_of(end_s) >= ahead.falls_on
            assert (real < threshold.minimum) == has_fallen
    assert current == ahead.lowest


# --- definitions and bounds ------------------------------------------------------------------------------------------


def test_s18_a_record_that_lapses_at_midnight_is_of_the_day_that_begins(site: Site) -> None:
    site.clock.advance(-(START_S % DAY_S))  # midnight
    site.ask_all(range(25))
    last_heard_s = site.clock.now_s()
    site.clock.advance(12 * DAY_S)
    terms = CountOf(group="acme", machine_class=CLIENT, threshold=Threshold(25, BOTH), window_s=30 * DAY_S)
    (shown,) = forecast(site.store.reports, [terms], WEEK_S, site.clock.now_s()).thresholds
    assert shown.if_silent_stay_silent.falls_on == day_of(last_heard_s + 30 * DAY_S)


def test_silent_is_an_interval_and_a_weekend_and_always_seen_before_the_record_lapses() -> None:
    assert patience_s(WEEK_S, 30 * DAY_S) == 10 * DAY_S
    assert patience_s(28 * DAY_S, 30 * DAY_S) == 29 * DAY_S
    assert patience_s(30 * DAY_S, 30 * DAY_S) == 30 * DAY_S


def test_a_renewal_interval_as_long_as_the_window_is_told_as_what_makes_forecasts_blind(tmp_path: Path) -> None:
    with hosting(tmp_path, settings={"renewal-interval": "43200"}) as host:
        (note,) = host.administration.forecast().notes
    assert "not shorter than the count window" in note


def test_the_count_is_exact_and_the_answer_bounded_however_large_the_fleet() -> None:
    rows = [LapseDay("acme", CLIENT, START_S // DAY_S + day, False, True, 100_000) for day in range(10)]
    ahead = outlook(rows, Threshold(25, BOTH), START_S, 30)
    assert (ahead.count, ahead.lowest, len(ahead.lapses), ahead.falls_in_days) == (1_000_000, 0, 10, 9)


def test_silent_machines_are_listed_longest_silent_first_and_twenty_at_most(site: Site) -> None:
    for number in range(30):
        site.ask(number)
        site.clock.advance(60)
    site.clock.advance(20 * DAY_S)
    terms = CountOf(group="acme", machine_class=CLIENT, threshold=Threshold(25, BOTH), window_s=30 * DAY_S)
    shown = forecast(site.store.reports, [terms, terms], WEEK_S, site.clock.now_s())
    assert [each.cmid for each in shown.silent_machines] == [cmid_of(number) for number in range(20)]


@pytest.mark.parametrize("wrong", [{"days": 0}, {"days": 367}, {"retire": -1}, {"add": 1_000_001}])
def test_what_if_has_bounds(site: Site, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="1 to 366"):
        forecast(site.store.reports, [], WEEK_S, START_S, **wrong)


def test_who_asks_often_reads_the_records_once_in_five_minutes_and_never_queues(site: Site) -> None:
    clock, made, entered, go_on = ManualClock(), count(), threading.Event(), threading.Event()

    def make() -> Forecast:
        if next(made) == 1:
            entered.set()
            assert go_on.wait(20)
        return forecast(site.store.reports, [], WEEK_S, clock.now_s())

    watch = ForecastWatch(make, clock)
    first = watch.latest()
    clock.advance(299)
    assert watch.latest() is first
    clock.advance(1)
    second = threading.Thread(target=watch.latest)
    second.start()
    try:
        assert entered.wait(20)
        assert watch.latest() is first, "another thread is at it"
    finally:
        go_on.set()
        second.join(20)
    assert watch.latest().time_s == first.time_s + 300
