"""The file that a backup is in: private to who asked for it, there whole or not at all, sealed by a passphrase or open.

Sealed, it is `quorate-backup-1`, a line with a random key under the passphrase (`core.passphrase`), its checksum, and
then pieces of 1 MiB, each by AES-256-GCM with that key and its number as nonce; the last one is marked as such, so that
a piece can be neither changed, moved, nor left out.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quorate.clock import Entropy
from quorate.core.filekinds import SEALED_BACKUP_MARK
from quorate.core.passphrase import SALT_BYTES, checked_seal, opened, seal, seal_checksum
from quorate.errors import BackupSealedError, MalformedError, OutputExistsError
from quorate.files import FOLDER_MODE, SECRET_MODE
from quorate.opening import Place, place_of

__all__ = ["BackupReader", "PieceWriter", "clear_leftovers", "new_output", "workroom"]

KEY_BYTES: Final = 32
PIECE: Final = 1024 * 1024
_TAG: Final = 16
_CONTENT: Final = "quorate-backup-key"
_LINE_MAX: Final = 4096


# --- the file itself -----------------------------------------------------------------------------------------------


@contextmanager
def new_output(target: Path, entropy: Entropy) -> Iterator[BinaryIO]:
    """What is written becomes the file `target` when the block ends well: mode 0600, of the user who asked.

    Until then it has a name that nobody could know before; never is another file replaced.

    Raises:
        OutputExistsError: meanwhile there is a file of that name.
        OSError
    """
    with place_of(target) as place:
        new = place.sibling(_unfinished(target, entropy))
        descriptor = new.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET_MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is no leftover
                yield file
                file.flush()
                os.fsync(descriptor)
                _name(new, place, target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                new.remove()
        folder = os.open(target.parent if place.descriptor is None else ".", os.O_RDONLY, dir_fd=place.descriptor)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _name(new: Place, place: Place, target: Path) -> None:
    """Under its name at once and whole, and never over another file."""
    try:
        new.link(place)
    except FileExistsError:
        raise OutputExistsError(path=target) from None
    except OSError:  # a file system without links, such as a USB stick's
        with contextlib.suppress(FileNotFoundError):
            place.look()
            raise OutputExistsError(path=target) from None
        new.rename(place)


@contextmanager
def workroom(target: Path, entropy: Entropy) -> Iterator[Path]:
    """A new folder of this user's alone, beside `target` if nobody else could put another in its place there, else
    where the system keeps temporary files. Raises OSError."""
    parent = target.parent if _is_trusted(target.parent) else Path(tempfile.gettempdir())
    room = parent / _unfinished(target, entropy)
    room.mkdir(mode=FOLDER_MODE)
    descriptor = os.open(room, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)
        os.close(descriptor)


def clear_leftovers(target: Path) -> None:
    """What backups to `target` that were killed have left goes: ours, private, and held by no running one."""
    if not _is_trusted(target.parent):
        return
    ours = re.compile(re.escape(f".{target.name}.") + r"(?:[0-9a-f]{16}\.)?unfinished\Z")
    with contextlib.suppress(OSError):
        for path in list(target.parent.iterdir()):
            if ours.match(path.name):
                with contextlib.suppress(OSError):
                    _clear(path)


def _clear(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if stat.S_ISDIR(found.st_mode):
            shutil.rmtree(path, ignore_errors=True)
        elif stat.S_ISREG(found.st_mode):
            path.unlink()
    finally:
        os.close(descriptor)


def _unfinished(target: Path, entropy: Entropy) -> str:
    return f".{target.name}.{entropy.token(8).hex()}.unfinished"


def _is_trusted(folder: Path) -> bool:
    """Whether nobody but this user and root can rename what is in the folder, or the folder itself."""
    real = folder.resolve()
    for each in (real, *real.parents):
        found = each.stat()
        if found.st_uid not in (0, os.geteuid()):
            return False
        if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
            return False
    return True


# --- sealed by a passphrase ----------------------------------------------------------------------------------------


class PieceWriter:
    """Takes what a backup consists of, and writes it sealed; `close` writes the last piece."""

    def __init__(self, file: BinaryIO, passphrase: str, entropy: Entropy) -> None:
        key = entropy.token(KEY_BYTES)
        line = seal(key, _CONTENT, passphrase, entropy.token(SALT_BYTES))
        file.write(SEALED_BACKUP_MARK + f"{line}\n{seal_checksum(line)}\n".encode("ascii"))
        self._file, self._cipher = file, AESGCM(key)
        self._waiting, self._number = bytearray(), 0

    def write(self, data: bytes) -> int:
        """All of it is taken."""
        self._waiting += data
        while len(self._waiting) > PIECE:
            self._put(bytes(self._waiting[:PIECE]), is_last=False)
            del self._waiting[:PIECE]
        return len(data)

    def flush(self) -> None:
        """Pieces are whole; there is nothing to hurry."""

    def close(self) -> None:
        self._put(bytes(self._waiting), is_last=True)

    def _put(self, piece: bytes, *, is_last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, is_last=is_last), piece, None))
        self._number += 1


class _PieceReader:
    """What `PieceWriter` was given, from where its pieces begin; raises MalformedError."""

    def __init__(self, file: BinaryIO, key: bytes, what: str) -> None:
        self._file, self._cipher, self._what = file, AESGCM(key), what
        self._ahead = file.read(PIECE + _TAG)
        self._left, self._number, self._is_over = b"", 0, False

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; empty at the end."""
        while not self._left and not self._is_over:
            self._next()
        taken = self._left if size < 0 else self._left[:size]
        self._left = self._left[len(taken) :]
        return taken

    def seek(self, offset: int, whence: int = 0) -> int:
        """Nobody goes back in it: who wants to read it again asks for the content again."""
        raise io.UnsupportedOperation

    def _next(self) -> None:
        piece, self._ahead = self._ahead, self._file.read(PIECE + _TAG)
        self._is_over = not self._ahead
        try:
            self._left = self._cipher.decrypt(_nonce(self._number, is_last=self._is_over), piece, None)
        except InvalidTag:
            raise MalformedError(what=self._what, reason="it is damaged, or cut off") from None
        self._number += 1


