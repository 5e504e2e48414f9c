"""Vectors of section 6, step 2: the certificate beside a lease that is good in itself."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.vectors.answers import answer_vector, unsigned
from scripts.vectors.making import ATTACKER, HOST, OTHER_PUBLISHER, PUBLISHER, compact, token
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import (
    NOW,
    TOLERANCE,
    body,
    certificate,
    certificate_token,
    host_request,
    lease,
    lease_token,
    product_token,
)

__all__ = ["vectors"]

MALFORMED = invalid("MALFORMED_DOCUMENT")
FORGED = invalid("BAD_SIGNATURE")
UNKNOWN = invalid("UNKNOWN_PUBLISHER")
ENDED = invalid("HOST_CERTIFICATE_EXPIRED")
NOT_YET = invalid("HOST_CERTIFICATE_NOT_YET_VALID")
LEASED = valid(typ="lease+jwt", claims=lease())


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _certificates()
    yield from _certificate_times()


def _certificates() -> Iterator[Vector]:
    good = lease_token()
    for name, shows, text, expected in (
        (
            "other-publisher",
            "A host that another publisher certified is refused.",
            certificate_token(OTHER_PUBLISHER),
            UNKNOWN,
        ),
        ("self-signed", "A host cannot certify itself.", certificate_token(HOST), UNKNOWN),
        (
            "borrowed-kid",
            "Who writes the publisher's `kid` over his own certificate is refused.",
            token("host-certificate+jwt", certificate(), ATTACKER, kid=PUBLISHER.kid),
            FORGED,
        ),
        ("is-the-lease", "A lease is no certificate.", good, MALFORMED),
        ("is-the-product", "The publisher's product file is no certificate.", product_token(), MALFORMED),
        (
            "is-a-request",
            "A host request is no certificate.",
            token("host-request+jwt", host_request(), HOST),
            MALFORMED,
        ),
        (
            "alg-none",
            "A certificate without signature is refused.",
            unsigned("host-certificate+jwt", certificate()),
            MALFORMED,
        ),
        ("duplicate-groups", "A member of a certificate stands once.", _groups_twice(), MALFORMED),
    ):
        yield answer_vector(f"certificate-{name}", shows, body(good, text), expected)
    for name, shows, groups, expected in (
        ("other-group", "A host for another product group is refused.", ["apex"], invalid("PRODUCT_NOT_COVERED")),
        (
            "group-below",
            "What a product covers does not certify for the product: the group itself must be named.",
            ["acme-viewer"],
            invalid("PRODUCT_NOT_COVERED"),
        ),
        ("group-prefix", "The beginning of a group's name is another group.", ["acm"], invalid("PRODUCT_NOT_COVERED")),
        ("several-groups", "The product's group may be one of several.", ["apex", "acme", "acme-viewer"], LEASED),
    ):
        yield answer_vector(f"certificate-{name}", shows, body(good, certificate_token(groups=groups)), expected)


def _groups_twice() -> str:
    payload = compact(certificate(groups=["apex"]))[:-1] + b',"groups":["acme"]}'
    return token("host-certificate+jwt", payload, PUBLISHER)


def _certificate_times() -> Iterator[Vector]:
    for name, shows, times, expected in (
        ("last-second", "A certificate is in force in the second before it ends.", {"exp": NOW + 1}, LEASED),
        ("ends-now", "From the moment `exp` on a host signs no more.", {"exp": NOW}, ENDED),
        (
            "ended",
            "A certificate that has ended is refused; no tolerance is granted at its end.",
            {"exp": NOW - 60},
            ENDED,
        ),
        ("clock-ahead", "A publisher's clock may be ahead by the tolerance.", {"iat": NOW + TOLERANCE}, LEASED),
        (
            "not-yet",
            "A certificate that begins later than the tolerance allows is refused.",
            {"iat": NOW + TOLERANCE + 1},
            NOT_YET,
        ),
    ):
        yield answer_vector(f"certificate-{name}", shows, body(lease_token(), certificate_token(**times)), expected)
    yield answer_vector(
        "certificate-ended-at-the-lease",
        "A certificate must be in force at the lease's `iat` too: a host cannot sign into a time after its end.",
        body(lease_token(at=NOW + 3600), certificate_token(exp=NOW + 3600)),
        ENDED,
    )
    yield answer_vector(
        "certificate-ended-since-the-lease",
        "A certificate must be in force now, not only at the `iat` of a lease that just came.",
        body(lease_token(at=NOW - 3600), certificate_token(exp=NOW)),
        ENDED,
    )
    yield answer_vector(
        "certificate-not-yet-now",
        "Nor is it enough that it will be in force at the `iat` of a lease from a host whose clock is ahead.",
        body(lease_token(at=NOW + 3600), certificate_token(iat=NOW + TOLERANCE + 60)),
        NOT_YET,
    )
    yield answer_vector(
        "certificate-not-yet-at-the-lease",
        "A certificate must be in force at the lease's `iat` too: a host cannot sign into a time before its beginning.",
        body(lease_token(at=NOW - 3600), certificate_token(iat=NOW + TOLERANCE - 60)),
        NOT_YET,
    )
