"""What hosts carry for a publisher in the tests: trust documents and revocation lists, put on a scripted host."""

from __future__ import annotations

from quorate.core.documents import SigningKey, sign
from quorate.core.keys import PublisherJwk
from quorate.core.messages import encode
from quorate.core.publication import PublishedRevocations, PublishedTrust
from quorate.core.revocation import REVOCATIONS, HostRevoked, RevocationList, Revoked
from quorate.core.succession import TRUST, Trust
from tests.client.parties import RawReply, ScriptedHost
from tests.support.clocks import START_S
from tests.support.documents import HOST_ID, cmid_of, signing_key

__all__ = ["FIRST_KEY", "NEXT_KEY", "carry_chain", "carry_list", "listed", "other", "public", "revoked", "trust"]

FIRST_KEY = signing_key(1)  # the publisher's of `World`
NEXT_KEY = signing_key(12)


def public(key: SigningKey, role: str | None = None) -> PublisherJwk:
    """The key, as it stands in the publisher's set."""
    jwk = key.public()
    return PublisherJwk(kty=jwk.kty, crv=jwk.crv, x=jwk.x, kid=jwk.kid, alg=jwk.alg, use=jwk.use, role=role)  # type: ignore[arg-type]  # tests try others


def trust(version: int, keys: list[PublisherJwk], signer: SigningKey = FIRST_KEY) -> str:
    """A trust document."""
    return sign(TRUST, Trust(publisher="Acme Software", issued_s=START_S, version=version, keys=tuple(keys)), signer)


def revoked(since_s: int = START_S, reason: str = "sold with its disk") -> HostRevoked:
    """The host of `World`."""
    return HostRevoked(id=HOST_ID, since_s=since_s, reason=reason)


def other(number: int = 9) -> HostRevoked:
    """A host that has nothing to do with it."""
    return HostRevoked(id=cmid_of(number), since_s=START_S, reason="another one")


def listed(number: int, *entries: Revoked, signer: SigningKey = FIRST_KEY) -> str:
    """A revocation list."""
    said = RevocationList(publisher="Acme Software", issued_s=START_S, number=number, entries=entries)
    return sign(REVOCATIONS, said, signer)


def carry_chain(host: ScriptedHost, *chain: str) -> None:
    """Let the host serve this chain."""
    host.serves["/v1/trust"] = RawReply(encode(PublishedTrust(trust=chain)))


def carry_list(host: ScriptedHost, token: str | None, number: int) -> None:
    """Let the host serve this list, and say that number."""
    host.serves["/v1/revocations"] = RawReply(encode(PublishedRevocations(revocations=token)))
    host.number = number
