"""The papers' part of administration: product files, host key, activation by file or online, and what is new since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quorate.core.documents import HostCertificate, ProductFile
from quorate.core.ids import ProductKey
from quorate.core.trust import utc_text
from quorate.host.admin.audit import Actor, Audited
from quorate.host.identity.publisher_client import PublisherAddress, PublisherLink, publisher_address
from quorate.host.identity.publisher_files import Updated, take_files
from quorate.host.identity.renewal import Refreshed, refresh, take_activation
from quorate.host.identity.uninstall import remove_key_text, uninstall_key
from quorate.host.settings.paths import machine_name

__all__ = ["Paperwork"]


class Paperwork(Audited):
    """What `Administration` does with papers. A running host notices what was changed within about a second."""

    def add_product(self, product_token: str, by: Actor | None = None) -> ProductFile:
        """As `HostKeyring.add_product`."""
        with self.changing(by, "product", "product file") as change:
            product = self.keyring.add_product(product_token)
            change.message = f"product file of {product.product} taken"
        return product

    def install_key(self, typed: str, by: Actor | None = None) -> ProductKey:
        """As `HostKeyring.install_key`."""
        with self.changing(by, "install-key", "host key") as change:
            key = self.keyring.install_key(typed)
            change.message = f"host key ending in {key.last_five} installed"
        return key

    def request(self, by: Actor | None = None) -> str:
        """The text of a request file for the publisher; raises as `HostKeyring.make_request`."""
        with self.changing(by, "request", "request for the publisher") as change:
            token = self.keyring.make_request(machine_name())
            change.message = "request for the publisher made"
        return token

    def activate(self, confirmation: str, by: Actor | None = None) -> HostCertificate:
        """As `HostKeyring.activate`."""
        with self.changing(by, "activate", "confirmation") as change:
            certificate = self.keyring.activate(confirmation)
            change.message = f"confirmation taken: {_certified(certificate)}"
        return certificate

    def activate_online(self, address: PublisherAddress, by: Actor | None = None) -> HostCertificate:
        """Ask the publisher for the certificate, and go on asking there while the host runs.

        Raises:
            HostKeyMissingError: no host key is installed.
            PublisherUnreachableError, QuorateError: as `PublisherLink.activate`.
            TrustError: what came back proves nothing.
        """
        with self.trying(by, "activate", "online"):
            link = PublisherLink(address, self._clock)
            answer = link.activate(self.keyring.request_to_send(machine_name()))
        remembered: dict[str, Any] = {
            "publisher-url": link.url,
            "publisher-ca-file": "" if address.ca_file is None else str(address.ca_file),
            "publisher-insecure-http": address.insecure_http,
        }
        with self.changing(by, "activate", f"online at {link.url}") as change:
            certificate = take_activation(self.keyring, answer)
            change.within.change_settings(remembered)
            change.message = f"activated online at {link.url}: {_certified(certificate)}"
        return certificate

    def publisher_address(self) -> PublisherAddress | None:
        """Where the publisher is asked online, None where it is not."""
        return publisher_address(self.settings())

    def update(self, files: Sequence[tuple[str, str]], by: Actor | None = None) -> Updated:
        """Take what the publisher sent as files; raises as `take_files`."""
        with self.changing(by, "update", "files of the publisher") as change:
            taken = take_files(self.keyring, files)
            change.message = f"files of the publisher taken: {_news(taken)}"
        return taken

    def refresh(self, by: Actor | None = None) -> Refreshed | None:
        """Ask the publisher for what is new, now; None where no publisher is set. Raises as `renewal.refresh`."""
        address = self.publisher_address()
        if address is None:
            return None
        with self.trying(by, "update", "publisher asked"):
            link = PublisherLink(address, self._clock)
            found = refresh(self.keyring, link, self._clock.now_s(), machine_name())
        self.note(by, "update", f"publisher asked: {found.words() or 'nothing new'}")
        return found

    def remove_key_text(self, by: Actor | None = None) -> bool:
        """As `papers.remove_key_text`."""
        with self.changing(by, "forget-key", "text of the host key") as change:
            was_there = remove_key_text(self.keyring.paths)
            change.message = "text of the host key removed" if was_there else "there was no text of a host key"
        return was_there

    def uninstall_key(self, by: Actor | None = None) -> None:
        """As `papers.uninstall_key`."""
        with self.changing(by, "uninstall", "host key and activation") as change:
            uninstall_key(self.keyring.paths)
            change.message = "host key and activation removed"


def _certified(certificate: HostCertificate) -> str:
    return f"for {certificate.customer} until {utc_text(certificate.expires_s)}, serial {certificate.serial}"


def _news(taken: Updated) -> str:
    said = [
        None if taken.version is None else f"keys at version {taken.version}",
        None if taken.number is None else f"revocation list {taken.number}",
        *(f"product {each}" for each in taken.products),
        None if taken.certificate is None else f"certificate {taken.certificate}",
    ]
    return ", ".join(each for each in said if each is not None) or "nothing new"
