"""Holds what one installation knows: reads the record once for each change of the file, checks it, keeps it.

A record that proves nothing any more (damaged, of another machine, product or edition, with a lease that fails a
check) is replaced by one that begins anew, with the reason written in it. Where nothing can be written, the record
lives in this process's memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager

import msgspec

from quorate.client.clockmark import ClockMark
from quorate.client.identity import Machine
from quorate.client.leasefile import FileIdentity, LeaseFile
from quorate.client.news import News
from quorate.client.proofkey import ProofKey
from quorate.client.standing import Standing
from quorate.client.state import STATE_BYTES_MAX, ClientState, decode_state, fresh
from quorate.clock import Clock, Entropy
from quorate.core.lease import Lease
from quorate.core.messages import encode
from quorate.core.proof import SECRET_BYTES
from quorate.core.trust import Anchor, Question
from quorate.errors import (
    AnswerMismatchError,
    FileAccessError,
    HostRevokedError,
    KeyRoleError,
    LeaseDamagedError,
    LeaseForeignError,
    LeaseInvalidError,
    LeaseWrongMachineError,
    MalformedError,
    NotKnownError,
    QuorateError,
    RetiredKeyError,
    StateInUseError,
    StateMissingError,
)

__all__ = ["TAKEN_BACK", "CheckStored", "Keeper"]

TAKEN_BACK = (HostRevokedError, RetiredKeyError, KeyRoleError)  # a lease that was good, until its publisher said no


CheckStored = Callable[[str, str, Question, Anchor], Lease]


class _Read(msgspec.Struct, frozen=True):
    identity: FileIdentity | None
    standing: Standing


class Keeper:
    """One installation's record.

    Args:
        edition: the one the application demands; None: the one in the record, or else the product's first.
        check: how a stored lease is verified; a simulation of a large fleet hands in a cheaper proof of the same.

    Attributes:
        news: what the publisher has said since; None where `check` is given.
    """

    __slots__ = (
        *("_anchor", "_check", "_clock", "_edition", "_entropy", "_file", "_lock", "_machine"),
        *("_mark", "_noted", "_read", "_stored", "is_unsaved", "news"),
    )

    def __init__(
        self,
        file: LeaseFile,
        anchor: Anchor,
        edition: str | None,
        machine: Machine,
        clock: Clock,
        entropy: Entropy,
        check: CheckStored | None = None,
    ) -> None:
        self._file = file
        self._anchor = anchor
        self._edition = edition
        self._machine = machine
        self._clock = clock
        self._entropy = entropy
        self.news = News(file.folder, anchor) if check is None else None
        self._check = check if self.news is None else self.news.check_stored
        self._lock = file.lock(clock)
        self._read: _Read | None = None
        # What this machine's clock has shown; what of it was to be noted; and what the disk holds, as far as is known.
        self._mark = self._noted = self._stored = ClockMark()
        self.is_unsaved = False

    def standing(self, now_s: int, *, is_locked: bool = False) -> Standing:
        """Where this installation stands. Reads and checks the file only when it has changed; never waits.

        `is_locked` says that the caller holds `exclusive`, so that a new beginning may be written.
        """
        identity = self._file.identity()
        read = self._read
        if read is None or read.identity != identity:
            read = self._load(identity, now_s, is_locked)
        standing = self._seen(read.standing, now_s)
        if standing.lease is None and standing.grace_began_nowhere(now_s, self._anchor):
            standing = self._grace_begun(standing, now_s, is_locked)
        return standing

    def exclusive(self, patience_s: float) -> AbstractContextManager[bool]:
        """Be the only one who changes the record, within a `with`; gives whether somebody else was before.

        Raises:
            StateInUseError: another process still is after `patience_s` seconds.
            FileAccessError: nothing can be written here.
        """
        self._file.prepare()
        return self._lock.held(patience_s)

    def keep(self, state: ClientState, lease: Lease | None) -> _Read:
        """Write the record (under `exclusive`), and go on with it.

        Raises:
            FileAccessError: nothing was changed.
        """
        self._file.write(encode(state))
        return self._remember(self._file.identity(), state, lease)

    def proof_key(self, state: ClientState) -> tuple[ProofKey | None, ClientState]:
        """What this installation proves itself with, and the record that says so (under `exclusive`); a new secret
        where it has none of its own yet, or has lost it. None where it cannot be read or kept: then nothing is proved.
        """
        try:
            secret = self._file.secret() if state.has_secret else None
            if secret is None:
                secret = self._entropy.token(SECRET_BYTES)
                self._file.write_secret(secret)
        except FileAccessError:
            return None, state
        return ProofKey(secret), state if state.has_secret else msgspec.structs.replace(state, has_secret=True)

    def keep_in_memory(self, state: ClientState, lease: Lease | None) -> _Read:
        """Go on with this record, in this process alone, until the file changes."""
        read = self._remember(self._file.identity(), state, lease)
        self.is_unsaved = True
        return read

    def save(self, now_s: int) -> None:
        """Try once more to write what is in memory only; best effort."""
        with contextlib.suppress(FileAccessError, StateInUseError), self.exclusive(0):
            standing = self.standing(now_s, is_locked=True)
            if self.is_unsaved:
                self.keep(standing.state, standing.lease)

    def judged_anew(self, standing: Standing, now_s: int) -> Standing:
        """The standing, after something was learnt of the publisher: without its lease, where that was taken back."""
        try:
            self._proven(standing.state)
        except TAKEN_BACK as fault:
            at_s = max(now_s, standing.proven_s)
            state = standing.state.without_lease(at_s, self._anchor.product.policy).with_outcome(fault)
            return Standing.of(state, None, standing.mark)
        except QuorateError:  # whatever else is wrong with it shows when it is read again
            return standing
        return standing

    def believe(self, now_s: int) -> None:
        """A lease, or the administrator, has proven the time: what the clock had shown before counts no more."""
        self._mark = ClockMark(confirmed_s=now_s)
        self._note()

    def _note(self) -> None:
        self._noted = self._mark
        if self._file.note_mark(self._mark):
            self._stored = self._mark

    def _seen(self, standing: Standing, now_s: int) -> Standing:
        """The standing with the mark, after the clock has shown `now_s`."""
        tolerance_s = self._anchor.product.policy.clock_tolerance_s
        mark = self._mark.looked(now_s, standing.proven_s, tolerance_s)
        if mark is not self._mark and mark.is_news_to(self._noted):
            stored = self._file.mark()
            if stored not in (self._stored, ClockMark()):  # another process has noted what it saw meanwhile
                mark = stored.looked(now_s, standing.proven_s, tolerance_s)
            self._mark, self._stored = mark, stored
            self._note()
        self._mark = mark
        return standing if mark is standing.mark else msgspec.structs.replace(standing, mark=mark)

    def _grace_begun(self, standing: Standing, now_s: int, is_locked: bool) -> Standing:
        """The standing with a grace that begins now; on disk where that can be written."""
        state = standing.state.with_grace_begun(now_s, self._anchor.product.policy)
        if is_locked:
            with contextlib.suppress(FileAccessError):
                return self._seen(self.keep(state, None).standing, now_s)
        else:
            with contextlib.suppress(FileAccessError, StateInUseError), self.exclusive(0):
                if self._file.identity() == (None if self._read is None else self._read.identity):
                    return self._seen(self.keep(state, None).standing, now_s)
        return self._seen(self.keep_in_memory(state, None).standing, now_s)

    # --- reading, and beginning anew -------------------------------------------------------------------------------

    def _load(self, identity: FileIdentity | None, now_s: int, is_locked: bool) -> _Read:
        self._mark = self._noted = self._stored = self._file.mark()
        try:
            state = self._decoded()
            return self._remember(identity, state, self._verified(state))
        except LeaseWrongMachineError:
            if not is_locked:  # looking changes nothing: on a shared folder it is that machine's record
                return self._settle(now_s, may_write=False)
        except QuorateError:
            pass
        if is_locked:
            return self._settle(now_s, may_write=True)
        try:
            with self.exclusive(0):
                return self._settle(now_s, may_write=True)
        except (StateInUseError, FileAccessError):
            return self._settle(now_s, may_write=False)

    def _settle(self, now_s: int, *, may_write: bool) -> _Read:
        """The record that the file holds by now (another process may have settled it), or a new beginning."""
        identity = self._file.identity()
        try:
            state = self._decoded()
        except QuorateError as fault:
            may_write = may_write and not isinstance(fault, FileAccessError)  # what may not be read is not replaced
            state = self._begun(now_s, fault, may_write)
        else:
            try:
                return self._remember(identity, state, self._verified(state))
            except QuorateError as fault:
                state = self._restarted(now_s, fault, state, may_write)
        if may_write:
            with contextlib.suppress(FileAccessError):
                return self.keep(state, None)
        return self.keep_in_memory(state, None)

    def _remember(self, identity: FileIdentity | None, state: ClientState, lease: Lease | None) -> _Read:
        self.is_unsaved = False
        self._read = _Read(identity, Standing.of(state, lease, self._mark))
        return self._read

    def _decoded(self) -> ClientState:
        data = self._file.read(STATE_BYTES_MAX)
        if data is None:
            raise StateMissingError(role="client", path=self._file.folder, command="quorate client init")
        return decode_state(data)

    def _verified(self, state: ClientState) -> Lease | None:
        """The lease in the record, after every check; None when it holds none.

        Raises:
            LeaseWrongMachineError, LeaseForeignError, NotKnownError, TrustError and its kind, MalformedError.
        """
        if state.product != self._anchor.product.product:
            raise LeaseForeignError(field="product")
        if self._machine.is_another_than(state.machine):
            raise LeaseWrongMachineError
        if self._edition is not None and state.edition != self._edition:
            raise LeaseForeignError(field="edition")
        self._anchor.edition(state.edition)
        try:
            return self._proven(state)
        except AnswerMismatchError as fault:
            raise LeaseForeignError(field=fault.values["field"]) from None

    def _proven(self, state: ClientState) -> Lease | None:
        question = state.lease_question()
        if question is None or state.lease is None or state.host_certificate is None or self._check is None:
            return None
        return self._check(state.lease, state.host_certificate, question, self._anchor)

    def _restarted(self, now_s: int, fault: QuorateError, state: ClientState, may_write: bool) -> ClientState:
        """The record without the lease that failed its check; as much of the rest as still holds."""
        if state.product != self._anchor.product.product:
            return self._begun(now_s, fault, may_write)
        policy = self._anchor.product.policy
        at_s = max(now_s, state.proven_s)
        is_edition = isinstance(fault, LeaseForeignError) and self._edition not in (None, state.edition)
        if isinstance(fault, LeaseInvalidError | NotKnownError) or is_edition:
            # The publisher changed the product, or the application its edition: still the same installation.
            edition = self._known_edition(state.edition)
            if state.lease is None:  # nothing is lost by it, so nothing is said
                return state.with_edition(edition)
            return state.without_lease(at_s, policy).with_edition(edition).with_outcome(fault)
        if isinstance(fault, TAKEN_BACK):
            return state.without_lease(at_s, policy).with_outcome(fault)
        if not isinstance(fault, LeaseWrongMachineError):
            fault = self._set_aside(fault, may_write)
        another = state.as_another(self._machine, at_s, self._entropy, policy)
        return another.with_edition(self._known_edition(state.edition)).with_outcome(fault)

    def _begun(self, now_s: int, fault: QuorateError, may_write: bool) -> ClientState:
        """A new beginning, and what was wrong with the old one, if there was one."""
        begun = fresh(self._anchor, self._known_edition(None), self._machine, now_s, self._entropy)
        if isinstance(fault, StateMissingError):
            return begun
        return begun.with_outcome(self._set_aside(fault, may_write))

    def _set_aside(self, fault: QuorateError, may_write: bool) -> QuorateError:
        """Keep the record that proved nothing for people to look at; the fault, naming where."""
        aside = self._file.set_aside() if may_write else None
        if not isinstance(fault, MalformedError):
            return fault
        where = "nothing (the folder cannot be written)" if aside is None else aside.name
        return LeaseDamagedError(reason=fault.values["reason"], aside=where)

    def _known_edition(self, stored: str | None) -> str:
        """The edition demanded, else the stored one if the product still has it, else the product's first."""
        if self._edition is not None:
            return self._edition
        if stored is not None and self._anchor.product.edition(stored) is not None:
            return stored
        return self._anchor.product.editions[0].id
