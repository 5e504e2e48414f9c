"""Vectors of sections 4 and 11: what hosts and publishers say that is not signed as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from scripts.vectors.making import PUBLISHER, Claims, compact, token
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import HOST_ID, NOW, certificate_token, changed, revocations, trust

__all__ = ["vectors"]

MALFORMED = invalid("MALFORMED_DOCUMENT")
_PROBE: Final[Claims] = {
    "would_activate": False,
    "code": "COUNT_INSUFFICIENT",
    "message": "activation count 7 of 25",
    "count": 7,
    "threshold": 25,
    "host_time_s": NOW,
}
_HOST: Final[Claims] = {
    "service": "Quorate KMS host",
    "version": "1.0.0",
    "protocol": [1],
    "host_id": HOST_ID,
    "activated": True,
    "host_certificate": certificate_token(),
    "products": ["acme-cad"],
    "time_s": NOW,
}
_ACTIVATION: Final[Claims] = {
    "host_certificate": certificate_token(),
    "trust": [token("trust+jwt", trust(), PUBLISHER)],
    "revocations": token("revocations+jwt", revocations(), PUBLISHER),
}


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _of("probe-result", "4", _PROBE, _probes())
    yield from _of("host-description", "4", _HOST, _hosts())
    yield from _of("activation", "11", _ACTIVATION, _activations())


Bent = Iterator[tuple[str, str, Claims, bool]]


def _of(kind: str, section: str, good: Claims, bent: Bent) -> Iterator[Vector]:
    def one(name: str, shows: str, body: bytes, expected: dict[str, Any]) -> Vector:
        return Vector(f"services/{kind}-{name}", shows, section, kind, {"body": body.decode("utf-8")}, expected)

    yield one("usual", f"A usual {kind.replace('-', ' ')}.", compact(good), valid(claims=good))
    for member in good:
        shows = f"`{member}` must be there."
        yield one(f"missing-{member.replace('_', '-')}", shows, compact(changed(good, **{member: ...})), MALFORMED)
    yield one("unknown-member", "A member that is not named here is refused.", compact(good | {"x": 1}), MALFORMED)
    first = next(iter(good))
    twice = compact(good)[:-1] + f',"{first}":{json.dumps(good[first])}}}'.encode()
    yield one("member-twice", "A member stands once.", twice, MALFORMED)
    yield one("byte-order-mark", "A byte order mark is no JSON.", b"\xef\xbb\xbf" + compact(good), MALFORMED)
    for name, shows, claims, is_good in bent:
        yield one(name, shows, compact(claims), valid(claims=claims) if is_good else MALFORMED)


def _probes() -> Bent:
    yield "yes", "Who would be activated has no code.", _PROBE | {"would_activate": True, "code": None}, True
    yield "count-text", "A count is an integer.", _PROBE | {"count": "7"}, False
    yield "count-too-many", "A count is up to 1,000,000.", _PROBE | {"count": 1_000_001}, False
    yield "message-of-2000", "A text has up to 2000 characters.", _PROBE | {"message": "x" * 2000}, True
    yield "message-too-long", "It has no more.", _PROBE | {"message": "x" * 2001}, False
    yield "yes-as-number", "1 is no boolean.", _PROBE | {"would_activate": 1}, False


def _hosts() -> Bent:
    none: Claims = {"activated": False, "host_certificate": None, "products": []}
    yield "not-activated", "A host without certificate says so.", _HOST | none, True
    yield "protocols", "A host may know several versions.", _HOST | {"protocol": [1, 2]}, True
    yield "protocol-number", "The versions are a list.", _HOST | {"protocol": 1}, False
    yield "protocols-17", "There are at most 16.", _HOST | {"protocol": list(range(17))}, False
    yield "service-escape", "What is shown has no control characters.", _HOST | {"service": "KMS\x1b[2J"}, False


def _activations() -> Bent:
    yield (
        "nothing-else",
        "The chain may be empty, the list null.",
        _ACTIVATION | {"trust": [], "revocations": None},
        True,
    )
    yield "trust-null", "A chain is a list.", _ACTIVATION | {"trust": None}, False
    yield "trust-text", "Its documents stand in it one by one.", _ACTIVATION | {"trust": _ACTIVATION["trust"][0]}, False
    yield "trust-too-long", "A trust document has up to 8192 characters.", _ACTIVATION | {"trust": ["a" * 8193]}, False
    yield "certificate-null", "There is always a certificate.", _ACTIVATION | {"host_certificate": None}, False
    yield "revocations-list", "The list is one document.", _ACTIVATION | {"revocations": []}, False
