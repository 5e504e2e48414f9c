"""Where a client stands at a given moment: its record, its verified lease and its clock become a `Status`. Pure.

The highest time ever proven bounds the clock: time before it, beyond the policy's clock tolerance, is not believed.
The state is then shown as of the proven time and is not usable, until the clock is right or a host proves it so.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from quorate.client.discovery.target import Source
from quorate.client.storage.record import ClientState
from quorate.core import lifecycle
from quorate.core.lease import Lease
from quorate.core.lifecycle import USABLE, Life
from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S, HOUR_S, MINUTE_S, Policy
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
    """A record whose lease was verified, and the highest time that was ever proven beside it."""

    state: ClientState
    lease: Lease | None
    proven_s: int

    @property
    def link(self) -> str | None:
        """The lineage link that a request carries: of the lease held, unless that is of a CMID from before."""
        return self.lease.link if self.lease is not None and self.lease.cmid == self.state.cmid else None

    def is_turned_back(self, now_s: int, policy: Policy) -> bool:
        """Whether `now_s` is a time that is over, beyond the tolerance."""
        return now_s < self.proven_s - policy.clock_tolerance_s

    def life_at(self, now_s: int, policy: Policy) -> Life:
        """The life at `now_s`, or at the proven time when `now_s` is not believed."""
        at_s = self.proven_s if self.is_turned_back(now_s, policy) else now_s
        life = self.state.life
        if self.state.is_uninstalled:
            return life
        if self.lease is not None:  # signed, unlike what stands beside it
            deadline_s = self.lease.expires_s
        else:  # a grace of more than a grace is a mistake, or a clock that was wrong when it began
            is_initial = life.status is LicenseStatus.INITIAL_GRACE
            grace_s = policy.initial_grace_s if is_initial else policy.additional_grace_s
            deadline_s = min(life.deadline_s or 0, self.proven_s + grace_s)
        if deadline_s != life.deadline_s:
            life = msgspec.structs.replace(life, deadline_s=deadline_s)
        return lifecycle.advance(life, at_s, policy)

    def next_attempt_s(self, now_s: int, policy: Policy) -> int:
        """When to ask: as the life says, or now, when the clock was turned back and nobody was asked since."""
        if self.state.is_uninstalled:
            return NEVER_S
        appointed_s = self.state.life.next_attempt_s or 0
        last_s = self.state.last_attempt_s
        if last_s is not None and last_s > now_s + policy.clock_tolerance_s:
            return now_s
        if self.is_turned_back(now_s, policy):
            interval_s = self.state.life.intervals.activation_min * MINUTE_S
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
        threshold = state.threshold
        if threshold is None:
            threshold = policy.thresholds.of(anchor.edition(state.edition).machine_class).minimum
        source = Source.SET if state.host is not None else state.cached_source
        return Status(
            status=life.status,
            usable=life.status in USABLE and not self.is_turned_back(now_s, policy),
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
            return _told(ClockTurnedBackError(now=utc_text(now_s), proven=utc_text(self.proven_s)))
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

    def _over(self, error: QuorateError) -> tuple[str, str, str]:
        """Something has ended; the last failure, where there is one, says why and what to do."""
        outcome = self.state.outcome
        if outcome is None:
            return _told(error)
        return error.code, f"{error.message}; last attempt: {outcome.message}", outcome.hint


def _told(error: QuorateError) -> tuple[str, str, str]:
    return error.code, error.message, error.hint


def _left(life: Life, now_s: int) -> str:
    rest_s = max((life.deadline_s or now_s) - now_s, 0)
    if rest_s >= 2 * DAY_S:
        return f"{rest_s // DAY_S} days"
    if rest_s >= 2 * HOUR_S:
        return f"{rest_s // HOUR_S} hours"
    return f"{rest_s // MINUTE_S} minutes"
