"""A disk that is full, a lock that is held, a file that may not be written: said in plain words, and over by itself."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from quorate.errors import QuorateError, StoreUnavailableError
from quorate.host.store.database import Database
from quorate.host.store.housekeeping import sweep_step
from quorate.host.store.store import BATCH_MAX, Store
from tests.store.world import Site
from tests.support.needs import lacking
from tests.support.waiting import PATIENCE_S

NOBODY = 65_534
DISK_KIB = 2048


def fault_of(work: Callable[[], object]) -> StoreUnavailableError:
    with pytest.raises(StoreUnavailableError) as caught:
        work()
    assert caught.value.values["retry_after_s"] == 30
    return caught.value


def is_whole(site: Site) -> bool:
    """Records, events and counters tell of the same requests, and the file is sound."""
    with site.store.database.reading() as connection:
        requests, events, total, check = (
            connection.exec_driver_sql(query).scalar()
            for query in (
                "SELECT coalesce(sum(requests), 0) FROM cmid_records",
                "SELECT count(*) FROM events",
                "SELECT coalesce(sum(n), 0) FROM request_counters WHERE name = 'total'",
                "PRAGMA integrity_check",
            )
        )
    return requests == events == total and check == "ok"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB that can be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_KIB}k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, timeout=PATIENCE_S, check=False).returncode != 0:
        lacking("a small disk can only be mounted by root, in a container with CAP_SYS_ADMIN: sudo make test")
    yield folder
    subprocess.run(["umount", str(folder)], timeout=PATIENCE_S, check=True)


def test_a_full_disk_is_said_and_what_was_decided_before_is_kept(small_disk: Path) -> None:
    site = Site(small_disk / "host.sqlite3")
    try:
        decided = 0

        def ask_on() -> None:
            nonlocal decided
            for machine in range(0, 100_000, BATCH_MAX):
                decided += len(site.ask_all(range(machine, machine + BATCH_MAX)))

        fault = fault_of(ask_on)
        assert fault.values["reason"] == "the disk is full"
        assert str(site.path) in fault.hint
        assert decided > 0
        for _ in range(3):  # and it stays so, without harm; a batch or two may still fit where a log is written anew
            assert fault_of(ask_on).values["reason"] == "the disk is full"
        assert site.store.reports.requests()["total"] == decided
        assert is_whole(site)
        site.reopen()
        assert site.store.reports.requests()["total"] == decided
    finally:
        site.store.close()


def test_when_the_disk_has_room_again_the_same_store_goes_on(small_disk: Path) -> None:
    site = Site(small_disk / "host.sqlite3")
    filler = small_disk / "filler"
    try:
        site.ask_all(range(25))
        with filler.open("wb", buffering=0) as file:
            while file.write(bytes(1024)) == 1024 and os.statvfs(small_disk).f_bavail > 0:
                pass
        fault_of(lambda: [site.ask_all(range(BATCH_MAX)) for _ in range(100)])
        before = site.store.reports.requests()["total"]
        filler.unlink()
        assert site.ask(1).code is None
        assert site.store.reports.requests()["total"] == before + 1
        assert is_whole(site)
    finally:
        site.store.close()


def test_sqlites_own_limit_is_a_full_disk_too(site: Site) -> None:
    site.ask_all(range(25))
    with site.store.database.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    fault = fault_of(lambda: [site.ask_all(range(1000, 1000 + BATCH_MAX)) for _ in range(50)])
    assert fault.message == "this KMS host cannot write its records: the disk is full; retry in 30 s"
    assert is_whole(site)
    assert site.ask(1).code is None


def test_a_locked_database_is_said_and_goes_on_when_the_lock_is_gone(site: Site) -> None:
    site.ask_all(range(24))
    site.store.close()
    site.store = Store(Database.open(site.path, busy_timeout_s=0.05))
    with closing(sqlite3.connect(site.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for work in (
            lambda: site.ask(24),
            lambda: site.store.set_setting("port", 1),
            lambda: site.store.clear_setting("port"),
        ):
            assert fault_of(work).values["reason"] == "another process holds the database locked"
        assert (site.count(), site.probe(24).code) == (24, None)  # reading goes on
        other.execute("ROLLBACK")
    assert site.ask(24).code is None
    assert is_whole(site)


def test_a_sweep_that_meets_a_lock_removes_nothing_and_can_be_tried_again(site: Site) -> None:
    site.ask_all(range(5))
    site.store.close()
    database = Database.open(site.path, busy_timeout_s=0.05)
    site.store = Store(database)
    later_s = site.clock.now_s() + 10**7
    with closing(sqlite3.connect(site.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        fault_of(lambda: sweep_step(database, None, later_s, {}, 60))
        other.execute("ROLLBACK")
    assert len(site.store.reports.clients()) == 5
    assert sweep_step(database, None, later_s, {}, 60) is None
    assert site.store.reports.clients() == []


def test_a_read_only_file_is_said_and_goes_on_when_it_may_be_written() -> None:
    # Root may write everything, so a child without rights tells; it needs a folder it can reach.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = Site(folder / "host.sqlite3")
        site.ask_all(range(24))
        site.store.close()
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
            os.chown(site.path, NOBODY, NOBODY)
        site.path.chmod(0o444)

        def story() -> str:
            site.store = Store.open(site.path)
            first = fault_of(lambda: site.ask(24)).values["reason"]
            count = site.count()
            for path in folder.iterdir():
                path.chmod(0o600)
            second = site.ask(24).code
            site.store.close()
            return f"{first}, {count}, {second}"

        assert _told_by_nobody(story) == "the database is read-only, 24, None"


def _told_by_nobody(story: Callable[[], str]) -> str:
    """What `story` says in a child process that has no rights."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            told = story()
        except BaseException as fault:  # noqa: BLE001  # whatever it is, the parent tells it
            told = repr(fault)
        os.write(write, told.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


def test_a_damaged_database_is_said(site: Site) -> None:
    site.ask_all(range(200))
    site.store.close()
    size = site.path.stat().st_size
    with site.path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))
    site.store = Store.open(site.path)
    assert fault_of(lambda: site.ask_all(range(200))).values["reason"] == "the database is damaged"


