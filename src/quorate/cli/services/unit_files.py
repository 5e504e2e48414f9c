"""From the shipped systemd units to those of this installation: its program, its port, its user, its secrets."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from quorate.errors import ServiceProgramHiddenError

__all__ = ["UNIT_DIR", "UnitFile", "Wanted", "check_program", "program", "unit_files"]

UNIT_DIR = Path("/etc/systemd/system")
SHIPPED_PROGRAM = "/opt/quorate/bin/quorate"
CLIENT_USER = "quorate-client"
SYSUSERS_FILE = Path("/etc/sysusers.d/quorate-client.conf")
_SYSUSERS = (
    f'# The user of the client agent. Written by `quorate client install-service`.\nu {CLIENT_USER} - "Quorate"\n'
)

_HIDDEN_FROM_SERVICES = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108  (ProtectHome, PrivateTmp)


@dataclass(frozen=True)
class Wanted:
    """What the administrator chose.

    Attributes:
        role: `host` or `client`.
        listen: `ListenStream=` of the socket unit, such as `1688`; None: no socket unit.
        user: an existing user to run as; None: the unit's own.
        credentials: LoadCredential name → file.
    """

    role: str
    listen: str | None = None
    user: str | None = None
    credentials: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class UnitFile:
    """One file to write."""

    path: Path
    text: str


def unit_files(wanted: Wanted, words: Sequence[str], unit_dir: Path) -> list[UnitFile]:
    """The files of a service.

    Args:
        words: how the program is called (`program`).
    """
    name = f"quorate-{wanted.role}"
    files = [UnitFile(unit_dir / f"{name}.service", _service(wanted, _shipped(f"{name}.service"), words))]
    if wanted.listen is not None:
        text = _shipped(f"{name}.socket")
        files.append(UnitFile(unit_dir / f"{name}.socket", _line(text, "ListenStream", wanted.listen)))
    if wanted.role == "client" and wanted.user is None and unit_dir == UNIT_DIR:
        files.append(UnitFile(SYSUSERS_FILE, _SYSUSERS))
    return files


def program() -> list[str]:
    """How to call this very installation, as words."""
    called = Path(sys.argv[0])
    for each in (called, Path(sys.executable).parent / "quorate"):
        if each.name == "quorate" and each.is_file():
            return [str(each.absolute())]
    return [sys.executable, "-m", "quorate"]


def check_program(words: Sequence[str], role: str) -> None:
    """That a service's user can run it: the program, its Python, and this package.

    Raises:
        ServiceProgramHiddenError: naming what is in the way.
    """
    package = Path(str(resources.files("quorate")))
    for part in {Path(words[0]), Path(sys.executable), Path(sys.executable).resolve(), package / "__init__.py"}:
        for place in (part, part.resolve()):
            reason = _hidden(place)
            if reason is not None:
                extra = "host" if role == "host" else "cli"
                raise ServiceProgramHiddenError(program=part, reason=reason, extra=extra)


def _hidden(path: Path) -> str | None:
    for hidden in _HIDDEN_FROM_SERVICES:
        if path.is_relative_to(hidden):
            return f"services see nothing of {hidden}"
    for folder in path.parents:
        if not os.stat(folder).st_mode & stat.S_IXOTH:
            return f"{folder} is closed to other users"
    return None if os.stat(path).st_mode & stat.S_IROTH else f"{path} is closed to other users"


def _shipped(name: str) -> str:
    return (resources.files("quorate.cli.services.units") / name).read_text(encoding="utf-8")


def _service(wanted: Wanted, text: str, words: Sequence[str]) -> str:
    text = text.replace(SHIPPED_PROGRAM, " ".join(map(_quoted, words)))
    if wanted.user is not None:
        text = _line(text, "User", wanted.user).replace("DynamicUser=yes\n", "")
    for name, path in wanted.credentials.items():
        text = text.replace(f"LoadCredential={name}\n", f"LoadCredential={name}:{path}\n")
    return text


def _line(text: str, key: str, value: str) -> str:
    """The text with another value in the one line of that key."""
    changed, count = re.subn(rf"^{key}=.*$", lambda _: f"{key}={value}", text, flags=re.MULTILINE)
    assert count == 1, f"{key}= stands once in the shipped unit"  # noqa: S101  (our own file)
    return changed


def _quoted(word: str) -> str:
    """As systemd.service(5) reads one word of a command line."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[\s\"';\\]", word) else escaped
