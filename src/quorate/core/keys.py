"""Keys: the publisher's and the hosts' Ed25519 keys as JSON Web Keys (RFC 8037), and the sets somebody trusts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from msgspec import Meta

from quorate.core.ids import b64url, unb64url
from quorate.errors import MalformedError

__all__ = ["ALGORITHM", "Jwk", "JwkSet", "PublisherJwk", "SigningKey", "VerifyKeys"]

ALGORITHM: Final = "Ed25519"

_P = 2**255 - 19
_ORDER_8_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _ORDER_8_Y, _P - _ORDER_8_Y})
"""The points of order 1, 2, 4 and 8 by their y. Under such a key anybody can make signatures, and OpenSSL finds them
good (RFC 8032 leaves the check to the protocol)."""


class Jwk(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A public Ed25519 key as a JSON Web Key (RFC 8037). `kid` is its RFC 7638 thumbprint, and is checked to be."""

    kty: Literal["OKP"]  # no default: defaults are left out when a key is written, and these two may not be
    crv: Literal["Ed25519"]
    x: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]
    kid: str | None = None
    alg: Literal["Ed25519"] | None = None
    use: Literal["sig"] | None = None

    def key(self) -> OKPKey:
        """The key to verify with.

        Raises:
            MalformedError: not a canonical 32-byte key, one of small order, or a `kid` that is not its thumbprint.
        """
        try:
            y = int.from_bytes(unb64url(self.x), "little") % 2**255  # the highest bit is the sign of x
            if y >= _P or y in _SMALL_ORDER_Y:
                raise ValueError("it is no key that only its owner can sign with")
            key = OKPKey.import_key({"kty": self.kty, "crv": self.crv, "x": self.x})
        except (ValueError, JoseError) as fault:
            raise MalformedError(what="a public key", reason=str(fault)) from None
        if self.kid is not None and self.kid != key.thumbprint():
            raise MalformedError(what="a public key", reason="its kid is not its thumbprint")
        return key


class PublisherJwk(Jwk, frozen=True, kw_only=True):
    """A key of the publisher's; nobody else's may carry a `role` (`core.succession` says what it means)."""

    role: Literal["root", "issuing"] | None = None


class JwkSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`publisher.jwks`; `version` tells how many times the keys had been exchanged, the first set being 1."""

    keys: Annotated[tuple[PublisherJwk, ...], Meta(min_length=1, max_length=16)]
    version: Annotated[int, Meta(ge=1, le=1000)] = 1


@dataclass(frozen=True)
class VerifyKeys:
    """The keys somebody trusts, by their thumbprint."""

    by_kid: dict[str, OKPKey]

    @classmethod
    def of(cls, jwks: Iterable[Jwk]) -> VerifyKeys:
        keys = [jwk.key() for jwk in jwks]
        return cls({key.thumbprint(): key for key in keys})


@dataclass(frozen=True, repr=False)
class SigningKey:
    """A private Ed25519 key. Its `repr` shows the public thumbprint only."""

    _key: OKPKey
    _raw: Ed25519PrivateKey
    kid: str

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key that 32 bytes of entropy make (RFC 8032, section 5.1.5)."""
        raw = Ed25519PrivateKey.from_private_bytes(seed)
        x = b64url(raw.public_key().public_bytes_raw())
        key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x, "d": b64url(seed)})
        return cls(key, raw, key.thumbprint())

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes, to be stored where only their owner can read them."""
        return self._raw.private_bytes_raw()

    def public(self) -> Jwk:
        """The public half."""
        x = b64url(self._raw.public_key().public_bytes_raw())
        return Jwk(kty="OKP", crv="Ed25519", x=x, kid=self.kid, alg=ALGORITHM, use="sig")

    def verify_keys(self) -> VerifyKeys:
        """A key set with this key alone."""
        return VerifyKeys.of([self.public()])

    def sign_bytes(self, data: bytes) -> bytes:
        """The 64-byte signature over `data`."""
        return self._raw.sign(data)

    def __repr__(self) -> str:
        return f"SigningKey({self.kid})"
