"""Revoking at the publisher's: one list, signed and numbered, that never forgets; and no certificate past it."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from quorate.core.documents import HOST_CERTIFICATE, HostCertificate, read
from quorate.core.ids import ProductKey
from quorate.core.revocation import RevocationList, check_not_revoked, newer, read_list
from quorate.errors import (
    HostRevokedError,
    InvalidSettingError,
    NotKnownError,
    ProductKeyBlockedError,
)
from quorate.publisher.blocklist import Kind
from quorate.publisher.book import Book
from quorate.publisher.issue import Publisher
from quorate.publisher.ledger import Ledger
from tests.publisher.world import PASSPHRASE, AskingHost
from tests.support.clocks import START_S, ManualClock, SeededEntropy
from tests.support.waiting import PATIENCE_S


class Site:
    """One host, activated."""

    def __init__(self, publisher: Publisher, seed: int = 1) -> None:
        self.key: ProductKey = publisher.issue_host_key("Contoso", ["acme"])
        self.host = AskingHost(seed, f"kms{seed}")
        self.request = self.host.request(self.key)
        token = publisher.confirm(self.request)
        self.certificate: HostCertificate = read(HOST_CERTIFICATE, token, publisher.verify_keys)

    def name(self, kind: Kind) -> str:
        return {
            Kind.HOST_KEY: self.key.key_id,
            Kind.HOST: self.host.host_id,
            Kind.CERTIFICATE: self.certificate.serial,
            Kind.SIGNING_KEY: self.host.signing_key.kid,
        }[kind]


@pytest.fixture
def site(publisher: Publisher) -> Site:
    return Site(publisher)


def given_out(publisher: Publisher) -> RevocationList:
    """The list as everybody else reads it."""
    return read_list(publisher.revocations_path.read_text().strip(), publisher.trust)


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_is_in_the_signed_list_and_voids_the_host(publisher: Publisher, site: Site, kind: Kind) -> None:
    outcome = publisher.revoke(kind, site.name(kind), "leaked on a forum")
    assert (outcome.number, outcome.is_changed) == (1, True)
    found = given_out(publisher)
    assert found.number == 1
    assert check_not_revoked(site.certificate, START_S - 1, found) is site.certificate
    with pytest.raises(HostRevokedError, match="leaked on a forum"):
        check_not_revoked(site.certificate, START_S, found)


def test_a_revoked_host_key_activates_nobody(publisher: Publisher, site: Site) -> None:
    publisher.revoke(Kind.HOST_KEY, site.key.key_id, "leaked")
    for request in (site.request, site.host.request(site.key), AskingHost(2).request(site.key)):
        with pytest.raises(ProductKeyBlockedError, match="leaked"):
            publisher.confirm(request)
    assert publisher.host_keys()[0].status(START_S) == "blocked"


def test_a_revoked_host_gets_no_certificate_with_any_key(publisher: Publisher, site: Site) -> None:
    publisher.revoke(Kind.HOST, site.host.host_id, "sold")
    another = publisher.issue_host_key("Contoso", ["acme"])
    for request in (site.request, site.host.request(site.key), site.host.request(another)):
        with pytest.raises(HostRevokedError, match="sold"):
            publisher.confirm(request)
    assert publisher.confirm(AskingHost(2).request(site.key))
    assert {each.machine: each.revoked_reason for each in publisher.hosts()}["kms1"] == "sold"


def test_a_leaked_signing_key_gets_no_certificate_under_any_host_id(publisher: Publisher, site: Site) -> None:
    publisher.revoke(Kind.SIGNING_KEY, site.host.signing_key.kid, "in a backup")
    site.host.host_id = AskingHost(5).host_id
    with pytest.raises(HostRevokedError):
        publisher.confirm(site.host.request(site.key))


def test_a_revoked_certificate_is_not_given_again_but_the_host_may_ask_anew(publisher: Publisher, site: Site) -> None:
    publisher.revoke(Kind.CERTIFICATE, site.certificate.serial, "made by mistake")
    with pytest.raises(HostRevokedError, match="by mistake"):
        publisher.confirm(site.request)
    anew = read(HOST_CERTIFICATE, publisher.confirm(site.host.request(site.key)), publisher.verify_keys)
    assert check_not_revoked(anew, START_S, given_out(publisher)) is anew


def test_each_list_has_the_next_number_and_repeats_what_the_older_ones_said(
    publisher: Publisher, site: Site, clock: ManualClock
) -> None:
    held = None
    for number, kind in enumerate(Kind, start=1):
        publisher.revoke(kind, site.name(kind), f"reason {number}")
        clock.advance(60)
        found = newer(held, given_out(publisher))
        assert (found.number, len(found.entries)) == (number, number)
        assert held is None or set(held.entries) < set(found.entries)
        held = found


def test_revoking_again_changes_nothing_but_an_earlier_time_counts(publisher: Publisher, site: Site) -> None:
    publisher.revoke(Kind.HOST, site.host.host_id, "sold", START_S - 100)
    before = publisher.revocations_path.read_bytes()
    for since_s in (None, START_S - 100, START_S - 50):
        again = publisher.revoke(Kind.HOST, site.host.host_id, "another reason", since_s)
        assert (again.is_changed, again.number, again.entry.reason) == (False, 1, "sold")
    assert publisher.revocations_path.read_bytes() == before
    assert publisher.revoke(Kind.HOST, site.host.host_id, "stolen before", START_S - 500).number == 2
    assert [(each.since_s, each.reason) for each in given_out(publisher).entries] == [(START_S - 500, "stolen before")]


def test_a_host_key_is_named_by_its_beginning_its_last_five_or_itself(publisher: Publisher, site: Site) -> None:
    other = publisher.issue_host_key("Fabrikam", ["acme"])
    for typed in (site.key.key_id[:6], site.key.last_five, site.key.last_five.lower(), site.key.text):
        assert publisher.ledger.blocklist.find(Kind.HOST_KEY, typed) == site.key.key_id
    assert publisher.ledger.blocklist.find(Kind.HOST_KEY, other.text.lower()) == other.key_id


@pytest.mark.parametrize("kind", list(Kind))
def test_what_names_nothing_or_too_little_revokes_nothing(publisher: Publisher, site: Site, kind: Kind) -> None:
    for typed in ("nothing-like-it", "%%%%", "____", site.name(kind) + "x"):
        with pytest.raises(NotKnownError):
            publisher.revoke(kind, typed, "x")
    for typed in ("", "a", site.name(kind)[:3]):
        with pytest.raises(InvalidSettingError, match="too short"):
            publisher.revoke(kind, typed, "x")
    assert publisher.revocation_list() is None
    assert not publisher.revocations_path.exists()


def test_a_beginning_that_fits_several_revokes_nothing_and_shows_them(publisher: Publisher, site: Site) -> None:
    second = AskingHost(2)
    second.host_id = site.host.host_id[:8] + second.host_id[8:]
    publisher.confirm(second.request(site.key))
    with pytest.raises(InvalidSettingError, match="may be each of") as caught:
        publisher.revoke(Kind.HOST, site.host.host_id[:8], "x")
    assert site.host.host_id in caught.value.message
    assert second.host_id in caught.value.message
    assert publisher.revoked() == []


def test_a_time_to_come_and_a_reason_that_cannot_be_shown_are_refused(publisher: Publisher, site: Site) -> None:
    with pytest.raises(InvalidSettingError, match="--since"):
        publisher.revoke(Kind.HOST, site.host.host_id, "x", START_S + 1)
    for reason in ("", "  ", "x" * 201, "a\nb", "\u202eevil"):
        with pytest.raises(InvalidSettingError, match="--reason"):
            publisher.revoke(Kind.HOST, site.host.host_id, reason)
    assert publisher.revocation_list() is None


def test_revoking_at_the_same_moment_loses_nothing(publisher: Publisher) -> None:
    sites = [Site(publisher, seed) for seed in range(8)]
    start = threading.Barrier(len(sites), timeout=30)

    def revoke(site: Site) -> int:
        start.wait(PATIENCE_S)
        return publisher.revoke(Kind.HOST, site.host.host_id, "x").number

    with ThreadPoolExecutor(len(sites)) as pool:
        numbers = list(pool.map(revoke, sites, timeout=60))
    assert sorted(numbers) == list(range(1, 9))
    newest = publisher.revocation_list()
    assert newest is not None
    assert len(read_list(newest[1], publisher.trust).entries) == 8


def test_a_list_that_was_lost_or_damaged_is_given_out_again(
    publisher: Publisher, site: Site, clock: ManualClock
) -> None:
    publisher.revoke(Kind.HOST, site.host.host_id, "x")
    before = publisher.revocations_path.read_bytes()
    for spoil in (publisher.revocations_path.unlink, lambda: publisher.revocations_path.write_bytes(b"\xffrubbish")):
        spoil()
        Publisher.open(publisher.state_dir, PASSPHRASE, clock, SeededEntropy(9))
        assert publisher.revocations_path.read_bytes() == before


def test_a_ledger_from_a_backup_forgets_no_revocation_and_uses_no_number_twice(
    publisher: Publisher, site: Site, clock: ManualClock, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    shutil.copy(publisher.state_dir / "ledger.db", backup)
    for kind in (Kind.HOST, Kind.HOST_KEY, Kind.CERTIFICATE):
        publisher.revoke(kind, site.name(kind), "before the disk died")
    held = given_out(publisher)
    shutil.copy(backup, publisher.state_dir / "ledger.db")
    again = Publisher.open(publisher.state_dir, PASSPHRASE, clock, SeededEntropy(9))
    outcome = again.revoke(Kind.SIGNING_KEY, site.name(Kind.SIGNING_KEY), "after")
    found = newer(held, given_out(again))
    assert found.number == outcome.number > 3
    assert {each.reason for each in found.entries} == {"before the disk died", "after"}
    assert len(found.entries) == 4
    with pytest.raises(ProductKeyBlockedError):
        again.confirm(site.request)


def test_looking_shows_revocations_without_a_passphrase(publisher: Publisher, site: Site) -> None:
    publisher.revoke(Kind.HOST, site.host.host_id, "sold")
    book = Book(publisher.state_dir)
    assert [(each.id, each.reason) for each in book.revoked()] == [(site.host.host_id, "sold")]
    assert book.revocation_list() == publisher.revocation_list()


def test_a_ledger_of_the_first_version_is_brought_up(publisher: Publisher, site: Site) -> None:
    path = publisher.state_dir / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE revocations; DROP TABLE revocation_lists; PRAGMA user_version = 1")
    assert [host.machine for host in Ledger.open(path).hosts()] == ["kms1"]
    assert publisher.revoke(Kind.HOST, site.host.host_id, "sold").number == 1
