"""What can be looked up at the publisher's without a passphrase."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from quorate.core.documents import HOST_CERTIFICATE, HostCertificate, ProductFile, read
from quorate.core.keys import VerifyKeys
from quorate.core.revocation import Revoked
from quorate.core.succession import TrustState
from quorate.errors import UnknownPublisherError
from quorate.publisher.keysets import KeySets, jwks_path, trust_path
from quorate.publisher.ledger import HostEntry, HostKey, Ledger, Totals
from quorate.publisher.shelf import Shelf
from quorate.publisher.vault import require_present

__all__ = ["Book"]


class Book:
    """What can be looked up without the passphrase: the public keys, the signed products, the ledger.

    Args:
        state_dir: the publisher's state.

    Raises:
        StateMissingError, FilePermissionsError, FileAccessError, MalformedError, SchemaNewerError: it cannot be read.
    """

    def __init__(self, state_dir: Path) -> None:
        require_present(state_dir)
        self.state_dir = state_dir
        self.jwks_path = jwks_path(state_dir)
        self.trust_path = trust_path(state_dir)
        self.revocations_path = state_dir / "publisher.revocations"
        self.key_sets = KeySets(state_dir)
        self.ledger = Ledger.open(state_dir / "ledger.db")
        self._look_up()

    def _look_up(self) -> None:
        self.trust: TrustState = self.key_sets.state()
        self.verify_keys: VerifyKeys = self.trust.for_issuing()
        self.shelf = Shelf(self.state_dir / "products", self.trust.for_memory())

    def products(self) -> list[ProductFile]:
        """Every product, by id."""
        return self.shelf.all()

    def product(self, product_id: str) -> ProductFile:
        """One product. Raises NotKnownError."""
        return self.shelf.get(product_id)

    def product_path(self, product_id: str) -> Path:
        """The signed file of a product. Raises NotKnownError."""
        return self.shelf.path(product_id)

    def host_keys(self) -> list[HostKey]:
        """Every host key, the newest last."""
        return self.ledger.keys()

    def hosts(self) -> list[HostEntry]:
        """Every activated host, the newest last."""
        return self.ledger.hosts()

    def totals(self) -> Totals:
        """The ledger in numbers."""
        return self.ledger.totals()

    def revoked(self) -> list[Revoked]:
        """Everything that is revoked, the oldest entry first."""
        return self.ledger.blocklist.entries()

    def revocation_list(self) -> tuple[int, str] | None:
        """Number and token of the newest revocation list, None if there is none."""
        return self.ledger.blocklist.newest()

    def hosts_certified_before(self, now_s: int) -> list[HostCertificate]:
        """The certificates in force, the last one of each host, that were not signed by the newest key: what ends, or
        has ended, where the older keys are dropped. Without those that are revoked anyway."""
        newest = next(key for key in self.trust.keys if key.role != "root")  # it stands first (`rotation`)
        kid = newest.key().thumbprint()
        older = VerifyKeys({each: key for each, key in self.trust.for_memory().by_kid.items() if each != kid})
        revoked = {entry.id for entry in self.revoked()}
        found = []
        for token in self.ledger.newest_certificates(now_s):
            with suppress(UnknownPublisherError):  # signed by the newest key
                found.append(read(HOST_CERTIFICATE, token, older))
        return [
            each
            for each in found
            if not revoked & {each.host_id, each.key_id, each.serial, each.jwk.key().thumbprint()}
        ]
