"""Files that are never half written and never readable by others: how a host keeps its state folder."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from quorate.errors import FileAccessError, FilePermissionsError, MalformedError, OutputExistsError

__all__ = [
    "check_folder",
    "give_to_folder_owner",
    "make_folder",
    "read_file",
    "read_secret",
    "write_file",
    "write_new_file",
]

SECRET_MODE, FOLDER_MODE, PUBLIC_MODE = 0o600, 0o700, 0o644


def make_folder(path: Path, *, is_inner: bool = False) -> None:
    """A folder that only its owner can enter. An empty one that is looser is tightened, any other is refused.

    Args:
        is_inner: it belongs to whom the folder around it belongs.

    Raises:
        FilePermissionsError: it exists, holds files, and others may enter it.
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
        raise _told(path, fault) from None
    check_folder(path)


def check_folder(path: Path) -> None:
    """That only its owner can enter `path`.

    Raises:
        FilePermissionsError, FileAccessError
    """
    try:
        mode = path.stat().st_mode
    except OSError as fault:
        raise _told(path, fault) from None
    if _is_loose(mode):
        raise FilePermissionsError(path=path, mode=f"{stat.S_IMODE(mode):04o}", wanted="700")


def give_to_folder_owner(path: Path, made: int | None = None) -> None:
    """What root makes in a folder of the service's user belongs to that user, or the service could not use it.

    Args:
        made: the open descriptor of what was just made; None: the new folder `path` itself.

    Raises:
        OSError
    """
    if os.geteuid() == 0:
        owner = path.parent.stat()
        if made is not None:
            os.chown(made, owner.st_uid, owner.st_gid)
        else:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def write_file(path: Path, data: bytes, mode: int = PUBLIC_MODE) -> None:
    """Replace `path` in one step: after a crash the old content or the new is there, on disk.

    Raises:
        FileAccessError: nothing was changed.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        # A leftover of a crash may have another mode, so it is never reused.
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            give_to_folder_owner(path, descriptor)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as fault:
        with contextlib.suppress(OSError):
            new.unlink()
        raise _told(path, fault) from None


def write_new_file(path: Path, data: bytes) -> None:
    """A file that is not there yet.

    Raises:
        OutputExistsError: it is there; nothing was changed.
        FileAccessError: it cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PUBLIC_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise OutputExistsError(path=path) from None
    except OSError as fault:
        raise _told(path, fault) from None


def read_file(path: Path, bytes_max: int) -> bytes:
    """The content of a file that may be shown to anybody.

    Raises:
        FileAccessError: it cannot be read.
        MalformedError: it is larger than anything of its kind.
    """
    try:
        with path.open("rb") as file:
            return _bounded(path, file.read(bytes_max + 1), bytes_max)
    except OSError as fault:
        raise _told(path, fault) from None


def read_secret(path: Path, bytes_max: int = 4096) -> bytes:
    """The content of a file that only its owner may read.

    Raises:
        FilePermissionsError: others may read it.
        FileAccessError, MalformedError: as `read_file`.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if _is_loose(mode):
                raise FilePermissionsError(path=path, mode=f"{stat.S_IMODE(mode):04o}", wanted="600")
            return _bounded(path, file.read(bytes_max + 1), bytes_max)
    except OSError as fault:
        raise _told(path, fault) from None


def _bounded(path: Path, data: bytes, bytes_max: int) -> bytes:
    if len(data) > bytes_max:
        raise MalformedError(what=str(path), reason=f"it is larger than {bytes_max} bytes")
    return data


def _is_loose(mode: int) -> bool:
    return bool(stat.S_IMODE(mode) & 0o077)


def _told(path: Path, fault: OSError) -> FileAccessError:
    return FileAccessError(path=path, reason=fault.strerror or type(fault).__name__)
