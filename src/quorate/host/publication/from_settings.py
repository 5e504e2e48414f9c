"""From a host's settings to what is to be published: with the port that is really served, and this machine's name."""

from __future__ import annotations

from pathlib import Path

from quorate.core.documents import ProductFile
from quorate.errors import InvalidSettingError, KerberosCredentialsError, QuorateError
from quorate.host.publication.keytab import principal_of
from quorate.host.publication.local_machine import Surroundings
from quorate.host.publication.settings import DEFAULTS, PublicationSettings, TsigKey
from quorate.host.settings.settings import Settings, shown_value
from quorate.host.settings.table import RULES

__all__ = ["check_settings", "services_of", "wanted_publication"]


def services_of(products: tuple[ProductFile, ...]) -> tuple[str, ...]:
    """The DNS service labels of the products, each once."""
    return tuple(sorted({product.service for product in products}))


def wanted_publication(
    settings: Settings, *, port: int, services: tuple[str, ...], around: Surroundings
) -> PublicationSettings:
    """What is to be published. Never raises: what is wrong is the result's `fault`. May take the resolver's time.

    Args:
        port: the port that is served, which `host run --port` may have made another than the setting.
    """
    machine = settings.dns_target or around.machine()
    try:
        return PublicationSettings.parse(
            {**_texts(settings), "port": str(port)},
            machine=machine,
            services=services,
            machine_keytab=around.machine_keytab,
        )
    except QuorateError as fault:
        return PublicationSettings(f"{machine}.", enabled=settings.dns_publishing, fault=fault)


def check_settings(settings: Settings, changed: frozenset[str]) -> None:
    """That new settings go together, and that files which were named just now can be used.

    Files that were set before are not looked at: who mends something else must not be held up by them.

    Raises:
        InvalidSettingError: they contradict each other, or a file does not hold what it should.
        FilePermissionsError: others may read it.
        FileAccessError: it cannot be read.
    """
    if settings.dns_tsig_key and settings.dns_keytab:
        raise InvalidSettingError(
            name="dns-tsig-key" if "dns-tsig-key" in changed else "dns-keytab",
            reason="a TSIG key and a keytab cannot both sign an update",
            allowed="Set one of dns-tsig-key and dns-keytab; `default` clears the other one.",
        )
    if "dns-tsig-key" in changed and settings.dns_tsig_key:
        TsigKey.read(Path(settings.dns_tsig_key))
    if "dns-keytab" in changed and settings.dns_keytab:
        try:
            principal_of(Path(settings.dns_keytab))
        except KerberosCredentialsError as fault:
            reason = f"{settings.dns_keytab}: {fault.values['reason']}"
            raise InvalidSettingError(name="dns-keytab", reason=reason, allowed=fault.hint) from None


def _texts(settings: Settings) -> dict[str, str]:
    return {name: str(shown_value(getattr(settings, RULES[name].attribute))) for name in DEFAULTS}
