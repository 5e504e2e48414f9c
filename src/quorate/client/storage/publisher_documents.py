"""What the publisher has said since the software shipped: newer keys and the revocation list, kept beside the record.

Hosts carry it, nobody has to believe them: each document proves itself, when it comes and whenever it is read again.
Both stand in one file, `publisher.json`, so that a list never stands beside keys that do not know its signer. The
number of the newest list is in the record too (`ListSeen`): where this file is lost, an older list is refused all the
same.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from quorate.client.storage.files import FileIdentity, LeaseFile
from quorate.core.documents import HostCertificate, kid_of
from quorate.core.lease import Lease, Refusal
from quorate.core.messages import Answer, decode_strict, encode
from quorate.core.revocation import (
    NUMBER_MAX,
    REVOCATIONS,
    RevocationList,
    accept_list,
    read_held,
    read_list,
)
from quorate.core.succession import CHAIN_BYTES_MAX, VERSION_MAX, TrustState, follow, follow_chain
from quorate.core.trust import Anchor, Question, accept_answer, check_certificate, check_stored_lease
from quorate.errors import FileAccessError, ListOutdatedError, MalformedError, QuorateError, TrustError

__all__ = ["FILE_NAME", "ListSeen", "News"]

FILE_NAME: Final = "publisher.json"
FILE_BYTES_MAX: Final = CHAIN_BYTES_MAX + REVOCATIONS.bytes_max + 64 * 1024  # and the quotes and commas between

_log = logging.getLogger("quorate.client")


class ListSeen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest list that was accepted here: its number, and the key that signed it."""

    number: Annotated[int, Meta(ge=1, le=NUMBER_MAX)]
    kid: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`publisher.json`: the trust documents of the versions `after` + 1 and following, and the list."""

    v: Literal[1] = 1
    after: Annotated[int, Meta(ge=1, le=VERSION_MAX)]
    trust: Annotated[tuple[Annotated[str, Meta(max_length=8192)], ...], Meta(max_length=VERSION_MAX)]
    revocations: Annotated[str, Meta(max_length=REVOCATIONS.bytes_max)] | None


@dataclass(frozen=True)
class _Known:
    """All that is known, verified; and the documents that prove it."""

    trust: TrustState
    after: int
    chain: tuple[str, ...] = ()
    revocations: RevocationList | None = None
    token: str | None = None


_decoder = msgspec.json.Decoder(_Kept)


class News:
    """The publisher's news of one installation.

    Reading verifies everything again (a list of 10,000 entries: 65 ms), once for each content of the file.
    """

    def __init__(self, folder: Path, anchor: Anchor) -> None:
        self._file = LeaseFile(folder, FILE_NAME)
        self._known = _Known(anchor.shipped, anchor.shipped.version)
        self._shipped = anchor.shipped
        self._identity: FileIdentity | None = None
        self._is_damaged = False
        self.learnt = 0  # how often something new was taken, by this process

    @property
    def trust(self) -> TrustState:
        """The newest keys that are known."""
        return self._now().trust

    @property
    def revocations(self) -> RevocationList | None:
        """The newest list that is known."""
        return self._now().revocations

    def seen(self) -> ListSeen | None:
        """What is to be remembered of the list."""
        known = self._now()
        kid = None if known.token is None else kid_of(known.token)
        if known.revocations is None or kid is None:
            return None
        return ListSeen(known.revocations.number, kid)

    # --- judging ---------------------------------------------------------------------------------------------------

    def accept(self, answer: Answer, question: Question, anchor: Anchor, now_s: int) -> Lease | Refusal:
        """`core.trust.accept_answer`, by all that is known."""
        known = self._now()
        return accept_answer(answer, question, anchor, now_s, known.trust, known.revocations)

    def check_stored(self, lease: str, certificate: str, question: Question, anchor: Anchor) -> Lease:
        """`core.trust.check_stored_lease`, by all that is known."""
        known = self._now()
        return check_stored_lease(lease, certificate, question, anchor, known.trust, known.revocations)

    def check_certificate(self, token: str, anchor: Anchor, at_s: int) -> HostCertificate:
        """`core.trust.check_certificate`, by all that is known."""
        known = self._now()
        return check_certificate(token, anchor, at_s, known.trust, known.revocations)

    # --- learning (under the lock of the record) ---------------------------------------------------------------------

    def is_behind(self, number: int) -> bool:
        """Whether a host that says it holds list `number` may have a newer one. Its word alone changes nothing."""
        known = self._now()
        if (
            known.revocations is None
            or known.token is None
            or kid_of(known.token) not in known.trust.for_issuing().by_kid
        ):
            return number > 0  # the number of a dropped key binds nobody
        return number > known.revocations.number

    def take_chain(self, chain: Sequence[str]) -> bool:
        """Follow the publisher's chain; whether it led on.

        Raises:
            MalformedError, TrustError and its kind: as `core.succession.follow_chain`; nothing was changed.
        """
        known = self._now()
        trust = follow_chain(known.trust, chain)
        if trust.version == known.trust.version:
            return False
        # What was passed over was not verified, and is not kept.
        together = (*known.chain, *chain[known.trust.version - 1 :])
        if sum(map(len, together)) > CHAIN_BYTES_MAX:
            raise MalformedError(what="the trust chain", reason=f"it is longer than {CHAIN_BYTES_MAX} bytes")
        self._take(replace(known, trust=trust, chain=together))
        return True

    def take_list(self, token: str, seen: ListSeen | None) -> None:
        """Let this list take the place of the one that is held.

        Args:
            seen: what the record remembers. It binds as long as its signer is the publisher's: who has stolen a key
                that was dropped since could have written the highest number.

        Raises:
            ListOutdatedError: it is not newer than the one held, or older than the one remembered.
            MalformedError, TrustError and its kind: as `core.revocation.read_list`; nothing was changed.
        """
        known = self._now()
        new = accept_list(known.token, token, known.trust)
        if seen is not None and new.number < seen.number and seen.kid in known.trust.for_issuing().by_kid:
            raise ListOutdatedError(offered=new.number, held=seen.number)
        self._take(replace(known, revocations=new, token=token))

    def _take(self, known: _Known) -> None:
        self._known = known
        self.learnt += 1
        if self._is_damaged:
            self._file.set_aside()
            self._is_damaged = False
        try:
            self._file.write(encode(_Kept(after=known.after, trust=known.chain, revocations=known.token)))
        except FileAccessError as fault:  # this process goes by it all the same
            _log.warning("the publisher's news cannot be kept: %s", fault.message)
            return
        self._identity = self._file.identity()

    # --- reading -----------------------------------------------------------------------------------------------------

    def _now(self) -> _Known:
        identity = self._file.identity()
        if identity != self._identity:
            self._identity = identity
            try:
                self._known = _newer(self._known, self._load())
            except QuorateError as fault:
                self._is_damaged = True
                _log.warning("%s is passed over: %s", FILE_NAME, fault.message)
        return self._known

    def _load(self) -> _Known:
        data = self._file.read(FILE_BYTES_MAX)
        if data is None:
            return self._known
        if len(data) > FILE_BYTES_MAX:
            raise MalformedError(what=FILE_NAME, reason=f"it is longer than {FILE_BYTES_MAX} bytes")
        kept = decode_strict(_decoder, data, FILE_NAME)
        shipped = self._shipped
        if shipped.version < kept.after:
            raise MalformedError(what=FILE_NAME, reason="it begins after the keys that shipped")
        trust = follow(shipped, kept.trust[shipped.version - kept.after :])
        known = _Known(trust, kept.after, kept.trust)
        if kept.after + len(kept.trust) < shipped.version:  # the software was updated beyond it
            known = _Known(trust, shipped.version)
        if kept.revocations is None:
            return known
        try:
            held = read_held(kept.revocations, trust)
        except (MalformedError, TrustError) as fault:
            self._is_damaged = True
            _log.warning("the revocation list in %s is passed over: %s", FILE_NAME, fault.message)
            return known
        return replace(known, revocations=held, token=kept.revocations)


def _newer(held: _Known, read: _Known) -> _Known:
    """What is read, unless somebody put an older file there meanwhile."""
    if read.trust.version < held.trust.version:
        return held
    if held.revocations is None or held.token is None:
        return read
    if read.revocations is not None and read.revocations.number >= held.revocations.number:
        return read
    try:
        read_list(held.token, read.trust)
    except (MalformedError, TrustError):  # signed by a key that was dropped: its number binds nobody
        return read
    return replace(read, revocations=held.revocations, token=held.token)
