"""A client's files in memory: what `client.leasefile` keeps on a disk, with disks that fill and processes that die.

The record is replaced whole, as the real one is: who dies while writing leaves the old record or the new one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from quorate.client.clockmark import ClockMark
from quorate.client.filelock import FileLock
from quorate.client.leasefile import FileIdentity, LeaseFile
from quorate.clock import Clock
from quorate.errors import FileAccessError

__all__ = ["MemoryDisk", "ProcessDiedError", "SharedText"]

_NOWHERE = Path("in-memory")
_BEFORE_SHARED = b'"host_certificate":"'


class ProcessDiedError(BaseException):
    """The process is gone at this very point. No handler of the client's may catch it, so it is no `Exception`."""


class SharedText:
    """A text that many records hold (the host certificate): kept once, however large the fleet is."""

    def __init__(self, texts_max: int = 64) -> None:
        self._texts: list[bytes] = []
        self._texts_max = texts_max

    def learn(self, text: str) -> None:
        """Keep it from now on."""
        said = text.encode()
        if said not in self._texts and len(self._texts) < self._texts_max:
            self._texts.append(said)

    def cut(self, data: bytes) -> tuple[bytes, int, bytes]:
        """`data` around the shared text in it: what is before, its number, what is after; -1 when there is none."""
        if not self._texts:
            return data, -1, b""
        before, mark, after = data.partition(_BEFORE_SHARED)  # a short text is found far sooner than a long one
        for number, text in enumerate(self._texts):
            if after.startswith(text):
                return before + mark, number, after[len(text) :]
        return data, -1, b""

    def join(self, parts: tuple[bytes, int, bytes]) -> bytes:
        """What `cut` has cut."""
        before, number, after = parts
        return before if number < 0 else before + self._texts[number] + after


class _NoLock:
    """One process at a time is all a simulated machine has; its death lets go of the lock."""

    def held(self, patience_s: float) -> AbstractContextManager[bool]:
        return _NOBODY_BEFORE


_NOBODY_BEFORE = nullcontext(False)
_NO_LOCK: Any = _NoLock()


class MemoryDisk(LeaseFile):
    """The folder of one installation.

    Attributes:
        on_write: asked before and after each write; it may raise `ProcessDiedError`. None: all is well.
        is_full: whether nothing can be written.
    """

    __slots__ = ("_aside", "_mark", "_parts", "_secret", "_shared", "_version", "is_full", "on_write")
    folder = path = lock_path = events_path = _NOWHERE

    def __init__(self, shared: SharedText) -> None:
        self._shared = shared
        self._parts: tuple[bytes, int, bytes] | None = None
        self._secret: bytes | None = None
        self._version = 0
        self._mark = ClockMark()
        self._aside = 0
        self.is_full = False
        self.on_write: Callable[[], None] | None = None

    def copy(self) -> MemoryDisk:
        """An image of it: what was kept, without what was wrong with the disk."""
        image = MemoryDisk(self._shared)
        image.restore(self)
        return image

    def restore(self, image: MemoryDisk) -> None:
        """Put an image on it."""
        self._parts, self._secret, self._mark = image._parts, image._secret, image._mark
        self._version += 1

    def wipe(self) -> None:
        """A new installation of everything."""
        self._parts, self._secret, self._mark = None, None, ClockMark()
        self._version += 1

    def identity(self) -> FileIdentity | None:
        return None if self._parts is None else (self._version, 0, 0, 0)

    def lock(self, clock: Clock) -> FileLock:
        lock: FileLock = _NO_LOCK
        return lock

    def prepare(self) -> None:
        pass

    def read(self, bytes_max: int) -> bytes | None:
        return None if self._parts is None else self._shared.join(self._parts)[: bytes_max + 1]

    def write(self, data: bytes) -> None:
        if self.is_full:
            raise FileAccessError(path=self.path, reason="the disk is full")
        if self.on_write is not None:
            self.on_write()
        self._parts = self._shared.cut(data)
        self._version += 1
        if self.on_write is not None:
            self.on_write()

    def secret(self) -> bytes | None:
        return self._secret

    def write_secret(self, secret: bytes) -> None:
        if self.is_full:
            raise FileAccessError(path=self.path, reason="the disk is full")
        if self.on_write is not None:
            self.on_write()
        self._secret = secret

    def set_aside(self) -> Path | None:
        self._parts = None
        self._version += 1
        self._aside += 1
        return self.path.with_name(f"client.json.damaged-{self._aside}")

    def mark(self) -> ClockMark:
        return self._mark

    def note_mark(self, mark: ClockMark) -> bool:
        if not self.is_full:
            self._mark = mark
        return not self.is_full
