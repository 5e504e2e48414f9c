"""A private key at rest: an encrypted JSON Web Key, opened by a passphrase.

A file of two lines. The first is a compact JWE (RFC 7516) of the private JWK (RFC 7517, section 7; RFC 8037),
`PBES2-HS512+A256KW` with `A256GCM` (RFC 7518, sections 4.8 and 5.3): any JOSE library opens it. The second is the
SHA-256 of the first, so that a damaged file is told from a wrong passphrase.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from quorate.clock import Entropy
from quorate.core.ids import b64url, unb64url
from quorate.core.keys import SigningKey
from quorate.core.messages import decode_strict, encode
from quorate.core.passphrase import SALT_BYTES, checked_seal, opened, seal, seal_checksum
from quorate.errors import MalformedError, PassphraseError
from quorate.files import read_bounded
from quorate.publisher.keysets import Role

__all__ = ["Sealed", "sealed", "unsealed"]

_CONTENT: Final = "jwk+json"
_BYTES_MAX: Final = 16 * 1024


class _PrivateJwk(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is encrypted. `publisher`, the key's owner by name, and `role` are members of our own, as RFC 7517 section 4
    allows."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    kid: str
    x: str
    d: str
    publisher: str
    role: Literal["root", "issuing"] | None = None

    def __repr__(self) -> str:
        return f"_PrivateJwk({self.kid})"


_jwk_decoder = msgspec.json.Decoder(_PrivateJwk)


@dataclass(frozen=True)
class Sealed:
    """What is in such a file: the key, whose it is, and its role in the publisher's set."""

    publisher: str
    key: SigningKey
    role: Role


def sealed(content: Sealed, passphrase: str, entropy: Entropy) -> bytes:
    """The file's content."""
    line = _encrypt(content, passphrase, entropy)
    return f"{line}\n{seal_checksum(line)}\n".encode("ascii")


def unsealed(path: Path, passphrase: str) -> Sealed:
    """What is in the file. Whether others may read it is looked at elsewhere.

    Raises:
        FileAccessError: it cannot be read.
        MalformedError: it is damaged, or another file.
        PassphraseError: the passphrase is wrong.
    """
    line = _undamaged(path)
    content = opened(line, passphrase)
    if content is None:
        raise PassphraseError(path=path, reason="the passphrase is wrong")
    jwk = decode_strict(_jwk_decoder, content, str(path))
    try:
        signing_key = SigningKey.from_seed(unb64url(jwk.d))
    except ValueError:
        raise MalformedError(what=str(path), reason="the key inside is not an Ed25519 key") from None
    if signing_key.kid != jwk.kid or signing_key.public().x != jwk.x:
        raise MalformedError(what=str(path), reason="the private and the public key inside do not belong together")
    return Sealed(jwk.publisher, signing_key, jwk.role)


def _encrypt(content: Sealed, passphrase: str, entropy: Entropy) -> str:
    key = content.key
    jwk = _PrivateJwk("OKP", "Ed25519", key.kid, key.public().x, b64url(key.seed), content.publisher, content.role)
    return seal(encode(jwk), _CONTENT, passphrase, entropy.token(SALT_BYTES))


def _undamaged(path: Path) -> str:
    try:
        lines = read_bounded(path, _BYTES_MAX).decode("ascii").split()
    except UnicodeDecodeError:
        raise MalformedError(what=str(path), reason="it is not text") from None
    if len(lines) != 2:
        raise MalformedError(what=str(path), reason="it is not a key line and a checksum line")
    return checked_seal(lines[0], lines[1], _CONTENT, str(path))
