"""Hosts times activations: the limits hold, at the same moment too, and a refusal uses nothing up."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from quorate.errors import (
    FileAccessError,
    FilePermissionsError,
    HostKeyUsedUpError,
    MalformedError,
    SchemaNewerError,
)
from quorate.publisher import schema
from quorate.publisher.issue import Publisher
from quorate.publisher.ledger import Ledger
from tests.publisher.world import PASSPHRASE, AskingHost
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.waiting import PATIENCE_S


@pytest.fixture
def path(publisher: Publisher, tmp_path: Path) -> Path:
    return tmp_path / "publisher" / "ledger.db"


def test_a_key_activates_six_hosts_and_not_a_seventh(publisher: Publisher) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"])
    asking = [AskingHost(n, f"kms{n}") for n in range(7)]
    for host in asking[:6]:
        publisher.confirm(host.request(key))
    with pytest.raises(HostKeyUsedUpError, match=f"{key.last_five} is used up: 6 of 6 hosts"):
        publisher.confirm(asking[6].request(key))
    assert publisher.confirm(asking[0].request(key))  # a host that is among the six may come again
    assert {host.machine: host.activations for host in publisher.hosts()}["kms0"] == 2
    assert publisher.host_keys()[0].status(0) == "used up"


def test_a_host_is_activated_ten_times_and_not_an_eleventh(publisher: Publisher) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"])
    host = AskingHost(1)
    last = [host.request(key) for _ in range(10)]
    tokens = {publisher.confirm(request) for request in last}
    assert len(tokens) == 10
    with pytest.raises(HostKeyUsedUpError, match=r"this host \(kms1.contoso.example\) has had 10 of 10 activations"):
        publisher.confirm(host.request(key))
    assert publisher.confirm(last[-1]) in tokens  # what was confirmed stays confirmed
    assert publisher.confirm(AskingHost(2).request(key))  # and other hosts are not touched by it


def test_the_limits_can_be_chosen_for_each_key(publisher: Publisher) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"], hosts=1, activations=2)
    host = AskingHost(1)
    publisher.confirm(host.request(key))
    publisher.confirm(host.request(key))
    with pytest.raises(HostKeyUsedUpError, match="2 of 2 activations"):
        publisher.confirm(host.request(key))
    with pytest.raises(HostKeyUsedUpError, match="1 of 1 host "):
        publisher.confirm(AskingHost(2).request(key))
    other = publisher.issue_host_key("Contoso", ["acme"], hosts=1)
    assert publisher.confirm(host.request(other))  # each key counts for itself


def test_a_second_key_pair_under_the_same_host_id_takes_a_place_of_its_own(publisher: Publisher) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"], hosts=1)
    host, copy = AskingHost(1), AskingHost(2)
    publisher.confirm(host.request(key))
    copy.host_id = host.host_id
    with pytest.raises(HostKeyUsedUpError, match="1 of 1 host "):
        publisher.confirm(copy.request(key))


def test_hosts_confirmed_at_the_same_moment_cannot_share_the_last_place(publisher: Publisher) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"], hosts=3)
    requests = [AskingHost(n).request(key) for n in range(12)]
    start = threading.Barrier(len(requests), timeout=30)

    def confirm(request: str) -> bool:
        start.wait(PATIENCE_S)
        try:
            return bool(publisher.confirm(request))
        except HostKeyUsedUpError:
            return False

    with ThreadPoolExecutor(len(requests)) as pool:
        worked = list(pool.map(confirm, requests, timeout=60))
    assert sum(worked) == 3
    assert len(publisher.hosts()) == 3
    assert publisher.totals().certificates == 3


def test_one_host_confirmed_at_the_same_moment_cannot_overshoot_its_activations(
    publisher: Publisher, clock: ManualClock, tmp_path: Path
) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"], activations=4)
    host = AskingHost(1)
    requests = [host.request(key) for _ in range(10)]
    others = [
        Publisher.open(tmp_path / "publisher", PASSPHRASE, clock, SeededEntropy(50 + n)) for n in range(len(requests))
    ]
    start = threading.Barrier(len(requests), timeout=30)

    def confirm(each: tuple[Publisher, str]) -> bool:
        start.wait(PATIENCE_S)
        try:
            return bool(each[0].confirm(each[1]))
        except HostKeyUsedUpError:
            return False

    with ThreadPoolExecutor(len(requests)) as pool:
        worked = list(pool.map(confirm, zip(others, requests, strict=True), timeout=60))
    assert sum(worked) == 4
    assert [each.activations for each in publisher.hosts()] == [4]


def test_one_request_confirmed_at_the_same_moment_gets_one_certificate(publisher: Publisher) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"])
    request = AskingHost(1).request(key)
    start = threading.Barrier(8, timeout=30)

    def confirm(_: int) -> str:
        start.wait(PATIENCE_S)
        return publisher.confirm(request)

    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(confirm, range(8), timeout=60))
    assert len(tokens) == 1
    assert [each.activations for each in publisher.hosts()] == [1]


def test_a_ledger_that_others_may_read_is_refused(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(FilePermissionsError, match="0644"):
        Ledger.open(path)


def test_a_ledger_of_a_newer_version_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 3")
    before = path.read_bytes()
    for opened in (Ledger.open, Ledger.create):
        with pytest.raises(SchemaNewerError, match="schema 3, known here: 2"):
            opened(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"x" * 5000, b"", b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_file_that_is_no_ledger_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(MalformedError, match=r"ledger\.db"):
        Ledger.open(path)


def test_a_ledger_that_is_locked_too_long_says_so(
    publisher: Publisher, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"])
    monkeypatch.setattr(schema, "LOCK_TIMEOUT_S", 0.05)
    impatient = Ledger.open(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(FileAccessError, match="locked"):
            impatient.block_key(key.key_id, "x", 1)
        connection.execute("ROLLBACK")
    assert impatient.keys()[0].blocked_s is None
