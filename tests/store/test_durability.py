"""What was decided is on disk: it survives the end of the process at any moment."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection

from quorate.core.policy import DAY_S
from quorate.host.store.driver import rows_of
from quorate.host.store.store import Store
from tests.store.world import Site
from tests.support.child import Child
from tests.support.clocks import START_S
from tests.support.source import ROOT


@pytest.mark.parametrize("size", [1, 16])
def test_s08_nothing_that_was_said_to_be_decided_is_lost_by_kill_9(tmp_path: Path, size: int) -> None:
    path = tmp_path / "host.sqlite3"
    Store.create(path).close()
    said = 0
    for batches_until_the_end in (1, 7, 30):  # on one file: each life recovers what the one before left
        said = _live_and_die(path, said, size, batches_until_the_end)
        store = Store.open(path)
        try:
            machines = len(store.reports.clients(limit=10_000))
            assert said <= machines <= said + size  # at most the one batch that it had no time to tell about
            assert (machines - said) % size == 0  # and never half of a batch
            assert store.reports.requests()["total"] == machines
            assert store.reports.events(limit=1)[0].id == machines
            assert sum(store.reports.totals(START_S, 30 * DAY_S).values()) == machines
            with store.database.reading() as connection:
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        finally:
            store.close()
        said = machines


def _live_and_die(path: Path, first: int, size: int, batches: int) -> int:
    """A process that commits until it has told of `batches` and is killed then; the last machine it told of."""
    command = [sys.executable, "-m", "tests.store.committer", str(path), str(first), str(size)]
    with Child(command, cwd=ROOT) as host:
        for _ in range(batches):
            host.line("the last machine of a batch")
        assert host.kill() == -signal.SIGKILL
        return int([line for line in host.out.splitlines(keepends=True) if line.endswith("\n")][-1])


def test_the_writer_waits_for_the_disk_and_readers_never_wait_for_the_writer(site: Site) -> None:
    def pragma(connection: Connection, name: str) -> object:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

    with site.store.database.writing() as writer:
        assert pragma(writer, "journal_mode") == "wal"
        assert pragma(writer, "synchronous") == 2  # FULL
        assert pragma(writer, "wal_autocheckpoint") == 4000
        assert pragma(writer, "foreign_keys") == 1
        assert pragma(writer, "busy_timeout") == 5000
    with site.store.database.reading() as reader:
        assert pragma(reader, "query_only") == 1


def test_a_reader_sees_one_moment_whichever_way_it_asks(site: Site) -> None:
    site.ask(1)
    heard = "SELECT count(*) FROM cmid_records"
    with site.store.database.reading() as reader:
        assert rows_of(reader, heard) == [(1,)]
        site.ask(2)
        assert rows_of(reader, heard) == [(1,)]
        assert reader.exec_driver_sql(heard).scalar() == 1
    with site.store.database.reading() as reader:
        assert rows_of(reader, heard) == [(2,)]


def test_a_store_that_was_closed_is_one_file_that_only_its_owner_reads(site: Site, tmp_path: Path) -> None:
    site.ask_all(range(3))
    site.store.close()
    site.store.close()  # twice does no harm
    assert [path.name for path in tmp_path.iterdir()] == ["host.sqlite3"]
    assert site.path.stat().st_mode & 0o777 == 0o600


def test_another_process_may_keep_settings_while_the_host_runs(site: Site) -> None:
    site.ask(1)
    beside = Store.open(site.path)
    try:
        beside.set_setting("port", 1700)
        assert site.store.settings() == {"port": 1700}
        site.ask(2)
        assert len(beside.reports.clients()) == 2
    finally:
        beside.close()
