"""Who is activated: the host's one decision, from the request, the publisher's policy, the count and the time.

Order, as each reason hides the later ones: product covered, clocks agree, count.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from quorate.core.documents import Edition, HostCertificate, ProductFile
from quorate.core.ids import link_of
from quorate.core.lease import Intervals, Lease, Refusal, RefusalCode, renewal_window
from quorate.core.messages import ActivationRequest
from quorate.core.soft import renews_until_s

__all__ = ["Asked", "Decided", "answer_for", "covered_edition", "decide_by_count", "refuse_unheard"]


class Asked(msgspec.Struct, frozen=True):
    """A request that may be counted: its edition is covered by this host and its clock agrees."""

    request: ActivationRequest
    product: ProductFile
    edition: Edition


class Decided(msgspec.Struct, frozen=True):
    """What was decided, and all that is needed to say it again to the same nonce.

    `code` is None for a lease, otherwise the code of the refusal. `full_s` is set for a lease below the threshold
    (`core.soft`): when this machine last got one at the threshold.
    """

    code: RefusalCode | None
    count: int
    threshold: int
    decided_s: int
    full_s: int | None = None


def covered_edition(
    edition_id: str, products: tuple[ProductFile, ...], certificate: HostCertificate
) -> tuple[ProductFile, Edition] | None:
    """The product and edition of that id, if this host has its product file and its certificate covers the group."""
    for product in products:
        edition = product.edition(edition_id)
        if edition is not None and product.group in certificate.groups:
            return product, edition
    return None


def refuse_unheard(
    request: ActivationRequest, covered: tuple[ProductFile, Edition] | None, now_s: int
) -> Asked | Decided:
    """The request, ready to be counted, or the refusal it gets without being counted."""
    if covered is None:
        return Decided("PRODUCT_NOT_COVERED", 0, 0, now_s)
    product, edition = covered
    if abs(request.time_s - now_s) > product.policy.clock_tolerance_s:
        return Decided("CLOCK_SKEW", 0, 0, now_s)
    return Asked(request, product, edition)


def decide_by_count(asked: Asked, count: int, now_s: int, full_s: int | None = None) -> Decided:
    """S5, S9, S10: at least the threshold, the requester included, or no activation; below it, what the publisher's
    soft threshold grants to a machine that is activated.

    Args:
        full_s: for a machine that shows the lease it holds of this host, when it last got one at the full threshold;
            None for every other machine.
    """
    threshold = asked.product.policy.thresholds.of(asked.edition.machine_class)
    if count >= threshold.minimum:
        return Decided(None, count, threshold.minimum, now_s)
    if full_s is not None and renews_until_s(threshold, count, full_s, now_s) is not None:
        return Decided(None, count, threshold.minimum, now_s, full_s)
    return Decided("COUNT_INSUFFICIENT", count, threshold.minimum, now_s)


def answer_for(
    request: ActivationRequest,
    decided: Decided,
    covered: tuple[ProductFile, Edition] | None,
    host_id: str,
    intervals: Intervals,
    widening_s: int = 0,
) -> Lease | Refusal:
    """The claims to sign. The same request and decision give the same claims, to the byte."""
    if decided.code is None and covered is not None:
        product, edition = covered
        validity_s = product.policy.validity_s(edition.machine_class)
        renew_from_s, renew_until_s = renewal_window(decided.decided_s, intervals, widening_s, validity_s)
        return Lease(
            host_id=host_id,
            issued_s=decided.decided_s,
            expires_s=decided.decided_s + validity_s,
            cmid=request.cmid,
            edition=request.edition,
            nonce=request.nonce,
            link=link_of(request.cmid, request.nonce),
            count=decided.count,
            threshold=decided.threshold,
            intervals=intervals,
            renew_from_s=renew_from_s,
            renew_until_s=renew_until_s,
            full_s=UNSET if decided.full_s is None else decided.full_s,
        )
    return Refusal(
        host_id=host_id,
        issued_s=decided.decided_s,
        cmid=request.cmid,
        edition=request.edition,
        nonce=request.nonce,
        code=decided.code or "PRODUCT_NOT_COVERED",
        count=decided.count,
        threshold=decided.threshold,
        intervals=intervals,
        client_time_s=request.time_s,
    )