def test_a_fault_of_ours_is_no_fault_of_the_disk_and_leaves_nothing_behind(site: Site) -> None:
    site.ask(1)

    def fail(statement: str) -> None:
        with site.store.database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM events")
            connection.exec_driver_sql(statement)
            raise ZeroDivisionError

    with pytest.raises(OperationalError, match="no such table"):
        fail("SELECT * FROM nowhere")
    with pytest.raises(ZeroDivisionError):
        fail("SELECT 1")
    assert is_whole(site)
    assert site.ask(2).count == 2


# --- the files themselves --------------------------------------------------------------------------------------------


def all_calls(site: Site) -> list[Callable[[], object]]:
    """One of each kind: a batch, an administrator's change, a read."""
    store = site.store
    return [
        lambda: site.ask(1),
        lambda: store.set_setting("name", 1),
        lambda: store.reports.clients(),
        store.database.check_in_place,
    ]


@pytest.mark.parametrize("names", [["host.sqlite3"], ["host.sqlite3-wal"], ["host.sqlite3", "host.sqlite3-wal"]])
def test_files_that_were_moved_away_are_told_and_work_again_when_they_are_back(site: Site, names: list[str]) -> None:
    site.ask(1)
    aside = site.path.parent / "aside"
    aside.mkdir()
    for name in names:
        (site.path.parent / name).rename(aside / name)
    for call in all_calls(site):
        fault = fault_of(call)
        assert "moved away or replaced" in fault.message
        assert f"put {site.path} back" in fault.hint
    for name in names:
        assert not (site.path.parent / name).exists(), "nothing is made in its place"
        (aside / name).rename(site.path.parent / name)
    site.ask(2)
    site.reopen()
    assert site.count() == 2


def test_a_folder_that_was_moved_away_with_all_of_it_is_told(tmp_path: Path) -> None:
    folder, aside = tmp_path / "state", tmp_path / "aside"
    folder.mkdir()
    site = Site(folder / "host.sqlite3")
    site.ask(1)
    folder.rename(aside)
    for call in all_calls(site) * 2:
        assert "moved away or replaced" in fault_of(call).message
    aside.rename(folder)
    site.ask(2)
    assert site.count() == 2
    site.store.close()


def test_another_database_in_its_place_is_not_written_into(site: Site, tmp_path: Path) -> None:
    site.ask(1)
    other = Site(tmp_path / "other.sqlite3")
    other.ask(7)
    other.store.close()
    site.path.rename(tmp_path / "mine.sqlite3")
    other.path.rename(site.path)
    before = site.path.read_bytes()
    for call in all_calls(site):
        assert "moved away or replaced" in fault_of(call).message
    assert site.path.read_bytes() == before


def test_a_copy_in_its_place_is_another_file(site: Site, tmp_path: Path) -> None:
    """What a restore by hand does: `cp` over a name that was removed."""
    site.ask(1)
    content = site.path.read_bytes()
    site.path.unlink()
    site.path.write_bytes(content)
    assert "moved away or replaced" in fault_of(lambda: site.ask(2)).message


def test_a_lost_connection_is_no_lost_file(site: Site) -> None:
    """After a fault the writer opens anew; SQLite's own log file is not made anew for that."""
    site.ask(1)
    site.store.database._writer.dispose()
    site.store.database._reader.dispose()
    site.ask(2)
    assert site.count() == 2


def test_a_damaged_database_is_told_with_the_step_that_helps(site: Site) -> None:
    """It was called one that recovers by itself."""
    site.ask_all(range(200))
    site.store.close()
    with site.path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(40_000))
    site.store = Store.open(site.path)
    fault = fault_of(lambda: [site.ask(number) for number in range(200)])
    assert "damaged" in fault.message
    assert "does not recover by itself" in fault.hint
    assert "quorate host restore" in fault.hint
    assert "new-database" in fault.hint
    assert "The host recovers" not in fault.hint


@pytest.mark.parametrize("content", [b"not a database at all", b"SQLite format 3\0" + bytes(5000)])
def test_what_is_no_database_is_told_with_the_step_that_helps(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "host.sqlite3"
    path.write_bytes(content)
    with pytest.raises(QuorateError) as caught:
        Store.open(path)
    assert "new-database" in caught.value.hint
