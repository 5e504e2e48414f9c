"""What a passphrase seals: a compact JWE (RFC 7516), `PBES2-HS512+A256KW` with `A256GCM` (RFC 7518, 4.8 and 5.3).

Any JOSE library opens it. Beside it stands its SHA-256, so that a damaged file is told from a wrong passphrase.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Annotated, Final, Literal

import msgspec
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from msgspec import Meta

from quorate.core.ids import b64url, unb64url
from quorate.core.messages import decode_strict
from quorate.errors import MalformedError

__all__ = ["ITERATIONS", "SALT_BYTES", "checked_seal", "opened", "seal", "seal_checksum"]

ITERATIONS: Final = 300_000  # p2c: the most that joserfc opens; 0.08 s a guess on the machine this was written on
SALT_BYTES: Final = 16
_ALGORITHMS: Final = ["PBES2-HS512+A256KW", "A256GCM"]
# What was taken for a part of the passphrase by versions that knew no editors: a byte order mark, half a line end.
_AS_BEFORE: Final = ("{}", "\ufeff{}", "{}\r")


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The protected header, looked at before any work is done for it."""

    alg: Literal["PBES2-HS512+A256KW"]
    enc: Literal["A256GCM"]
    cty: Annotated[str, Meta(max_length=40)]
    p2c: Annotated[int, Meta(ge=1000, le=ITERATIONS)]
    p2s: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{11,128}\Z")]


_header_decoder = msgspec.json.Decoder(_Header)


def seal(content: bytes, content_type: str, passphrase: str, salt: bytes) -> str:
    """The sealed content, one line of ASCII.

    Args:
        salt: `SALT_BYTES` random bytes.
    """
    header = {
        "alg": "PBES2-HS512+A256KW",
        "enc": "A256GCM",
        "cty": content_type,
        "p2c": ITERATIONS,
        "p2s": b64url(salt),
    }
    return jwe.encrypt_compact(header, content, _key(passphrase), algorithms=_ALGORITHMS)


def seal_checksum(line: str) -> str:
    """`sha256:` and the digest of the line."""
    return "sha256:" + hashlib.sha256(line.encode("ascii")).hexdigest()


def checked_seal(line: str, checksum: str, content_type: str, what: str) -> str:
    """The line, if it is whole and was sealed for that content.

    Raises:
        MalformedError
    """
    if checksum != seal_checksum(line):
        raise MalformedError(what=what, reason="its content does not fit its checksum")
    try:
        head = unb64url(line.split(".", 1)[0])
    except ValueError:
        raise MalformedError(what=what, reason="its first part is not base64url") from None
    if decode_strict(_header_decoder, head, what).cty != content_type:
        raise MalformedError(what=what, reason="something else is sealed in it")
    return line


def opened(line: str, passphrase: str) -> bytes | None:
    """What is sealed in a line that `checked_seal` has seen; None: the passphrase is wrong."""
    for form in _AS_BEFORE:
        try:
            key = _key(form.replace("{}", passphrase))
            return jwe.decrypt_compact(line, key, algorithms=_ALGORITHMS).plaintext or b""
        except (JoseError, ValueError):
            continue
    return None


def _key(passphrase: str) -> OctKey:
    # The same passphrase typed on another keyboard may come composed differently: NFC, as RFC 8265 section 4.2 has it.
    # Made without `import_key`, which takes a passphrase for a file format to be guessed and warns of short ones.
    raw = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogateescape")
    return OctKey(raw, raw)
