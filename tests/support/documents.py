"""A publisher, a product, a host and its documents, always the same: built from fixed seeds.

`World` holds one of each; `World(policy=...)` or `world.certificate(groups=("other",))` bends one thing at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from quorate.core.decision import Decided, answer_for
from quorate.core.documents import (
    HOST_CERTIFICATE,
    PRODUCT,
    Edition,
    HostCertificate,
    HostRequest,
    ProductFile,
    SigningKey,
    sign,
)
from quorate.core.ids import ProductKey, b64url, key_proof, new_cmid
from quorate.core.lease import LEASE, REFUSAL, Intervals, Lease, Refusal, RefusalCode
from quorate.core.messages import ActivationRequest, Answer, LicenseStatus
from quorate.core.policy import DAY_S, PROFILES, MachineClass, Policy
from quorate.core.trust import Anchor, Question
from tests.support.clocks import START_S

__all__ = [
    "CLIENT_EDITION",
    "EPHEMERAL_EDITION",
    "HOST_ID",
    "SERVER_EDITION",
    "World",
    "cmid_of",
    "jwks_of",
    "nonce_of",
    "signing_key",
]

CLIENT_EDITION = "acme-cad-pro"
SERVER_EDITION = "acme-cad-server"
EPHEMERAL_EDITION = "acme-cad-ci"
HOST_ID = "0bf7a0c2-6f0e-4c5d-9d3f-1c2b3a495867"


def signing_key(number: int) -> SigningKey:
    """Key `number`, always the same."""
    return SigningKey.from_seed(number.to_bytes(32, "big"))


def cmid_of(number: int) -> str:
    """CMID `number`."""
    return new_cmid(number.to_bytes(16, "big"))


def nonce_of(number: int) -> str:
    """Nonce `number`."""
    return b64url(number.to_bytes(16, "big"))


def jwks_of(*keys: SigningKey) -> bytes:
    """`publisher.jwks` of these keys' public halves."""
    return msgspec.json.encode({"keys": [key.public() for key in keys]})


@dataclass(frozen=True)
class World:
    """One publisher, its product "acme-cad" of group "acme", one activated host; the time is `START_S`."""

    policy: Policy = PROFILES["windows-7"]
    publisher_key: SigningKey = field(default_factory=lambda: signing_key(1))
    host_key: SigningKey = field(default_factory=lambda: signing_key(2))

    @property
    def product(self) -> ProductFile:
        return ProductFile(
            publisher="Acme Software",
            issued_s=START_S - 90 * DAY_S,
            product="acme-cad",
            name="Acme CAD",
            group="acme",
            editions=(
                Edition(id=CLIENT_EDITION, name="Acme CAD Professional", machine_class=MachineClass.CLIENT),
                Edition(id=SERVER_EDITION, name="Acme CAD Compute Server", machine_class=MachineClass.SERVER),
                Edition(id=EPHEMERAL_EDITION, name="Acme CAD for CI", machine_class=MachineClass.EPHEMERAL),
            ),
            policy=self.policy,
        )

    @property
    def product_token(self) -> str:
        return sign(PRODUCT, self.product, self.publisher_key)

    @property
    def jwks(self) -> bytes:
        return jwks_of(self.publisher_key)

    @property
    def anchor(self) -> Anchor:
        return Anchor.load(self.product_token, self.jwks)

    def certificate(self, **changes: Any) -> HostCertificate:
        claims: dict[str, Any] = {
            "publisher": "Acme Software",
            "issued_s": START_S - DAY_S,
            "expires_s": START_S + 729 * DAY_S,
            "host_id": HOST_ID,
            "serial": nonce_of(100),
            "request_id": nonce_of(101),
            "customer": "Contoso",
            "groups": ("acme",),
            "key_id": self.product_key.key_id,
            "jwk": self.host_key.public(),
        }
        return HostCertificate.grant(**(claims | changes))

    def certificate_token(self, key: SigningKey | None = None, **changes: Any) -> str:
        return sign(HOST_CERTIFICATE, self.certificate(**changes), key or self.publisher_key)

    @property
    def product_key(self) -> ProductKey:
        return ProductKey.from_entropy(bytes(range(32)))

    def host_request(self, **changes: Any) -> HostRequest:
        """What the host sends to the publisher; sign it as `HOST_REQUEST` with `host_key`."""
        key = self.product_key
        claims: dict[str, Any] = {
            "issued_s": START_S,
            "host_id": HOST_ID,
            "request_id": nonce_of(101),
            "machine": "kms.contoso.example",
            "jwk": self.host_key.public(),
            "key_id": key.key_id,
            "key_proof": key_proof(key.verifier, HOST_ID, self.host_key.kid, nonce_of(101)),
            "last_five": key.last_five,
        }
        return HostRequest(**(claims | changes))

    def request(self, number: int = 1, edition: str = CLIENT_EDITION, **changes: Any) -> ActivationRequest:
        """A request of client `number`."""
        claims: dict[str, Any] = {
            "v": 1,
            "edition": edition,
            "cmid": cmid_of(number),
            "machine": f"pc-{number:04}.contoso.example",
            "status": LicenseStatus.INITIAL_GRACE,
            "time_s": START_S,
            "nonce": nonce_of(number),
            "expires_in_min": 43_200,
        }
        return ActivationRequest(**(claims | changes))

    def question(self, number: int = 1, edition: str = CLIENT_EDITION) -> Question:
        """What `request(number)` asked."""
        return Question(cmid_of(number), edition, nonce_of(number))

    def lease(self, number: int = 1, edition: str = CLIENT_EDITION, at_s: int = START_S, **changes: Any) -> Lease:
        """The host's yes to `request(number)`."""
        said = self._said(None, number, edition, at_s)
        assert isinstance(said, Lease)
        return msgspec.structs.replace(said, **changes)

    def refusal(
        self, code: RefusalCode = "COUNT_INSUFFICIENT", number: int = 1, at_s: int = START_S, **changes: Any
    ) -> Refusal:
        """The host's no to `request(number)`."""
        said = self._said(code, number, CLIENT_EDITION, at_s)
        assert isinstance(said, Refusal)
        return msgspec.structs.replace(said, **changes)

    def answer(self, said: Lease | Refusal, key: SigningKey | None = None, certificate: str | None = None) -> Answer:
        """What goes over the wire."""
        key = key or self.host_key
        token = sign(LEASE, said, key) if isinstance(said, Lease) else sign(REFUSAL, said, key)
        return Answer(answer=token, host_certificate=certificate or self.certificate_token(), revocations=0)

    def _said(self, code: RefusalCode | None, number: int, edition: str, at_s: int) -> Lease | Refusal:
        known = self.product.edition(edition)
        assert known is not None
        threshold = self.policy.thresholds.of(known.machine_class).minimum
        decided = Decided(code, threshold if code is None else threshold - 1, threshold, at_s)
        return answer_for(self.request(number, edition), decided, (self.product, known), HOST_ID, Intervals())
