"""Housekeeping removes what lapsed, and nothing else, in short steps."""

from __future__ import annotations

import pytest
from sqlalchemy import event as sqlalchemy_event

from quorate.core.policy import DAY_S
from quorate.host.store import housekeeping
from quorate.host.store.housekeeping import Retention, sweep_step, trim_events_step
from quorate.host.store.record import Key
from tests.store.world import CLIENT, SIGNER, Site, arrived, product
from tests.support.documents import cmid_of, nonce_of

HUGE = 2**40
WINDOWS_S = {"acme": 30 * DAY_S}


def sweep(site: Site, windows_s: dict[str, int] = WINDOWS_S, other_window_s: int = 30 * DAY_S) -> int:
    """A whole walk; how many steps it took."""
    cursor: Key | None = None
    for steps in range(1, 1000):
        cursor = sweep_step(site.store.database, cursor, site.clock.now_s(), windows_s, other_window_s)
        if cursor is None:
            return steps
    raise AssertionError("the walk does not end")


def test_s18_a_record_is_removed_at_thirty_days_and_not_a_second_earlier(site: Site) -> None:
    site.ask(1)
    site.clock.advance(1)
    site.ask(2)
    site.clock.advance(30 * DAY_S - 2)
    sweep(site)
    assert len(site.store.reports.clients()) == 2
    site.clock.advance(1)
    sweep(site)
    assert [row.cmid for row in site.store.reports.clients()] == [cmid_of(2)]


def test_s19_the_count_is_the_same_before_and_after_the_sweep(site: Site) -> None:
    site.ask_all(range(40))
    site.clock.advance(DAY_S)
    site.ask_all(range(30, 50))
    site.clock.advance(29 * DAY_S)
    before = site.count()
    sweep(site)
    assert before == site.count() == len(site.store.reports.clients()) == 20


def test_the_walk_goes_through_everything_in_short_steps(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "STEP_KEYS", 50)
    monkeypatch.setattr(housekeeping, "STEP_REMOVALS", 10)
    site.ask_all(range(300))
    site.clock.advance(DAY_S)
    site.ask_all(range(0, 300, 3))
    site.clock.advance(29 * DAY_S)
    assert sweep(site) >= 20  # 200 lapsed, at most 10 in a step
    assert {row.cmid for row in site.store.reports.clients()} == {cmid_of(i) for i in range(0, 300, 3)}
    assert sweep(site) <= 3


def test_a_walk_that_removes_nothing_writes_nothing(site: Site) -> None:
    site.ask_all(range(3))
    begun: list[str] = []
    sqlalchemy_event.listen(
        site.store.database._writer, "before_cursor_execute", lambda *of: begun.append(of[2])
    )  # the only place where a needless transaction would be seen
    assert sweep(site) == 1
    assert begun == []


def test_a_record_that_was_heard_since_the_step_read_it_stays(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.ask(1)
    site.clock.advance(30 * DAY_S)
    writing = site.store.database.writing
    heard: list[int] = []

    def heard_meanwhile() -> object:
        if not heard:
            heard.append(1)
            site.ask(1)
        return writing()

    monkeypatch.setattr(site.store.database, "writing", heard_meanwhile)
    sweep(site)
    assert len(site.store.reports.clients()) == 1


def test_each_group_has_its_own_window_and_products_that_are_gone_have_the_other(site: Site) -> None:
    now_s = site.clock.now_s()
    for number, group in enumerate(("acme", "short", "gone")):
        of = product(group=group)
        site.decide([arrived(of, CLIENT, cmid_of(number), nonce_of(number), now_s)])
    site.clock.advance(2 * DAY_S)
    sweep(site, {"acme": 30 * DAY_S, "short": DAY_S}, other_window_s=3 * DAY_S)
    assert [row.group for row in site.store.reports.clients()] == ["acme", "gone"]
    site.clock.advance(DAY_S)
    sweep(site, {"acme": 30 * DAY_S, "short": DAY_S}, other_window_s=3 * DAY_S)
    assert [row.group for row in site.store.reports.clients()] == ["acme"]


def test_an_empty_store_is_swept_at_once(site: Site) -> None:
    assert sweep(site) == 1
    assert trim_events_step(site.store.database, site.clock.now_s(), Retention(DAY_S, 10, HUGE), SIGNER) is False


def trim(site: Site, age_max_s: int, number_max: int, bytes_max: int = HUGE) -> int:
    kept = Retention(age_max_s, number_max, bytes_max)
    for steps in range(1, 1000):
        if not trim_events_step(site.store.database, site.clock.now_s(), kept, SIGNER):
            return steps
    raise AssertionError("trimming does not end")


def kept(site: Site) -> list[int]:
    return [stored.id for stored in site.store.reports.events(limit=1000)]


def test_events_are_trimmed_by_age(site: Site) -> None:
    site.ask_all(range(10))
    site.clock.advance(DAY_S)
    site.ask_all(range(5))
    trim(site, DAY_S + 1, 1000)
    assert kept(site) == list(range(1, 16))
    trim(site, DAY_S, 1000)
    assert kept(site) == list(range(11, 16))


def test_events_are_trimmed_by_number(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "STEP_EVENTS", 7)
    site.ask_all(range(50))
    assert trim(site, DAY_S, 20) >= 5
    assert kept(site) == list(range(31, 51))
    assert trim(site, DAY_S, 20) == 1


def test_events_are_trimmed_by_size(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "STEP_EVENTS", 7)
    site.ask_all(range(50))
    with site.store.database.reading() as connection:
        sizes = connection.exec_driver_sql("SELECT length(data) + 96 FROM events ORDER BY id").scalars().all()
    room = sum(sizes[20:])
    assert trim(site, DAY_S, 1000, room) >= 3
    assert kept(site) == list(range(21, 51))
    assert trim(site, DAY_S, 1000, room) == 1
    assert trim(site, DAY_S, 1000, room - 1) == 1
    assert kept(site) == list(range(22, 51))


def test_the_size_that_is_counted_is_the_size_on_disk(site: Site) -> None:
    def pages() -> int:
        with site.store.database.reading() as connection:
            return int(connection.exec_driver_sql("SELECT sum(pgsize) FROM dbstat WHERE name = 'events'").scalar_one())

    site.ask_all(range(5000))
    with site.store.database.reading() as connection:
        counted = connection.exec_driver_sql("SELECT max(upto_bytes) FROM events").scalar_one()
    assert 0.8 < counted / pages() < 1.05


def test_the_newest_event_stays_so_that_no_number_is_given_twice(site: Site) -> None:
    site.ask_all(range(5))
    site.clock.advance(1000 * DAY_S)
    trim(site, DAY_S, 0)
    assert kept(site) == [5]
    site.ask(1)
    assert kept(site) == [5, 6]
