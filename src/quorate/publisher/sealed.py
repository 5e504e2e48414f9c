"""A private key at rest: an encrypted JSON Web Key, opened by a passphrase.

A file of two lines. The first is a compact JWE (RFC 7516) of the private JWK (RFC 7517, section 7; RFC 8037),
`PBES2-HS512+A256KW` with `A256GCM` (RFC 7518, sections 4.8 and 5.3): any JOSE library opens it. The second is the
SHA-256 of the first, so that a damaged file is told from a wrong passphrase.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from msgspec import Meta

from quorate.clock import Entropy
from quorate.core.ids import b64url, unb64url
from quorate.core.keys import SigningKey
from quorate.core.messages import decode_strict, encode
from quorate.errors import MalformedError, PassphraseError
from quorate.files import read_bounded
from quorate.publisher.keysets import Role

__all__ = ["Sealed", "sealed", "unsealed"]

ITERATIONS: Final = 300_000  # p2c: the most that joserfc opens; 0.08 s a guess on the machine this was written on
_ALGORITHMS: Final = ["PBES2-HS512+A256KW", "A256GCM"]
_BYTES_MAX: Final = 16 * 1024


class _KeyHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The protected header, looked at before any work is done for it."""

    alg: Literal["PBES2-HS512+A256KW"]
    enc: Literal["A256GCM"]
    cty: Literal["jwk+json"]
    p2c: Annotated[int, Meta(ge=1000, le=ITERATIONS)]
    p2s: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{11,128}\Z")]


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


_header_decoder = msgspec.json.Decoder(_KeyHeader)
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
    return f"{line}\n{_checksum(line)}\n".encode("ascii")


def unsealed(path: Path, passphrase: str) -> Sealed:
    """What is in the file. Whether others may read it is looked at elsewhere.

    Raises:
        FileAccessError: it cannot be read.
        MalformedError: it is damaged, or another file.
        PassphraseError: the passphrase is wrong.
    """
    line = _undamaged(path)
    try:
        opened = jwe.decrypt_compact(line, _passphrase_key(passphrase), algorithms=_ALGORITHMS)
    except (JoseError, ValueError):
        raise PassphraseError(path=path, reason="the passphrase is wrong") from None
    jwk = decode_strict(_jwk_decoder, opened.plaintext or b"", str(path))
    try:
        signing_key = SigningKey.from_seed(unb64url(jwk.d))
    except ValueError:
        raise MalformedError(what=str(path), reason="the key inside is not an Ed25519 key") from None
    if signing_key.kid != jwk.kid or signing_key.public().x != jwk.x:
        raise MalformedError(what=str(path), reason="the private and the public key inside do not belong together")
    return Sealed(jwk.publisher, signing_key, jwk.role)


def _checksum(line: str) -> str:
    return "sha256:" + hashlib.sha256(line.encode("ascii")).hexdigest()


def _passphrase_key(passphrase: str) -> OctKey:
    # The same passphrase typed on another keyboard may come composed differently: NFC, as RFC 8265 section 4.2 has it.
    # Made without `import_key`, which takes a passphrase for a file format to be guessed and warns of short ones.
    raw = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogateescape")
    return OctKey(raw, raw)


def _encrypt(content: Sealed, passphrase: str, entropy: Entropy) -> str:
    key = content.key
    jwk = _PrivateJwk("OKP", "Ed25519", key.kid, key.public().x, b64url(key.seed), content.publisher, content.role)
    header = {
        "alg": "PBES2-HS512+A256KW",
        "enc": "A256GCM",
        "cty": "jwk+json",
        "p2c": ITERATIONS,
        "p2s": b64url(entropy.token(16)),
    }
    return jwe.encrypt_compact(header, encode(jwk), _passphrase_key(passphrase), algorithms=_ALGORITHMS)


def _undamaged(path: Path) -> str:
    try:
        lines = read_bounded(path, _BYTES_MAX).decode("ascii").split()
    except UnicodeDecodeError:
        raise MalformedError(what=str(path), reason="it is not text") from None
    if len(lines) != 2:
        raise MalformedError(what=str(path), reason="it is not a key line and a checksum line")
    line, checksum = lines
    if checksum != _checksum(line):
        raise MalformedError(what=str(path), reason="its content does not fit its checksum")
    try:
        head = unb64url(line.split(".", 1)[0])
    except ValueError:
        raise MalformedError(what=str(path), reason="its first part is not base64url") from None
    decode_strict(_header_decoder, head, str(path))
    return line
