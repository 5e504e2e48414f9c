"""Clones, snapshots that were brought back, and replies that were lost: three stories that must not be mixed up."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from quorate.core.decision import Asked, Decided
from quorate.core.events import CmidForked
from quorate.core.ids import link_of
from quorate.core.policy import DAY_S, HOUR_S
from quorate.host.store import migrations
from quorate.host.store.database import Database
from quorate.host.store.lineage import LINKS_MAX, TOLD_MAX, exchanged, is_exchanged
from quorate.host.store.reports import ClientRow
from quorate.host.store.store import Store
from tests.store.world import Site
from tests.support.documents import cmid_of, nonce_of


@pytest.fixture
def busy(site: Site) -> Site:
    """A site above the threshold."""
    site.ask_all(range(100, 130))
    return site


class Machine:
    """A client that holds a lease: what an image copies, a snapshot keeps, and a lost reply leaves behind."""

    def __init__(self, site: Site, number: int, name: str, address: str = "192.0.2.7", link: str | None = None) -> None:
        self.site, self.number, self.name, self.address, self.link = site, number, name, address, link
        self.nonce: str | None = None

    def copy(self, name: str, address: str = "192.0.2.8") -> Machine:
        return Machine(self.site, self.number, name, address, self.link)

    def ask(self, *, lost: bool = False) -> Decided:
        """Ask; the nonce is kept while no answer comes."""
        self.nonce = self.nonce or nonce_of(random.Random(f"{self.name}{self.site.clock.now_s()}").getrandbits(100))
        arrived = self.site.request(self.number, nonce=self.nonce, link=self.link)
        request = replace(arrived.request, machine=self.name)
        assert isinstance(arrived.verdict, Asked)
        verdict = replace(arrived.verdict, request=request)
        [decided] = self.site.decide([replace(arrived, request=request, verdict=verdict, address=self.address)])
        self.site.clock.advance(60)
        if not lost:
            if decided.code is None:
                self.link = link_of(cmid_of(self.number), self.nonce)
            self.nonce = None
        return decided

    def renew(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.ask().code is None
            self.site.clock.advance(7 * DAY_S)
            self.site.ask_all(range(100, 130))


def row(site: Site, number: int = 1) -> ClientRow:
    return next(row for row in site.store.reports.clients() if row.cmid == cmid_of(number))


def forks(site: Site) -> list[str | None]:
    return [stored.event.code for stored in site.store.reports.events(12312)]


def test_the_later_of_two_clones_is_told_to_take_another_cmid(busy: Site) -> None:
    image = Machine(busy, 1, "image")
    image.renew()
    first, second = image.copy("pc-a", "192.0.2.8"), image.copy("pc-b", "192.0.2.9")
    first.renew()
    refused = second.ask()
    assert refused.code == "CMID_SUPERSEDED"
    known = row(busy)
    assert (known.machine, known.address) == ("pc-a", "192.0.2.8")
    assert known.fork is not None
    assert (known.fork.machine, known.fork.known_machine) == ("pc-b", "pc-a")
    [stored] = busy.store.reports.events(12312)
    assert isinstance(stored.event, CmidForked)
    assert "pc-b (192.0.2.9)" in stored.event.message
    assert "pc-a (192.0.2.8)" in stored.event.message
    first.renew()
    assert forks(busy) == ["CMID_SUPERSEDED"]


def test_one_name_at_two_addresses_is_two_machines(busy: Site) -> None:
    image = Machine(busy, 1, "localhost")
    image.renew()
    copy = image.copy("localhost", "192.0.2.99")
    image.renew()
    assert copy.ask().code == "CMID_SUPERSEDED"


def test_a_clone_of_months_ago_is_still_known(busy: Site) -> None:
    image = Machine(busy, 1, "pc")
    image.renew()
    copy = image.copy("copy")
    image.renew(LINKS_MAX - 1)
    assert copy.ask().code == "CMID_SUPERSEDED"


def test_a_snapshot_that_was_brought_back_is_answered_and_noted_more_mildly(busy: Site) -> None:
    machine = Machine(busy, 1, "pc")
    machine.renew()
    snapshot = machine.copy("pc", "192.0.2.7")
    machine.renew()
    assert snapshot.ask().code is None
    assert forks(busy) == [None]
    fork = row(busy).fork
    assert fork is not None
    assert (fork.cloned_s, fork.rolled_back_s is None) == (None, False)
    snapshot.renew(3)
    assert forks(busy) == [None]


@pytest.mark.parametrize("later_s", [60, 3 * HOUR_S, 3 * DAY_S])
def test_a_lost_reply_is_neither(busy: Site, later_s: int) -> None:
    machine = Machine(busy, 1, "pc")
    machine.renew()
    machine.ask(lost=True)
    busy.clock.advance(later_s)
    machine.address = "192.0.2.77"  # and the machine has moved meanwhile
    assert machine.ask().code is None
    machine.renew()
    assert forks(busy) == []


def test_a_machine_that_goes_back_and_forth_between_two_hosts_is_neither(busy: Site, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Site(tmp_path / "other" / "host.sqlite3")
    other.clock = busy.clock
    try:
        other.ask_all(range(100, 130))
        machine = Machine(busy, 1, "laptop")
        for turn in range(12):
            machine.site = busy if turn % 3 else other
            machine.address = f"192.0.2.{turn}"
            machine.ask(lost=turn % 4 == 1)
            busy.clock.advance(DAY_S)
            other.ask_all(range(100, 130))
            busy.ask_all(range(100, 130))
        assert forks(busy) == forks(other) == []
    finally:
        other.store.close()


def test_a_client_that_does_not_understand_is_answered_after_the_tolerance(busy: Site) -> None:
    """An old client drops the refusal unread and asks again with its nonce. Nobody is blocked."""
    image = Machine(busy, 1, "image")
    image.renew()
    old = image.copy("old")
    image.renew()
    assert old.ask(lost=True).code == "CMID_SUPERSEDED"
    busy.clock.advance(2 * HOUR_S)
    assert old.ask(lost=True).code == "CMID_SUPERSEDED"
    busy.clock.advance(2 * HOUR_S)
    assert old.ask().code is None
    assert image.ask().code == "CMID_SUPERSEDED"  # the CMID is the other's now, and this one understands


def test_more_clones_than_are_remembered_are_answered(busy: Site) -> None:
    image = Machine(busy, 1, "image")
    image.renew()
    copies = [image.copy(f"copy-{n}", f"2001:db8::{n:x}") for n in range(TOLD_MAX + 1)]
    image.renew()
    codes = [copy.ask(lost=True).code for copy in copies]
    assert codes == ["CMID_SUPERSEDED"] * TOLD_MAX + [None]


def test_a_refused_clone_does_not_keep_the_others_record_alive_nor_count_twice(busy: Site) -> None:
    image = Machine(busy, 1, "image")
    image.renew()
    copy = image.copy("copy")
    image.ask()
    heard_s, count = row(busy).last_heard_s, busy.count()
    busy.clock.advance(HOUR_S)
    assert copy.ask().code == "CMID_SUPERSEDED"
    assert (row(busy).last_heard_s, busy.count()) == (heard_s, count)


def test_two_hundred_clones_end_as_two_hundred(busy: Site) -> None:
    """Each does as a client does: told so, it takes a new CMID; replies are lost at random."""
    chance = random.Random(4)
    image = Machine(busy, 1, "image")
    image.renew()
    fleet = [image.copy(f"pc-{n}", f"198.51.100.{n}") for n in range(200)]
    numbers = iter(range(1000, 2000))
    for _ in range(6):
        chance.shuffle(fleet)
        for machine in fleet:
            lost = chance.random() < 0.3
            if machine.ask(lost=lost).code == "CMID_SUPERSEDED" and not lost:
                machine.number, machine.link, machine.nonce = next(numbers), None, None
                machine.ask()
        busy.clock.advance(5 * DAY_S)
        busy.ask_all(range(100, 130))
    assert len({machine.number for machine in fleet}) == 200


def test_a_fork_is_kept_over_a_restart(busy: Site) -> None:
    image = Machine(busy, 1, "image")
    image.renew()
    copy = image.copy("copy")
    image.renew()
    copy.ask(lost=True)
    busy.reopen()
    assert copy.ask().code == "CMID_SUPERSEDED"
    assert forks(busy) == ["CMID_SUPERSEDED"]


def test_a_database_of_the_first_version_is_brought_up_to_date_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "host.sqlite3"
    database = Database(path)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO cmid_records VALUES ('acme', ?, 'client', 'cad-client', 'pc', 0, 'licensed', '192.0.2.7', 1,"
            " 2, 3, NULL, NULL, NULL, NULL, NULL)",
            (bytes(16),),
        )
    database.close()
    store = Store.open(path)
    try:
        [known] = store.reports.clients()
        assert (known.machine, known.requests, known.fork) == ("pc", 3, None)
    finally:
        store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0006",)]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(0, 40))
def test_only_links_that_were_exchanged_are_known_as_such(numbers: list[int], asked: int) -> None:
    links = [number.to_bytes(16, "big")[::-1] for number in numbers]
    known: bytes | None = None
    current: bytes | None = None
    for link in links:
        known, current = exchanged(known, current, current, link), link
    presented = asked.to_bytes(16, "big")[::-1]
    is_known = is_exchanged(known, current, presented, b"\xff" * 16)
    if is_known:
        assert presented in links
        assert presented != current
    assert len(known or b"") <= 6 * LINKS_MAX


_alike = st.builds(lambda byte, at: bytes(at) + bytes([byte]) * (16 - at), st.integers(0, 2), st.integers(0, 6))


@given(st.lists(st.tuples(st.none() | _alike, _alike), max_size=40))
def test_links_whose_bytes_overlap_are_told_apart(shown: list[tuple[bytes | None, bytes]]) -> None:
    known: bytes | None = None
    current: bytes | None = None
    kept: list[bytes] = []
    for presented, link in shown:
        assert is_exchanged(known, current, presented, link) == (
            presented is not None and presented != current and link != current and presented[:6] in kept
        )
        known = exchanged(known, current, presented, link)
        for each in (current, presented) if link != current else ():
            if each is not None and each != link and each[:6] not in kept:
                kept.append(each[:6])
        kept = kept[-LINKS_MAX:]
        current = link
        assert known == (b"".join(kept) or None)
