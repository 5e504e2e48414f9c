"""A publisher with one product, and hosts that ask it."""

from __future__ import annotations

from pathlib import Path

from quorate.core.documents import HOST_REQUEST, HostRequest, SigningKey, sign
from quorate.core.ids import ProductKey, b64url, key_proof, new_cmid
from quorate.publisher.issue import Publisher
from tests.support.clocks import START_S, ManualClock, SeededEntropy

__all__ = ["PASSPHRASE", "SOURCE", "AskingHost", "new_publisher", "write_source"]

PASSPHRASE = "correct horse battery"

SOURCE = """
id = "acme-cad"
name = "Acme CAD"
group = "acme"

[[edition]]
id = "acme-cad-pro"
name = "Acme CAD Professional"
class = "client"

[[edition]]
id = "acme-cad-server"
name = "Acme CAD Compute Server"
class = "server"
"""


def write_source(folder: Path, text: str = SOURCE, name: str = "product.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def new_publisher(folder: Path, clock: ManualClock) -> Publisher:
    """A publisher in `folder/publisher` with the product of `SOURCE`."""
    publisher = Publisher.create(folder / "publisher", "Acme Software", PASSPHRASE, clock, SeededEntropy(7))
    publisher.add_product(write_source(folder))
    return publisher


class AskingHost:
    """A KMS host as far as a publisher sees it: a key pair, an id, a machine name, and request files."""

    def __init__(self, seed: int, machine: str = "kms1.contoso.example") -> None:
        self._entropy = SeededEntropy(1000 + seed)
        self.signing_key = SigningKey.from_seed(self._entropy.token(32))
        self.host_id = new_cmid(self._entropy.token(16))
        self.machine = machine

    def claims(self, product_key: ProductKey, proof: str | None = None) -> HostRequest:
        request_id = b64url(self._entropy.token(16))
        return HostRequest(
            issued_s=START_S,
            host_id=self.host_id,
            request_id=request_id,
            machine=self.machine,
            jwk=self.signing_key.public(),
            key_id=product_key.key_id,
            key_proof=proof or key_proof(product_key.verifier, self.host_id, self.signing_key.kid, request_id),
            last_five=product_key.last_five,
        )

    def request(self, product_key: ProductKey, proof: str | None = None) -> str:
        """A new request file's content."""
        return sign(HOST_REQUEST, self.claims(product_key, proof), self.signing_key) + "\n"
