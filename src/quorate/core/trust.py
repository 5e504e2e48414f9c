"""What a client believes, and why: publisher key -> host certificate -> lease.

A client needs only the publisher's public keys and the product file. What is held here, for every answer:

- the host certificate is signed by the publisher, in force, and covers the product's group;
- the lease is signed by the key in that certificate, and is a lease, not another kind of document;
- it answers this question: same CMID, same edition, same nonce;
- its time is now, within the clock tolerance;
- it keeps the publisher's policy: enough machines (or what its soft threshold allows), not longer than an activation
  lasts, renewed before it ends;
- its host was not revoked, as far as the newest list known here tells.

Where the publisher's keys have been exchanged (`core.succession`), all but the product file is held against the newest.

What a malicious host that is activated can still do is lie about its count; the publisher's answer to that is the
certificate, which names the customer, ends, and can be revoked. Who is only on the wire can withhold answers.

Every check returns the verified thing or raises; none returns a bool.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from msgspec import UNSET

from quorate.core.documents import (
    HOST_CERTIFICATE,
    PRODUCT,
    DocumentKind,
    Edition,
    HostCertificate,
    ProductFile,
    VerifyKeys,
    read,
    typ_of,
)
from quorate.core.ids import link_of
from quorate.core.lease import LEASE, REFUSAL, Lease, Refusal
from quorate.core.messages import Answer
from quorate.core.policy import DAY_S, MachineClass, Policy
from quorate.core.revocation import RevocationList, check_not_revoked
from quorate.core.soft import soft_until_s
from quorate.core.succession import TrustState, read_issued
from quorate.errors import (
    AnswerMismatchError,
    BadSignatureError,
    ClockSkewError,
    CmidSupersededError,
    CountInsufficientError,
    HostCertificateExpiredError,
    HostCertificateNotYetValidError,
    LeaseExpiredError,
    LeaseInvalidError,
    NotKnownError,
    ProductNotCoveredError,
    RefusedError,
    UnknownPublisherError,
)

__all__ = [
    "Anchor",
    "Question",
    "accept_answer",
    "check_certificate",
    "check_stored_lease",
    "clock_skew",
    "refusal_error",
    "soft_until",
    "utc_text",
]

_YEAR_9999_S = 253_402_300_799  # its last second: no date is written beyond it


_Said = TypeVar("_Said", Lease, Refusal)


@dataclass(frozen=True)
class Anchor:
    """What ships with the software: the publisher's keys and the product file they signed.

    `keys`: those that sign documents; `shipped`: all of them, where following their exchange begins.
    """

    keys: VerifyKeys
    product: ProductFile
    shipped: TrustState

    @classmethod
    def load(cls, product_token: str, jwks: bytes) -> Anchor:
        """Read both.

        Raises:
            MalformedError, UnknownPublisherError, BadSignatureError: the product file is not this publisher's.
        """
        shipped = TrustState.shipped(jwks)
        keys = shipped.for_issuing()
        return cls(keys, read(PRODUCT, product_token.strip(), keys), shipped)

    def edition(self, edition_id: str) -> Edition:
        """The edition of that id.

        Raises:
            NotKnownError: the product has none of that id.
        """
        edition = self.product.edition(edition_id)
        if edition is None:
            known = ", ".join(each.id for each in self.product.editions)
            raise NotKnownError(what="edition", name=edition_id, known=known)
        return edition


class Question(msgspec.Struct, frozen=True, gc=False):
    """What a client asked, as far as the answer must match it."""

    cmid: str
    edition: str
    nonce: str


def check_certificate(
    token: str,
    anchor: Anchor,
    at_s: int,
    trust: TrustState | None = None,
    revocations: RevocationList | None = None,
) -> HostCertificate:
    """The host certificate, good at `at_s` for the anchor's product.

    The clock tolerance is granted at its beginning, so that a certificate made a minute ago by a publisher whose clock
    is a minute ahead works; its end is its end.

    Args:
        trust: the publisher's newest keys that are known; None: those that shipped.
        revocations: the newest list that is known; None: there is none.

    Raises:
        MalformedError, BadSignatureError: not a certificate of this publisher.
        UnknownPublisherError, RetiredKeyError, KeyRoleError: not signed by a key that may, now.
        HostCertificateExpiredError, HostCertificateNotYetValidError: out of its time.
        ProductNotCoveredError: for other product groups.
        HostRevokedError: its holder is not believed any more.
    """
    certificate = _certificate(token, anchor, trust)
    _check_in_force(certificate, anchor, at_s)
    return check_not_revoked(certificate, at_s, revocations)


def accept_answer(
    answer: Answer,
    question: Question,
    anchor: Anchor,
    now_s: int,
    trust: TrustState | None = None,
    revocations: RevocationList | None = None,
) -> Lease | Refusal:
    """The lease or refusal inside a host's answer, after every check.

    A refusal is a result, not an error: it carries the host's intervals, which the client adopts
    (`refusal_error` names it).

    Args:
        trust, revocations: as of `check_certificate`.

    Raises:
        MalformedError, TrustError and its kind: the answer proves nothing and is dropped.
        ClockSkewError: a lease from another time than now.
        ProductNotCoveredError: a host for other product groups.
    """
    certificate = _certificate(answer.host_certificate, anchor, trust)
    if typ_of(answer.answer) == REFUSAL.typ:
        refusal = _read_said(REFUSAL, answer.answer, certificate)
        _check_same_question(refusal, question, certificate)
        # "Your clock is wrong" cannot be judged by that clock: it would call the certificate expired instead.
        _check_in_force(certificate, anchor, refusal.issued_s if refusal.code == ClockSkewError.code else now_s)
        check_not_revoked(certificate, max(now_s, refusal.issued_s), revocations)
        return refusal
    lease = _read_said(LEASE, answer.answer, certificate)
    _check_same_question(lease, question, certificate)
    _check_in_force(certificate, anchor, now_s)
    tolerance_s = anchor.product.policy.clock_tolerance_s
    if abs(lease.issued_s - now_s) > tolerance_s:
        raise clock_skew(host_s=lease.issued_s, client_s=now_s, tolerance_s=tolerance_s)
    _check_lease(lease, certificate, anchor)
    check_not_revoked(certificate, max(now_s, lease.issued_s), revocations)
    if lease.expires_s <= now_s:  # only where an activation is shorter than the tolerance
        raise LeaseExpiredError(expired=utc_text(lease.expires_s))
    return lease


def check_stored_lease(
    lease_token: str,
    certificate_token: str,
    question: Question,
    anchor: Anchor,
    trust: TrustState | None = None,
    revocations: RevocationList | None = None,
) -> Lease:
    """A lease that was accepted once, read back from disk: the whole chain again, at the time of its issue. What
    `accept_answer` returned passes here at any later time.

    Whether it is still running is the life cycle's question (`core.lifecycle`), not this one's.

    Args:
        trust, revocations: as of `check_certificate`.

    Raises:
        MalformedError, TrustError and its kind: the file was damaged, changed or exchanged.
        RetiredKeyError, HostRevokedError: it was good, and the publisher has taken it back since.
    """
    certificate = _certificate(certificate_token, anchor, trust)
    lease = _read_said(LEASE, lease_token, certificate)
    _check_same_question(lease, question, certificate)
    _check_lease(lease, certificate, anchor)
    check_not_revoked(certificate, lease.issued_s, revocations)
    return lease


def refusal_error(refusal: Refusal, anchor: Anchor) -> RefusedError:
    """A refusal as the error that names it."""
    policy = anchor.product.policy
    if refusal.code == CountInsufficientError.code:
        return CountInsufficientError(
            count=refusal.count,
            threshold=refusal.threshold,
            window_days=-(-policy.count_window_s // DAY_S),
        )
    if refusal.code == ClockSkewError.code:
        return clock_skew(host_s=refusal.issued_s, client_s=refusal.client_time_s, tolerance_s=policy.clock_tolerance_s)
    if refusal.code == CmidSupersededError.code:
        return CmidSupersededError(cmid=refusal.cmid)
    return ProductNotCoveredError(edition=refusal.edition)


def soft_until(lease: Lease, anchor: Anchor) -> int | None:
    """Until when who holds a lease below the threshold may renew it so once more; None for one at the threshold."""
    return soft_until_s(lease, anchor.product.policy, anchor.edition(lease.edition).machine_class)


def clock_skew(*, host_s: int, client_s: int, tolerance_s: int) -> ClockSkewError:
    """The error that shows both clocks."""
    return ClockSkewError(
        difference=_span(abs(host_s - client_s)),
        host_time=utc_text(host_s),
        client_time=utc_text(client_s),
        tolerance=_span(tolerance_s),
    )


def utc_text(time_s: int) -> str:
    """`2026-11-24 09:30:00 UTC`; a clock beyond what can be written is shown at the end of the year 9999."""
    return datetime.fromtimestamp(min(max(time_s, 0), _YEAR_9999_S), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _certificate(token: str, anchor: Anchor, trust: TrustState | None) -> HostCertificate:
    if trust is None:
        return read(HOST_CERTIFICATE, token, anchor.keys)
    return read_issued(HOST_CERTIFICATE, token, trust)


def _check_same_question(said: Lease | Refusal, question: Question, certificate: HostCertificate) -> None:
    for field, got, wanted in (
        ("nonce", said.nonce, question.nonce),
        ("CMID", said.cmid, question.cmid),
        ("edition", said.edition, question.edition),
        ("host id", said.host_id, certificate.host_id),
    ):
        if got != wanted:
            raise AnswerMismatchError(field=field)


def _read_said(kind: DocumentKind[_Said], token: str, certificate: HostCertificate) -> _Said:
    try:
        return read(kind, token, VerifyKeys.of([certificate.jwk]))
    except UnknownPublisherError:  # the certificate names the one key that may sign here; this is another
        raise BadSignatureError(what=kind.what) from None


def _check_in_force(certificate: HostCertificate, anchor: Anchor, at_s: int) -> None:
    if at_s >= certificate.expires_s:
        raise HostCertificateExpiredError(host_id=certificate.host_id, expired=utc_text(certificate.expires_s))
    if certificate.issued_s - at_s > anchor.product.policy.clock_tolerance_s:
        raise HostCertificateNotYetValidError(host_id=certificate.host_id, begins=utc_text(certificate.issued_s))
    if anchor.product.group not in certificate.groups:
        raise ProductNotCoveredError(edition=anchor.product.product)


def _check_lease(lease: Lease, certificate: HostCertificate, anchor: Anchor) -> None:
    """What must be true of a lease whenever it is looked at: nothing here depends on the present time."""
    _check_in_force(certificate, anchor, lease.issued_s)
    policy = anchor.product.policy
    machine_class = anchor.edition(lease.edition).machine_class
    interval_s = lease.intervals.renewal_min * 60
    _check_count(lease, policy, machine_class)
    if not lease.issued_s < lease.expires_s <= lease.issued_s + policy.validity_s(machine_class):
        raise LeaseInvalidError(reason="it lasts longer than an activation may")
    if not lease.issued_s <= lease.renew_from_s <= lease.renew_until_s <= lease.issued_s + interval_s:
        raise LeaseInvalidError(reason="its renewal window contradicts its renewal interval")
    if lease.renew_until_s > lease.expires_s:
        raise LeaseInvalidError(reason="it ends before it may be renewed")
    if lease.link != link_of(lease.cmid, lease.nonce):
        raise LeaseInvalidError(reason="its lineage link is not that of this answer")


def _check_count(lease: Lease, policy: Policy, machine_class: MachineClass) -> None:
    """Enough machines; or few, and all that the policy's soft threshold demands."""
    threshold = policy.thresholds.of(machine_class)
    if lease.full_s is UNSET:
        if lease.count < threshold.minimum:
            reason = f"it was given at count {lease.count}, the policy demands {threshold.minimum}"
            raise LeaseInvalidError(reason=reason)
    elif lease.count >= threshold.minimum:
        raise LeaseInvalidError(reason=f"it says to be below the threshold, at count {lease.count}")
    elif soft_until_s(lease, policy, machine_class) is None:
        reason = f"it was given at count {lease.count}, which the policy's soft threshold does not allow then"
        raise LeaseInvalidError(reason=reason)


def _span(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes} min" if hours and minutes else f"{hours} h" if hours else f"{minutes} min"
