"""Settings that must go together: what one of them alone cannot tell."""

from __future__ import annotations

from quorate.errors import InvalidSettingError
from quorate.host.identity.publisher_client import check_address, publisher_address
from quorate.host.publication.from_settings import check_settings
from quorate.host.settings.settings import Settings

__all__ = ["check_together"]


def check_together(settings: Settings, changed: frozenset[str]) -> None:
    """That new settings go together, and that what was named just now can be used.

    Args:
        changed: the names of those that are new. Files are looked at only where they are among them: who mends
            something else must not be held up by them.

    Raises:
        InvalidSettingError: they contradict each other, or a file does not hold what it should.
        FilePermissionsError, FileAccessError: a file that cannot be used.
    """
    check_settings(settings, changed)
    address = publisher_address(settings)
    if address is not None and any(name.startswith("publisher-") for name in changed):
        check_address(address)
    if settings.port == settings.admin_port:
        raise InvalidSettingError(
            name="port",
            reason=f"{settings.port} would be both the clients' port and that of administration",
            allowed="Two different ports; defaults 1688 and 1689.",
        )
