"""Checkpoints of the event log: the host's signature under how the log stands, `event-checkpoint+jwt`.

One that is kept elsewhere proves later that nothing up to it was changed, and that nothing of it was cut off. The one
that is made when old events are removed says where the kept log begins, so that retention is told from deletion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from quorate.core.documents import DocumentKind, TokenSigner, read
from quorate.core.eventchain import Link
from quorate.core.ids import HostId, Nonce, b64url, unb64url
from quorate.core.keys import SigningKey, VerifyKeys
from quorate.core.messages import TimeS

__all__ = ["EVENT_CHECKPOINT", "CheckpointSigner", "EventCheckpoint", "read_checkpoint"]

_Number = Annotated[int, Meta(ge=0, le=2**53)]


_Digest = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")]


class _Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: _Number
    digest: _Digest
    upto_bytes: _Number

    @property
    def link(self) -> Link:
        return Link(self.number, unb64url(self.digest), self.upto_bytes)


class EventCheckpoint(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"issued_s": "iat", "host_id": "sub"},
):
    """The log stood so when this was signed.

    Attributes:
        log: the name of the log; another database of the same host has another.
        number, digest, upto_bytes: of the last event it vouches for (`core.eventchain`); number 0: an empty log.
        kept_from: the first event that was kept then; those before it have been removed for age, number or size.
        administrative: of the last administrative event, in the chain of these alone; they are kept longer. Left out
            by the host of before, and by the marks of that chain itself.
    """

    v: Literal[1] = 1
    issued_s: TimeS
    host_id: HostId
    log: Nonce  # as long as one, and as much of chance
    number: _Number
    digest: _Digest
    upto_bytes: _Number
    kept_from: Annotated[int, Meta(ge=1, le=2**53)]
    administrative: _Place | UnsetType = UNSET

    @property
    def link(self) -> Link:
        """The place in the chain that it vouches for."""
        return Link(self.number, unb64url(self.digest), self.upto_bytes)


EVENT_CHECKPOINT = DocumentKind("event-checkpoint+jwt", EventCheckpoint, bytes_max=2048, what="the event checkpoint")


@dataclass(frozen=True)
class CheckpointSigner:
    """Signs for one host."""

    host_id: str
    key: SigningKey

    def sign(self, log: bytes, link: Link, kept_from: int, now_s: int, administrative: Link | None = None) -> str:
        """A checkpoint of the log of this name, 16 bytes, as it stands at `link`, and its administrative events at
        theirs."""
        number, digest, upto_bytes = administrative or link
        claims = EventCheckpoint(
            issued_s=now_s,
            host_id=self.host_id,
            log=b64url(log),
            number=link.number,
            digest=b64url(link.digest),
            upto_bytes=link.upto_bytes,
            kept_from=kept_from,
            administrative=UNSET if administrative is None else _Place(number, b64url(digest), upto_bytes),
        )
        return TokenSigner(EVENT_CHECKPOINT, self.key).sign(claims)


def read_checkpoint(token: str, keys: VerifyKeys) -> EventCheckpoint:
    """The checkpoint, if one of these hosts' keys has signed it.

    Raises:
        MalformedError: no checkpoint.
        UnknownPublisherError: signed by another key: of another host, or of this one before it was made anew.
        BadSignatureError: changed or forged.
    """
    return read(EVENT_CHECKPOINT, token, keys)
