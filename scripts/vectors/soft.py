"""Vectors of sections 3.1, 3.4 and 6: a policy's soft threshold, and the leases below the threshold that it allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scripts.vectors.documents import document
from scripts.vectors.making import HOST, PUBLISHER, Claims, keyset, token
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import (
    CMID,
    DAY,
    EDITION_OF,
    NONCE,
    NOW,
    VALIDITY,
    answer_input,
    body,
    certificate_token,
    lease,
    lease_token,
    policy,
    product,
    product_token,
    question,
    refusal,
)

__all__ = ["vectors"]

LASTS = 30 * DAY
FULL = NOW - 7 * DAY  # the last lease at the threshold
MALFORMED = invalid("MALFORMED_DOCUMENT")
LEASE_INVALID = invalid("LEASE_INVALID")


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _policies()
    yield from _shapes()
    yield from _leases()
    yield from _stored()


def _product(soft: Any = None, minimum: int = 25) -> Claims:
    """The product whose clients need 25, and 20 for 30 days to go on renewing; or as told."""
    said = {"minimum": 20, "lasts_s": LASTS} if soft is None else soft
    client = {"minimum": minimum, "counts": ["server", "client"], "soft": said}
    return product(policy=policy(thresholds=policy()["thresholds"] | {"client": client}))


def _policies() -> Iterator[Vector]:
    def read(name: str, shows: str, claims: Claims, expected: dict[str, Any] | None = None) -> Vector:
        text = token("product+jwt", claims, PUBLISHER)
        return document(f"soft/product-{name}", shows, "3.1", text, expected or valid(claims=claims), "product+jwt")

    yield read("with", "A threshold may have a soft one.", _product())
    least = {"minimum": 1, "lasts_s": 3600}
    yield read("least", "It may be one machine, for an hour.", _product(least, 2))
    most = {"minimum": 9_999, "lasts_s": 3_162_240_000}
    yield read("most", "It may be one below the greatest threshold, for a hundred years.", _product(most, 10_000))
    for name, shows, soft, minimum in (
        ("null", "It is left out where there is none; null is none.", ..., 25),
        ("number", "It is an object.", 20, 25),
        ("not-lower", "Its minimum is lower than the threshold.", {"minimum": 25, "lasts_s": LASTS}, 25),
        ("below-one", "So below a threshold of 1 there is none.", {"minimum": 1, "lasts_s": LASTS}, 1),
        ("zero", "Its minimum is at least 1.", {"minimum": 0, "lasts_s": LASTS}, 25),
        ("too-short", "It lasts at least an hour.", {"minimum": 20, "lasts_s": 3599}, 25),
        ("too-long", "It lasts at most a hundred years.", {"minimum": 20, "lasts_s": 3_162_240_001}, 25),
        ("fraction", "Its minimum is an integer.", {"minimum": 20.0, "lasts_s": LASTS}, 25),
        ("without-end", "It says how long it lasts.", {"minimum": 20}, 25),
        ("without-minimum", "It says how many machines it takes.", {"lasts_s": LASTS}, 25),
        ("counts", "It has no more members: it counts what the threshold counts.", _with_counts(), 25),
    ):
        claims = _product(None if soft is ... else soft, minimum)
        if soft is ...:
            claims["policy"]["thresholds"]["client"]["soft"] = None
        yield read(name, shows, claims, MALFORMED)


def _with_counts() -> Claims:
    return {"minimum": 20, "lasts_s": LASTS, "counts": ["client"]}


def _shapes() -> Iterator[Vector]:
    def read(name: str, shows: str, claims: Claims, expected: dict[str, Any], typ: str = "lease+jwt") -> Vector:
        return document(f"soft/shape-{name}", shows, "3.4", token(typ, claims, HOST), expected, typ)

    good = lease(count=23, full_s=FULL)
    yield read("lease", "A lease below the threshold says since when.", good, valid(claims=good))
    for name, shows, value in (
        ("null", "It is left out of every other lease; null is no time.", None),
        ("text", "It is a time.", str(FULL)),
        ("fraction", "A time is an integer.", float(FULL)),
        ("negative", "No time is before 1970.", -1),
        ("boolean", "true is no time.", True),
    ):
        yield read(name, shows, lease(count=23, full_s=value), MALFORMED)
    refused = refusal(full_s=FULL)
    yield read("refusal", "A refusal has no such member.", refused, MALFORMED, "refusal+jwt")


def _leases() -> Iterator[Vector]:
    soft = token("product+jwt", _product(), PUBLISHER)
    hard = product_token()
    tomorrow = NOW + DAY
    for name, shows, claims, shipped, expected in (
        ("below", "Below the threshold, with all that the soft one demands.", lease(count=23, full_s=FULL), soft, None),
        ("minimum", "The soft minimum is enough.", lease(count=20, full_s=FULL), soft, None),
        ("one-below", "One below the threshold is below.", lease(count=24, full_s=FULL), soft, None),
        ("at-once", "The full lease may be of the same second.", lease(count=23, full_s=NOW), soft, None),
        (
            "last-second",
            "It may be given in the last second of its time.",
            lease(count=20, full_s=NOW - LASTS + 1),
            soft,
            None,
        ),
        ("full", "At the threshold a lease is what it always was.", lease(), soft, None),
        ("too-few", "Below the soft minimum no lease is good.", lease(count=19, full_s=FULL), soft, LEASE_INVALID),
        ("over", "When its time is over it is over.", lease(count=20, full_s=NOW - LASTS), soft, LEASE_INVALID),
        ("since-long", "It is not good for ever.", lease(count=20, full_s=0), soft, LEASE_INVALID),
        ("since-later", "The full lease was not given later.", lease(count=20, full_s=tomorrow), soft, LEASE_INVALID),
        ("without-since", "A lease below the threshold says since when.", lease(count=23), soft, LEASE_INVALID),
        ("at-threshold", "A lease at the threshold says nothing of it.", lease(full_s=FULL), soft, LEASE_INVALID),
        (
            "longer",
            "It lasts no longer than every other lease.",
            lease(count=23, full_s=FULL, exp=NOW + VALIDITY + 1),
            soft,
            LEASE_INVALID,
        ),
        (
            "own-threshold",
            "The policy's threshold counts, not the one that the lease names.",
            lease(count=23, threshold=23, full_s=FULL),
            soft,
            None,
        ),
        (
            "none-granted",
            "A policy without a soft threshold allows none of it.",
            lease(count=24, full_s=FULL),
            hard,
            LEASE_INVALID,
        ),
    ):
        said = answer_input(body(token("lease+jwt", claims, HOST)), product=shipped)
        outcome = expected or valid(typ="lease+jwt", claims=claims)
        yield Vector(f"soft/lease-{name}", shows, "6", "answer", said, outcome)
    server = lease("server", count=4, full_s=FULL)
    asked = question(edition=EDITION_OF["server"])
    said = answer_input(body(token("lease+jwt", server, HOST)), product=soft, question=asked)
    shows = "What a policy grants to clients it does not grant to servers."
    yield Vector("soft/lease-other-class", shows, "6", "answer", said, LEASE_INVALID)


def _stored() -> Iterator[Vector]:
    soft = token("product+jwt", _product(), PUBLISHER)
    for name, shows, changes, shipped, expected in (
        ("good", "A lease below the threshold is read again by the same rules.", {"full_s": FULL}, soft, None),
        (
            "over-since",
            "What counts is the time of its issue: the soft time may be over since.",
            {"full_s": NOW - LASTS + 1},
            soft,
            None,
        ),
        ("over", "Given when that time was over it stays refused.", {"full_s": NOW - LASTS}, soft, LEASE_INVALID),
        (
            "policy-changed",
            "Under a newer product file without a soft threshold it is void.",
            {"full_s": FULL},
            product_token(),
            LEASE_INVALID,
        ),
    ):
        given = {
            "keys": keyset(PUBLISHER),
            "product": shipped,
            "question": {"cmid": CMID, "edition": EDITION_OF["client"], "nonce": NONCE},
            "lease": lease_token(count=20, **changes),
            "host_certificate": certificate_token(),
        }
        outcome = expected or valid(claims=lease(count=20, **changes))
        yield Vector(f"soft/stored-{name}", shows, "6", "stored-lease", given, outcome)
