"""The publisher's files: written whole or not at all, and secrets readable by their owner only."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from quorate.errors import FileAccessError, FilePermissionsError, OutputExistsError

__all__ = [
    "check_private",
    "make_private_folder",
    "read_bounded",
    "sync_folder",
    "write_new",
    "write_output",
    "write_whole",
]

FOLDER_MODE, SECRET_MODE, PUBLIC_MODE = 0o700, 0o600, 0o644


def make_private_folder(folder: Path) -> Path:
    """The folder, made with mode 0700 if it was not there.

    Raises:
        FilePermissionsError: it was there, and others may look into it.
        FileAccessError: it cannot be made.
    """
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as fault:
        raise _access(folder, fault) from None
    return check_private(folder)


def check_private(path: Path) -> Path:
    """The path, if nobody but its owner has any right to it.

    Raises:
        FilePermissionsError: group or others have one.
        FileAccessError: it cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except OSError as fault:
        raise _access(path, fault) from None
    if mode & 0o077:
        wanted = FOLDER_MODE if path.is_dir() else SECRET_MODE
        raise FilePermissionsError(path=path, mode=f"{mode & 0o777:04o}", wanted=f"{wanted:o}")
    return path


def read_bounded(path: Path, bytes_max: int) -> bytes:
    """The content of a file that should be small.

    Raises:
        FileAccessError: it cannot be read, or is larger than `bytes_max`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as fault:
        raise _access(path, fault) from None
    if len(data) > bytes_max:
        raise FileAccessError(path=path, reason=f"it has more than {bytes_max} bytes, so it is another file")
    return data


def write_whole(path: Path, data: bytes, mode: int = PUBLIC_MODE) -> Path:
    """Put `data` in the place of whatever was there: a reader, or a crash, sees the old file or the new one.

    Raises:
        FileAccessError: the disk or the rights do not allow it; the old file is as it was.
    """
    try:
        temporary = _written_aside(path, data, mode)
        try:
            temporary.replace(path)
        except OSError:
            temporary.unlink()
            raise
        sync_folder(path.parent)
    except OSError as fault:
        raise _access(path, fault) from None
    return path


def write_new(path: Path, data: bytes, mode: int = PUBLIC_MODE) -> Path:
    """As `write_whole`, but only where nothing is; of two writers at the same time one wins.

    Raises:
        OutputExistsError: something is there already; it was not touched.
        FileAccessError: the disk or the rights do not allow it.
    """
    try:
        temporary = _written_aside(path, data, mode)
        try:
            os.link(temporary, path)  # the one call that names a finished file and never replaces another
        finally:
            temporary.unlink()
        sync_folder(path.parent)
    except FileExistsError:
        raise OutputExistsError(path=path) from None
    except OSError as fault:
        raise _access(path, fault) from None
    return path


def write_output(path: Path, data: bytes) -> Path:
    """A file that a command was told to make: doing the same again is well, another file's place is not taken.

    Raises:
        OutputExistsError: something else is there.
        FileAccessError: the disk or the rights do not allow it.
    """
    try:
        return write_new(path, data)
    except OutputExistsError:
        if path.is_file() and read_bounded(path, max(len(data), 1_000_000)) == data:
            return path
        raise


def _written_aside(path: Path, data: bytes, mode: int) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            os.unlink(name)
        raise
    return Path(name)


def sync_folder(folder: Path) -> None:
    """Make what was named or renamed in a folder outlive a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _access(path: Path, fault: OSError) -> FileAccessError:
    return FileAccessError(path=path, reason=(fault.strerror or str(fault)).lower())
