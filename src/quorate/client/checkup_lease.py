"""The part of a client's checkup that needs no network: the stored lease, and how the last attempt went."""

from __future__ import annotations

from quorate.client.standing import Standing
from quorate.core.checkup import Check, Level, skipped
from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S
from quorate.core.spans import left_text
from quorate.core.trust import Anchor, soft_until, utc_text
from quorate.errors import (
    BY_CODE,
    CountBelowThresholdError,
    FileAccessError,
    GraceExpiredError,
    LeaseDamagedError,
    LeaseExpiredError,
    LeaseForeignError,
    LeaseWrongMachineError,
    QuorateError,
    TrustError,
)

__all__ = ["check_attempt", "check_lease"]

LEASE_WARN_S = 30 * DAY_S
ACTIVATE = "`quorate client activate`"
_OF_THE_RECORD = (LeaseWrongMachineError.code, LeaseForeignError.code, LeaseDamagedError.code)


def check_lease(standing: Standing, anchor: Anchor, now_s: int) -> Check:
    """The state this machine is in, and until when."""
    policy = anchor.product.policy
    life = standing.life_at(now_s, policy)
    left_s = max((life.deadline_s or 0) - now_s, 0)
    until = f"until {utc_text(life.deadline_s or 0)} ({left_text(left_s)})"
    outcome = standing.state.outcome
    spoiled = outcome is not None and outcome.code in _OF_THE_RECORD
    if life.status is LicenseStatus.LICENSED:
        validity_s = policy.validity_s(anchor.edition(standing.state.edition).machine_class)
        if left_s < LEASE_WARN_S and left_s < validity_s // 6:
            seen = f"licensed {until}: it was not renewed for long"
            return Check("lease", Level.WARN, seen, LeaseExpiredError.code, ACTIVATE)
        soft_s = None if standing.lease is None else soft_until(standing.lease, anchor)
        if soft_s is not None and standing.lease is not None:
            few = CountBelowThresholdError(
                count=standing.lease.count, threshold=standing.lease.threshold, until=utc_text(soft_s)
            )
            return Check("lease", Level.WARN, f"licensed {until}, {few.message}", few.code, few.hint)
        return Check("lease", Level.OK, f"licensed {until}")
    if spoiled and outcome is not None:
        return Check("lease", Level.FAIL, f"{outcome.message}; {_words(life.status)} {until}", outcome.code, ACTIVATE)
    if life.status is LicenseStatus.INITIAL_GRACE:
        return Check("lease", Level.WARN, f"not activated yet; initial grace {until}", None, ACTIVATE)
    if life.status is LicenseStatus.ADDITIONAL_GRACE:
        ended = "it was taken back" if standing.lease is None else f"it ended on {utc_text(standing.lease.expires_s)}"
        seen = f"the activation is over ({ended}); additional grace {until}"
        return Check("lease", Level.FAIL, seen, LeaseExpiredError.code, ACTIVATE)
    if life.status is LicenseStatus.NOTIFICATION:
        return Check("lease", Level.FAIL, "all grace is over", GraceExpiredError.code, ACTIVATE)
    return Check("lease", Level.FAIL, "uninstalled here", None, "`quorate client init`")


def check_attempt(standing: Standing, anchor: Anchor, now_s: int, network_fault: QuorateError | None) -> Check:
    """How the last attempt went, which knows what a probe cannot see: a probe's answer is not signed.

    Args:
        network_fault: what an attempt would end with now; None when it would go well.
    """
    state = standing.state
    if state.last_attempt_s is None:
        return skipped("attempt", "this machine has never asked a KMS host")
    when = utc_text(state.last_attempt_s)
    outcome = state.outcome
    if outcome is None:
        return Check("attempt", Level.OK, f"the last one, {when}, went well")
    seen = f"the last one, {when}: {outcome.code}: {outcome.message}"
    if network_fault is not None and network_fault.code == outcome.code:
        return Check("attempt", Level.SKIP, f"{seen}; the same as above")
    if outcome.code in _OF_THE_RECORD:
        return skipped("attempt", "the record has begun anew since the last one")
    kind = BY_CODE.get(outcome.code, QuorateError)
    if network_fault is None and (issubclass(kind, TrustError | FileAccessError)):
        return Check("attempt", Level.FAIL, seen, outcome.code, outcome.hint)
    fix = f"Now it would go well: {ACTIVATE}." if network_fault is None else "Mend what is said above."
    return Check("attempt", Level.WARN, seen, outcome.code, fix)


def _words(status: LicenseStatus) -> str:
    return status.value.replace("_", " ")
