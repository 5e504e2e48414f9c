"""What a stranger can do who knows every CMID, every name and all that ever went over the wire: nothing to a record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import asdict, replace

from quorate.core.decision import Asked, Decided
from quorate.core.ids import link_of
from quorate.core.messages import ActivationRequest
from quorate.core.policy import DAY_S, HOUR_S, PROFILES, SoftThreshold, Threshold
from quorate.host.store.record import Record
from quorate.host.store.schema import cmid_records
from quorate.host.store.store import Arrived
from tests.store.world import CLIENT, SERVER, Site, commit_of, key_of
from tests.support.documents import cmid_of, nonce_of

STRANGER = "198.51.100.66"
FLEET = range(100, 130)
WINDOW_S = 30 * DAY_S


def moved(arrived: Arrived, address: str, **changes: Any) -> Arrived:
    """The request as it would be with these members, from that address."""
    request = replace(arrived.request, **changes)
    assert isinstance(arrived.verdict, Asked)
    return replace(arrived, request=request, verdict=replace(arrived.verdict, request=request), address=address)


class Client:
    """A machine that keeps a secret, and what of its traffic was overheard."""

    def __init__(self, site: Site, number: int, address: str = "192.0.2.7") -> None:
        self.site, self.number, self.address = site, number, address
        self.link: str | None = None
        self.previous: int | None = None
        self.answered: list[str] = []
        self.pending: str | None = None
        self.wire: list[Arrived] = []

    @property
    def name(self) -> str:
        return f"pc-{cmid_of(self.number)[-4:]}"

    def arrived(self, **changes: Any) -> Arrived:
        site = self.site
        nonce = self.pending = self.pending or site.request(self.number).request.nonce
        of = self.number if self.previous is None else self.previous
        reveals = tuple(key_of(of, each) for each in self.answered[:4])
        more: dict[str, Any] = {"reveals": reveals} if reveals else {}
        asked = site.request(
            self.number,
            nonce=nonce,
            link=self.link,
            previous_cmid=None if self.previous is None else cmid_of(self.previous),
            commit=commit_of(self.number, nonce),
            **more,
        )
        return moved(asked, self.address, **changes)

    def ask(self, *, is_lost: bool = False, **changes: Any) -> Decided:
        arrived = self.arrived(**changes)
        self.wire.append(arrived)
        [decided] = self.site.decide([arrived])
        self.site.clock.advance(60)
        if is_lost or decided.code == "CMID_SUPERSEDED":
            return decided
        nonce = arrived.request.nonce
        self.answered = [nonce, *([] if self.previous is not None else self.answered)]
        self.previous = self.pending = None
        if decided.code is None:
            self.link = link_of(cmid_of(self.number), nonce)
        return decided

    def rearm(self, number: int) -> None:
        self.previous, self.number = self.number, number
        self.link = self.pending = None

    @property
    def record(self) -> Record | None:
        return record_of(self.site, self.number)


def record_of(site: Site, number: int) -> Record | None:
    wanted = bytes.fromhex(cmid_of(number).replace("-", ""))
    with site.store.database.reading() as connection:
        rows = [Record(*row) for row in connection.execute(cmid_records.select())]
    return next((row for row in rows if row.cmid == wanted), None)


def standing(record: Record | None) -> tuple[Any, ...]:
    """All of a record that is more than a note that somebody asked."""
    assert record is not None
    return record._replace(requests=0, fork=None, last_heard_s=0)


@pytest.fixture
def busy(site: Site) -> Site:
    site.ask_all(FLEET)
    return site


@pytest.fixture
def known(busy: Site) -> Client:
    """A machine that has renewed a few times."""
    client = Client(busy, 1)
    for _ in range(3):
        assert client.ask().code is None
        busy.clock.advance(7 * DAY_S)
        busy.ask_all(FLEET)
    return client


def attacks(victim: Client) -> Iterator[Arrived]:
    """All that can be made of what is public and of what was overheard."""
    site = victim.site
    new = nonce_of(987_654_321)
    heard = [each.request for each in victim.wire]
    keys = tuple(key for request in heard if request.reveals is not UNSET for key in request.reveals)[-4:]
    public = site.request(victim.number, nonce=new)
    for name in (victim.name, "stranger"):
        for link in (None, victim.link, *(request.link for request in heard)):
            for more in ({}, {"commit": commit_of(77, new)}, {"commit": commit_of(77, new), "reveals": keys}):
                yield moved(public, STRANGER, machine=name, link=link, **more)
                yield moved(public, STRANGER, machine=name, link=link, edition="cad-server", **more)
        for request in heard:  # said once more, as it was and with another nonce, name or time
            for changes in ({}, {"nonce": new}, {"time_s": site.clock.now_s()}):
                again = replace(request, **({"time_s": site.clock.now_s()} | changes))
                yield moved(public, STRANGER, **(asdict(again) | {"machine": name}))
    for more in ({}, {"commit": commit_of(78, new), "reveals": keys}):  # a rearm that was none
        yield moved(site.request(78, nonce=new), STRANGER, previous_cmid=cmid_of(victim.number), **more)


def test_a_stranger_with_all_that_was_overheard_changes_nothing_of_a_record(known: Client) -> None:
    before = standing(known.record)
    site = known.site
    for number, attack in enumerate(attacks(known)):
        site.decide([attack])
        assert standing(known.record) == before, number
    assert site.count() >= len(FLEET) + 1
    assert known.ask().code is None
    assert known.record is not None
    assert known.record.address == known.address


def test_a_stranger_is_told_and_named_and_the_victim_is_neither(known: Client) -> None:
    site = known.site
    forged = moved(site.request(1), STRANGER, machine="stranger")
    assert site.decide([forged])[0].code == "CMID_SUPERSEDED"
    [row] = [row for row in site.store.reports.clients() if row.cmid == cmid_of(1)]
    assert row.fork is not None
    assert (row.fork.machine, row.fork.known_machine) == ("stranger", known.name)
    for _ in range(3):
        assert known.ask().code is None


def test_previous_cmid_without_proof_removes_nobody(busy: Site) -> None:
    clients = [Client(busy, number) for number in range(1, 6)]
    for client in clients:
        client.ask()
    rows = len(busy.store.reports.clients())
    for number in [*FLEET, *range(1, 6)]:
        busy.decide([moved(busy.request(9000 + number), STRANGER, previous_cmid=cmid_of(number))])
    assert len(busy.store.reports.clients()) == 2 * rows


def test_a_rearm_takes_its_own_record_away(known: Client) -> None:
    known.rearm(2)
    assert known.ask(is_lost=True).code is None
    assert record_of(known.site, 1) is None
    assert known.ask().code is None
    assert known.ask().code is None
    assert known.record is not None
    assert known.record.proven_s == known.site.clock.now_s() - 60


def test_two_rearms_and_only_the_second_is_heard(known: Client) -> None:
    known.rearm(2)
    known.previous, known.number = 1, 3  # the second before anybody heard of the first
    assert known.ask().code is None
    assert (record_of(known.site, 1), record_of(known.site, 2)) == (None, None)


@pytest.mark.parametrize("later_s", [60, 3 * HOUR_S, 3 * DAY_S])
def test_a_lost_reply_breaks_nothing(known: Client, later_s: int) -> None:
    for _ in range(3):
        assert known.ask(is_lost=True).code is None
        known.site.clock.advance(later_s)
    assert known.ask().code is None
    assert known.ask().code is None
    assert known.record is not None
    assert known.record.proven_s == known.site.clock.now_s() - 60


def test_a_lost_reply_and_a_move_to_another_network_is_no_copy(known: Client) -> None:
    assert known.ask(is_lost=True).code is None
    known.address = "192.0.2.200"
    assert known.ask().code is None
    assert known.ask().code is None
    assert known.record is not None
    assert known.record.address == "192.0.2.200"


def test_a_machine_that_is_refused_proves_itself_as_well(site: Site) -> None:
    client = Client(site, 1)
    for _ in range(3):
        assert client.ask().code == "COUNT_INSUFFICIENT"
    before = standing(client.record)
    for attack in attacks(client):
        site.decide([attack])
    assert standing(client.record) == before
    assert client.ask().code == "COUNT_INSUFFICIENT"
    client.address = "192.0.2.200"
    assert client.ask().code == "COUNT_INSUFFICIENT"


def test_copies_that_never_had_a_lease_are_told_at_once(site: Site) -> None:
    """One record baked into an image: the machines have a secret each, and one CMID."""
    first = moved(site.request(1, nonce=nonce_of(1), commit=commit_of(11, 1)), "192.0.2.1", machine="vm-1")
    second = moved(site.request(1, nonce=nonce_of(2), commit=commit_of(12, 2)), "192.0.2.2", machine="vm-2")
    assert site.decide([first])[0].code == "COUNT_INSUFFICIENT"
    assert site.decide([second])[0].code == "CMID_SUPERSEDED"
    [row] = site.store.reports.clients()
    assert row.fork is not None
    assert (row.machine, row.fork.machine) == ("vm-1", "vm-2")


def test_a_machine_that_cannot_prove_itself_is_answered_at_its_place_and_nothing_moves(known: Client) -> None:
    before = standing(known.record)
    known.answered = []
    known.pending = None
    for _ in range(3):
        assert known.ask().code is None
    assert standing(known.record) == before
    assert known.record is not None
    assert known.record.last_heard_s == known.site.clock.now_s() - 60


def test_after_a_whole_window_without_proof_the_record_is_locked_anew(known: Client) -> None:
    known.answered = []
    for _ in range(4):
        assert known.ask().code is None
        known.answered = []
        known.site.clock.advance(WINDOW_S // 4)
        known.site.ask_all(FLEET)
    for _ in range(2):
        assert known.ask().code is None
    assert known.record is not None
    assert known.record.proven_s == known.site.clock.now_s() - 60


def test_a_database_of_the_day_before_still_knows_its_machines(known: Client) -> None:
    """It holds the lock of one of the last four questions."""
    site = known.site
    old = known.record
    assert old is not None
    for _ in range(3):
        known.ask()
    with site.store.database.writing() as connection:
        row = cmid_records.update().where(cmid_records.c.cmid == old.cmid)
        connection.execute(row.values(lock=old.lock, link=old.link))
    known.address = "192.0.2.200"
    assert known.ask().code is None
    assert known.record is not None
    assert known.record.proven_s == site.clock.now_s() - 60


def test_a_record_from_before_takes_its_lock_from_its_own_machine_only(busy: Site) -> None:
    busy.ask(1)
    old = record_of(busy, 1)
    assert old is not None
    assert old.lock is None
    busy.decide([moved(busy.request(1, commit=commit_of(99, 5), nonce=nonce_of(5)), STRANGER)])
    seen = record_of(busy, 1)
    assert seen is not None
    assert seen.lock is None
    busy.ask(1, commit=commit_of(1, "A" * 22), nonce="A" * 22)  # no link, and another address before it
    again = busy.request(1, commit=commit_of(1, 8), nonce=nonce_of(8), link=link_of(cmid_of(1), "A" * 22))
    busy.decide([again])
    locked = record_of(busy, 1)
    assert locked is not None
    assert locked.lock is not None


def test_a_client_without_a_secret_is_served_as_ever(busy: Site) -> None:
    link: str | None = None
    for number in range(5):
        assert busy.ask(1, nonce=nonce_of(500 + number), link=link).code is None
        link = link_of(cmid_of(1), nonce_of(500 + number))
        busy.clock.advance(DAY_S)


def test_the_soft_threshold_stays_the_victims(tmp_path: Path) -> None:
    policy = PROFILES["windows-7"]
    soft = Threshold(25, (SERVER, CLIENT), soft=SoftThreshold(2, 90 * DAY_S))
    policy = replace(policy, thresholds=replace(policy.thresholds, client=soft))
    site = Site(tmp_path / "soft.sqlite3", policy)
    try:
        site.ask_all(FLEET)
        victims = [Client(site, number) for number in (1, 2, 3)]
        for _ in range(5):
            for victim in victims:
                assert victim.ask().code is None
            for victim in victims:
                for attack in attacks(victim):
                    site.decide([attack])
            site.clock.advance(7 * DAY_S)
        for victim in victims:
            assert victim.ask().full_s is not None
    finally:
        site.store.close()


def test_a_probe_has_to_prove_nothing(known: Client) -> None:
    verdict = known.site.request(1).verdict
    assert isinstance(verdict, Asked)
    assert known.site.store.probe(verdict, known.site.clock.now_s()).code is None


def test_another_edition_of_a_question_that_was_overheard_moves_no_class(known: Client) -> None:
    """At the machine's own place, too: strangers may stand behind the same address."""
    last = known.wire[-1].request
    again: ActivationRequest = replace(last, edition="cad-server", time_s=known.site.clock.now_s())
    arrived = known.site.request(1, SERVER, nonce=last.nonce, commit=last.commit, link=last.link)
    before = standing(known.record)
    known.site.decide([moved(arrived, known.address, machine=again.machine)])
    assert standing(known.record) == before
