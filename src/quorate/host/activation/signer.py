"""The host's voice: whom it serves under its present certificate, and how it signs what was decided."""

from __future__ import annotations

from quorate.core.decision import Asked, Decided, answer_for, covered_edition
from quorate.core.documents import Edition, ProductFile, TokenSigner
from quorate.core.lease import LEASE, REFUSAL, Intervals, Lease
from quorate.core.messages import ActivationRequest, Answer, encode
from quorate.host.identity.keyring import Credentials

__all__ = ["Speaker"]


class Speaker:
    """Made once for each snapshot of the credentials, so that an answer costs one signature and no look-ups.

    Raises:
        QuorateError: it may not speak now (`Credentials.in_force`).
    """

    def __init__(self, credentials: Credentials, now_s: int) -> None:
        certificate, self._certificate_token = credentials.in_force(now_s)
        self.host_id = credentials.host_id
        self._revocations = credentials.revocations_number
        self._lease_signer = TokenSigner(LEASE, credentials.signing_key)
        self._refusal_signer = TokenSigner(REFUSAL, credentials.signing_key)
        products = credentials.products
        self._covered = {
            edition.id: covered_edition(edition.id, products, certificate)
            for product in products
            for edition in product.editions
        }
        self._groups = {edition.id: product.group for product in products for edition in product.editions}

    def covered(self, edition_id: str) -> tuple[ProductFile, Edition] | None:
        """As `core.decision.covered_edition`: the product and edition, if this host serves them."""
        return self._covered.get(edition_id)

    def group_of(self, edition_id: str) -> str:
        """The product group of an edition, served or not; empty when the edition is unknown."""
        return self._groups.get(edition_id, "")

    def say(
        self, request: ActivationRequest, verdict: Asked | Decided, decided: Decided, intervals: Intervals
    ) -> bytes:
        """The signed answer, ready for the wire."""
        covered = (verdict.product, verdict.edition) if isinstance(verdict, Asked) else None
        claims = answer_for(request, decided, covered, self.host_id, intervals)
        token = self._lease_signer.sign(claims) if isinstance(claims, Lease) else self._refusal_signer.sign(claims)
        return encode(Answer(answer=token, host_certificate=self._certificate_token, revocations=self._revocations))
