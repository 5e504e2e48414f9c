"""Root's commands on a state that belongs to the agent's user are done as that user: the agent can use the result."""

from __future__ import annotations

import os
from pathlib import Path

from quorate.client.installed import Installed
from quorate.errors import FileAccessError
from quorate.owner import owner_of

__all__ = ["hand_over", "work_as_owner_of"]


def work_as_owner_of(root: Path) -> None:
    """Become the user to whom the folder of all products belongs, if this process is root and root it is not."""
    owner = owner_of(root)
    if owner is not None:
        owner.take()


def hand_over(made: Installed) -> None:
    """Give the folder and the two files that root has just made to the owner of the folder of all products.

    Raises:
        FileAccessError
    """
    owner = owner_of(made.root)
    if owner is None:
        return
    for path in (made.product_path.parent, made.product_path, made.trust_path):
        try:
            os.chown(path, owner.user, owner.group, follow_symlinks=False)
        except OSError as fault:
            raise FileAccessError(path=path, reason=fault.strerror or str(fault)) from None
