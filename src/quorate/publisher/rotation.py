"""Exchanging the publisher's keys, so that a crash at any moment leaves the old state or the new one.

The new keys are laid beside the old ones, then the trust document is added to the chain: from that moment on the new
keys count, and whatever is left to do (they take their place, `publisher.jwks`, products and the revocation list are
signed anew) is done by whoever opens the publisher next. Nobody needs the old private keys again, so they are not kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from quorate.clock import Entropy
from quorate.core.documents import sign
from quorate.core.keys import PublisherJwk, SigningKey
from quorate.core.succession import TRUST, VERSION_MAX, Trust, TrustState, follow
from quorate.errors import InvalidSettingError, PassphraseMissingError, RootKeyMissingError
from quorate.publisher.keysets import KeySets, Role, with_role
from quorate.publisher.rootkey import RootKey, open_root, root_path, stage_root
from quorate.publisher.vault import Vault, stage_key

__all__ = ["RootKey", "Rotation", "Step", "exchange"]

KEYS_MAX: Final = 16  # as core.keys.JwkSet has it


class Step(StrEnum):
    """What happens to the signing keys."""

    ADD = "add"  # a new key signs; the old ones still verify
    REPLACE = "replace"  # a new key signs; the old ones are worth nothing from now on
    FINISH = "finish"  # no new key; the ones that do not sign any more are dropped
    KEEP = "keep"  # they stay as they are: the root key is what is exchanged


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """What an exchange led to: the version, the key that signs now, and the keys that still verify or no longer do.

    `root_kid`: the root key there is now; None where there is none. `is_new_root`: it was made by this exchange.
    """

    version: int
    kid: str
    kept: tuple[str, ...]
    dropped: tuple[str, ...]
    root_kid: str | None
    is_new_root: bool


def exchange(
    folder: Path,
    vault: Vault,
    step: Step,
    passphrase: str,
    root: RootKey | None,
    now_s: int,
    entropy: Entropy,
    new_root_passphrase: str | None = None,
) -> Rotation:
    """Bring the next key set into force. The caller holds off everybody else (`Ledger.alone`) and opens the publisher
    anew afterwards.

    Args:
        passphrase: encrypts the new key; the one that opened the vault.
        root: needed where the present set has a root key.
        new_root_passphrase: make a new root key too, encrypted with this; the old one is worth nothing from now on.

    Raises:
        RootKeyMissingError, PassphraseError, FilePermissionsError: the root key is needed and cannot be used.
        InvalidSettingError: nothing to finish, or more keys than a set holds.
        FileAccessError: the disk; nothing changed, or the next opening finishes it.
    """
    state = vault.trust
    if state.version >= VERSION_MAX:
        raise InvalidSettingError(name="rotate", reason=f"version {VERSION_MAX} is the last", allowed="Start anew.")
    if new_root_passphrase == "":
        raise PassphraseMissingError(path=root_path(folder), reason="the one given is empty")
    signer = _root_key(folder, root, state) if _roots(state) else vault.signing_key
    new_root = None if new_root_passphrase is None else SigningKey.from_seed(entropy.token(32))
    roots = _roots(state) if new_root is None else [with_role(new_root.public(), "root")]
    role: Role = "issuing" if roots else None
    is_same = step in (Step.FINISH, Step.KEEP)
    following = vault.signing_key if is_same else SigningKey.from_seed(entropy.token(32))
    keys = (*roots, *_next_keys(state, with_role(following.public(), role), step))
    _check_number(keys)
    claims = Trust(publisher=vault.name, issued_s=now_s, version=state.version + 1, keys=keys)
    token = sign(TRUST, claims, signer)
    after = follow(state, [token])  # as everybody else will
    if new_root is not None and new_root_passphrase is not None:
        stage_root(folder, vault.name, new_root, new_root_passphrase, entropy)
    if not is_same or (new_root is not None and not _roots(state)):  # a key that stays has got a root above it
        stage_key(folder, vault.name, following, role, passphrase, entropy)
    KeySets(folder).append(token)
    present = set(after.for_issuing().by_kid)
    return Rotation(
        version=after.version,
        kid=following.kid,
        kept=tuple(sorted(present - {following.kid})),
        dropped=tuple(sorted(set(state.for_issuing().by_kid) - present)),
        root_kid=next(iter(after.for_trust().by_kid)) if roots else None,
        is_new_root=new_root is not None,
    )


def _roots(state: TrustState) -> list[PublisherJwk]:
    return [key for key in state.keys if key.role == "root"]


def _root_key(folder: Path, root: RootKey | None, state: TrustState) -> SigningKey:
    if root is None:
        raise RootKeyMissingError(reason=f"there is no {root_path(folder)}")
    return open_root(root.path, root.passphrase, state)


def _next_keys(state: TrustState, signing: PublisherJwk, step: Step) -> tuple[PublisherJwk, ...]:
    """The keys that sign documents, the one that does from now on first; all in the role of that one."""
    others = [with_role(key, signing.role) for key in state.keys if key.role != "root" and key.x != signing.x]
    if step is Step.FINISH and not others:
        reason = "no old key is left to drop"
        raise InvalidSettingError(name="--finish", reason=reason, allowed="Nothing needs to be done.")
    return (signing, *(others if step in (Step.ADD, Step.KEEP) else ()))


def _check_number(keys: tuple[PublisherJwk, ...]) -> None:
    if len(keys) > KEYS_MAX:
        reason = f"that would be {len(keys)} keys"
        raise InvalidSettingError(
            name="rotate", reason=reason, allowed="Drop the old ones first: quorate publisher rotate --finish."
        )
