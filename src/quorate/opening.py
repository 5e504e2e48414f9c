"""How a file is opened by a name that somebody else may have chosen: no foreign link is followed, no pipe waits.

A state folder often belongs to a user with fewer rights than whoever looks into it (root, a program with the SDK). A
link is followed only where root or this process' own user made it, as Linux has it in `/tmp` (protected_symlinks), and
what is opened is a plain file. For root every folder on the way is opened one by one, so that none can be exchanged for
a link meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Place", "kind_of_file", "open_plain", "place_of"]

LINKS_MAX: Final = 40  # as Linux has it
_CLOEXEC: Final = getattr(os, "O_CLOEXEC", 0)
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0)
_WRITING: Final = os.O_WRONLY | os.O_RDWR
_PATH_ONLY: Final = getattr(os, "O_PATH", 0)
_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
}


@dataclass(frozen=True)
class Place:
    """Where a file is: its folder, held open, and its name in it; without a descriptor the name is the whole path."""

    descriptor: int | None
    name: str

    def open(self, flags: int, mode: int = 0o600) -> int:
        """A descriptor of the file; a link there is not followed. Raises OSError."""
        return os.open(self.name, flags | _NO_FOLLOW | _CLOEXEC, mode, dir_fd=self.descriptor)

    def look(self) -> os.stat_result:
        """Of the file, or of the link that is there. Raises OSError."""
        return os.stat(self.name, dir_fd=self.descriptor, follow_symlinks=False)

    def sibling(self, name: str) -> Place:
        """Another name in the same folder."""
        return Place(self.descriptor, name if self.descriptor is not None else str(Path(self.name).with_name(name)))

    def remove(self) -> None:
        """Raises OSError."""
        os.unlink(self.name, dir_fd=self.descriptor)

    def rename(self, to: Place) -> None:
        """Takes the place of whatever is there. Raises OSError."""
        os.replace(self.name, to.name, src_dir_fd=self.descriptor, dst_dir_fd=to.descriptor)

    def link(self, to: Place) -> None:
        """A second name, where none is yet. Raises OSError."""
        os.link(self.name, to.name, src_dir_fd=self.descriptor, dst_dir_fd=to.descriptor)


@contextlib.contextmanager
def place_of(path: Path) -> Iterator[Place]:
    """The place of a path. Its folder is held open where this process has more rights than who may own it (root).

    Raises:
        OSError: the folder is not there, or a link leads to it that somebody else made.
    """
    if sys.platform == "win32" or not _PATH_ONLY or os.geteuid() != 0:
        yield Place(None, os.fspath(path))
        return
    descriptor = _folder(path.absolute().parent)
    try:
        yield Place(descriptor, path.name)
    finally:
        os.close(descriptor)


def open_plain(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """A descriptor of the plain file at `path`; it never waits.

    Raises:
        OSError: as `os.open`; or it is no plain file, or a link that somebody else made, or (for writing, as root) a
            file that has another name besides, which somebody may have given it.
    """
    for _ in range(LINKS_MAX):
        with place_of(path) as place:
            try:
                descriptor = place.open(flags | _NO_WAIT, mode)
            except OSError as fault:
                if fault.errno == errno.ENXIO:  # a pipe or a socket, opened for writing
                    raise OSError(errno.EINVAL, f"it is {kind_of_file(place.look().st_mode)}, not a file") from None
                if fault.errno not in (errno.ELOOP, errno.EMLINK):  # the latter is how FreeBSD says it
                    raise
                _check_link(place.look())
                path = path.parent / os.readlink(place.name, dir_fd=place.descriptor)
                continue
        try:
            _check_plain(descriptor, flags)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def kind_of_file(mode: int) -> str:
    """What a file is, in words: `a pipe`."""
    return _KINDS.get(stat.S_IFMT(mode), "a file")


def _check_plain(descriptor: int, flags: int) -> None:
    found = os.fstat(descriptor)
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, f"it is {kind_of_file(found.st_mode)}, not a file")
    if flags & _WRITING and found.st_nlink > 1 and sys.platform != "win32" and os.geteuid() == 0:
        raise OSError(errno.EMLINK, "the file has a second name elsewhere")


def _check_link(found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode) and sys.platform != "win32" and found.st_uid not in (0, os.geteuid()):
        raise OSError(errno.ELOOP, f"it is a link that user {found.st_uid} has made")


def _folder(path: Path) -> int:
    """A descriptor of the folder at an absolute path, for use as a starting point."""
    parts, links = list(reversed(path.parts[1:])), 0
    here = os.open("/", _PATH_ONLY | _CLOEXEC)
    try:
        while parts:
            part = parts.pop()
            following = os.open(part, _PATH_ONLY | _NO_FOLLOW | _CLOEXEC, dir_fd=here)
            try:
                found = os.fstat(following)
                if stat.S_ISLNK(found.st_mode):
                    _check_link(found)
                    links += 1
                    if links > LINKS_MAX:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                    target = Path(os.readlink(part, dir_fd=here))
                    parts.extend(reversed(target.parts[1:] if target.is_absolute() else target.parts))
                    os.close(following)
                    following = os.open("/", _PATH_ONLY | _CLOEXEC) if target.is_absolute() else os.dup(here)
                elif not stat.S_ISDIR(found.st_mode):
                    raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            except OSError:
                os.close(following)
                raise
            os.close(here)
            here = following
    except BaseException:
        os.close(here)
        raise
    return here
