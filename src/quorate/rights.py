"""Who may use a file besides its owner: mode bits, the access control list behind them, and a volume's own habits."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["LOST_AND_FOUND", "is_loose", "is_mended", "is_nobodys_content"]

LOST_AND_FOUND: Final = "lost+found"  # every new ext4 volume has it
_LOOSE: Final = 0o077
_GROUP: Final = 0o070
_OTHERS: Final = 0o007
_ACL: Final = "system.posix_acl_access"
_ENTRY: Final = struct.Struct("<HHI")  # tag, rights, id (Linux, posix_acl_xattr.h), after four bytes of a version
_USER, _GROUP_OBJ, _GROUP_ENTRY, _MASK = 0x02, 0x04, 0x08, 0x10
_ENTRIES_MAX: Final = 1000
_FILES_MAX: Final = 10_000  # a state folder has a few dozen


def is_loose(of: Path | int, found: os.stat_result) -> bool:
    """Whether anybody but the file's owner, root and this process' user has any right to it.

    With an access control list the group's bits in the mode say only what the list gives at most: what systemd passes
    to a service as a credential is `root:root 0440`, and its list names nobody but the service's user.
    """
    if sys.platform == "win32" or not found.st_mode & _LOOSE:
        return False
    if found.st_mode & _OTHERS or stat.S_ISDIR(found.st_mode):
        return True
    entries = list(_entries(of))
    mask = next((rights for tag, rights, _ in entries if tag == _MASK), None)
    if mask is None:
        return True
    if any(rights & mask for tag, rights, _ in entries if tag in (_GROUP_OBJ, _GROUP_ENTRY)):
        return True
    others = {uid for tag, rights, uid in entries if tag == _USER and rights & mask} - {0, os.geteuid()}
    # Root looks at what the service manager has given to one service: on a mount of its own, read-only.
    is_credential = found.st_uid == 0 == os.geteuid() and len(others) == 1 and _is_read_only(of)
    return bool(others) and not is_credential


def is_mended(of: Path | int, found: os.stat_result, around: os.stat_result | None = None) -> bool:
    """Take back what a Kubernetes volume's `fsGroup` has given: at each start of a pod every file of ours gets the
    group's rights again (0660, folders 2770), which nobody meant for secrets. Whether it was that, and is taken back.

    Args:
        around: the folder of a file; None: `of` is a folder.
    """
    if sys.platform == "win32" or found.st_uid != os.geteuid() or found.st_mode & _OTHERS:
        return False
    if found.st_mode & _GROUP == 0:
        return False
    if around is None:
        is_volumes = bool(found.st_mode & stat.S_ISGID) and found.st_mode & _GROUP == _GROUP
    else:
        is_volumes = (
            bool(around.st_mode & stat.S_ISGID) and around.st_gid == found.st_gid and around.st_uid == found.st_uid
        )
        is_volumes = is_volumes and found.st_mode & _GROUP in (0o060, 0o070)
    if is_volumes:
        with contextlib.suppress(OSError):
            os.chmod(of, stat.S_IMODE(found.st_mode) & ~_GROUP)
            if around is None:
                _mend_files(of, found)
            return True
    return False


def _mend_files(folder: Path | int, found: os.stat_result) -> None:
    """The files of a folder with it: the mark of the volume on the folder may go when it is closed. Raises OSError."""
    with os.scandir(folder) as entries:
        for each in itertools.islice(entries, _FILES_MAX):
            inner = each.stat(follow_symlinks=False)
            is_ours = (inner.st_uid, inner.st_gid) == (found.st_uid, found.st_gid)
            if is_ours and stat.S_ISREG(inner.st_mode) and inner.st_mode & _GROUP in (0o060, 0o070):
                descriptor = os.open(each.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    os.fchmod(descriptor, stat.S_IMODE(inner.st_mode) & ~_GROUP)
                finally:
                    os.close(descriptor)


def is_nobodys_content(folder: Path) -> bool:
    """Whether a folder holds nothing that anybody has put there. Raises OSError."""
    return all(each.name == LOST_AND_FOUND for each in folder.iterdir())


def _is_read_only(of: Path | int) -> bool:
    try:
        return bool(os.statvfs(of).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _entries(of: Path | int) -> Iterator[tuple[int, int, int]]:
    """Tag, rights and id of each entry of the access control list; none where there is no list."""
    if sys.platform != "linux":
        return
    try:
        data = os.getxattr(of, _ACL)
    except OSError:
        return
    yield from list(_ENTRY.iter_unpack(data[4 : 4 + (len(data) - 4) // _ENTRY.size * _ENTRY.size]))[:_ENTRIES_MAX]
