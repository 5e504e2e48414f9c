"""A state folder that belongs to a user with fewer rights than root, and what that user may put into it. Needs root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import quorate
from quorate.clock import SystemClock
from tests.dns.namespace import need_root
from tests.firewall.room import world_of_one
from tests.support.documents import World
from tests.support.hosting import make_host

__all__ = ["STRANGER", "Field", "as_stranger", "field_of_strangers"]

STRANGER = 61_234  # nobody has that number
BOUND_S = 120.0


@dataclass(frozen=True)
class Field:
    """A place that everybody may enter; `host` in it is the stranger's, with a KMS host that root has set up."""

    root: Path
    world: World

    @property
    def host(self) -> Path:
        return self.root / "host"

    @property
    def victim(self) -> Path:
        """A file of root's, in a folder that only root enters."""
        return self.root / "roots" / "victim"

    def link(self, path: Path, to: Path) -> None:
        """What the stranger makes in the place of what is there."""
        self.away(path)
        path.symlink_to(to)
        os.lchown(path, STRANGER, STRANGER)

    def pipe(self, path: Path) -> None:
        self.away(path)
        os.mkfifo(path)
        os.chown(path, STRANGER, STRANGER)

    def text(self, path: Path, data: bytes) -> None:
        self.away(path)
        path.write_bytes(data)
        os.chown(path, STRANGER, STRANGER)

    def away(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            path.rename(path.with_name(f"{path.name}.away"))
        else:
            path.unlink(missing_ok=True)

    def quorate(self, *words: str | Path, user: int = 0) -> subprocess.CompletedProcess[str]:
        """A command, by root unless said otherwise; it ends, or the test says that it hangs."""
        program, environment = everybodys_python()
        return subprocess.run(
            [program, "-m", "quorate", *map(str, words)],
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
            env=environment,
            user=user,
            group=user,
            cwd="/",
        )


def everybodys_python() -> tuple[str, dict[str, str]]:
    """A Python that every user may run, and the environment in which it finds this program; this one's, or the
    system's of the same version where this one is in a home that nobody else enters."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QUORATE_")}
    if _is_everybodys(Path(os.__file__)) and _is_everybodys(Path(sys.executable).resolve()):
        return sys.executable, environment
    found = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    assert Path(found).exists(), f"{sys.executable} is not for every user, and there is no {found}"
    places = [str(Path(quorate.__file__).parents[1]), sysconfig.get_path("purelib")]
    return found, {**environment, "PYTHONPATH": os.pathsep.join(places)}


def _is_everybodys(path: Path) -> bool:
    return all(each.stat().st_mode & 0o005 for each in (path, *path.parents))


@contextmanager
def field_of_strangers(*, is_behind_root: bool = False) -> Iterator[Field]:
    """
    Args:
        is_behind_root: the folder around it is root's alone, as systemd has it for a dynamic user.
    """
    need_root()
    root = Path(tempfile.mkdtemp(prefix="quorate-field-"))
    try:
        root.chmod(0o700 if is_behind_root else 0o755)
        field = Field(root, world_of_one())
        field.victim.parent.mkdir(mode=0o700)
        field.host.mkdir(mode=0o700)
        os.chown(field.host, STRANGER, STRANGER)
        make_host(field.host, field.world, SystemClock())
        yield field
    finally:
        shutil.rmtree(root)


def as_stranger(*command: str) -> subprocess.CompletedProcess[str]:
    """A program with the stranger's rights."""
    return subprocess.run(
        command, capture_output=True, text=True, timeout=BOUND_S, check=False, user=STRANGER, group=STRANGER
    )
