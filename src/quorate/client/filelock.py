"""One process at a time: a lock between processes, let go by the operating system when its holder dies."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from quorate.clock import Clock
from quorate.errors import FileAccessError, StateInUseError
from quorate.opening import open_plain

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FileLock"]

LOOK_S = 0.1


class FileLock:
    """The lock on one file. It also keeps threads of one process apart: every holder opens the file anew."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    @contextlib.contextmanager
    def held(self, patience_s: float) -> Iterator[bool]:
        """Hold the lock; gives whether somebody else had it first, so that what was read before is stale.

        Raises:
            StateInUseError: another process still had it after `patience_s` seconds.
            FileAccessError: the file cannot be opened.
        """
        try:
            # The lock needs no content, and readers of a machine-wide state must be able to open it.
            handle = _opened(self._path)
        except OSError as fault:
            raise FileAccessError(path=self._path, reason=fault.strerror or str(fault)) from None
        try:
            yield self._take(handle, patience_s)
        finally:
            os.close(handle)  # which lets go of the lock

    def _take(self, handle: int, patience_s: float) -> bool:
        never = threading.Event()
        for look in range(1 + round(patience_s / LOOK_S)):
            try:
                _lock(handle)
            except (BlockingIOError, PermissionError):  # the latter is how Windows says it
                self._clock.wait(never, LOOK_S)
                continue
            except OSError as fault:  # a file system that knows no locks
                raise FileAccessError(path=self._path, reason=fault.strerror or str(fault)) from None
            return look > 0
        raise StateInUseError(path=self._path.parent, owner=", which asks its KMS host at this moment")


def _opened(path: Path) -> int:
    try:
        return open_plain(path, os.O_RDWR | os.O_CREAT, 0o644)
    except PermissionError:  # another user made the file (root's program, beside the agent): reading is enough to lock
        return open_plain(path)


if sys.platform == "win32":

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
