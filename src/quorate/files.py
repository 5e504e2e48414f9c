"""Files that are never half written, and secrets that nobody but their owner can read. Every room keeps its state so.

A file is written under another name beside its place, forced to disk, and then named: a reader, or a crash, sees the
old content or the new one. All faults of the system are `FileAccessError` with the path in it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from quorate.errors import FileAccessError, FilePermissionsError, MalformedError, OutputExistsError

__all__ = [
    "FOLDER_MODE",
    "PUBLIC_MODE",
    "SECRET_MODE",
    "access_fault",
    "check_private",
    "give_to_folder_owner",
    "make_private_folder",
    "read_bounded",
    "read_secret",
    "remove_file",
    "replace_file",
    "sync_folder",
    "write_new",
    "write_output",
]

SECRET_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
PUBLIC_MODE: Final = 0o644  # less where the umask says so
SECRET_BYTES_MAX: Final = 4096  # a key, a token, a passphrase

_LOOSE: Final = 0o077
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# A memory stick with FAT, on which requests and confirmations travel, has no second names for files.
_NO_LINKS: Final = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


# --- folders and rights ----------------------------------------------------------------------------------------------


def make_private_folder(path: Path, *, is_inner: bool = False) -> Path:
    """A folder that only its owner can enter. An empty one that is looser is tightened, any other is refused.

    Args:
        is_inner: it belongs to whom the folder around it belongs.

    Raises:
        FilePermissionsError: it was there, holds files, and others may enter it.
        FileAccessError: it cannot be made.
    """
    try:
        if is_inner and not path.exists():
            path.mkdir(mode=FOLDER_MODE)
            give_to_folder_owner(path)
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        if _is_loose(path.stat().st_mode) and not any(path.iterdir()):
            path.chmod(FOLDER_MODE)
    except OSError as fault:
        raise access_fault(path, fault) from None
    return check_private(path)


def check_private(path: Path) -> Path:
    """The path of a file or folder, if nobody but its owner has any right to it.

    Raises:
        FilePermissionsError: group or others have one; with the command that mends it.
        FileAccessError: it cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except OSError as fault:
        raise access_fault(path, fault) from None
    if _is_loose(mode):
        raise _too_loose(path, mode)
    return path


def give_to_folder_owner(path: Path, made: int | None = None) -> None:
    """What root makes in a folder of the service's user belongs to that user, or the service could not use it.

    Args:
        made: the open descriptor of what was just made; None: the new folder `path` itself.

    Raises:
        OSError
    """
    if sys.platform != "win32" and os.geteuid() == 0:
        owner = path.parent.stat()
        if made is not None:
            os.chown(made, owner.st_uid, owner.st_gid)
        else:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def sync_folder(folder: Path) -> None:
    """Make what was named, renamed or removed in a folder outlive a power cut. Raises OSError."""
    with contextlib.suppress(PermissionError):  # Windows opens no folders, and does it in its own time
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# --- reading ---------------------------------------------------------------------------------------------------------


def read_bounded(path: Path, bytes_max: int) -> bytes:
    """The content of a file that should be small, and may be shown to anybody.

    Raises:
        FileAccessError: it cannot be read.
        MalformedError: it is larger than anything of its kind.
    """
    try:
        with path.open("rb") as file:
            return _bounded(path, file.read(bytes_max + 1), bytes_max)
    except OSError as fault:
        raise access_fault(path, fault) from None


def read_secret(path: Path, bytes_max: int = SECRET_BYTES_MAX) -> bytes:
    """The content of a file that only its owner may read.

    Raises:
        FilePermissionsError: others may read it.
        FileAccessError, MalformedError: as `read_bounded`.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if _is_loose(mode):
                raise _too_loose(path, mode)
            return _bounded(path, file.read(bytes_max + 1), bytes_max)
    except OSError as fault:
        raise access_fault(path, fault) from None


# --- writing ---------------------------------------------------------------------------------------------------------


def replace_file(path: Path, data: bytes, mode: int = PUBLIC_MODE, *, aside: Path | None = None) -> Path:
    """Put `data` in the place of whatever was there. When this returns it is on disk.

    Args:
        mode: of the new file; what the old one had does not matter.
        aside: the name it is written under first. None: one that no other writer takes. A fixed one, where the caller
            holds off every other writer, leaves one file at most behind after crashes.

    Raises:
        FileAccessError: the disk or the rights do not allow it; the old file is as it was.
    """
    try:
        with _written(aside or _aside(path), data, mode) as new:
            new.replace(path)
        sync_folder(path.parent)
    except OSError as fault:
        raise access_fault(path, fault) from None
    return path


def write_new(path: Path, data: bytes, mode: int = PUBLIC_MODE) -> Path:
    """As `replace_file`, but only where nothing is; of two writers at the same time one wins.

    Raises:
        OutputExistsError: something is there already; it was not touched.
        FileAccessError: the disk or the rights do not allow it.
    """
    try:
        with _written(_aside(path), data, mode) as new:
            try:
                os.link(new, path)  # the one call that names a finished file and never replaces another
            except OSError as fault:
                if fault.errno not in _NO_LINKS:
                    raise
                _create(path, data, mode)
        sync_folder(path.parent)
    except FileExistsError:
        raise OutputExistsError(path=path) from None
    except OSError as fault:
        raise access_fault(path, fault) from None
    return path


def write_output(path: Path, data: bytes, mode: int = PUBLIC_MODE) -> Path:
    """A file that a command was told to make: doing the same again is well, another file's place is not taken.

    Raises:
        OutputExistsError: something else is there.
        FileAccessError: the disk or the rights do not allow it.
    """
    try:
        return write_new(path, data, mode)
    except OutputExistsError:
        with contextlib.suppress(MalformedError):
            if path.is_file() and read_bounded(path, len(data)) == data:
                return path
        raise


def remove_file(path: Path) -> bool:
    """Remove a file, if it is there, so that it stays removed. Whether it was.

    Raises:
        FileAccessError: it is still there.
    """
    try:
        path.unlink()
        sync_folder(path.parent)
    except FileNotFoundError:
        return False
    except OSError as fault:
        raise access_fault(path, fault) from None
    return True


def access_fault(path: Path, fault: OSError) -> FileAccessError:
    """What the system said, as an error of ours."""
    return FileAccessError(path=path, reason=(fault.strerror or type(fault).__name__).lower())


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident():x}.new")


@contextlib.contextmanager
def _written(new: Path, data: bytes, mode: int) -> Iterator[Path]:
    """`new` with `data` in it, on disk; gone when the block ends."""
    try:
        with contextlib.suppress(FileNotFoundError):
            new.unlink()  # a leftover of a crash may have another mode, so it is never reused
        _create(new, data, mode)
        yield new
    finally:
        with contextlib.suppress(OSError):
            new.unlink()


def _create(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            give_to_folder_owner(path, descriptor)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def _bounded(path: Path, data: bytes, bytes_max: int) -> bytes:
    if len(data) > bytes_max:
        raise MalformedError(what=str(path), reason=f"it is larger than {bytes_max} bytes")
    return data


def _is_loose(mode: int) -> bool:
    return sys.platform != "win32" and bool(stat.S_IMODE(mode) & _LOOSE)


def _too_loose(path: Path, mode: int) -> FilePermissionsError:
    wanted = FOLDER_MODE if stat.S_ISDIR(mode) else SECRET_MODE
    return FilePermissionsError(path=path, mode=f"{stat.S_IMODE(mode):04o}", wanted=f"{wanted:o}")
