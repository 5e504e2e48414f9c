"""Where a client stands at a given moment: its record, its verified lease and its clock become a `Status`. Pure.

What is known of the time bounds the clock: the issue of the newest lease, and what this clock itself has lived through.
Time before it, beyond the policy's clock tolerance, is not believed: the state is shown as of the known time, and is
usable for a bounded grace only, until the clock is right, a lease proves it so, or the administrator accepts it.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from quorate.client.clockmark import ClockMark
from quorate.client.discovery.target import Source
from quorate.client.state import ClientState
from quorate.core import lifecycle
from quorate.core.lease import Lease
from quorate.core.lifecycle import USABLE, Life
from quorate.core.messages import LicenseStatus
from quorate.core.policy import MINUTE_S, Policy
from quorate.core.spans import left_text
from quorate.core.trust import Anchor, soft_until, utc_text
from quorate.errors import (
    ClockTurnedBackError,
    CountBelowThresholdError,
    GraceExpiredError,
    LeaseExpiredError,
    QuorateError,
    UninstalledError,
)

__all__ = ["NEVER_S", "Standing", "Status"]

EXPIRES_IN_MIN_MAX = 5_256_000  # ten years, the most that a request says
NEVER_S = 253_370_764_800  # the year 9999: a time that a clock can show in every time zone


@dataclass(frozen=True, slots=True)
class Status:
    """What the application is told; the same fields as `quorate client status --json`.

    Attributes:
        status: `unlicensed`, `initial_grace`, `licensed`, `additional_grace` or `notification`.
        usable: whether the software should do its work without reserve.
        code: why it is not all well (stable, `quorate.errors`), None when it is.
        message, hint: for people; never empty.
        expires_s: when the present state ends by itself, seconds since 1970 UTC; None when it does not.
        host: the KMS host set by hand, else the one that worked last.
        host_source: how that one became known: `set`, `dns` or `mdns`; None when it is not known.
        host_domain: the DNS domain whose SRV record names it.
        lookup_domain: the only DNS domain to look in, set by hand; None: this machine's own.
        host_caching: whether the host that worked last is asked first.
        count, threshold: as the host said last; before that, the count is None and the threshold the policy's.
        last_attempt_s, next_attempt_s: seconds since 1970 UTC; the latter `NEVER_S` when nobody is asked any more.
    """

    status: LicenseStatus
    usable: bool
    code: str | None
    message: str
    hint: str
    expires_s: int | None
    cmid: str
    edition: str
    host: str | None
    count: int | None
    threshold: int
    last_attempt_s: int | None
    next_attempt_s: int
    host_source: str | None = None
    host_domain: str | None = None
    lookup_domain: str | None = None
    host_caching: bool = True


class Standing(msgspec.Struct, frozen=True):
    """A record whose lease was verified, with what is known of the time.

    Attributes:
        proven_s: when its lease was issued; else what the record says of the newest one, or the administrator.
        mark: what this machine's clock has shown.
    """

    state: ClientState
    lease: Lease | None
    proven_s: int
    mark: ClockMark = ClockMark()

    @classmethod
    def of(cls, state: ClientState, lease: Lease | None, mark: ClockMark) -> Standing:
        """The standing of a record whose lease, where it has one, is `lease`."""
        if state.accepted_s is not None:
            return cls(state, lease, state.accepted_s, mark)
        if lease is not None:  # signed, unlike what stands beside it
            return cls(state, lease, lease.issued_s, mark)
        return cls(state, None, 0 if state.begun_s is None else state.proven_s, mark)

    @property
    def known_s(self) -> int:
        """A time that is known to have been reached."""
        return max(self.proven_s, self.mark.confirmed_s)

    @property
    def link(self) -> str | None:
        """The lineage link that a request carries: of the lease held, unless that is of a CMID from before."""
        return self.lease.link if self.lease is not None and self.lease.cmid == self.state.cmid else None

    def is_turned_back(self, now_s: int, policy: Policy) -> bool:
        """Whether `now_s` is a time that is over, beyond the tolerance."""
        return now_s < self.known_s - policy.clock_tolerance_s

    def is_usable(self, now_s: int, policy: Policy) -> bool:
        """Whether the software should do its work. With the clock turned back that is so while the grace for it lasts,
        if it would be so by that clock."""
        if not self.is_turned_back(now_s, policy):
            return self._life_as_of(now_s, policy).status in USABLE
        return self.back_grace_s(policy) > 0 and self._life_as_of(now_s, policy).status in USABLE

    def back_grace_s(self, policy: Policy) -> int:
        """How long it stays usable while its clock is turned back."""
        return self.mark.grace_left_s(policy.clock_tolerance_s)

    def life_at(self, now_s: int, policy: Policy) -> Life:
        """The life at `now_s`, or at the known time when `now_s` is not believed."""
        return self._life_as_of(self.known_s if self.is_turned_back(now_s, policy) else now_s, policy)

    def grace_began_nowhere(self, now_s: int, anchor: Anchor) -> bool:
        """Whether the present grace began at a time that was none: one that the clock has taken back since, or before
        the product file was made. It begins now, then: a clock that was wrong for a moment takes nothing away."""
        policy, state = anchor.product.policy, self.state
        if self.lease is not None or state.is_uninstalled or self.is_turned_back(now_s, policy):
            return False
        began_s = state.begun_s
        if began_s is None:
            began_s = (state.life.deadline_s or 0) - lifecycle.grace_s(state.life, policy)
        if began_s > now_s + policy.clock_tolerance_s:
            return True
        return state.begun_s is not None and began_s < anchor.product.issued_s - policy.clock_tolerance_s <= now_s

    def _life_as_of(self, at_s: int, policy: Policy) -> Life:
        life = self.state.life
        if self.state.is_uninstalled:
            return life
        deadline_s = life.deadline_s or 0
        if self.lease is not None:  # signed, unlike what stands beside it
            deadline_s = self.lease.expires_s
            if self.state.accepted_s is not None:  # of a time that was none: as long as it was to last, from then on
                ahead_s = self.lease.issued_s - self.state.accepted_s - policy.clock_tolerance_s
                deadline_s -= max(ahead_s, 0)
        elif self.state.begun_s is not None:
            deadline_s = min(deadline_s, self.state.begun_s + lifecycle.grace_s(life, policy))
        if deadline_s != life.deadline_s:
            life = msgspec.structs.replace(life, deadline_s=deadline_s)
        return lifecycle.advance(life, at_s, policy)

    def next_attempt_s(self, now_s: int, policy: Policy) -> int:
        """When to ask: as the life says, or now, when the clock was turned back and nobody was asked since.

        An appointment that this clock cannot have made is void: a time ahead of now, or further away than any may be.
        """
        if self.state.is_uninstalled:
            return NEVER_S
        life, tolerance_s = self.state.life, policy.clock_tolerance_s
        appointed_s = life.next_attempt_s or 0
        last_s = self.state.last_attempt_s
        if max(last_s or 0, life.appointed_s or 0) > now_s + tolerance_s:
            return now_s
        if appointed_s > now_s + lifecycle.attempt_within_s(policy) + tolerance_s:
            return now_s
        if self.is_turned_back(now_s, policy):
            interval_s = life.intervals.activation_min * MINUTE_S
            was_asked = last_s is not None and last_s <= now_s < last_s + interval_s
            return appointed_s if was_asked else now_s
        return appointed_s

    def told_at(self, now_s: int, policy: Policy) -> tuple[LicenseStatus, int]:
        """As a request says it: the status, and the minutes until that ends, 0 when it does not end."""
        life = self.life_at(now_s, policy)
        left_s = 0 if life.deadline_s is None else life.deadline_s - now_s
        return life.status, min(max(left_s, 0) // MINUTE_S, EXPIRES_IN_MIN_MAX)

    def status(self, now_s: int, anchor: Anchor) -> Status:
        """What to tell the application."""
        policy = anchor.product.policy
        state = self.state
        life = self.life_at(now_s, policy)
        code, message, hint = self._words(life, now_s, anchor)
        usable = self.is_usable(now_s, policy) if self.is_turned_back(now_s, policy) else life.status in USABLE
        threshold = state.threshold
        if threshold is None:
            threshold = policy.thresholds.of(anchor.edition(state.edition).machine_class).minimum
        source = Source.SET if state.host is not None else state.cached_source
        return Status(
            status=life.status,
            usable=usable,
            code=code,
            message=message,
            hint=hint,
            expires_s=life.deadline_s,
            cmid=state.cmid,
            edition=state.edition,
            host=state.host or state.cached_host,
            count=state.count,
            threshold=threshold,
            last_attempt_s=state.last_attempt_s,
            next_attempt_s=self.next_attempt_s(now_s, policy),
            host_source=source.value if source is not None else None,
            host_domain=state.cached_domain if state.host is None else None,
            lookup_domain=state.domain,
            host_caching=state.is_caching,
        )

    def _words(self, life: Life, now_s: int, anchor: Anchor) -> tuple[str | None, str, str]:
        policy = anchor.product.policy
        if self.state.is_uninstalled:
            return _told(UninstalledError(product=anchor.product.name))
        if self.is_turned_back(now_s, policy):
            error = self.turned_back(now_s)
            return error.code, f"{error.message} ({self.usable_words(now_s, policy)})", error.hint
        outcome = self.state.outcome
        ended_s = self.state.life.deadline_s or 0
        if life.status is LicenseStatus.NOTIFICATION:
            if self.lease is not None:
                ended_s = self.lease.expires_s + policy.additional_grace_s
            return self._over(GraceExpiredError(expired=utc_text(ended_s)))
        if life.status is LicenseStatus.LICENSED:
            if outcome is not None:  # a renewal that was refused, or found nobody: the lease runs on
                return outcome.code, outcome.message, outcome.hint
            soft_s = None if self.lease is None else soft_until(self.lease, anchor)
            if soft_s is not None and self.lease is not None:
                count, threshold = self.lease.count, self.lease.threshold
                return _told(CountBelowThresholdError(count=count, threshold=threshold, until=utc_text(soft_s)))
            return None, f"activated until {utc_text(life.deadline_s or 0)}", "It renews by itself; nothing to be done."
        code: str | None = None
        message, hint = "not activated", "`quorate client activate`, or let `quorate client run` do it."
        if life.status is LicenseStatus.ADDITIONAL_GRACE and self.lease is not None:
            code, message, hint = self._over(LeaseExpiredError(expired=utc_text(self.lease.expires_s)))
        elif outcome is not None:
            code, message, hint = outcome.code, outcome.message, outcome.hint
        grace = life.status.value.replace("_", " ")
        return code, f"{message} ({_left(life, now_s)} of {grace} left)", hint

    def turned_back(self, now_s: int) -> ClockTurnedBackError:
        """The error that shows both times."""
        return ClockTurnedBackError(now=utc_text(now_s), proven=utc_text(self.known_s))

    def usable_words(self, now_s: int, policy: Policy) -> str:
        """How long it is usable with the clock turned back."""
        left = f"usable for {left_text(self.back_grace_s(policy))} more"
        return left if self.is_usable(now_s, policy) else "not usable"

    def _over(self, error: QuorateError) -> tuple[str, str, str]:
        """Something has ended; the last failure, where there is one, says why and what to do."""
        outcome = self.state.outcome
        if outcome is None:
            return _told(error)
        return error.code, f"{error.message}; last attempt: {outcome.message}", outcome.hint


def _told(error: QuorateError) -> tuple[str, str, str]:
    return error.code, error.message, error.hint


def _left(life: Life, now_s: int) -> str:
    return left_text(max((life.deadline_s or now_s) - now_s, 0))
