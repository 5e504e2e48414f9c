"""Work as the user to whom a folder belongs: root looks into a service's state with the service's own rights.

Names in that folder are the service's to choose (links, pipes, other files of the database); with its rights alone none
of them leads further than the service could go by itself, and what is made there is the service's.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

if sys.platform != "win32":
    import pwd

__all__ = ["Rights", "as_asker", "owner_can_read", "owner_of", "user_name", "working_as_owner"]


@dataclass(frozen=True)
class Rights:
    """A user as whom this process may work: user, group, further groups."""

    user: int
    group: int
    groups: tuple[int, ...]

    @classmethod
    def now(cls) -> Rights:
        """Those of this process."""
        return cls(os.geteuid(), os.getegid(), tuple(os.getgroups()))

    @classmethod
    def of_user(cls, user: int, group: int) -> Rights:
        """Those of a user who is at home in that group; what else the user's groups are is in the system's database."""
        try:
            name = pwd.getpwuid(user).pw_name
        except KeyError:  # a dynamic user of the service manager, or a container's
            return cls(user, group, (group,))
        return cls(user, group, tuple(os.getgrouplist(name, group)))

    def take(self) -> None:
        """Work so from now on. The right to go back stays, as the real user is who it was.

        Raises:
            OSError: the system does not let root do it (a container without SETUID or SETGID).
        """
        os.seteuid(os.getuid())  # the groups are root's to change
        os.setgroups(self.groups)
        os.setegid(self.group)
        os.seteuid(self.user)


def owner_of(folder: Path) -> Rights | None:
    """The owner's rights, where this process is root's and the folder another's; else None: go on as it is."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    try:
        found = folder.stat()
    except OSError:  # not there yet: it will be root's
        return None
    return Rights.of_user(found.st_uid, found.st_gid) if found.st_uid != 0 else None


def user_name(user: int) -> str:
    """What the system calls a user; the number where it knows none of that number."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


@contextlib.contextmanager
def working_as_owner(folder: Path) -> Iterator[None]:
    """The block is done with the rights of the folder's owner. Of one thread alone: the whole process has them."""
    with _working_as(owner_of(folder), folder):
        yield


def owner_can_read(folder: Path, file: Path) -> bool:
    """Whether the user to whom `folder` belongs may read a file; also true for one that is not there."""
    with _working_as(owner_of(folder)):
        try:
            os.close(os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)))
        except PermissionError:
            return False
        except OSError:
            return True
        return True


@contextlib.contextmanager
def as_asker() -> Iterator[None]:
    """Within such a block, back to who asked: for what is not the owner's, such as a file that root named."""
    is_lent = sys.platform != "win32" and os.geteuid() != os.getuid() == 0
    with _working_as(Rights.of_user(0, os.getgid()) if is_lent else None):
        yield


def _check_program() -> None:
    """That this very program can go on: Python loads parts of itself when they are needed. Raises OSError."""
    for part in (Path(os.__file__), Path(__file__)):
        os.close(os.open(part, os.O_RDONLY))


@contextlib.contextmanager
def _working_as(rights: Rights | None, within: Path | None = None) -> Iterator[None]:
    if rights is None:
        yield
        return
    before = Rights.now()
    try:
        rights.take()
        if within is not None:
            (within / ".").stat()  # systemd keeps a dynamic user's folder behind one that only root enters
            _check_program()
    except OSError:  # then as who we are: what is opened by name is looked at all the same (`quorate.opening`)
        with contextlib.suppress(OSError):
            before.take()
        yield
        return
    try:
        yield
    finally:
        before.take()
