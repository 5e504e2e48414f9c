"""How the publisher's keys are followed: each version of the key set is proven by a key of the version before.

Version 1 is `publisher.jwks` as it shipped. `trust+jwt` number n holds the complete set of version n and is signed by a
key of version n-1, so whoever knows any version comes to the newest one through the documents in between, and nobody
who holds only an exchanged key can lead anybody anywhere. What cannot be told apart is a thief's version n from the
publisher's, when both are signed by the same key of version n-1: who fears that keeps a root key offline.

A key may carry a `role`. Where a set names a root key, only root keys sign the next set; a root key signs nothing else.
Keys without role sign both, as long as there is no root.

The product file is not followed: it stays anchored in the `publisher.jwks` it shipped with (spec/protocol.md,
section 3.7).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from quorate.core.documents import DocumentKind, read
from quorate.core.ids import ShownText
from quorate.core.keys import JwkSet, PublisherJwk, VerifyKeys
from quorate.core.messages import TimeS, decode_strict, encode
from quorate.errors import (
    KeyRoleError,
    MalformedError,
    RetiredKeyError,
    TrustGapError,
    TrustOutdatedError,
    UnknownPublisherError,
)

__all__ = [
    "CHAIN_BYTES_MAX",
    "TRUST",
    "VERSION_MAX",
    "Trust",
    "TrustState",
    "chain_of",
    "follow",
    "follow_chain",
    "read_issued",
]

_Claims = TypeVar("_Claims", bound=msgspec.Struct)

VERSION_MAX: Final = 1000  # exchanged every month, keys would last for eighty years; it bounds the chain
_TOKEN_BYTES_MAX: Final = 8192  # sixteen keys, the most a set has, are about 4 KiB


class Trust(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"publisher": "iss", "issued_s": "iat"},
):
    """`trust+jwt`: the publisher's complete key set from version `version` on.

    Raises:
        MalformedError: one of the keys is none.
    """

    v: Literal[1] = 1
    publisher: ShownText
    issued_s: TimeS
    version: Annotated[int, Meta(ge=2, le=VERSION_MAX)]
    keys: Annotated[tuple[PublisherJwk, ...], Meta(min_length=1, max_length=16)]

    def __post_init__(self) -> None:
        _check_set(self.keys)
        VerifyKeys.of(self.keys)


TRUST = DocumentKind("trust+jwt", Trust, bytes_max=_TOKEN_BYTES_MAX, what="the trust document")
CHAIN_BYTES_MAX: Final = 1024 * 1024  # 128 documents of the greatest size, or 1000 of the usual one


@dataclass(frozen=True)
class TrustState:
    """The publisher's keys at one version.

    `retired`: keys that an earlier version had and this one has not, as far as they were followed. They prove nothing
    new; they tell what was accepted earlier from what never was (`for_memory`).
    """

    version: int
    keys: tuple[PublisherJwk, ...]
    retired: tuple[PublisherJwk, ...] = ()

    @classmethod
    def shipped(cls, jwks: bytes) -> TrustState:
        """Where everybody begins: the content of a `publisher.jwks`, which is trusted without proof.

        Raises:
            MalformedError: not a JWK Set of the publisher's, or one whose keys contradict each other.
        """
        found = decode_strict(msgspec.json.Decoder(JwkSet), jwks, "the JWK Set")
        try:
            _check_set(found.keys)
        except ValueError as fault:
            raise MalformedError(what="the JWK Set", reason=str(fault)) from None
        if msgspec.json.decode(jwks)["keys"] != msgspec.json.decode(encode(found.keys)):
            raise MalformedError(what="the JWK Set", reason="null is no value of a member")
        VerifyKeys.of(found.keys)  # each of them is a key
        return cls(found.version, found.keys)

    def for_trust(self) -> VerifyKeys:
        """The keys that may sign the next version."""
        return VerifyKeys.of(_for_trust(self.keys))

    def for_issuing(self) -> VerifyKeys:
        """The keys that may sign everything else: host certificates, revocation lists, product files."""
        return VerifyKeys.of(_for_issuing(self.keys))

    def for_memory(self) -> VerifyKeys:
        """`for_issuing` and the retired ones: only to read again what was accepted while they were in use."""
        return VerifyKeys.of(_for_issuing((*self.keys, *self.retired)))

    def jwks(self) -> JwkSet:
        """What ships from now on as `publisher.jwks`."""
        return JwkSet(self.keys, self.version)


def read_issued(kind: DocumentKind[_Claims], token: str, state: TrustState) -> _Claims:
    """The claims of a document that an issuing key signs now: a host certificate, a revocation list.

    Raises:
        MalformedError: not a document of this kind.
        RetiredKeyError: signed by a key that the publisher does not use any more.
        KeyRoleError: signed by a root key, which signs nothing but the next keys.
        UnknownPublisherError, BadSignatureError: signed by nobody known, changed, or forged.
    """
    return _read(kind, token, state.for_issuing(), state)


def follow(state: TrustState, tokens: Iterable[str]) -> TrustState:
    """The state after these documents, each the next version of the one before. All of them are good, or none counts.

    Args:
        tokens: `trust+jwt`, the one after `state.version` first.

    Raises:
        MalformedError: not a trust document.
        RetiredKeyError: signed by a key that is no longer the publisher's, such as a stolen old one.
        KeyRoleError: signed by a key of the publisher that may not sign this.
        UnknownPublisherError, BadSignatureError: signed by nobody known, changed, or forged.
        TrustOutdatedError: of a version that is known already.
        TrustGapError: a version is left out.
    """
    for token in tokens:
        state = _follow_one(state, token)
    return state


def follow_chain(state: TrustState, chain: Sequence[str]) -> TrustState:
    """The state at the end of the publisher's whole chain.

    Args:
        state: any version of this publisher's keys.
        chain: every trust document there ever was, version 2 first (`publisher.trust`). As the place tells the version,
            those that `state` already knows are passed over, also where the keys that signed them are not known.

    Raises:
        TrustOutdatedError: the chain ends before the version that is known.
        MalformedError, TrustError and its kind: as `follow`.
    """
    last = len(chain) + 1
    if last < state.version:
        raise TrustOutdatedError(offered=last, held=state.version)
    return follow(state, chain[state.version - 1 :])


def chain_of(text: str) -> tuple[str, ...]:
    """The documents of a `publisher.trust` file: one on each line. They are not verified by this.

    Raises:
        MalformedError: larger than such a chain can be.
    """
    if len(text) > CHAIN_BYTES_MAX:
        raise MalformedError(what="the trust chain", reason=f"it is longer than {CHAIN_BYTES_MAX} bytes")
    lines = tuple(text.split())
    if len(lines) >= VERSION_MAX:
        raise MalformedError(what="the trust chain", reason=f"it has more than {VERSION_MAX - 1} documents")
    return lines


def _follow_one(state: TrustState, token: str) -> TrustState:
    claims = _read(TRUST, token, state.for_trust(), state)
    if claims.version <= state.version:
        raise TrustOutdatedError(offered=claims.version, held=state.version)
    if claims.version != state.version + 1:
        raise TrustGapError(offered=claims.version, held=state.version)
    present = {key.x for key in claims.keys}
    known = {key.x: key for key in (*state.retired, *state.keys)}
    return TrustState(claims.version, claims.keys, tuple(key for x, key in known.items() if x not in present))


def _read(kind: DocumentKind[_Claims], token: str, allowed: VerifyKeys, state: TrustState) -> _Claims:
    try:
        return read(kind, token, allowed)
    except UnknownPublisherError as unknown:
        kid = str(unknown.values["kid"])
        if kid in VerifyKeys.of(state.keys).by_kid:
            raise KeyRoleError(what=kind.what, kid=kid) from None
        if kid in VerifyKeys.of(state.retired).by_kid:
            raise RetiredKeyError(what=kind.what, kid=kid) from None
        raise


def _for_trust(keys: Iterable[PublisherJwk]) -> list[PublisherJwk]:
    keys = list(keys)
    wanted = "root" if any(key.role == "root" for key in keys) else None
    return [key for key in keys if key.role == wanted]


def _for_issuing(keys: Iterable[PublisherJwk]) -> list[PublisherJwk]:
    return [key for key in keys if key.role != "root"]


def _check_set(keys: Sequence[PublisherJwk]) -> None:
    """A set must be able to go on: somebody signs the next one, somebody signs the rest, and no key is two."""
    if len({key.x for key in keys}) != len(keys):
        raise ValueError("a key stands twice in the set")
    if not _for_trust(keys):
        raise ValueError("no key of the set may sign the next one")
    if not _for_issuing(keys):
        raise ValueError("no key of the set may sign documents")
