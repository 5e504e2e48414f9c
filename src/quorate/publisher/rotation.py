"""Exchanging the publisher's signing key, so that a crash at any moment leaves the old state or the new one.

The new key is laid beside the old one, then the trust document is added to the chain: from that moment on the new key
counts, and whatever is left to do (the key takes its place, `publisher.jwks`, products and the revocation list are
signed anew) is done by whoever opens the publisher next. Nobody needs the old private key again, so it is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from quorate.clock import Entropy
from quorate.core.documents import sign
from quorate.core.keys import PublisherJwk, SigningKey
from quorate.core.succession import TRUST, VERSION_MAX, Trust, TrustState, follow
from quorate.errors import InvalidSettingError, RootKeyMissingError
from quorate.publisher.keysets import KeySets, Role, with_role
from quorate.publisher.vault import Vault, open_root, root_path, stage_key

__all__ = ["RootKey", "Rotation", "Step", "exchange"]

KEYS_MAX: Final = 16  # as core.keys.JwkSet has it


class Step(StrEnum):
    """What happens to the keys."""

    ADD = "add"  # a new key signs; the old ones still verify
    REPLACE = "replace"  # a new key signs; the old ones are worth nothing from now on
    FINISH = "finish"  # no new key; the ones that do not sign any more are dropped


@dataclass(frozen=True)
class RootKey:
    """Where the root key is for a moment, and what opens it."""

    path: Path
    passphrase: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """What an exchange led to: the version, the key that signs now, and the keys that still verify or no longer do."""

    version: int
    kid: str
    kept: tuple[str, ...]
    dropped: tuple[str, ...]


def exchange(
    folder: Path, vault: Vault, step: Step, passphrase: str, root: RootKey | None, now_s: int, entropy: Entropy
) -> Rotation:
    """Bring the next key set into force. The caller holds off everybody else (`Ledger.alone`) and opens the publisher
    anew afterwards.

    Args:
        passphrase: encrypts the new key; the one that opened the vault.
        root: needed where the present set has a root key.

    Raises:
        RootKeyMissingError, PassphraseError, FilePermissionsError: the root key is needed and cannot be used.
        InvalidSettingError: nothing to finish, or more keys than a set holds.
        FileAccessError: the disk; nothing changed, or the next opening finishes it.
    """
    state = vault.trust
    if state.version >= VERSION_MAX:
        raise InvalidSettingError(name="rotate", reason=f"version {VERSION_MAX} is the last", allowed="Start anew.")
    has_root = any(key.role == "root" for key in state.keys)
    role: Role = "issuing" if has_root else None
    signer = _root_key(folder, root, state) if has_root else vault.signing_key
    following = vault.signing_key if step is Step.FINISH else SigningKey.from_seed(entropy.token(32))
    keys = _next_keys(state, with_role(following.public(), role), step)
    claims = Trust(publisher=vault.name, issued_s=now_s, version=state.version + 1, keys=keys)
    token = sign(TRUST, claims, signer)
    after = follow(state, [token])  # as everybody else will
    if step is not Step.FINISH:
        stage_key(folder, vault.name, following, role, passphrase, entropy)
    KeySets(folder).append(token)
    present = set(after.for_issuing().by_kid)
    return Rotation(
        version=after.version,
        kid=following.kid,
        kept=tuple(sorted(present - {following.kid})),
        dropped=tuple(sorted(set(state.for_issuing().by_kid) - present)),
    )


def _root_key(folder: Path, root: RootKey | None, state: TrustState) -> SigningKey:
    if root is None:
        raise RootKeyMissingError(reason=f"there is no {root_path(folder)}")
    return open_root(root.path, root.passphrase, state)


def _next_keys(state: TrustState, signing: PublisherJwk, step: Step) -> tuple[PublisherJwk, ...]:
    roots = [key for key in state.keys if key.role == "root"]
    others = [key for key in state.keys if key.role != "root" and key.x != signing.x]
    if step is Step.FINISH and not others:
        reason = "no old key is left to drop"
        raise InvalidSettingError(name="--finish", reason=reason, allowed="Nothing needs to be done.")
    keys = (*roots, signing, *(others if step is Step.ADD else ()))
    if len(keys) > KEYS_MAX:
        reason = f"that would be {len(keys)} keys"
        raise InvalidSettingError(
            name="rotate", reason=reason, allowed="Drop the old ones first: quorate publisher rotate --finish."
        )
    return keys
