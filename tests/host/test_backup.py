"""Backup and restore: a whole host in one file, online, proven before it is believed; what a lost one costs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect

from quorate.core.lease import Lease
from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S
from quorate.errors import (
    DatabaseMissingError,
    FileAccessError,
    StateExistsError,
    StateMissingError,
)
from quorate.host import backup as packing
from quorate.host.administration import Administration
from quorate.host.config import StatePaths
from quorate.host.restore import new_database
from quorate.host.store import migrations
from tests.host.backups import CLOCK, ENTROPY, everything, made, pack, restored, rows, saved, unpacked
from tests.host.processes import quorate, started
from tests.support.clocks import ManualClock
from tests.support.documents import World, cmid_of
from tests.support.hosting import BOUND_S, hosting, make_host, running
from tests.support.needs import lacking
from tests.support.site import site
from tests.support.waiting import PATIENCE_S

__all__ = ["made"]  # a fixture

LEFT_OUT = {"root", "database", "lock", "running", "products", "requests"}  # not papers, or whole folders


# --- there and back --------------------------------------------------------------------------------------------------


def test_a_restored_host_is_the_same_host_on_another_machine(made: Path, tmp_path: Path) -> None:
    backup = restored(made / "kms.backup", tmp_path / "elsewhere" / "host")
    there = tmp_path / "elsewhere" / "host"
    assert everything(there) == everything(made / "host")
    assert rows(there) == rows(made / "host")
    assert not (there / ".restore").exists()
    with (
        Administration.open(StatePaths(there), CLOCK, ENTROPY) as host,
        running(there, World(), ManualClock()) as again,
    ):
        status = host.status()
        assert (status.host_id, status.activated, status.renewal_interval_min) == (backup.host_id, True, 20160)
        answer = again.activate(31)
        assert isinstance(answer, Lease)
        assert answer.count == 31


def test_only_the_owner_can_read_a_backup_and_what_comes_out_of_it(made: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        saved(made / "host", tmp_path / "kms.backup")
        restored(tmp_path / "kms.backup", tmp_path / "host")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    secret = ("kms.backup", "host.key", "product.key", "admin.token", "host.db")
    assert {modes[name] for name in secret} == {0o600}
    assert {modes[name] for name in ("host", "products", "requests")} == {0o700}


def test_every_paper_of_a_host_is_in_its_backup() -> None:
    root = StatePaths(Path("x"))
    files = {name for name, value in vars(StatePaths).items() if isinstance(value, property)} - LEFT_OUT
    assert {getattr(root, name).name for name in files} <= set(packing.PLAIN)


def test_a_host_without_certificate_and_with_a_pending_request_survives_too(tmp_path: Path) -> None:
    make_host(tmp_path / "host", World(), CLOCK, activated=False)
    with Administration.open(StatePaths(tmp_path / "host"), CLOCK, ENTROPY) as host:
        host.install_key(World().product_key.text)
        host.request()
    saved(tmp_path / "host", tmp_path / "kms.backup")
    restored(tmp_path / "kms.backup", tmp_path / "again")
    assert everything(tmp_path / "again") == everything(tmp_path / "host")
    assert list((tmp_path / "again" / "requests").glob("*.req"))


def make_older(path: Path, revision: str) -> None:
    """Take away what the schema of that revision does not have."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    empty = create_engine("sqlite://")
    with empty.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        wanted = {
            table: {column["name"] for column in inspect(connection).get_columns(table)}
            for table in inspect(connection).get_table_names()
        }
    empty.dispose()
    with closing(sqlite3.connect(path)) as old, old:
        for (table,) in old.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table not in wanted:
                old.execute(f"DROP TABLE {table}")
                continue
            for column in [row[1] for row in old.execute(f"PRAGMA table_info({table})")]:
                if column not in wanted[table]:
                    old.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        old.execute("UPDATE alembic_version SET version_num = ?", [revision])


def test_a_backup_of_an_older_schema_is_brought_up_to_date(made: Path, tmp_path: Path) -> None:
    members = unpacked(made / "kms.backup")
    (tmp_path / "host.db").write_bytes(members["host.db"])
    make_older(tmp_path / "host.db", "0001")
    members["host.db"] = (tmp_path / "host.db").read_bytes()
    pack(tmp_path / "old.backup", members, schema="0001")
    restored(tmp_path / "old.backup", tmp_path / "host")
    with Administration.open(StatePaths(tmp_path / "host"), CLOCK, ENTROPY) as host:
        assert len(host.clients()) == 30


