"""When the disk or the database fails: the host says why, loses nothing it answered, and recovers by itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from quorate.core.decision import Decided
from quorate.core.lease import Lease, Refusal
from quorate.host.speaker import Speaker
from quorate.host.store.store import Store
from tests.support.documents import cmid_of
from tests.support.hosting import BOUND_S, Hosted, hosting
from tests.support.needs import lacking
from tests.support.waiting import PATIENCE_S


@contextlib.contextmanager
def locked(host: Hosted) -> Iterator[None]:
    """Another process (as good as) holds the database's write lock."""
    with contextlib.closing(sqlite3.connect(host.state_dir / "host.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def heard(host: Hosted) -> set[str]:
    return {client.cmid for client in host.administration.clients(limit=10_000)}


def test_a_locked_database_is_told_with_503_and_works_again_by_itself(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        host.activate(1)
        with locked(host):
            reply = host.post(host.request(2))
            assert (reply.status, reply.problem.code) == (503, "STORE_UNAVAILABLE")
            assert "locked" in reply.problem.detail
            assert int(reply.headers["retry-after"]) == reply.problem.retry_after_s == 30
            ready = host.admin("/readyz")
            assert ready.status == 503
            assert [check["name"] for check in ready.json["checks"] if not check["ok"]] == ["store"]
            assert host.http("GET", "/v1/host").status == 200
        assert host.activate(3).count == 2
        assert heard(host) == {cmid_of(1), cmid_of(3)}
        assert host.admin("/readyz").status == 200


def test_a_short_lock_only_delays(tmp_path: Path) -> None:
    with hosting(tmp_path) as host, ThreadPoolExecutor(4) as pool:
        with locked(host):
            asked = [pool.submit(host.activate, number) for number in range(1, 5)]
            wait(asked, timeout=0.5)
            assert not any(each.done() for each in asked)
        assert sorted(each.result(BOUND_S).count for each in asked) == [1, 2, 3, 4]


def test_a_full_queue_sends_new_ones_away_and_answers_those_that_wait(tmp_path: Path) -> None:
    with hosting(tmp_path, waiting_max=2, batch_max=1) as host, ThreadPoolExecutor(12) as pool:
        with locked(host):
            asked = [pool.submit(host.post, host.request(number)) for number in range(1, 11)]
            wait(asked, timeout=1.0)
        replies = [each.result(BOUND_S) for each in asked]
        busy = [reply for reply in replies if reply.status == 503]
        assert len(busy) >= 7
        assert {reply.problem.code for reply in busy} == {"HOST_BUSY"}
        assert all("retry-after" in reply.headers for reply in busy)
        assert len(heard(host)) == len(replies) - len(busy)
        assert isinstance(host.activate(50), Refusal)


def test_a_disk_that_never_answers_is_told_after_a_while(tmp_path: Path) -> None:
    with hosting(tmp_path, answer_s=0.3) as host:
        with locked(host):
            request = host.request(1)
            reply = host.post(request)
            assert (reply.status, reply.problem.code) == (503, "STORE_UNAVAILABLE")
            assert "has not answered" in reply.problem.detail
        assert isinstance(host.accept(request, host.post(request).answer), Refusal)
        assert heard(host) == {cmid_of(1)}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, timeout=PATIENCE_S, check=False
    )
    if made.returncode:
        lacking("a small disk can only be mounted by root, in a container with CAP_SYS_ADMIN: sudo make test")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], timeout=PATIENCE_S, check=True)


def test_a_full_disk_is_told_with_503_and_works_again_by_itself(small_disk: Path) -> None:
    with hosting(small_disk, disk_free_min=64 * 1024) as host:
        for number in range(1, 31):
            host.activate(number)
        filler = small_disk / "filler"
        _fill(filler)
        answered = set(range(1, 31))
        for number in range(31, 2000):
            reply = host.post(host.request(number))
            if reply.status == 503:
                break
            answered.add(number)
        assert (reply.status, reply.problem.code) == (503, "STORE_UNAVAILABLE")
        assert "disk" in reply.problem.detail
        assert {"store", "disk"} <= {check["name"] for check in host.admin("/readyz").json["checks"] if not check["ok"]}
        assert {cmid_of(number) for number in answered} <= heard(host)
        filler.unlink()
        assert isinstance(host.activate(3000), Lease)
        assert {cmid_of(number) for number in (*answered, 3000)} <= heard(host)
        assert host.admin("/readyz").status == 200


def _fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    assert os.statvfs(path.parent).f_bavail <= 1


