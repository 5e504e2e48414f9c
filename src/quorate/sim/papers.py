"""The simulated publisher's desk: product, keys, host certificates; and two ways to prove a lease, real and quick.

With real signatures everything is as it ships: Ed25519, `core.documents`, `core.trust`. Large fleets may use a quick
proof of the same shape: a checksum in the place of the signature, made by the key that the host is given and checked
by the function that the client is given. The rules of `core.trust` are then kept by `QuickProof` in its own words.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from quorate.client.attempt.attempt import Accept
from quorate.client.storage.record_store import CheckStored
from quorate.core.documents import (
    HOST_CERTIFICATE,
    PRODUCT,
    DocumentKind,
    Edition,
    HostCertificate,
    ProductFile,
    SigningKey,
    read,
    sign,
)
from quorate.core.ids import b64url, link_of, new_cmid, unb64url
from quorate.core.lease import LEASE, REFUSAL, Lease, Refusal
from quorate.core.messages import Answer
from quorate.core.policy import DAY_S, MachineClass, Policy
from quorate.core.trust import Anchor, Question, accept_answer, check_stored_lease, clock_skew, soft_until
from quorate.errors import AnswerMismatchError, BadSignatureError, LeaseInvalidError
from quorate.host.identity.keyring import Credentials
from quorate.sim.chance import Chance

__all__ = ["EDITIONS", "Desk", "QuickProof", "said_in"]

EDITIONS = {MachineClass.CLIENT: "sim-client", MachineClass.SERVER: "sim-server", MachineClass.EPHEMERAL: "sim-ci"}
CERTIFICATES_MAX = 256
SAID_MAX = 1024
SIGNATURE_BYTES = 64
_CERTIFICATE_S = 100 * 365 * DAY_S  # hosts do not end inside a simulation unless it says so


class _QuickKey(SigningKey):
    """A host's key whose signature is a checksum that begins with the key's name: nobody in a simulation forges one.
    Its public half is real, so certificates name it as ever."""

    def sign_bytes(self, data: bytes) -> bytes:
        return _quick_signature(self.kid, data)


def _quick_signature(kid: str, data: bytes) -> bytes:
    return zlib.crc32(data, zlib.crc32(kid.encode())).to_bytes(SIGNATURE_BYTES, "big")


@dataclass(frozen=True)
class Desk:
    """What one simulated publisher has made, and how its clients prove a lease."""

    anchor: Anchor
    accept: Accept
    check: CheckStored
    _publisher_key: SigningKey
    _is_quick: bool

    @classmethod
    def open(cls, policy: Policy, start_s: int, seed: int, *, is_quick: bool) -> Desk:
        """A publisher with one product of three editions (`EDITIONS`)."""
        key = SigningKey.from_seed(Chance(seed, "publisher").token(32))
        product = ProductFile(
            publisher="Simulated Software",
            issued_s=start_s - DAY_S,
            product="sim",
            name="Simulated product",
            group="sim",
            editions=tuple(
                Edition(id=edition, name=edition, machine_class=machine_class)
                for machine_class, edition in EDITIONS.items()
            ),
            policy=policy,
        )
        anchor = Anchor.load(sign(PRODUCT, product, key), msgspec.json.encode({"keys": [key.public()]}))
        proof = QuickProof()
        accept = proof.accept if is_quick else accept_answer
        return cls(anchor, accept, proof.check_stored if is_quick else check_stored_lease, key, is_quick)

    def credentials(self, host: str, start_s: int, seed: int) -> Credentials:
        """An activated host's papers."""
        chance = Chance(seed, "host", host)
        key_seed = chance.token(32)
        key = (_QuickKey if self._is_quick else SigningKey).from_seed(key_seed)
        host_id = new_cmid(chance.token(16))
        certificate = HostCertificate.grant(
            publisher="Simulated Software",
            issued_s=start_s - DAY_S,
            expires_s=start_s - DAY_S + _CERTIFICATE_S,
            host_id=host_id,
            serial=b64url(chance.token(16)),
            request_id=b64url(chance.token(16)),
            customer="Contoso",
            groups=(self.anchor.product.group,),
            key_id=b64url(chance.token(12)),
            jwk=key.public(),
        )
        token = sign(HOST_CERTIFICATE, certificate, self._publisher_key)
        return Credentials(host_id, key, (self.anchor,), certificate, token)


