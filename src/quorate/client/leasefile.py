"""The files of one installation: read, replaced whole, set aside. They know nothing of what stands in them.

| file | |
|---|---|
| `client.json` | the record (`client.state`); replaced whole, so a reader sees the old or the new one |
| `client.json.damaged-N` | records that could not be read, at most five |
| `publisher.json` | the publisher's newest keys and revocation list (`client.news`); replaced whole as well |
| `enrolment.key` | the site's enrolment secret, where one was set (`client.enrolment`); for its owner alone |
| `client.key` | the installation's own secret (`client.proofkey`); for its owner alone |
| `client.lock` | held by whoever changes the record |
| `seen` | what this machine's clock has shown (`client.clockmark`), noted about once an hour; of no worth alone |
| `events.jsonl` | the event log |
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from quorate.client.clockmark import MARK_BYTES_MAX, ClockMark, decode_mark, encode_mark
from quorate.client.filelock import FileLock
from quorate.clock import Clock
from quorate.core.ids import b64url, unb64url
from quorate.core.proof import SECRET_BYTES
from quorate.files import SECRET_MODE, access_fault, replace_file
from quorate.opening import open_plain, place_of

__all__ = ["FileIdentity", "LeaseFile"]

DAMAGED_MAX = 5

FileIdentity = tuple[int, int, int, int]
"""Device-wide number, times of last change (content, metadata; nanoseconds) and size: what a new content changes."""


class LeaseFile:
    """The folder of one product's installation on this machine, and the file in it that is replaced whole."""

    def __init__(self, folder: Path, name: str = "client.json") -> None:
        self.folder = folder
        self.path = folder / name
        self.lock_path = folder / "client.lock"
        self.events_path = folder / "events.jsonl"
        self.secret_path = self.path.with_suffix(".key")
        self._temporary = folder / f"{name}.new"  # one name is enough: it is written under the lock
        self._seen = folder / "seen"
        self._path_text = os.fspath(self.path)

    def identity(self) -> FileIdentity | None:
        """Tells one content of the record from the next without reading it; None when there is none to be read."""
        try:
            found = os.stat(self._path_text)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size

    def lock(self, clock: Clock) -> FileLock:
        """What keeps two processes from changing the record at once."""
        return FileLock(self.lock_path, clock)

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            FileAccessError: it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise access_fault(self.folder, fault) from None

    def read(self, bytes_max: int) -> bytes | None:
        """The record's bytes, at most one more than `bytes_max`; None when there is none.

        Raises:
            FileAccessError: it is there and may not be read.
        """
        try:
            with os.fdopen(open_plain(self.path, _BINARY), "rb") as file:
                return file.read(bytes_max + 1)
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise access_fault(self.path, fault) from None

    def write(self, data: bytes) -> None:
        """Replace the record. When this returns it is on disk; when it raises, the old one still stands.

        Raises:
            FileAccessError: disk full, read-only, not ours.
        """
        # The umask decides who else may read it; a machine-wide record is read by every user's program.
        replace_file(self.path, data, aside=self._temporary)

    def secret(self) -> bytes | None:
        """The installation's secret; None when there is none that is whole.

        Raises:
            FileAccessError: it is there and may not be read.
        """
        try:
            with os.fdopen(open_plain(self.secret_path), "rb") as file:
                text = file.read(SECRET_BYTES * 2).strip()
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise access_fault(self.secret_path, fault) from None
        try:
            secret = unb64url(text.decode("ascii"))
        except ValueError:
            return None
        return secret if len(secret) == SECRET_BYTES else None

    def write_secret(self, secret: bytes) -> None:
        """Keep another secret.

        Raises:
            FileAccessError: nothing was changed.
        """
        replace_file(self.secret_path, b64url(secret).encode("ascii") + b"\n", SECRET_MODE)

    def set_aside(self) -> Path | None:
        """Move a record that is no good out of the way, for people to look at. Its new path; None if it stayed."""
        names = [self.path.with_name(f"{self.path.name}.damaged-{n}") for n in range(1, DAMAGED_MAX + 1)]
        aside = next((name for name in names if not name.exists()), names[-1])
        try:
            with place_of(self.path) as place:
                place.rename(place.sibling(aside.name))
        except OSError:
            return None
        return aside

    def mark(self) -> ClockMark:
        """What was noted of the clock; an empty mark when there is none, or none that can be read."""
        try:
            with os.fdopen(open_plain(self._seen), "rb") as file:
                return decode_mark(file.read(MARK_BYTES_MAX + 1))
        except OSError:
            return ClockMark()

    def note_mark(self, mark: ClockMark) -> bool:
        """Note it; best effort: whether it worked. Overwritten in place and not forced to disk: it costs a few
        microseconds, and what a power failure leaves of it is either readable or ignored."""
        with contextlib.suppress(OSError):
            handle = open_plain(self._seen, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.write(handle, encode_mark(mark))
            finally:
                os.close(handle)
            return True
        return False


_BINARY = os.O_RDONLY | getattr(os, "O_BINARY", 0)
