"""The lock of a KMS host's state folder: one running host each, and what it tells of itself."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from quorate.core.messages import decode_strict, encode
from quorate.errors import FileAccessError, MalformedError, StateInUseError
from quorate.host.settings.paths import StatePaths
from quorate.host.settings.precedence import Layers

__all__ = ["Running", "StateLock", "running_host"]


_SAID_BYTES_MAX = 256 * 1024  # a configuration file's values, and where each of them is said


_READINGS_MAX = 5


_PAGE = 4096  # of the lock file, whose short text is written and read at once


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What the process that runs a host says about itself in the lock file; ports are None until they are served.

    `config` and `layers`: its configuration file, and what it has read of settings beside the store.
    """

    pid: int
    port: int | None = None
    address: str | None = None
    admin_port: int | None = None
    admin_address: str | None = None
    config: str | None = None
    layers: Layers = Layers()

    def served(self) -> dict[str, Any]:
        """What is really served, by attribute of `Settings`: a run may have been told otherwise than the store says."""
        found = {name: getattr(self, name) for name in ("port", "address", "admin_port", "admin_address")}
        return {name: value for name, value in found.items() if value is not None}


class StateLock:
    """Held by the one `quorate host run` of a state folder; the kernel lets go of it when the process ends, however.

    Raises:
        StateInUseError: another process holds it.
        FileAccessError: the folder cannot be written.
    """

    def __init__(self, paths: StatePaths) -> None:
        try:
            self._descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as fault:
            raise FileAccessError(path=paths.lock, reason=fault.strerror) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = _said(self._descriptor)
            os.close(self._descriptor)
            raise StateInUseError(path=paths.root, owner=f" (pid {owner.pid})" if owner else "") from None
        self._told = paths.running
        with contextlib.suppress(OSError):  # what the one before told is over
            self._told.unlink()
        self.say(Running(pid=os.getpid()))

    def say(self, running: Running) -> None:
        """Let commands know. For people only, so a full disk may keep it out: the lock is what counts.

        Short in the lock file, which must stay the same file; with what it has read of settings in a file of its own,
        replaced whole: a command may be reading.
        """
        with contextlib.suppress(OSError):
            short = encode(msgspec.structs.replace(running, layers=Layers())) + b"\n"
            os.pwrite(self._descriptor, short.ljust(os.fstat(self._descriptor).st_size), 0)
            if running.layers != Layers() or self._told.exists():
                _replace(self._told, encode(running) + b"\n")

    def __enter__(self) -> StateLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(OSError):  # what was told is over
            self._told.unlink()
        # The lock file stays: to remove it would let two processes hold two files of one name.
        os.close(self._descriptor)


def running_host(paths: StatePaths) -> Running | None:
    """The process that runs the host of this folder now, or None."""
    try:
        descriptor = os.open(paths.lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        short = _said(descriptor) or Running(pid=0)
        whole = _whole(paths)
        return whole if whole is not None and whole.pid == short.pid else short
    finally:
        os.close(descriptor)
    return None


def _said(descriptor: int) -> Running | None:
    for _ in range(_READINGS_MAX):  # a reading in the middle of a write is half of each
        with contextlib.suppress(OSError, MalformedError):
            return decode_strict(msgspec.json.Decoder(Running), os.pread(descriptor, _PAGE, 0), "the lock file")
    return None


def _whole(paths: StatePaths) -> Running | None:
    try:
        with paths.running.open("rb") as file:
            return decode_strict(msgspec.json.Decoder(Running), file.read(_SAID_BYTES_MAX), str(paths.running))
    except (OSError, MalformedError):
        return None


def _replace(path: Path, data: bytes) -> None:
    """Raises OSError; then the old file is as it was."""
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
    os.replace(new, path)
