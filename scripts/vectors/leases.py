"""Vectors of section 6: what a lease may promise, when it comes and whenever it is read again from disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scripts.vectors.making import ATTACKER, HOST, OTHER_PUBLISHER, PUBLISHER, Claims, keyset, token
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import (
    CMID,
    DAY,
    EDITION_OF,
    NONCE,
    NOW,
    TOLERANCE,
    VALIDITY,
    answer_input,
    body,
    certificate_token,
    changed,
    cmid,
    lease,
    lease_token,
    link,
    nonce,
    policy,
    product_token,
    question,
    refusal_token,
)

__all__ = ["vectors"]

LEASE_INVALID = invalid("LEASE_INVALID")


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _times()
    yield from _policy()
    yield from _short_activation()
    yield from _stored()
    yield from _stored_broken()


def _lease(name: str, shows: str, claims: Claims, expected: dict[str, Any] | None, **changes: Any) -> Vector:
    """The lease in an answer; without an expected outcome it is taken."""
    said = answer_input(body(token("lease+jwt", claims, HOST)), **changes)
    return Vector(f"leases/{name}", shows, "6", "answer", said, expected or valid(typ="lease+jwt", claims=claims))


def _times() -> Iterator[Vector]:
    skew = invalid("CLOCK_SKEW")
    for name, shows, at, expected in (
        ("host-ahead", "The host's clock may be ahead by the tolerance.", NOW + TOLERANCE, None),
        ("host-too-far-ahead", "A lease from further ahead is refused.", NOW + TOLERANCE + 1, skew),
        ("host-behind", "The host's clock may be behind by the tolerance.", NOW - TOLERANCE, None),
        ("host-too-far-behind", "A lease from further back is refused.", NOW - TOLERANCE - 1, skew),
    ):
        yield _lease(f"time-{name}", shows, lease(at=at), expected)
    for name, shows, changes, expected in (
        ("as-long-as-allowed", "A lease may last as long as an activation does.", {"exp": NOW + VALIDITY}, None),
        ("shorter", "A lease may be shorter.", {"exp": NOW + 30 * DAY}, None),
        (
            "too-long",
            "A lease does not last a second longer than an activation.",
            {"exp": NOW + VALIDITY + 1},
            LEASE_INVALID,
        ),
        ("for-ever", "No lease lasts until the year 9999.", {"exp": 253_402_300_799}, LEASE_INVALID),
        ("ends-at-once", "A lease ends after it begins.", {"exp": NOW}, LEASE_INVALID),
        ("ends-before", "A lease does not end before it begins.", {"exp": NOW - 1}, LEASE_INVALID),
    ):
        yield _lease(f"length-{name}", shows, lease(**changes), expected)
    soon = NOW + 3600
    yield _lease(
        "length-nothing",
        "A lease of no length is refused, also one from a host whose clock is ahead.",
        lease(at=soon, exp=soon, renew_from_s=soon, renew_until_s=soon),
        LEASE_INVALID,
    )
    yield _lease(
        "length-ephemeral-too-long",
        "A lease for an ephemeral machine lasts as long as that class allows, and not as long as others.",
        lease("ephemeral", exp=NOW + VALIDITY),
        LEASE_INVALID,
        question=question(edition=EDITION_OF["ephemeral"]),
    )


def _policy() -> Iterator[Vector]:
    server = question(edition=EDITION_OF["server"])
    for name, shows, claims, expected in (
        ("above", "The count may be above the threshold.", lease(count=50), None),
        (
            "under-threshold",
            "A lease under the policy's threshold is refused, whatever the host says.",
            lease(count=24),
            LEASE_INVALID,
        ),
        ("zero", "A count of zero activates nobody.", lease(count=0, threshold=0), LEASE_INVALID),
        (
            "own-threshold",
            "The policy's threshold counts, not the one that the lease names.",
            lease(count=1, threshold=1),
            LEASE_INVALID,
        ),
        (
            "threshold-of-servers",
            "The threshold is that of the edition's class: five are enough for a server, not for a client.",
            lease(count=5, threshold=5),
            LEASE_INVALID,
        ),
    ):
        yield _lease(f"count-{name}", shows, claims, expected)
    yield _lease(
        "count-four-servers", "Four servers are too few.", lease("server", count=4), LEASE_INVALID, question=server
    )
    end = lease()["renew_until_s"]
    for name, shows, changes, expected in (
        ("one-moment", "A renewal window may be one moment.", {"renew_from_s": end}, None),
        ("whole-interval", "A renewal window may be the whole interval.", {"renew_from_s": NOW}, None),
        (
            "before-the-lease",
            "A renewal window does not begin before the lease.",
            {"renew_from_s": NOW - 1},
            LEASE_INVALID,
        ),
        ("backwards", "A renewal window does not end before it begins.", {"renew_from_s": end + 1}, LEASE_INVALID),
        ("too-late", "A renewal window ends within the renewal interval.", {"renew_until_s": end + 1}, LEASE_INVALID),
        ("after-the-lease", "A renewal window ends before the lease does.", {"exp": end - 1}, LEASE_INVALID),
        (
            "link-of-another-nonce",
            "The link is that of this CMID and nonce.",
            {"link": link(CMID, nonce(2))},
            LEASE_INVALID,
        ),
        ("link-of-another-cmid", "So it is no other machine's.", {"link": link(cmid(2), NONCE)}, LEASE_INVALID),
        ("link-is-the-nonce", "The link is not the nonce.", {"link": NONCE}, LEASE_INVALID),
    ):
        folder = "" if name.startswith("link") else "renewal-"
        yield _lease(f"{folder}{name}", shows, lease(**changes), expected)


def _short_activation() -> Iterator[Vector]:
    """Where an activation is shorter than the clock tolerance, a lease within the tolerance may have ended."""
    hour = 3600
    short = product_token(policy=policy(activation_validity_s=hour))
    for name, shows, at, expected in (
        ("last-second", "A lease may be taken in its last second.", NOW - hour + 1, None),
        ("ended", "A lease that has ended when it comes is refused.", NOW - hour, invalid("LEASE_EXPIRED")),
    ):
        claims = lease(at=at, exp=at + hour, renew_from_s=at, renew_until_s=at + hour // 2)
        yield _lease(f"short-{name}", shows, claims, expected, product=short)


def _stored_input(lease_text: str, certificate: str | None = None, **changes: Any) -> Claims:
    given = {
        "keys": keyset(PUBLISHER),
        "product": product_token(),
        "question": question(),
        "lease": lease_text,
        "host_certificate": certificate or certificate_token(),
    }
    return changed(given, **changes)


def _held(name: str, shows: str, given: Claims, expected: dict[str, Any]) -> Vector:
    return Vector(f"stored-leases/{name}", shows, "6", "stored-lease", given, expected)


def _stored() -> Iterator[Vector]:
    good = valid(claims=lease())
    yield _held(
        "good",
        "A lease that was accepted is read again; whether it still runs is another question.",
        _stored_input(lease_token()),
        good,
    )
    for each in ("server", "ephemeral"):
        given = _stored_input(lease_token(each), question=question(edition=EDITION_OF[each]))
        yield _held(f"good-{each}", f"So is one of class {each}.", given, valid(claims=lease(each)))
    for name, shows, times, expected in (
        (
            "certificate-ended-since",
            "The certificate may have ended since the lease was issued.",
            {"exp": NOW + 1},
            good,
        ),
        (
            "certificate-ended-before",
            "The certificate must not have ended when the lease was issued.",
            {"exp": NOW},
            invalid("HOST_CERTIFICATE_EXPIRED"),
        ),
        (
            "certificate-clock-ahead",
            "At the certificate's beginning the tolerance is granted.",
            {"iat": NOW + TOLERANCE},
            good,
        ),
        (
            "certificate-later",
            "A certificate from after the lease's time is refused.",
            {"iat": NOW + TOLERANCE + 1},
            invalid("HOST_CERTIFICATE_NOT_YET_VALID"),
        ),
        (
            "certificate-other-group",
            "The certificate names the product's group.",
            {"groups": ["apex"]},
            invalid("PRODUCT_NOT_COVERED"),
        ),
    ):
        yield _held(name, shows, _stored_input(lease_token(), certificate_token(**times)), expected)
    other = invalid("ANSWER_MISMATCH")
    for name, shows, changes in (
        ("other-cmid", "A lease copied from another installation is refused.", {"cmid": cmid(2)}),
        ("other-edition", "A lease of another edition is refused.", {"edition": EDITION_OF["server"]}),
        (
            "other-nonce",
            "A lease that answers another question than the one on record is refused.",
            {"nonce": nonce(2)},
        ),
    ):
        yield _held(name, shows, _stored_input(lease_token(), question=question(**changes)), other)
    elsewhere = certificate_token(sub="7d1b6f1e-2c55-4b7e-8f0a-0a1b2c3d4e5f")
    yield _held(
        "other-host", "The lease's `iss` is the certificate's `sub`.", _stored_input(lease_token(), elsewhere), other
    )


def _stored_broken() -> Iterator[Vector]:
    head, payload, signature = lease_token().split(".")
    longer = token("lease+jwt", lease(exp=NOW + 10 * VALIDITY), HOST).split(".")[1]
    malformed, forged = invalid("MALFORMED_DOCUMENT"), invalid("BAD_SIGNATURE")
    for name, shows, text, expected in (
        ("under-threshold", "A lease under the threshold stays refused.", lease_token(count=24), LEASE_INVALID),
        ("too-long", "A lease that lasts too long stays refused.", lease_token(exp=NOW + VALIDITY + 1), LEASE_INVALID),
        (
            "link-of-another",
            "A lease with another link stays refused.",
            lease_token(link=link(CMID, nonce(2))),
            LEASE_INVALID,
        ),
        (
            "edited",
            "Who edits the file to make the lease longer breaks its signature.",
            f"{head}.{longer}.{signature}",
            forged,
        ),
        (
            "signed-by-the-owner",
            "Who signs a lease himself is not in the certificate.",
            token("lease+jwt", lease(), ATTACKER),
            forged,
        ),
        ("refusal", "A refusal is no lease.", refusal_token(), malformed),
        ("certificate-in-its-place", "A certificate is no lease.", certificate_token(), malformed),
        ("cut-off", "A file that is cut off is refused.", f"{head}.{payload[:-8]}", malformed),
        ("empty", "An empty file is refused.", "", malformed),
    ):
        yield _held(name, shows, _stored_input(text), expected)
    other = _stored_input(lease_token(), certificate_token(OTHER_PUBLISHER))
    yield _held(
        "other-publisher", "A certificate of another publisher is refused.", other, invalid("UNKNOWN_PUBLISHER")
    )
