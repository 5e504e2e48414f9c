"""Taking a host's papers away: the text of its host key (slmgr `/cpky`), or key and certificate (`/upk`).

Identity, records and settings stay. A running host notices a certificate that is gone within about a second, and
answers nobody any more.
"""

from __future__ import annotations

from quorate.errors import HostKeyMissingError
from quorate.files import remove_file
from quorate.host.settings.paths import StatePaths

__all__ = ["remove_key_text", "uninstall_key"]


def remove_key_text(paths: StatePaths) -> bool:
    """Remove the host key from the disk; the activation stays. Whether there was one.

    Raises:
        FileAccessError: it could not be removed.
    """
    return remove_file(paths.product_key)


def uninstall_key(paths: StatePaths) -> None:
    """Remove host key, certificate and the requests that wait for one: this host is not activated any more.

    Raises:
        HostKeyMissingError: there is neither key nor certificate.
        FileAccessError: something could not be removed.
    """
    # The certificate first: whatever is interrupted here, the machine does not go on serving without its key.
    removed = [remove_file(paths.certificate), remove_file(paths.product_key)]
    for request in (paths.answered, *sorted(paths.requests.glob("*.req"))):
        remove_file(request)
    if not any(removed):
        raise HostKeyMissingError
