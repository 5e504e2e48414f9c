"""What is refused: files that are no backups, folders that are not empty, whatever a forger may try."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from quorate.errors import (
    BackupNewerError,
    FileAccessError,
    MalformedError,
    OutputExistsError,
    QuorateError,
    SchemaNewerError,
    StateExistsError,
    StateInUseError,
)
from quorate.host.admin import backup as packing
from tests.host.backups import CLOCK, everything, made, pack, restored, rows, saved, unpacked
from tests.support.documents import World
from tests.support.hosting import hosting, make_host

__all__ = ["made"]  # a fixture


# --- refused ---------------------------------------------------------------------------------------------------------


def test_an_existing_file_is_never_overwritten(made: Path, tmp_path: Path) -> None:
    for target in (tmp_path / "taken", tmp_path / "link"):
        target.symlink_to("nowhere") if target.name == "link" else target.write_text("mine")
        with pytest.raises(OutputExistsError):
            saved(made / "host", target)
    assert (tmp_path / "taken").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"taken", "link"}


def test_a_folder_with_anything_in_it_is_left_alone(made: Path, tmp_path: Path) -> None:
    with pytest.raises(StateExistsError, match="already a KMS host"):
        restored(made / "kms.backup", made / "host")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StateExistsError, match=r"notes\.txt"):
        restored(made / "kms.backup", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_running_host_is_not_restored_over(tmp_path: Path, made: Path) -> None:
    with hosting(tmp_path), pytest.raises(StateInUseError):
        restored(made / "kms.backup", tmp_path / "host")


@pytest.mark.parametrize("kept", [0, 1, 100, 5000, -20, -1])
def test_a_cut_backup_is_refused_before_anything_is_written(made: Path, tmp_path: Path, kept: int) -> None:
    cut = tmp_path / "cut.backup"
    cut.write_bytes((made / "kms.backup").read_bytes()[:kept])
    with pytest.raises(MalformedError):
        restored(cut, tmp_path / "host")
    assert not (tmp_path / "host").exists()


def test_a_bit_that_fell_over_is_found_wherever_it_is(made: Path, tmp_path: Path) -> None:
    whole, found = (made / "kms.backup").read_bytes(), 0
    for at in range(12, len(whole), max(1, len(whole) // 60)):  # before it is gzip's own, unimportant heading
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        (tmp_path / "damaged.backup").write_bytes(damaged)
        try:
            restored(tmp_path / "damaged.backup", tmp_path / "host")
        except MalformedError:
            found += 1
            assert not (tmp_path / "host").exists()
        else:  # a run of zeros can be told in several ways
            assert everything(tmp_path / "host") == everything(made / "host")
            assert rows(tmp_path / "host") == rows(made / "host")
            shutil.rmtree(tmp_path / "host")
    assert found > 30


@pytest.mark.parametrize(
    "name",
    ["../host.key", "/etc/passwd", "products/../../x.product", "products/..product/x.product", "host.lock",
     "host.db-wal", "products/.product", "requests/short.req", ".restore/host.key"],
)  # fmt: skip
def test_a_name_that_no_host_has_is_refused(made: Path, tmp_path: Path, name: str) -> None:
    pack(tmp_path / "evil.backup", {**unpacked(made / "kms.backup"), name: b"x"})
    with pytest.raises(MalformedError):
        restored(tmp_path / "evil.backup", tmp_path / "in" / "host")
    assert [path.name for path in tmp_path.iterdir()] == ["evil.backup"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.XHDTYPE])
def test_what_is_no_plain_file_is_refused(made: Path, tmp_path: Path, kind: bytes) -> None:
    def entries(name: str) -> tarfile.TarInfo:
        entry = tarfile.TarInfo(name)
        if name == "host.cert":
            entry.type, entry.linkname = kind, "/etc/passwd"
        return entry

    pack(tmp_path / "evil.backup", unpacked(made / "kms.backup"), entries)
    with pytest.raises(MalformedError):
        restored(tmp_path / "evil.backup", tmp_path / "host")
    assert not (tmp_path / "host").exists()


def test_what_is_missing_doubled_foreign_or_too_large_is_refused(made: Path, tmp_path: Path) -> None:
    members = content = unpacked(made / "kms.backup")
    described = msgspec.json.decode(members["manifest.json"])["members"]
    evil: list[Callable[[Path], object]] = [
        lambda path: pack(path, {name: data for name, data in members.items() if name != "host.key"}),
        lambda path: pack(path, content, members=[*described, described[0]]),
        lambda path: pack(path, content, members=[{**each, "size": 2**36 + 1} for each in described]),
        lambda path: pack(path, {**members, "publisher.trust": bytes(packing.PAPER_BYTES_MAX + 1)}),
        lambda path: pack(path, members, surprise=1),
        lambda path: path.write_bytes(gzip.compress(bytes(1_000_000))),
        lambda path: path.write_text("hello"),
        lambda path: path.write_bytes(gzip.compress(gzip.decompress((made / "kms.backup").read_bytes()) + b"more")),
        lambda path: path.write_bytes((made / "kms.backup").read_bytes() + gzip.compress(bytes(10_000_000))),
    ]
    for number, write in enumerate(evil):
        path = tmp_path / f"{number}.backup"
        write(path)
        with pytest.raises(MalformedError):
            restored(path, tmp_path / "host")
        assert not (tmp_path / "host").exists()


def test_papers_that_do_not_belong_together_are_no_host(made: Path, tmp_path: Path) -> None:
    make_host(tmp_path / "other", World(), CLOCK, seed=5)
    members = unpacked(made / "kms.backup")
    pack(tmp_path / "mixed.backup", {**members, "host.key": (tmp_path / "other" / "host.key").read_bytes()})
    pack(tmp_path / "named.backup", members, host_id="00000000-0000-4000-8000-000000000000")
    for name in ("mixed.backup", "named.backup"):
        with pytest.raises(QuorateError):
            restored(tmp_path / name, tmp_path / "host")
        assert everything(tmp_path / "host") == {}
    restored(made / "kms.backup", tmp_path / "host")


def test_a_backup_of_a_newer_version_is_refused_and_left(made: Path, tmp_path: Path) -> None:
    members = unpacked(made / "kms.backup")
    pack(tmp_path / "newer.backup", members, format=2, surprise=1)
    pack(tmp_path / "later.backup", members, version="99.1.0")
    for name in ("newer.backup", "later.backup"):
        with pytest.raises(BackupNewerError):
            restored(tmp_path / name, tmp_path / "host")
        assert not (tmp_path / "host").exists()
    (tmp_path / "host.db").write_bytes(members["host.db"])
    with closing(sqlite3.connect(tmp_path / "host.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    pack(tmp_path / "schema.backup", {**members, "host.db": (tmp_path / "host.db").read_bytes()}, schema="9999")
    with pytest.raises(SchemaNewerError, match=r"schema\.backup"):
        restored(tmp_path / "schema.backup", tmp_path / "host")
    assert everything(tmp_path / "host") == {}


def test_a_damaged_database_is_not_packed(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "host", tmp_path / "host")
    with (tmp_path / "host" / "host.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    with pytest.raises(QuorateError):
        saved(tmp_path / "host", tmp_path / "kms.backup")
    assert [path.name for path in tmp_path.iterdir()] == ["host"]


def test_a_pipe_or_a_folder_is_no_backup(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path / "pipe", tmp_path, tmp_path / "nothing"):
        with pytest.raises(FileAccessError):
            restored(source, tmp_path / "host")
