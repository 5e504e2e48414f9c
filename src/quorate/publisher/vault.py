"""The publisher's signing key at rest: an encrypted JSON Web Key, opened by a passphrase.

`publisher.key` has two lines. The first is a compact JWE (RFC 7516) of the private JWK (RFC 7517, section 7; RFC 8037),
`PBES2-HS512+A256KW` with `A256GCM` (RFC 7518, sections 4.8 and 5.3): any JOSE library opens it. The second is the
SHA-256 of the first, so that a damaged file is told from a wrong passphrase. `publisher.jwks` beside it is the public
half, which ships with every product.
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
from quorate.core.documents import SigningKey, VerifyKeys
from quorate.core.ids import b64url, unb64url
from quorate.core.messages import decode_strict, encode
from quorate.errors import (
    MalformedError,
    OutputExistsError,
    PassphraseError,
    PassphraseMissingError,
    StateExistsError,
    StateMissingError,
)
from quorate.publisher.files import (
    SECRET_MODE,
    check_private,
    make_private_folder,
    read_bounded,
    write_new,
    write_whole,
)

__all__ = [
    "Vault",
    "create_vault",
    "jwks_path",
    "key_path",
    "open_vault",
    "read_public",
    "require_absent",
    "require_present",
]

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


class _PrivateJwk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is encrypted. `publisher` is a member of our own, as RFC 7517 section 4 allows: the key's owner by name."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    kid: str
    x: str
    d: str
    publisher: str

    def __repr__(self) -> str:
        return f"_PrivateJwk({self.kid})"


_header_decoder = msgspec.json.Decoder(_KeyHeader)
_jwk_decoder = msgspec.json.Decoder(_PrivateJwk)


@dataclass(frozen=True)
class Vault:
    """An opened vault."""

    name: str
    signing_key: SigningKey
    verify_keys: VerifyKeys


def key_path(folder: Path) -> Path:
    """The encrypted signing key."""
    return folder / "publisher.key"


def jwks_path(folder: Path) -> Path:
    """The public keys."""
    return folder / "publisher.jwks"


def require_absent(folder: Path) -> Path:
    """The folder, if no publisher lives in it.

    Raises:
        StateExistsError: one does, or at least a part of one.
    """
    for path in (key_path(folder), jwks_path(folder)):
        if path.exists():
            raise StateExistsError(role="publisher", path=folder)
    return folder


def require_present(folder: Path) -> Path:
    """The folder, if a publisher lives in it and nobody else may look at its secrets.

    Raises:
        StateMissingError: none does.
        FilePermissionsError: the folder or the key file is open to others.
    """
    if not folder.is_dir() or not key_path(folder).exists():
        raise StateMissingError(role="publisher", path=folder, command='quorate publisher init --name "Your Company"')
    check_private(folder)
    check_private(key_path(folder))
    return folder


def create_vault(folder: Path, name: str, passphrase: str, entropy: Entropy) -> Vault:
    """A new signing key, encrypted; its public half beside it.

    Raises:
        StateExistsError: there is a publisher in that folder already; nothing was changed.
        PassphraseMissingError: the passphrase is empty.
        FilePermissionsError, FileAccessError: the folder is open to others, or cannot be written.
    """
    require_absent(folder)
    if not passphrase:
        raise PassphraseMissingError(path=key_path(folder), reason="the one given is empty")
    make_private_folder(folder)
    signing_key = SigningKey.from_seed(entropy.token(32))
    line = _encrypt(name, signing_key, passphrase, entropy)
    try:
        write_new(key_path(folder), f"{line}\n{_checksum(line)}\n".encode("ascii"), SECRET_MODE)
    except OutputExistsError:  # another process was faster; its key stays
        raise StateExistsError(role="publisher", path=folder) from None
    write_whole(jwks_path(folder), _jwks(signing_key))
    return Vault(name, signing_key, signing_key.verify_keys())


def open_vault(folder: Path, passphrase: str) -> Vault:
    """The vault in that folder. A missing `publisher.jwks` is made again from the key.

    Raises:
        StateMissingError: there is no publisher.
        FilePermissionsError: the folder or the key file is open to others.
        PassphraseError: the passphrase is wrong, or empty.
        MalformedError: the key file is damaged, or `publisher.jwks` belongs to another publisher.
    """
    require_present(folder)
    if not passphrase:
        raise PassphraseMissingError(path=key_path(folder), reason="the one given is empty")
    name, signing_key = _decrypt(key_path(folder), passphrase)
    if not jwks_path(folder).exists():
        write_whole(jwks_path(folder), _jwks(signing_key))
    keys = read_public(folder)
    if signing_key.kid not in keys.by_kid:
        raise MalformedError(what=str(jwks_path(folder)), reason="it has not the public half of publisher.key in it")
    return Vault(name, signing_key, keys)


def read_public(folder: Path) -> VerifyKeys:
    """The publisher's public keys; no passphrase needed.

    Raises:
        FileAccessError, MalformedError: `publisher.jwks` cannot be read, or is damaged.
    """
    return VerifyKeys.parse(read_bounded(jwks_path(folder), _BYTES_MAX))


def _jwks(signing_key: SigningKey) -> bytes:
    return msgspec.json.format(encode({"keys": [signing_key.public()]}), indent=2) + b"\n"


def _checksum(line: str) -> str:
    return "sha256:" + hashlib.sha256(line.encode("ascii")).hexdigest()


def _passphrase_key(passphrase: str) -> OctKey:
    # The same passphrase typed on another keyboard may come composed differently: NFC, as RFC 8265 section 4.2 has it.
    # Made without `import_key`, which takes a passphrase for a file format to be guessed and warns of short ones.
    raw = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogateescape")
    return OctKey(raw, raw)


def _encrypt(name: str, signing_key: SigningKey, passphrase: str, entropy: Entropy) -> str:
    public = signing_key.public()
    jwk = _PrivateJwk("OKP", "Ed25519", signing_key.kid, public.x, b64url(signing_key.seed), name)
    header = {
        "alg": "PBES2-HS512+A256KW",
        "enc": "A256GCM",
        "cty": "jwk+json",
        "p2c": ITERATIONS,
        "p2s": b64url(entropy.token(16)),
    }
    return jwe.encrypt_compact(header, encode(jwk), _passphrase_key(passphrase), algorithms=_ALGORITHMS)


def _decrypt(path: Path, passphrase: str) -> tuple[str, SigningKey]:
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
    return jwk.publisher, signing_key


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
