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

from quorate.errors import (
    FileAccessError,
    FilePermissionsError,
    FolderNotPrivateError,
    MalformedError,
    OutputExistsError,
)
from quorate.opening import Place, open_plain, place_of
from quorate.rights import is_loose, is_mended, is_nobodys_content

__all__ = [
    "FOLDER_MODE",
    "PUBLIC_MODE",
    "SECRET_MODE",
    "access_fault",
    "check_private",
    "give_to_folder_owner",
    "make_private_folder",
    "open_to_append",
    "read_bounded",
    "read_given",
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

_BINARY: Final = getattr(os, "O_BINARY", 0)
# A memory stick with FAT, on which requests and confirmations travel, has no second names for files.
_NO_LINKS: Final = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


# --- folders and rights ----------------------------------------------------------------------------------------------


def make_private_folder(path: Path, *, is_inner: bool = False) -> Path:
    """A folder that only its owner can enter. An empty one that is looser is tightened, any other is refused.

    Args:
        is_inner: it belongs to whom the folder around it belongs.

    Raises:
        FilePermissionsError: it was there, holds files, and others may enter it.
        FolderNotPrivateError: others may enter it, and it is not ours to change.
        FileAccessError: it cannot be made.
    """
    try:
        if is_inner and not os.path.lexists(path):
            path.mkdir(mode=FOLDER_MODE)
            give_to_folder_owner(path)
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        found = path.stat()
        if is_inner and stat.S_ISLNK(path.lstat().st_mode):
            raise FileAccessError(path=path, reason="it is a link, where a folder of the host should be")
        if is_loose(path, found) and _is_ours(found) and is_nobodys_content(path):
            path.chmod(FOLDER_MODE)
    except OSError as fault:
        raise access_fault(path, fault) from None
    return check_private(path)


def check_private(path: Path) -> Path:
    """The path of a file or folder, if nobody but its owner has any right to it.

    What a volume's `fsGroup` has given to its group is taken back (`quorate.rights`).

    Raises:
        FilePermissionsError: group or others have one; with the command that mends it.
        FolderNotPrivateError: a folder that is not ours to change.
        FileAccessError: it cannot be looked at.
    """
    try:
        found = path.stat()
        if is_loose(path, found) and not is_mended(path, found, None if path.is_dir() else path.parent.stat()):
            raise _too_loose(path, found)
    except OSError as fault:
        raise access_fault(path, fault) from None
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
    """The content of a file of ours that should be small, and may be shown to anybody.

    Raises:
        FileAccessError: it cannot be read, is no plain file, or is a link that somebody else has made.
        MalformedError: it is larger than anything of its kind.
    """
    try:
        with os.fdopen(open_plain(path, os.O_RDONLY | _BINARY), "rb") as file:
            return _bounded(path, file.read(bytes_max + 1), bytes_max)
    except OSError as fault:
        raise access_fault(path, fault) from None


def read_given(path: Path, bytes_max: int) -> bytes:
    """The content of a file that a person named: it may also be a pipe (`<(command)`), and is waited for.

    Raises:
        FileAccessError, MalformedError: as `read_bounded`.
    """
    try:
        with path.open("rb") as file:
            return _bounded(path, file.read(bytes_max + 1), bytes_max)
    except (OSError, ValueError) as fault:  # ValueError: a name with a zero byte
        raise access_fault(path, fault) from None


def read_secret(path: Path, bytes_max: int = SECRET_BYTES_MAX) -> bytes:
    """The content of a file that only its owner may read.

    Raises:
        FilePermissionsError: others may read it.
        FileAccessError, MalformedError: as `read_bounded`.
    """
    try:
        with os.fdopen(open_plain(path, os.O_RDONLY | _BINARY), "rb") as file:
            descriptor = file.fileno()
            found = os.fstat(descriptor)
            if is_loose(descriptor, found) and not is_mended(descriptor, found, path.parent.stat()):
                raise _too_loose(path, found)
            return _bounded(path, file.read(bytes_max + 1), bytes_max)
    except OSError as fault:
        raise access_fault(path, fault) from None


def open_to_append(path: Path, mode: int = PUBLIC_MODE) -> int:
    """A descriptor to add to a plain file, which is made where there is none. Raises OSError."""
    return open_plain(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _BINARY, mode)


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
        with place_of(path) as place:
            with _written(place.sibling((aside or _aside(path)).name), data, mode, path.parent) as new:
                new.rename(place)
            _sync(place, path.parent)
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
        with place_of(path) as place:
            with _written(place.sibling(_aside(path).name), data, mode, path.parent) as new:
                try:
                    new.link(place)  # the one call that names a finished file and never replaces another
                except OSError as fault:
                    if fault.errno not in _NO_LINKS:
                        raise
                    _create(place, data, mode, path.parent)
            _sync(place, path.parent)
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
        with place_of(path) as place:
            place.remove()
            _sync(place, path.parent)
    except FileNotFoundError:
        return False
    except OSError as fault:
        raise access_fault(path, fault) from None
    return True


def access_fault(path: Path, fault: OSError | ValueError) -> FileAccessError:
    """What the system said, as an error of ours."""
    said = getattr(fault, "strerror", None) or (type(fault).__name__ if isinstance(fault, OSError) else str(fault))
    return FileAccessError(path=path, reason=said.lower())


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident():x}.new")


@contextlib.contextmanager
def _written(new: Place, data: bytes, mode: int, folder: Path) -> Iterator[Place]:
    """`new` with `data` in it, on disk; gone when the block ends."""
    try:
        with contextlib.suppress(FileNotFoundError):
            new.remove()  # a leftover of a crash may have another mode, so it is never reused
        _create(new, data, mode, folder)
        yield new
    finally:
        with contextlib.suppress(OSError):
            new.remove()


def _create(place: Place, data: bytes, mode: int, folder: Path) -> None:
    descriptor = place.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _give(place, folder, descriptor)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            place.remove()
        raise


def _give(place: Place, folder: Path, made: int) -> None:
    if sys.platform != "win32" and os.geteuid() == 0:
        owner = folder.stat() if place.descriptor is None else os.fstat(place.descriptor)
        os.fchown(made, owner.st_uid, owner.st_gid)


def _sync(place: Place, folder: Path) -> None:
    if place.descriptor is None:
        sync_folder(folder)
        return
    descriptor = os.open(".", os.O_RDONLY, dir_fd=place.descriptor)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _bounded(path: Path, data: bytes, bytes_max: int) -> bytes:
    if len(data) > bytes_max:
        raise MalformedError(what=str(path), reason=f"it is larger than {bytes_max} bytes")
    return data


def _is_ours(found: os.stat_result) -> bool:
    return sys.platform == "win32" or os.geteuid() in (0, found.st_uid)


def _too_loose(path: Path, found: os.stat_result) -> FilePermissionsError | FolderNotPrivateError:
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    if stat.S_ISDIR(found.st_mode) and not _is_ours(found):
        return FolderNotPrivateError(path=path, mode=mode, owner=_name_of(found.st_uid))
    wanted = FOLDER_MODE if stat.S_ISDIR(found.st_mode) else SECRET_MODE
    return FilePermissionsError(path=path, mode=mode, wanted=f"{wanted:o}")


def _name_of(uid: int) -> str:
    return "root" if uid == 0 else f"user {uid}"
