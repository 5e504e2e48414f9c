"""Taking a host's papers away: the text of its host key (slmgr `/cpky`), or key and certificate (`/upk`).

Identity, records and settings stay. A running host notices a certificate that is gone within about a second, and
answers nobody any more.
"""

from __future__ import annotations

import os
from pathlib import Path

from quorate.errors import FileAccessError, HostKeyMissingError
from quorate.host.config import StatePaths

__all__ = ["remove_key_text", "uninstall_key"]


def remove_key_text(paths: StatePaths) -> bool:
    """Remove the host key from the disk; the activation stays. Whether there was one.

    Raises:
        FileAccessError: it could not be removed.
    """
    return _remove(paths.product_key)


def uninstall_key(paths: StatePaths) -> None:
    """Remove host key, certificate and the requests that wait for one: this host is not activated any more.

    Raises:
        HostKeyMissingError: there is neither key nor certificate.
        FileAccessError: something could not be removed.
    """
    # The certificate first: whatever is interrupted here, the machine does not go on serving without its key.
    removed = [_remove(paths.certificate), _remove(paths.product_key)]
    for request in (paths.answered, *sorted(paths.requests.glob("*.req"))):
        _remove(request)
    if not any(removed):
        raise HostKeyMissingError


def _remove(path: Path) -> bool:
    try:
        path.unlink()
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileNotFoundError:
        return False
    except OSError as fault:
        raise FileAccessError(path=path, reason=fault.strerror or type(fault).__name__) from None
    return True
