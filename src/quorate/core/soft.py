"""The soft threshold: a publisher may let machines that are activated go on renewing when the count has fallen.

New machines need the threshold itself. A machine that holds a lease of this host renews it while at least the soft
minimum is counted, for so long after the last lease it got at the full threshold; what it gets meanwhile says so, and
prolongs nothing. The host decides by this rule and the client checks each lease by it (docs/adr/0015).
"""

from __future__ import annotations

from msgspec import UNSET

from quorate.core.lease import Lease
from quorate.core.policy import MachineClass, Policy, Threshold

__all__ = ["renews_until_s", "soft_until_s"]


def renews_until_s(threshold: Threshold, count: int, full_s: int, at_s: int) -> int | None:
    """Until when (exclusive) a machine may renew below the threshold; None when at `at_s` it may not.

    Args:
        count: the activation count, below the threshold's minimum.
        full_s: when the machine last got a lease at the full threshold. One in the future proves nothing: some clock
            was wrong.
    """
    soft = threshold.soft
    if soft is UNSET or not soft.minimum <= count < threshold.minimum:
        return None
    until_s = full_s + soft.lasts_s
    return until_s if full_s <= at_s < until_s else None


def soft_until_s(lease: Lease, policy: Policy, machine_class: MachineClass) -> int | None:
    """Until when the holder of a lease below the threshold may renew it below the threshold again; None for a lease
    at the threshold, and for one that this policy does not allow."""
    if lease.full_s is UNSET:
        return None
    return renews_until_s(policy.thresholds.of(machine_class), lease.count, lease.full_s, lease.issued_s)
