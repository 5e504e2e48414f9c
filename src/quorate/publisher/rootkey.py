"""The publisher's root key: it signs the next keys and nothing else, and is kept outside the machine that issues.

It is made as `publisher-root.key` in the publisher's folder, to be taken away from there. Where it is exchanged, the
next one is first laid down as `publisher-root.<thumbprint>.next`: its name tells whoever opens the publisher next, who
has not its passphrase, whether the key sets name it (then it takes its place) or never did (then it is forgotten).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from quorate.clock import Entropy
from quorate.core.keys import SigningKey
from quorate.core.succession import TrustState
from quorate.errors import FileAccessError, MalformedError, PassphraseMissingError, RootKeyMissingError
from quorate.files import SECRET_MODE, check_private, replace_file, sync_folder, write_new
from quorate.publisher.sealed import Sealed, sealed, unsealed

__all__ = ["RootKey", "make_root", "open_root", "root_path", "settle_roots", "stage_root"]

_STAGED: Final = "publisher-root.*.next"


@dataclass(frozen=True)
class RootKey:
    """Where the root key is for a moment, and what opens it."""

    path: Path
    passphrase: str = field(repr=False)


def root_path(folder: Path) -> Path:
    """Where the encrypted root key is made; it should not stay there."""
    return folder / "publisher-root.key"


def make_root(folder: Path, name: str, passphrase: str, entropy: Entropy) -> SigningKey:
    """A new publisher's root key.

    Raises:
        OutputExistsError: one is there.
        FileAccessError: the disk.
    """
    key = SigningKey.from_seed(entropy.token(32))
    write_new(root_path(folder), sealed(Sealed(name, key, "root"), passphrase, entropy), SECRET_MODE)
    return key


def open_root(path: Path, passphrase: str, trust: TrustState) -> SigningKey:
    """The root key of this publisher, wherever it is kept.

    Raises:
        RootKeyMissingError: there is no such file, or it holds another key, such as one that was exchanged.
        PassphraseMissingError, PassphraseError: what opens it is empty, or wrong.
        FilePermissionsError, MalformedError: it is open to others, or damaged.
    """
    if not path.is_file():
        raise RootKeyMissingError(reason=f"there is no {path}")
    if not passphrase:
        raise PassphraseMissingError(path=path, reason="the one given is empty")
    key = unsealed(check_private(path), passphrase).key
    present = trust.for_trust().by_kid
    if key.kid in present:
        return key
    if key.public().x in {each.x for each in trust.retired}:
        wanted = ", ".join(sorted(present))
        raise RootKeyMissingError(reason=f"{path} holds one that was exchanged; the present one is {wanted}")
    raise RootKeyMissingError(reason=f"{path} holds another key")


def stage_root(folder: Path, name: str, key: SigningKey, passphrase: str, entropy: Entropy) -> Path:
    """Lay the next root key down, and open it again: a key that nobody can open must never come to count.

    Raises:
        FileAccessError: the disk.
        MalformedError: what was written is not what is read.
    """
    path = folder / f"publisher-root.{key.kid}.next"
    replace_file(path, sealed(Sealed(name, key, "root"), passphrase, entropy), SECRET_MODE)
    if unsealed(check_private(path), passphrase).key.kid != key.kid:
        raise MalformedError(what=str(path), reason="what was written is not what is read")
    return path


def settle_roots(folder: Path, trust: TrustState) -> None:
    """Finish what an exchange of the root key has left: the next one takes its place if the key sets name it. The one
    whose place it takes is in no set any more and proves nothing.

    Raises:
        FileAccessError: the disk.
    """
    present = trust.for_trust().by_kid
    for staged in sorted(folder.glob(_STAGED)):
        try:
            if staged.name.split(".")[1] in present:
                staged.replace(root_path(folder))
            else:
                staged.unlink()
            sync_folder(folder)
        except OSError as fault:
            raise FileAccessError(path=staged, reason=(fault.strerror or str(fault)).lower()) from None
