"""The gate of administration: which token it is, what it may do, and from where; every refusal is on record.

The token in `admin.token` belongs to the machine: it is good for whoever asks from this machine itself, and only for
them. From elsewhere it takes a named token (`host/tokens.py`). Why a token was refused stands in event 12315; who sent
it learns no more than that it was.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from quorate.clock import Clock, Entropy
from quorate.core.admintoken import TOKEN_CHARACTERS, Scope, check_token
from quorate.core.events import AdministrationLocked, HostEvent
from quorate.core.policy import DAY_S
from quorate.core.trust import utc_text
from quorate.errors import LockedOutError, QuorateError, ScopeMissingError, TokenDamagedError, UnauthorizedError
from quorate.host.admin_tls import is_loopback
from quorate.host.audit import Actor, told
from quorate.host.lockout import LOCKED_S, Lockout
from quorate.host.sessions import Sessions
from quorate.host.tokens import LOCAL, AdminTokens, KeptToken, RemovedToken

__all__ = ["Caller", "Gate"]

REFUSALS_MAX: Final = 120  # events in a minute, from all sources together: locking is by source, the disk is one
REFUSALS_DAY_MAX: Final = 1000  # and in a day: administrative events are kept for 400 days, whoever knocks (ADR 0022)
GIVEN_MAX: Final = 4 * TOKEN_CHARACTERS  # nothing longer is a token, and is not hashed


@dataclass(frozen=True)
class Caller:
    """Who asks: the name and the scope of the token, and the address."""

    name: str
    scope: Scope
    source: str

    @property
    def actor(self) -> Actor:
        """As events name it."""
        return Actor(self.name, self.source)


class Gate:
    """For one running host; on the event loop's thread.

    Args:
        local_token: the one in `admin.token`.
        record: takes events, and returns at once.
    """

    def __init__(
        self,
        tokens: AdminTokens,
        local_token: str,
        clock: Clock,
        entropy: Entropy,
        record: Callable[[HostEvent], object],
    ) -> None:
        self._tokens = tokens
        self._local = local_token
        self._clock = clock
        self._record = record
        self._lockout = Lockout(clock)
        self._in_minute, self._in_day = _Bound(REFUSALS_MAX, 60), _Bound(REFUSALS_DAY_MAX, DAY_S)
        self._log = structlog.get_logger("quorate.host.gate")
        self._sessions = Sessions(clock, entropy)

    def admit(self, given: str | None, address: str, user: str | None = None) -> Caller:
        """Whoever sends this token from there.

        Args:
            given: what was sent; None or empty is nothing, and no failure that counts.
            user: whom the caller says to be; `admin` and None are anybody.

        Raises:
            LockedOutError: a wrong one, and too many of them came from there. A good one is good all the same: others
                may stand behind one address with whoever sends them, and nobody finds one of 2^256 by trying.
            TokenDamagedError: not a whole token.
            UnauthorizedError: none, or not a good one.
        """
        if not given:
            raise UnauthorizedError
        fault: QuorateError = UnauthorizedError()
        reason: str | None
        try:
            check_token(given)
            name, scope, reason = self._judge(given, address, user)
        except TokenDamagedError as damaged:
            name, scope, reason, fault = "unknown", Scope.READ, damaged.message, damaged
        if reason is None:
            self._lockout.succeeded(address)
            return Caller(name, scope, address)
        self._lockout.check(address)
        raise self._refused(address, name, reason, fault) from None

    def needs(self, caller: Caller, scope: Scope, what: str) -> None:
        """That the caller may do it.

        Raises:
            ScopeMissingError
        """
        if not caller.scope.includes(scope):
            fault = ScopeMissingError(name=caller.name)
            self._note(caller.actor, "refused", f"{what}: {fault.message}", fault)
            raise fault

    # --- the console's sessions --------------------------------------------------------------------------------

    def cookie(self, caller: Caller) -> str:
        """What stands for the token in a browser, until it is signed out, for twelve hours at most. It opens the
        console's pages and nothing else."""
        kept = self._book_entry(caller.name)
        return self._sessions.open(caller.name, "" if kept is None else kept.sha256)

    def admit_cookie(self, cookie: str, address: str) -> Caller | None:
        """Whose cookie it is, while it and its token are good; None for any other."""
        session = self._sessions.find(cookie)
        if session is None:
            return None
        kept, scope = self._book_entry(session.name), self._scope_of(session.name, address)
        if scope is None or session.sha256 != ("" if kept is None else kept.sha256):
            return None
        return Caller(session.name, scope, address)

    def sign_out(self, cookie: str) -> None:
        """The cookie is good no more, for whoever may have a copy of it either."""
        self._sessions.close(cookie)

    def _scope_of(self, name: str, address: str) -> Scope | None:
        if name == LOCAL:
            return Scope.OPERATE if is_loopback(address) else None
        kept = self._book_entry(name)
        return None if kept is None or kept.is_expired(self._clock.now_s()) else kept.scope

    # --- inside ------------------------------------------------------------------------------------------------

    def _judge(self, given: str, address: str, user: str | None) -> tuple[str, Scope, str | None]:
        """Name and scope, and why not."""
        is_local = hmac.compare_digest(given.encode("utf-8", "replace"), self._local.encode())
        found = None if is_local or len(given) > GIVEN_MAX else self._find(given)
        name, scope, reason = "unknown", Scope.READ, None
        if is_local:
            name, scope = LOCAL, Scope.OPERATE
            if not is_loopback(address):
                reason = "the token in admin.token is good on the host itself only"
        elif isinstance(found, KeptToken):
            name, scope = found.name, found.scope
            if found.is_expired(self._clock.now_s()):
                reason = f"the token ended on {utc_text(found.expires_s or 0)}"
        elif isinstance(found, RemovedToken):
            name, reason = found.name, f"the token was removed on {utc_text(found.removed_s)}"
        else:
            reason = "there is no such token"
        if reason is None and user not in (None, "", LOCAL, name):
            reason = "the user that was named is not the name of the token"
        return name, scope, reason

    def _find(self, given: str) -> KeptToken | RemovedToken | None:
        try:
            return self._tokens.book().found(given)
        except QuorateError as fault:
            self._log.error("tokens_unusable", code=fault.code, message=fault.message, hint=fault.hint)
            return None

    def _book_entry(self, name: str) -> KeptToken | None:
        try:
            return self._tokens.book().named(name)
        except QuorateError:
            return None

    def _refused(self, address: str, name: str, reason: str, fault: QuorateError) -> QuorateError:
        """On record; the fault to raise."""
        number = self._lockout.failed(address)
        self._note(Actor(name, address), "sign-in", reason, fault)
        if number is not None:
            locked = LockedOutError.code
            self._log.warning("administration_locked", source=address, failures=number, locked_s=LOCKED_S)
            locking = AdministrationLocked(
                time_s=self._clock.now_s(), code=locked, source=address, failures=number, locked_s=LOCKED_S
            )
            if self._may_record():
                self._record(locking)
        return fault

    def _note(self, by: Actor, action: str, message: str, fault: QuorateError) -> None:
        if self._may_record():
            self._record(told(self._clock.now_s(), by, action, message, fault=fault))

    def _may_record(self) -> bool:
        at_s = self._clock.monotonic_s()
        if not self._in_minute.take(at_s) or not self._in_day.take(at_s):
            self._log.warning("refusal_not_recorded", most_in_a_minute=REFUSALS_MAX, most_in_a_day=REFUSALS_DAY_MAX)
            return False
        return True


class _Bound:
    """So many within a time, then none until it is over."""

    def __init__(self, number_max: int, seconds: float) -> None:
        self._number_max = number_max
        self._seconds = seconds
        self._number, self._since_s = 0, float("-inf")

    def take(self, at_s: float) -> bool:
        """Whether one more is within it."""
        if at_s - self._since_s >= self._seconds:
            self._number, self._since_s = 0, at_s
        self._number += 1
        return self._number <= self._number_max