@lru_cache(maxsize=SAID_MAX)
def said_in(token: str) -> Lease | Refusal:
    """The claims of an answer, without asking who signed it. The checkers at the host and the client's proof read the
    same answers, within one batch."""
    head, payload, _ = token.split(".")
    said: Lease | Refusal = _kind_of(head).decoder.decode(unb64url(payload))
    return said


@lru_cache(maxsize=64)  # each host has two heads
def _kind_of(head: str) -> DocumentKind[Any]:
    return REFUSAL if b"refusal+jwt" in unb64url(head) else LEASE


class QuickProof:
    """The checks of `core.trust` for answers of hosts with quick keys, in few microseconds. One for each world."""

    def __init__(self) -> None:
        self._certificates: dict[str, tuple[HostCertificate, str]] = {}

    def accept(self, answer: Answer, question: Question, anchor: Anchor, now_s: int) -> Lease | Refusal:
        """As `core.trust.accept_answer`.

        Raises:
            BadSignatureError, AnswerMismatchError, LeaseInvalidError, ClockSkewError
        """
        said = self._proven(answer.answer, answer.host_certificate, question, anchor)
        if isinstance(said, Lease):
            self._check(said, anchor)
            tolerance_s = anchor.product.policy.clock_tolerance_s
            if abs(said.issued_s - now_s) > tolerance_s:
                raise clock_skew(host_s=said.issued_s, client_s=now_s, tolerance_s=tolerance_s)
        return said

    def check_stored(self, lease_token: str, certificate_token: str, question: Question, anchor: Anchor) -> Lease:
        """As `core.trust.check_stored_lease`; raises as `accept`."""
        said = self._proven(lease_token, certificate_token, question, anchor)
        if not isinstance(said, Lease):
            raise LeaseInvalidError(reason="it is a refusal")
        self._check(said, anchor)
        return said

    def _proven(self, token: str, certificate_token: str, question: Question, anchor: Anchor) -> Lease | Refusal:
        certificate, kid = self._certificate(certificate_token, anchor)
        signed, _, signature = token.rpartition(".")
        if unb64url(signature) != _quick_signature(kid, signed.encode()):
            raise BadSignatureError(what="the answer")
        said = said_in(token)
        if (said.nonce, said.cmid, said.edition) != (question.nonce, question.cmid, question.edition):
            raise AnswerMismatchError(field="nonce, CMID or edition")
        if said.host_id != certificate.host_id:
            raise AnswerMismatchError(field="host id")
        return said

    def _check(self, lease: Lease, anchor: Anchor) -> None:
        policy = anchor.product.policy
        machine_class = anchor.edition(lease.edition).machine_class
        if lease.count < policy.thresholds.of(machine_class).minimum and soft_until(lease, anchor) is None:
            raise LeaseInvalidError(reason="it was given below the threshold")
        if not lease.issued_s < lease.expires_s <= lease.issued_s + policy.validity_s(machine_class):
            raise LeaseInvalidError(reason="it lasts longer than an activation may")
        if lease.link != link_of(lease.cmid, lease.nonce):
            raise LeaseInvalidError(reason="its lineage link is not that of this answer")

    def _certificate(self, token: str, anchor: Anchor) -> tuple[HostCertificate, str]:
        """The certificate, verified for real, and the key it names; each token once."""
        known = self._certificates.get(token)
        if known is None:
            certificate = read(HOST_CERTIFICATE, token, anchor.keys)
            known = certificate, certificate.jwk.key().thumbprint()
            if len(self._certificates) < CERTIFICATES_MAX:
                self._certificates[token] = known
        return known
