"""The publisher's vault: the key that signs, encrypted (`sealed`), and the key sets around it.

`publisher.key` signs; `publisher-root.key`, where there is one, signs nothing but the next keys (`rootkey`);
`publisher.key.next` is there for the moment in which the keys are exchanged (`rotation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quorate.clock import Entropy
from quorate.core.keys import SigningKey
from quorate.core.succession import TrustState
from quorate.errors import (
    FileAccessError,
    MalformedError,
    OutputExistsError,
    PassphraseMissingError,
    StateExistsError,
    StateMissingError,
)
from quorate.files import (
    SECRET_MODE,
    check_private,
    make_private_folder,
    replace_file,
    write_new,
)
from quorate.publisher.keysets import KeySets, Role, jwks_path, with_role
from quorate.publisher.rootkey import make_root, root_path, settle_roots
from quorate.publisher.sealed import Sealed, sealed, unsealed

__all__ = [
    "Vault",
    "create_vault",
    "key_path",
    "open_vault",
    "require_absent",
    "require_present",
    "stage_key",
]


@dataclass(frozen=True)
class Vault:
    """An opened vault: who signs, with what, and the key sets around it."""

    name: str
    signing_key: SigningKey
    trust: TrustState


def key_path(folder: Path) -> Path:
    """The encrypted signing key."""
    return folder / "publisher.key"


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
            role, root = "issuing", make_root(folder, name, root_passphrase, entropy)
            keys = [with_role(root.public(), "root"), with_role(signing_key.public(), role)]
        # Before the key: a root's public half cannot be made again from it.
        trust = KeySets(folder).begin(keys)
        write_new(key_path(folder), sealed(Sealed(name, signing_key, role), passphrase, entropy), SECRET_MODE)
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
    found = unsealed(key_path(folder), passphrase)
    sets = KeySets(folder)
    if not sets.has_any:
        if found.role is not None:  # the public half of the root key was in it
            raise MalformedError(what=str(jwks_path(folder)), reason="it is missing; restore it from a backup")
        sets.begin((with_role(found.key.public(), None),))
    trust = sets.state()
    settle_roots(folder, trust)
    staged = _next_path(folder)
    if staged.exists():
        following = unsealed(check_private(staged), passphrase)
        if _is_named(following, trust):
            _adopt(staged, key_path(folder))
            found = following
        else:
            staged.unlink()
    if found.key.kid not in trust.for_issuing().by_kid:
        raise MalformedError(what=str(jwks_path(folder)), reason="it has not the public half of publisher.key in it")
    sets.publish(trust)
    return Vault(found.publisher, found.key, trust)


def stage_key(folder: Path, name: str, key: SigningKey, role: Role, passphrase: str, entropy: Entropy) -> None:
    """Lay the next signing key beside the present one; `open_vault` takes it as soon as the key sets name it."""
    replace_file(_next_path(folder), sealed(Sealed(name, key, role), passphrase, entropy), SECRET_MODE)


def _is_named(staged: Sealed, trust: TrustState) -> bool:
    """Whether the sets name this key, in this role: a signing key that stays may get a root above it."""
    return (staged.key.public().x, staged.role) in {(key.x, key.role) for key in trust.keys}


def _adopt(staged: Path, place: Path) -> None:
    try:
        staged.replace(place)
    except OSError as fault:
        raise FileAccessError(path=place, reason=(fault.strerror or str(fault)).lower()) from None