class BackupReader:
    """A backup's file; `content` gives what was packed, from its beginning, as often as it is asked for.

    Args:
        ask: gives the passphrase, and is called where it is needed only; None: there is nobody to ask.

    Raises:
        BackupSealedError: it needs a passphrase, and there is none, or a wrong one.
        MalformedError: its first lines are damaged.
    """

    def __init__(self, file: BinaryIO, source: Path, ask: Callable[[], str] | None) -> None:
        self._file, self._what = file, str(source)
        self._key: bytes | None = None
        file.seek(0)
        if file.read(len(SEALED_BACKUP_MARK)) == SEALED_BACKUP_MARK:
            self._key = self._unsealed(source, ask)
        else:
            file.seek(0)
        self._begin = file.tell()

    def content(self) -> BinaryIO | _PieceReader:
        """To be read by `gzip`."""
        self._file.seek(self._begin)
        return self._file if self._key is None else _PieceReader(self._file, self._key, self._what)

    def _unsealed(self, source: Path, ask: Callable[[], str] | None) -> bytes:
        try:
            line, checksum = (self._file.readline(_LINE_MAX).decode("ascii").strip() for _ in range(2))
        except UnicodeDecodeError:
            raise MalformedError(what=self._what, reason="its first lines are damaged") from None
        checked_seal(line, checksum, _CONTENT, self._what)
        if ask is None:
            raise BackupSealedError(path=source, reason="it needs its passphrase")
        key = opened(line, ask())
        if key is None or len(key) != KEY_BYTES:
            raise BackupSealedError(path=source, reason="the passphrase is wrong")
        return key


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])
