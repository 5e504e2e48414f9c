"""A host's two answers: the lease, its signed yes, and the refusal, its signed no."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from quorate.core.documents import DocumentKind
from quorate.core.ids import Cmid, HostId, Link, Nonce, Slug
from quorate.core.messages import Count, TimeS

__all__ = ["LEASE", "REFUSAL", "Intervals", "Lease", "Refusal", "RefusalCode", "renewal_window"]


RefusalCode = Literal["COUNT_INSUFFICIENT", "PRODUCT_NOT_COVERED", "CLOCK_SKEW", "CMID_SUPERSEDED"]
"""What a host signs. Faults of the host itself travel as problems (`core.messages.Problem`)."""


class Intervals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The two intervals an administrator sets on a host (`slmgr /sai`, `/sri`); clients adopt them (S11, S14)."""

    activation_min: Annotated[int, Meta(ge=1, le=43_200)] = 120
    renewal_min: Annotated[int, Meta(ge=1, le=43_200)] = 10_080


class Lease(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"host_id": "iss", "issued_s": "iat", "expires_s": "exp", "cmid": "sub"},
):
    """`lease+jwt`: this CMID is activated from `issued_s` until `expires_s` (S12).

    `renew_from_s`..`renew_until_s`: the client renews at a random moment in between.
    `full_s`: only in a lease below the threshold (`core.soft`): when this CMID last got one at the threshold.
    """

    v: Literal[1] = 1
    host_id: HostId
    issued_s: TimeS
    expires_s: TimeS
    cmid: Cmid
    edition: Slug
    nonce: Nonce
    link: Link
    count: Count
    threshold: Count
    intervals: Intervals
    renew_from_s: TimeS
    renew_until_s: TimeS
    full_s: TimeS | UnsetType = UNSET


class Refusal(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"host_id": "iss", "issued_s": "iat", "cmid": "sub"},
):
    """`refusal+jwt`: not now, and why. `client_time_s` is the time the client had said, to compare clocks."""

    v: Literal[1] = 1
    host_id: HostId
    issued_s: TimeS
    cmid: Cmid
    edition: Slug
    nonce: Nonce
    code: RefusalCode
    count: Count
    threshold: Count
    intervals: Intervals
    client_time_s: TimeS


LEASE = DocumentKind("lease+jwt", Lease, bytes_max=8192, what="the lease")
REFUSAL = DocumentKind("refusal+jwt", Refusal, bytes_max=8192, what="the refusal")


def renewal_window(
    issued_s: int, intervals: Intervals, widening_s: int = 0, validity_s: int | None = None
) -> tuple[int, int]:
    """When to renew a lease: the last twentieth of the renewal interval, so that a fleet that was activated in one
    minute does not come back in one minute, and nobody comes later than the interval says (S14).

    `widening_s` opens the window further to the front: what a busy host asks for. At most half the interval.
    `validity_s`, how long the lease lasts: a lease shorter than two intervals (ephemeral machines: a day against
    seven) is renewed at half of its life, as it would otherwise end before it is renewed.
    """
    interval_s = intervals.renewal_min * 60
    if validity_s is not None:
        interval_s = min(interval_s, validity_s // 2)
    width_s = min(interval_s // 20 + widening_s, interval_s // 2)
    return issued_s + interval_s - width_s, issued_s + interval_s
