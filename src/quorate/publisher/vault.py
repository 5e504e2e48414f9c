"""The publisher's private keys at rest: encrypted JSON Web Keys, opened by a passphrase.

`publisher.key` signs; `publisher-root.key`, where there is one, signs nothing but the next keys and is kept elsewhere;
`publisher.key.next` is there for the moment in which the keys are exchanged (`rotation`). Each has two lines. The first
is a compact JWE (RFC 7516) of the private JWK (RFC 7517, section 7; RFC 8037), `PBES2-HS512+A256KW` with `A256GCM`
(RFC 7518, sections 4.8 and 5.3): any JOSE library opens it. The second is the SHA-256 of the first, so that a damaged
file is told from a wrong passphrase.
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
from quorate.core.succession import TrustState
from quorate.errors import (
    FileAccessError,
    MalformedError,
    OutputExistsError,
    PassphraseError,
    PassphraseMissingError,
    RootKeyMissingError,
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
from quorate.publisher.keysets import KeySets, Role, jwks_path, with_role

__all__ = [
    "Vault",
    "create_vault",
    "key_path",
    "open_root",
    "open_vault",
    "require_absent",
    "require_present",
    "root_path",
    "stage_key",
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
class Vault:
    """An opened vault: who signs, with what, and the key sets around it."""

    name: str
    signing_key: SigningKey
    trust: TrustState


def key_path(folder: Path) -> Path:
    """The encrypted signing key."""
    return folder / "publisher.key"


def root_path(folder: Path) -> Path:
    """Where the encrypted root key is made; it should not stay there."""
    return folder / "publisher-root.key"


def _next_path(folder: Path) -> Path:
    return folder / "publisher.key.next"


def require_absent(folder: Path) -> Path:
    """The folder, if no publisher lives in it.

    Raises:
        StateExistsError: one does, or at least a part of one.
    """
    for path in (key_path(folder), jwks_path(folder), root_path(folder)):
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


def create_vault(
    folder: Path, name: str, passphrase: str, entropy: Entropy, root_passphrase: str | None = None
) -> Vault:
    """A new signing key, encrypted; the public keys beside it.

    Args:
        root_passphrase: make a root key too, encrypted with this, and let the signing key issue only.

    Raises:
        StateExistsError: there is a publisher in that folder already; nothing was changed.
        PassphraseMissingError: a passphrase is empty.
        FilePermissionsError, FileAccessError: the folder is open to others, or cannot be written.
    """
    require_absent(folder)
    for path, given in ((key_path(folder), passphrase), (root_path(folder), root_passphrase)):
        if given == "":
            raise PassphraseMissingError(path=path, reason="the one given is empty")
    make_private_folder(folder)
    signing_key = SigningKey.from_seed(entropy.token(32))
    role: Role = None
    keys = [with_role(signing_key.public(), None)]
    try:
        if root_passphrase is not None:
            role, root = "issuing", SigningKey.from_seed(entropy.token(32))
            write_new(root_path(folder), _sealed(name, root, "root", root_passphrase, entropy), SECRET_MODE)
            keys = [with_role(root.public(), "root"), with_role(signing_key.public(), role)]
        # Before the key: a root's public half cannot be made again from it.
        trust = KeySets(folder).begin(keys)
        write_new(key_path(folder), _sealed(name, signing_key, role, passphrase, entropy), SECRET_MODE)
    except OutputExistsError:  # another process was faster; its key stays
        raise StateExistsError(role="publisher", path=folder) from None
    KeySets(folder).publish(trust)
    return Vault(name, signing_key, trust)


def open_vault(folder: Path, passphrase: str) -> Vault:
    """The vault in that folder. An exchange of keys that was interrupted is finished, or forgotten if it had not
    begun to count; a missing or outdated `publisher.jwks` is made again.

    Raises:
        StateMissingError: there is no publisher.
        FilePermissionsError: the folder or the key file is open to others.
        PassphraseError: the passphrase is wrong, or empty.
        MalformedError: the key file is damaged, or the public keys belong to another publisher.
    """
    require_present(folder)
    if not passphrase:
        raise PassphraseMissingError(path=key_path(folder), reason="the one given is empty")
    name, signing_key, role = _decrypt(key_path(folder), passphrase)
    sets = KeySets(folder)
    if not sets.has_any:
        if role is not None:  # the public half of the root key was in it
            raise MalformedError(what=str(jwks_path(folder)), reason="it is missing; restore it from a backup")
        sets.begin((with_role(signing_key.public(), None),))
    trust = sets.state()
    staged = _next_path(folder)
    if staged.exists():
        name, following, _ = _decrypt(check_private(staged), passphrase)
        if following.kid in trust.for_issuing().by_kid:
            _adopt(staged, key_path(folder))
            signing_key = following
        else:
            staged.unlink()
    if signing_key.kid not in trust.for_issuing().by_kid:
        raise MalformedError(what=str(jwks_path(folder)), reason="it has not the public half of publisher.key in it")
    sets.publish(trust)
    return Vault(name, signing_key, trust)


def open_root(path: Path, passphrase: str, trust: TrustState) -> SigningKey:
    """The root key of this publisher, wherever it is kept.

    Raises:
        RootKeyMissingError: there is no such file, or it holds another key.
        FilePermissionsError, PassphraseError, MalformedError: as `open_vault`.
    """
    if not path.is_file():
        raise RootKeyMissingError(reason=f"there is no {path}")
    if not passphrase:
        raise PassphraseMissingError(path=path, reason="the one given is empty")
    _, key, _ = _decrypt(check_private(path), passphrase)
    if key.kid not in trust.for_trust().by_kid:
        raise RootKeyMissingError(reason=f"{path} holds another key")
    return key


def stage_key(folder: Path, name: str, key: SigningKey, role: Role, passphrase: str, entropy: Entropy) -> None:
    """Lay the next signing key beside the present one; `open_vault` takes it as soon as the key sets name it."""
    write_whole(_next_path(folder), _sealed(name, key, role, passphrase, entropy), SECRET_MODE)


def _adopt(staged: Path, place: Path) -> None:
    try:
        staged.replace(place)
    except OSError as fault:
        raise FileAccessError(path=place, reason=(fault.strerror or str(fault)).lower()) from None


def _sealed(name: str, key: SigningKey, role: Role, passphrase: str, entropy: Entropy) -> bytes:
    line = _encrypt(name, key, role, passphrase, entropy)
    return f"{line}\n{_checksum(line)}\n".encode("ascii")


def _checksum(line: str) -> str:
    return "sha256:" + hashlib.sha256(line.encode("ascii")).hexdigest()


def _passphrase_key(passphrase: str) -> OctKey:
    # The same passphrase typed on another keyboard may come composed differently: NFC, as RFC 8265 section 4.2 has it.
    # Made without `import_key`, which takes a passphrase for a file format to be guessed and warns of short ones.
    raw = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogateescape")
    return OctKey(raw, raw)


def _encrypt(name: str, signing_key: SigningKey, role: Role, passphrase: str, entropy: Entropy) -> str:
    public = signing_key.public()
    jwk = _PrivateJwk("OKP", "Ed25519", signing_key.kid, public.x, b64url(signing_key.seed), name, role)
    header = {
        "alg": "PBES2-HS512+A256KW",
        "enc": "A256GCM",
        "cty": "jwk+json",
        "p2c": ITERATIONS,
        "p2s": b64url(entropy.token(16)),
    }
    return jwe.encrypt_compact(header, encode(jwk), _passphrase_key(passphrase), algorithms=_ALGORITHMS)


def _decrypt(path: Path, passphrase: str) -> tuple[str, SigningKey, Role]:
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
    return jwk.publisher, signing_key, jwk.role


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