# --- online ----------------------------------------------------------------------------------------------------------


def test_a_backup_under_load_is_of_one_moment_and_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "PAGES_AT_ONCE", 1)  # as many steps as there are pages
    enough, done = threading.Event(), threading.Event()
    answered: list[int] = []
    with hosting(tmp_path) as host, ThreadPoolExecutor(3) as pool:

        def ask(numbers: range) -> None:
            for number in numbers:
                if done.is_set():
                    return
                assert host.post(host.request(number)).status == 200
                answered.append(number)
                if len(answered) > 150:
                    enough.set()

        workers = [pool.submit(ask, range(first, first + 10_000)) for first in (1, 20_000, 40_000)]
        assert enough.wait(BOUND_S)
        before = list(answered)
        saved(tmp_path / "host", tmp_path / "kms.backup")
        during = len(answered) - len(before)
        done.set()
        for worker in workers:
            worker.result(BOUND_S)
    assert during > 0, "nobody was answered meanwhile"
    restored(tmp_path / "kms.backup", tmp_path / "again")
    with closing(sqlite3.connect(tmp_path / "again" / "host.db")) as database:
        heard = database.execute("SELECT count(*) FROM cmid_records").fetchone()[0]
        events = database.execute("SELECT count(*) FROM events WHERE event_id = 12290").fetchone()[0]
        counted = database.execute("SELECT n FROM request_counters WHERE name = 'total'").fetchone()[0]
    assert heard == events == counted
    with Administration.open(StatePaths(tmp_path / "again"), CLOCK, ENTROPY) as again:
        assert {cmid_of(number) for number in before} <= {client.cmid for client in again.iter_clients()}


def test_the_commands_back_up_a_running_host_and_restore_it(tmp_path: Path) -> None:
    state_dir, target = tmp_path / "host", tmp_path / "kms.backup"
    make_host(state_dir, World(), CLOCK)
    with started(state_dir):
        done = quorate("host", "backup", str(target), "--json", state_dir=state_dir)
        assert done.returncode == 0, done.stderr
        assert "signing key" in done.stderr
        running_one = quorate("host", "restore", str(target), state_dir=state_dir)
        assert running_one.returncode == 1
        assert "is in use by another process (pid" in running_one.stderr
    back = quorate("host", "restore", str(target), "--json", state_dir=tmp_path / "again")
    assert back.returncode == 0, back.stderr
    assert msgspec.json.decode(back.stdout)["host_id"] == msgspec.json.decode(done.stdout)["host_id"]
    assert "chmod" not in back.stderr
    target.chmod(0o644)
    assert "chmod 600" in quorate("host", "restore", str(target), state_dir=tmp_path / "third").stderr


# --- interrupted -----------------------------------------------------------------------------------------------------


