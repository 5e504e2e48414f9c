"""The papers' part of administration: product files, host key, activation by file or online, and what is new since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quorate.clock import Clock
from quorate.core.documents import HostCertificate, ProductFile
from quorate.core.ids import ProductKey
from quorate.host.config import machine_name, settings_from
from quorate.host.keyring import HostKeyring
from quorate.host.papers_watch import publisher_address
from quorate.host.publisher_link import PublisherAddress, PublisherLink
from quorate.host.renewal import Refreshed, refresh, take_activation
from quorate.host.store.store import Store
from quorate.host.update import Updated, take_files

__all__ = ["Paperwork"]


class Paperwork:
    """What `Administration` does with papers. A running host notices what was changed within about a second."""

    def __init__(self, keyring: HostKeyring, store: Store, clock: Clock) -> None:
        self.keyring = keyring
        self._store = store
        self._clock = clock

    def add_product(self, product_token: str) -> ProductFile:
        """As `HostKeyring.add_product`."""
        return self.keyring.add_product(product_token)

    def install_key(self, typed: str) -> ProductKey:
        """As `HostKeyring.install_key`."""
        return self.keyring.install_key(typed)

    def request(self) -> str:
        """The text of a request file for the publisher; raises as `HostKeyring.make_request`."""
        return self.keyring.make_request(machine_name())

    def activate(self, confirmation: str) -> HostCertificate:
        """As `HostKeyring.activate`."""
        return self.keyring.activate(confirmation)

    def activate_online(self, address: PublisherAddress) -> HostCertificate:
        """Ask the publisher for the certificate, and go on asking there while the host runs.

        Raises:
            HostKeyMissingError: no host key is installed.
            PublisherUnreachableError, QuorateError: as `PublisherLink.activate`.
            TrustError: what came back proves nothing.
        """
        link = PublisherLink(address, self._clock)
        certificate = take_activation(self.keyring, link.activate(self.keyring.request_to_send(machine_name())))
        remembered: dict[str, Any] = {
            "publisher-url": link.url,
            "publisher-ca-file": "" if address.ca_file is None else str(address.ca_file),
            "publisher-insecure-http": address.insecure_http,
        }
        for name, value in remembered.items():
            self._store.set_setting(name, value)
        return certificate

    def publisher_address(self) -> PublisherAddress | None:
        """Where the publisher is asked online, None where it is not."""
        return publisher_address(settings_from(self._store.settings()))

    def update(self, files: Sequence[tuple[str, str]]) -> Updated:
        """Take what the publisher sent as files; raises as `take_files`."""
        return take_files(self.keyring, files)

    def refresh(self) -> Refreshed | None:
        """Ask the publisher for what is new, now; None where no publisher is set. Raises as `renewal.refresh`."""
        address = self.publisher_address()
        if address is None:
            return None
        return refresh(self.keyring, PublisherLink(address, self._clock), self._clock.now_s(), machine_name())