def test_an_idle_host_notices_by_itself_that_its_store_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended = threading.Event()
    with hosting(tmp_path) as host:
        with locked(host):
            assert host.post(host.request(1)).status == 503
        works = Store.set_setting

        def watched(store: Store, name: str, value: Any) -> None:
            works(store, name, value)
            mended.set()

        monkeypatch.setattr(Store, "set_setting", watched)
        assert mended.wait(BOUND_S)
        monkeypatch.undo()
        host.activate(2)
        assert host.admin("/readyz").status == 200


def test_our_own_mistake_about_one_request_costs_only_that_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in the rules, provoked: the thread lives, the others of the batch are answered."""
    works = Store.decide

    def stumbles(store: Store, batch: Any, now_s: int) -> list[Decided]:
        if any(arrived.request.machine == "stumble" for arrived in batch):
            raise RuntimeError("provoked")
        return works(store, batch, now_s)

    monkeypatch.setattr(Store, "decide", stumbles)
    with hosting(tmp_path) as host, ThreadPoolExecutor(8) as pool:
        with locked(host):  # so that they gather in one batch
            first = pool.submit(host.post, host.request(1))
            wait([first], timeout=0.3)
            good = [pool.submit(host.post, host.request(number)) for number in range(2, 6)]
            bad = pool.submit(host.post, host.request(6, machine="stumble"))
            wait([*good, bad], timeout=0.5)
        assert [each.result(BOUND_S).status for each in [first, *good]] == [200] * 5
        reply = bad.result(BOUND_S)
        assert (reply.status, reply.problem.code) == (500, "INTERNAL_FAULT")
        assert "provoked" not in reply.problem.detail
        assert host.activate(7).count == 6


def test_a_signature_that_fails_costs_only_its_own_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    works = Speaker.say

    def stumbles(speaker: Speaker, request: Any, *rest: Any) -> bytes:
        if request.machine == "stumble":
            raise RuntimeError("provoked")
        return works(speaker, request, *rest)

    monkeypatch.setattr(Speaker, "say", stumbles)
    with hosting(tmp_path) as host:
        assert host.post(host.request(1, machine="stumble")).status == 500
        assert host.activate(2).count == 2


def test_a_host_that_is_not_activated_logs_who_asked_once_a_minute(tmp_path: Path) -> None:
    with hosting(tmp_path, activated=False) as host:
        for number in range(1, 6):
            assert host.post(host.request(number)).problem.code == "HOST_NOT_ACTIVATED"
        host.clock.advance(61)
        assert host.post(host.request(9)).status == 503
    with contextlib.closing(Store.open(tmp_path / "host" / "host.db")) as store:
        events = [stored.event for stored in store.reports.events(event_id=12290)]
    assert [getattr(event, "machine", None) for event in events] == [
        "pc-0001.contoso.example",
        "pc-0009.contoso.example",
    ]
    assert {event.code for event in events} == {"HOST_NOT_ACTIVATED"}


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_database_that_is_moved_away_is_told_at_once_and_by_an_idle_host_too(
    tmp_path: Path, is_replaced: bool
) -> None:
    """It answered 200 for 25 seconds out of a file that nobody would find again."""
    with hosting(tmp_path) as host:
        host.activate(1)
        aside = tmp_path / "aside"
        aside.mkdir()
        names = ["host.db", "host.db-wal"]
        for name in names:
            (host.state_dir / name).rename(aside / name)
        if is_replaced:
            for name in names:
                shutil.copy(aside / name, host.state_dir / name)
        reply = host.post(host.request(2))
        assert (reply.status, reply.problem.code) == (503, "STORE_UNAVAILABLE")
        assert "moved away or replaced" in reply.problem.detail
        assert _store_check(host)["ok"] is False
        for name in names:
            (aside / name).replace(host.state_dir / name)
        _until(lambda: bool(_store_check(host)["ok"]), "an idle host finds its database again")
        assert host.activate(3).count == 2
        for name in names:
            (host.state_dir / name).rename(aside / name)
        _until(lambda: not _store_check(host)["ok"], "an idle host misses its database")
        for name in names:
            (aside / name).rename(host.state_dir / name)
        _until(lambda: bool(_store_check(host)["ok"]), "and finds it")


def _store_check(host: Hosted) -> dict[str, Any]:
    [check] = [each for each in host.admin("/readyz").json["checks"] if each["name"] == "store"]
    assert isinstance(check, dict)
    return check


def _until(is_so: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until_s, f"waited for a minute: {what}"
        time.sleep(0.05)