def test_a_restore_that_ends_anywhere_leaves_no_half_host_and_can_be_done_again(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends at each of its renames in turn: what it leaves is no host, or the whole one."""
    rename, ended = Path.rename, 0
    for last in range(30):
        there, left = tmp_path / str(last), [last]

        def ends(path: Path, target: Path, there: Path = there, left: list[int] = left) -> Path:
            if target.parent == there:
                if left[0] == 0:
                    raise KeyboardInterrupt
                left[0] -= 1
            return rename(path, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", ends)
            try:
                restored(made / "kms.backup", there)
                break
            except KeyboardInterrupt:
                ended += 1
        with pytest.raises(StateMissingError):
            Administration.open(StatePaths(there), CLOCK, ENTROPY)
        restored(made / "kms.backup", there)
        assert everything(there) == everything(made / "host")
        assert rows(there) == rows(made / "host")
    assert ended > 8


KILLED = """
import os, signal, sys
from pathlib import Path
from quorate.cli.main import run
words = sys.argv[1].split(",")
def trace(event, arguments):
    if event == words[0] and any(words[1] in str(each) for each in arguments):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(trace)
sys.argv[1:] = sys.argv[2:]
run()
"""


def killed(when: str, *words: str) -> None:
    """A command that is killed at the moment it does that to a file of that name."""
    command = [sys.executable, "-c", KILLED, when, *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == -9, ended.stderr


@pytest.mark.parametrize("when", ["open,unfinished/host.db", "os.link,unfinished"])
def test_a_killed_backup_leaves_nothing_under_its_name_and_the_next_one_clears_up(
    made: Path, tmp_path: Path, when: str
) -> None:
    target = tmp_path / "kms.backup"
    killed(when, "host", "backup", str(target), "--state-dir", str(made / "host"))
    assert not target.exists()
    saved(made / "host", target)
    assert [path.name for path in tmp_path.iterdir()] == ["kms.backup"]


@pytest.mark.parametrize(
    "when", ["open,.restore/host.db", "os.rename,.restore/host.db", "os.rename,.restore/host.json"]
)
def test_a_killed_restore_leaves_no_host_and_the_next_one_begins_anew(made: Path, tmp_path: Path, when: str) -> None:
    there = tmp_path / "host"
    killed(when, "host", "restore", str(made / "kms.backup"), "--state-dir", str(there))
    assert not (there / "host.json").exists()
    restored(made / "kms.backup", there)
    assert everything(there) == everything(made / "host")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 kilobytes: less than an empty database."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], capture_output=True, timeout=PATIENCE_S, check=False
    )
    if made.returncode:
        lacking("a small disk can only be mounted by root, in a container with CAP_SYS_ADMIN: sudo make test")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], timeout=PATIENCE_S, check=True)


def test_a_full_disk_is_told_and_nothing_is_left_on_it(small_disk: Path, made: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(72 * 1024))
    with pytest.raises(FileAccessError, match=r"full|space"):
        saved(made / "host", small_disk / "kms.backup")
    assert [path.name for path in small_disk.iterdir()] == ["filler"]
    with pytest.raises(FileAccessError, match=r"full|space"):
        restored(made / "kms.backup", small_disk / "host")
    assert everything(small_disk / "host") == {}


# --- when the database is lost ---------------------------------------------------------------------------------------


def test_who_loses_the_database_loses_history_and_nobody_a_license(tmp_path: Path) -> None:
    with site(tmp_path) as acme:
        fleet = acme.install(26)
        for machine in [*fleet, *fleet]:
            machine.ask()
        port, paths = acme.host.port, StatePaths(tmp_path / "host")
        assert acme.count() == 26
        acme.host.stop()
        for path in paths.root.glob("host.db*"):
            path.unlink()

        with (
            pytest.raises(DatabaseMissingError) as told,
            running(paths.root, World(), acme.clock, overrides={"port": port}),
        ):
            pass
        assert "quorate host new-database" in told.value.hint
        new_database(paths, acme.clock, ENTROPY)

        with running(paths.root, World(), acme.clock, overrides={"port": port}) as again:
            acme.host = again
            assert again.administration.status().activated
            assert acme.count() == 0
            refilled_s = None
            for hour in range(0, 16 * 24, 6):
                acme.live(fleet, 6 * 3600, 6 * 3600)
                assert {machine.client.status().status for machine in fleet} == {LicenseStatus.LICENSED}
                if refilled_s is None and acme.count() == 26:
                    refilled_s = hour * 3600
            assert refilled_s is not None
            assert refilled_s <= 8 * DAY_S
            lives = [machine.client.status().expires_s for machine in fleet]
            assert min(each or 0 for each in lives) > acme.clock.now_s() + 160 * DAY_S


def test_what_the_lost_database_left_behind_does_not_get_into_the_new_one(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "host", tmp_path / "host")
    paths = StatePaths(tmp_path / "host")
    with closing(sqlite3.connect(paths.database)) as killed_host:
        killed_host.execute("PRAGMA journal_mode=WAL")
        killed_host.execute("UPDATE settings SET value = '\"spoiled\"'")
        killed_host.commit()
        wal = (tmp_path / "host" / "host.db-wal").read_bytes()
    paths.database.unlink()
    (tmp_path / "host" / "host.db-wal").write_bytes(wal)
    new_database(paths, CLOCK, ENTROPY)
    with Administration.open(paths, CLOCK, ENTROPY) as host:
        assert host.clients() == []
        assert host.status().host_id
    with pytest.raises(StateExistsError):
        new_database(paths, CLOCK, ENTROPY)
