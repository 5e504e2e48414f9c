"""Keys, tokens and JSON as spec/protocol.md has them, and whatever it forbids; all of it the same at every run."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "ATTACKER",
    "GROUP_ORDER",
    "HOST",
    "OTHER_HOST",
    "OTHER_PUBLISHER",
    "PUBLISHER",
    "Claims",
    "Key",
    "b64url",
    "compact",
    "header",
    "keyset",
    "loose_last",
    "sealed",
    "thumbprint",
    "token",
    "unb64url",
]

Claims = dict[str, Any]

GROUP_ORDER: Final = 2**252 + 27742317777372353535851937790883648493  # RFC 8032, section 5.1
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def b64url(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64url(text: str) -> bytes:
    """The bytes of it."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def loose_last(text: str) -> str:
    """The same bytes in another spelling: an unused bit of the last character set."""
    if len(text) % 4 not in (2, 3):
        raise ValueError("this text has no unused bits")
    return text[:-1] + _ALPHABET[_ALPHABET.index(text[-1]) | 1]


def compact(value: Any) -> bytes:
    """JSON without white space, UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def thumbprint(x: str) -> str:
    """RFC 7638: SHA-256 over the required members of the JWK, in order of their names."""
    return b64url(hashlib.sha256(b'{"crv":"Ed25519","kty":"OKP","x":"%s"}' % x.encode("ascii")).digest())


@dataclass(frozen=True)
class Key:
    """The Ed25519 key of a number."""

    number: int

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.number.to_bytes(32, "big"))

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def x(self) -> str:
        return b64url(self.public)

    @property
    def kid(self) -> str:
        return thumbprint(self.x)

    @property
    def jwk(self) -> Claims:
        return {"kty": "OKP", "crv": "Ed25519", "x": self.x, "kid": self.kid, "alg": "Ed25519", "use": "sig"}

    def sign(self, data: bytes) -> bytes:
        return self.private.sign(data)


PUBLISHER, OTHER_PUBLISHER, HOST, OTHER_HOST, ATTACKER = (Key(number) for number in (11, 12, 21, 22, 66))


def keyset(*keys: Key) -> Claims:
    """Their JWK Set."""
    return {"keys": [key.jwk for key in keys]}


def header(typ: str, key: Key, /, **changes: Any) -> Claims:
    """The protected header; a change to None leaves a member out."""
    members = {"alg": "Ed25519", "kid": key.kid, "typ": typ} | changes
    return {name: value for name, value in members.items() if value is not None}


def token(typ: str, claims: Claims | bytes, key: Key, /, **changes: Any) -> str:
    """A compact JWS, signed well, whatever its header and payload say."""
    return sealed(compact(header(typ, key, **changes)), claims, key)


def sealed(head: bytes, payload: Claims | bytes, key: Key) -> str:
    """A compact JWS over a header given to the byte."""
    body = payload if isinstance(payload, bytes) else compact(payload)
    said = f"{b64url(head)}.{b64url(body)}"
    return f"{said}.{b64url(key.sign(said.encode('ascii')))}"
