"""Backups to test with: of a real host, and of whatever somebody may have put into one."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quorate.host.admin.backup import Backup, back_up
from quorate.host.admin.restore import restore
from quorate.host.settings.paths import StatePaths
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.hosting import hosting

__all__ = ["CLOCK", "ENTROPY", "everything", "made", "pack", "restored", "rows", "saved", "unpacked"]

NOT_PAPERS = ("host.lock", "host.running", "host.db")
CLOCK, ENTROPY = ManualClock(), SeededEntropy(9)
_OF_THE_MOVE = [f'"action":"{action}"'.encode().hex().upper() for action in ("backup", "restore")]


def saved(state_dir: Path, target: Path) -> Backup:
    return back_up(StatePaths(state_dir), target, CLOCK, ENTROPY)


def restored(source: Path, state_dir: Path) -> Backup:
    return restore(source, StatePaths(state_dir), CLOCK, ENTROPY)


def everything(folder: Path) -> dict[str, bytes]:
    """Every file below a folder; the lock, what a host tells of itself, and the database, which is another file of the
    same content, aside."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(NOT_PAPERS))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def rows(state_dir: Path) -> list[str]:
    """All that stands in the database, but the events of backups and restores themselves."""
    with closing(sqlite3.connect(state_dir / "host.db")) as database:
        return [line for line in database.iterdump() if not any(mark in line for mark in _OF_THE_MOVE)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host that has heard a few clients, and its backup: `host`, `kms.backup`."""
    folder = tmp_path_factory.mktemp("made")
    with hosting(folder, settings={"renewal-interval": "20160"}) as host:
        for number in range(1, 31):
            host.activate(number)
    saved(folder / "host", folder / "kms.backup")
    return folder


def unpacked(source: Path) -> dict[str, bytes]:
    with tarfile.open(source) as tar:
        files = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        return {name: file.read() for name, file in files.items() if file is not None}


def pack(
    target: Path, files: dict[str, bytes], entries: Callable[[str], Any] = tarfile.TarInfo, **changes: Any
) -> None:
    """A backup of other content, with a manifest that fits it but for `changes`."""
    content = dict(files)
    manifest = msgspec.json.decode(content.pop("manifest.json"))
    manifest["members"] = [
        {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in content.items()
    ]
    manifest |= changes
    with tarfile.open(target, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for name, data in {"manifest.json": msgspec.json.encode(manifest), **content}.items():
            entry = entries(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
