"""Root's commands on a state that belongs to the agent's user are done as that user: the agent can use the result."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from quorate.client.storage.installed import Installed
from quorate.errors import FileAccessError

__all__ = ["hand_over", "work_as_owner_of"]


def work_as_owner_of(root: Path) -> None:
    """Become the user to whom the folder of all products belongs, if this process is root and root it is not."""
    owner = _other_owner(root)
    if owner is not None:
        uid, gid = owner
        os.setegid(gid)
        os.seteuid(uid)


def hand_over(made: Installed) -> None:
    """Give the folder and the two files that root has just made to the owner of the folder of all products.

    Raises:
        FileAccessError
    """
    owner = _other_owner(made.root)
    if owner is None:
        return
    for path in (made.product_path.parent, made.product_path, made.trust_path):
        try:
            os.chown(path, *owner, follow_symlinks=False)
        except OSError as fault:
            raise FileAccessError(path=path, reason=fault.strerror or str(fault)) from None


def _other_owner(root: Path) -> tuple[int, int] | None:
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    try:
        found = root.stat()
    except OSError:  # not there yet: it will be root's
        return None
    return (found.st_uid, found.st_gid) if found.st_uid != 0 else None
