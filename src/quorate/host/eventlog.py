"""The event log as evidence: verified, and vouched for. Works on the state folder; the host may run or not."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from quorate.clock import Clock, Entropy
from quorate.core.checkpoint import EVENT_CHECKPOINT, CheckpointSigner, EventCheckpoint, read_checkpoint
from quorate.core.eventaudit import Break, Finding
from quorate.core.filekinds import FileKind, given_as
from quorate.core.keys import SigningKey, VerifyKeys
from quorate.errors import CheckpointForeignError, EventLogBrokenError, MalformedError, TrustError
from quorate.files import read_given
from quorate.host.config import StatePaths
from quorate.host.keyring import HostKeyring
from quorate.host.store.checkpoints import seal
from quorate.host.store.database import Database
from quorate.host.store.verify import LogVerdict, verify_log

__all__ = ["broken", "checkpoint_event_log", "verify_event_log"]

_SPARE: Final = 16  # a final newline or two
_KEEP = (
    "Keep a copy of the state folder as it is now, look who can write to host.db, and compare with what was exported. "
    "The host goes on by itself."
)
_ADVICE = {
    Break.TRUNCATED: (
        "Was the host restored from an older backup? Then these events went with what came after it. If not: " + _KEEP
    ),
    Break.REPLACED: "Was a new database begun (`quorate host new-database`)? Then this is it. If not: " + _KEEP,
    Break.CHECKPOINT: (
        "Was the host made anew over an old database? Then its old checkpoints are signed by the key it had. If not: "
        + _KEEP
    ),
}


def verify_event_log(
    paths: StatePaths, clock: Clock, entropy: Entropy, elsewhere: Sequence[Path] = ()
) -> tuple[LogVerdict, tuple[EventCheckpoint, ...]]:
    """Walk along the whole log; also what the files of `elsewhere` vouch for.

    Raises:
        StateMissingError: there is no host.
        MalformedError, FileAccessError: one of the files is no checkpoint.
        CheckpointForeignError: one of the files is not signed by this host.
        StoreUnavailableError: the database cannot be read.
    """
    keyring = HostKeyring(paths, clock, entropy)
    keys = _keys(keyring.signing_key())
    outside = tuple(_read(path, keys) for path in elsewhere)
    with contextlib.closing(Database.open(paths.database)) as database:
        return verify_log(database, keyring.host_id, keys, outside), outside


def checkpoint_event_log(paths: StatePaths, clock: Clock, entropy: Entropy) -> tuple[str, EventCheckpoint]:
    """A checkpoint of the log as it stands now.

    Raises:
        StateMissingError: there is no host.
        EventLogBrokenError: the log was cut: nothing is vouched for.
        StoreUnavailableError: it cannot be kept in the database.
    """
    keyring = HostKeyring(paths, clock, entropy)
    key = keyring.signing_key()
    with contextlib.closing(Database.open(paths.database)) as database:
        sealed = seal(database, CheckpointSigner(keyring.host_id, key), clock.now_s(), is_asked=True)
    assert sealed is not None, "one was asked for"  # noqa: S101  (our own mistake only)
    if sealed.cut_from is not None:
        message = f"events from {sealed.cut_from} on are gone from the end; an older checkpoint vouches for them"
        raise broken(Finding(Break.TRUNCATED, sealed.cut_from, message))
    if sealed.token is None:
        raise broken(Finding(Break.REPLACED, None, "its name, or the digest of its newest event, is gone"))
    return sealed.token, read_checkpoint(sealed.token, _keys(key))


def broken(finding: Finding) -> EventLogBrokenError:
    """The error for what was found."""
    return EventLogBrokenError(finding=finding.message, advice=_ADVICE.get(finding.kind, _KEEP))


def _keys(key: SigningKey) -> VerifyKeys:
    return VerifyKeys.of([key.public()])


def _read(path: Path, keys: VerifyKeys) -> EventCheckpoint:
    try:
        data = read_given(path, 2 * (EVENT_CHECKPOINT.bytes_max + _SPARE))
        token = given_as(data, FileKind.CHECKPOINT, path).decode("ascii").strip()
    except UnicodeDecodeError:
        raise MalformedError(what=str(path), reason="it is not a checkpoint") from None
    try:
        return read_checkpoint(token, keys)
    except TrustError:
        raise CheckpointForeignError(path=path) from None
