"""What a running host asks of the operating system: to be the only one on its state, priority, open files."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import resource
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from quorate.core.messages import decode_strict, encode
from quorate.errors import FileAccessError, MalformedError, StateInUseError
from quorate.files import access_fault, read_bounded
from quorate.host.config import Priority, StatePaths
from quorate.host.layers import Layers
from quorate.opening import open_plain, place_of

__all__ = ["ProcessPriority", "Running", "StateLock", "raise_open_files", "running_host", "settle_down"]

_SAID_BYTES_MAX = 256 * 1024  # a configuration file's values, and where each of them is said
_READINGS_MAX = 5
_PAGE = 4096  # of the lock file, whose short text is written and read at once
_RESERVED_FILES = 256  # for the database, the log, the libraries
_LOW_NICE = 10
SWITCH_INTERVAL_S = 0.0005


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

    def __post_init__(self) -> None:
        texts = (self.address, self.admin_address, self.config)
        if not all(text is None or text.isprintable() for text in texts):
            raise ValueError("what a host says of itself would not stay on its line")

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
            self._descriptor = open_plain(paths.lock, os.O_RDWR | os.O_CREAT)
        except OSError as fault:
            raise access_fault(paths.lock, fault) from None
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
        descriptor = open_plain(paths.lock)
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
        said = read_bounded(paths.running, _SAID_BYTES_MAX)
        return decode_strict(msgspec.json.Decoder(Running), said, str(paths.running))
    except (FileAccessError, MalformedError):
        return None


def _replace(path: Path, data: bytes) -> None:
    """Raises OSError; then the old file is as it was."""
    with place_of(path) as place:
        new = place.sibling(f"{path.name}.new")
        with contextlib.suppress(FileNotFoundError):
            new.remove()
        with open(new.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            file.write(data)
        new.rename(place)


class ProcessPriority:
    """How eagerly the operating system runs this process: normal is what it was started with, low is ten below."""

    def __init__(self) -> None:
        self._normal = os.getpriority(os.PRIO_PROCESS, 0)

    def set(self, priority: Priority) -> str | None:
        """Give this process that priority; the reason if the operating system does not let it.

        Going down is always allowed; coming back up needs a right that an ordinary user lacks (RLIMIT_NICE).
        """
        wanted = self._normal + (_LOW_NICE if priority is Priority.LOW else 0)
        try:
            if os.getpriority(os.PRIO_PROCESS, 0) != wanted:
                os.setpriority(os.PRIO_PROCESS, 0, wanted)
        except OSError as fault:
            return fault.strerror or type(fault).__name__
        return None


def raise_open_files(connections_max: int) -> int:
    """Raise this process's limit of open files as far as needed and allowed; how many connections then fit."""
    wanted = connections_max + _RESERVED_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections_max if soft == resource.RLIM_INFINITY else max(64, min(connections_max, soft - _RESERVED_FILES))


def settle_down() -> None:
    """For when a host is ready: the interpreter's own chores are fitted to one loop and one writing thread.

    What start-up made goes out of the collector's sight, and it looks less often. Answers make no cycles;
    looking through all the libraries' objects for some costs each of them a few microseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    # The writing thread signs without the interpreter's lock and must win it back for every lease: from a busy loop
    # that takes up to this long each time (the default is 5 ms, as long as a whole batch).
    sys.setswitchinterval(SWITCH_INTERVAL_S)
