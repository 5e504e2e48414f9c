"""Small disks of their own (tmpfs): to be filled, and to be made read-only. Needs root."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.dns.namespace import need_root

__all__ = ["Disk", "disk"]

SIZE_KIB = 2048


@dataclass(frozen=True)
class Disk:
    """A disk that is mounted."""

    root: Path

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Not one byte is left, until the end of the block."""
        filler = self.root / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        assert os.statvfs(self.root).f_bavail == 0
        try:
            yield
        finally:
            filler.unlink()

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """As a disk whose file system has met a fault, until the end of the block."""
        _run("mount", "-o", "remount,ro", str(self.root))
        try:
            yield
        finally:
            _run("mount", "-o", "remount,rw", str(self.root))


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """A new disk, mounted at `folder`."""
    need_root()
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={SIZE_KIB}k", "tmpfs", str(folder))
    try:
        yield Disk(folder)
    finally:
        _run("umount", str(folder))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
