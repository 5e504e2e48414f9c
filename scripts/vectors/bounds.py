"""Vectors of sections 2 and 3: the last value that is taken, and the first that is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from scripts.vectors.documents import document
from scripts.vectors.making import HOST, PUBLISHER, Claims, b64url, compact, header, sealed, token
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import (
    certificate,
    changed,
    host_request,
    lease,
    policy,
    product,
    refusal,
    revocations,
    trust,
)

__all__ = ["vectors"]

MALFORMED = invalid("MALFORMED_DOCUMENT")
SECONDS_MAX: Final = 3_162_240_000  # 100 years of 366 days
HOUR: Final = 3600


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _policies()
    yield from _products()
    yield from _said()
    yield from _granted()
    yield from _keys()
    yield from _texts()
    yield from _headers()


def _either(name: str, shows: str, section: str, typ: str, claims: Claims, is_good: bool) -> Vector:
    """Signed by whoever signs this kind; taken as it stands, or malformed."""
    key = HOST if typ in ("lease+jwt", "refusal+jwt", "host-request+jwt") else PUBLISHER
    expected = valid(claims=claims) if is_good else MALFORMED
    return document(f"bounds/{name}", shows, section, token(typ, claims, key), expected, typ)


def _policies() -> Iterator[Vector]:
    for name in ("initial-grace", "additional-grace", "clock-tolerance"):
        member = name.replace("-", "_") + "_s"
        for which, value, is_good in (
            ("zero", 0, True),
            ("most", SECONDS_MAX, True),
            ("too-many", SECONDS_MAX + 1, False),
        ):
            shows = f"`{member}` is 0 to {SECONDS_MAX} seconds: {value} is {'taken' if is_good else 'refused'}."
            claims = product(policy=policy(**{member: value}))
            yield _either(f"product-{name}-{which}", shows, "3.1", "product+jwt", claims, is_good)
    for name in ("activation-validity", "ephemeral-validity", "count-window"):
        member = name.replace("-", "_") + "_s"
        for which, value, is_good in (
            ("an-hour", HOUR, True),
            ("below-an-hour", HOUR - 1, False),
            ("most", SECONDS_MAX, True),
            ("too-many", SECONDS_MAX + 1, False),
        ):
            shows = f"`{member}` is {HOUR} to {SECONDS_MAX} seconds: {value} is {'taken' if is_good else 'refused'}."
            claims = product(policy=policy(**{member: value}))
            yield _either(f"product-{name}-{which}", shows, "3.1", "product+jwt", claims, is_good)
    for name, shows, changes, is_good in (
        ("interval-min-a-minute", "Intervals may be bounded below by a minute.", {"interval_min_s": 60}, True),
        ("interval-min-too-low", "Not by less.", {"interval_min_s": 59}, False),
        ("interval-max-too-high", "Nor above by more than 30 days.", {"interval_max_s": 2_592_001}, False),
        ("interval-one", "Both bounds may be the same.", {"interval_min_s": 7200, "interval_max_s": 7200}, True),
        ("rearm-limit-none", "A policy may allow no rearm.", {"rearm_limit": 0}, True),
        ("rearm-limit-most", "It may allow 1000.", {"rearm_limit": 1000}, True),
        ("rearm-limit-too-many", "It does not allow 1001.", {"rearm_limit": 1001}, False),
        ("seconds-negative", "No number of the policy is below zero.", {"initial_grace_s": -1}, False),
        ("profile-no-slug", "The profile is a slug.", {"profile": "Windows 7"}, False),
        ("unknown-member", "A policy has exactly the members named.", {"grace_s": 1}, False),
    ):
        yield _either(f"product-{name}", shows, "3.1", "product+jwt", product(policy=policy(**changes)), is_good)


def _products() -> Iterator[Vector]:
    editions = [{"id": f"e{n}", "name": f"Edition {n}", "class": "client"} for n in range(65)]
    groups = [f"g{n}" for n in range(65)]
    for name, shows, changes, is_good in (
        ("covers-none", "A product may cover no other group.", {"covers": []}, True),
        ("covers-64", "It may cover 64.", {"covers": groups[:64]}, True),
        ("covers-65", "It does not cover 65.", {"covers": groups}, False),
        ("covers-twice", "A group may stand twice: it means nothing.", {"covers": ["a", "a"]}, True),
        ("editions-64", "A product may have 64 editions.", {"editions": editions[:64]}, True),
        ("editions-65", "It does not have 65.", {"editions": editions}, False),
        ("service-of-15", "A service label has up to 15 characters.", {"service": f"_{'a' * 15}._tcp"}, True),
        ("service-of-16", "It has not 16 (RFC 6335, section 5.1).", {"service": f"_{'a' * 16}._tcp"}, False),
        ("service-empty", "It has at least one.", {"service": "_._tcp"}, False),
        ("service-capitals", "It has no capitals.", {"service": "_Quorate._tcp"}, False),
        ("service-dot", "It is one label.", {"service": "_a.b._tcp"}, False),
        ("service-line-break", "It does not end with a line break.", {"service": "_quorate._tcp\n"}, False),
        ("slug-of-64", "A slug has up to 64 characters.", {"sub": "a" * 64}, True),
        ("time-zero", "Time begins in 1970.", {"iat": 0}, True),
        ("time-last", "It ends with the year 9999.", {"iat": 253_402_300_799}, True),
    ):
        yield _either(f"product-{name}", shows, "3.1", "product+jwt", product(**changes), is_good)


def _said() -> Iterator[Vector]:
    """What hosts say."""
    for name, shows, section, typ, claims, is_good in (
        ("lease-count-most", "A count is up to 1,000,000.", "3.4", "lease+jwt", lease(count=1_000_000), True),
        ("lease-count-too-many", "It is not more.", "3.4", "lease+jwt", lease(count=1_000_001), False),
        (
            "lease-threshold-zero",
            "A reader does not judge the threshold a lease tells: the policy has it.",
            "3.4",
            "lease+jwt",
            lease(threshold=0),
            True,
        ),
        ("lease-threshold-too-many", "It is a number as the count is.", "3.4", "lease+jwt", lease(threshold=-1), False),
        (
            "lease-intervals-longest",
            "An interval is up to 30 days.",
            "3.4",
            "lease+jwt",
            lease(intervals={"activation_min": 43_200, "renewal_min": 43_200}),
            True,
        ),
        (
            "lease-intervals-shortest",
            "It is at least a minute.",
            "3.4",
            "lease+jwt",
            lease(intervals={"activation_min": 1, "renewal_min": 1}),
            True,
        ),
        (
            "refusal-superseded",
            "`CMID_SUPERSEDED` is one of the four codes.",
            "3.5",
            "refusal+jwt",
            refusal("CMID_SUPERSEDED"),
            True,
        ),
        (
            "refusal-with-link",
            "A refusal has no member of a lease.",
            "3.5",
            "refusal+jwt",
            refusal() | {"link": lease()["link"]},
            False,
        ),
    ):
        yield _either(name, shows, section, typ, claims, is_good)


def _granted() -> Iterator[Vector]:
    """What is asked of a publisher, and what it says of hosts."""
    for name, shows, section, typ, claims, is_good in (
        (
            "certificate-groups-64",
            "A certificate names up to 64 groups.",
            "3.3",
            "host-certificate+jwt",
            certificate(groups=[f"g{n}" for n in range(64)]),
            True,
        ),
        (
            "certificate-ends-as-it-begins",
            "A certificate ends after it begins, not with it.",
            "3.3",
            "host-certificate+jwt",
            certificate(exp=certificate()["iat"]),
            False,
        ),
        (
            "host-request-last-five",
            "The last five are capitals and digits from 2 on.",
            "3.2",
            "host-request+jwt",
            host_request(last_five="ABC1Z"),
            False,
        ),
        (
            "host-request-key-id-short",
            "A `key_id` has 16 characters.",
            "3.2",
            "host-request+jwt",
            host_request(key_id="SGFuZG1hZGUga2V"),
            False,
        ),
        (
            "revocations-number-most",
            "A number is up to 2^53 - 1.",
            "3.6",
            "revocations+jwt",
            revocations(number=9_007_199_254_740_991),
            True,
        ),
        (
            "revocations-number-too-high",
            "It is not more: not every JSON reader could tell it from its neighbour.",
            "3.6",
            "revocations+jwt",
            revocations(number=9_007_199_254_740_992),
            False,
        ),
    ):
        yield _either(name, shows, section, typ, claims, is_good)


def _keys() -> Iterator[Vector]:
    """A key inside a document is one that only its owner can sign with, before anything is done with it."""
    anybodys = b64url((1).to_bytes(32, "little"))
    for name, shows, changes in (
        ("kid-of-another", "`kid` is the thumbprint, in a document as well.", {"kid": PUBLISHER.kid}),
        ("kid-name", "`kid` is the thumbprint, and no name.", {"kid": "kms1"}),
        ("kid-null", "null is no `kid`.", {"kid": None}),
        ("small-order", "A key of small order is refused: anybody can sign with it.", {"x": anybodys, "kid": ...}),
        ("x-short", "`x` is 32 bytes.", {"x": HOST.x[:-1], "kid": ...}),
    ):
        jwk = changed(HOST.jwk, **changes)
        for kind, section, typ, claims in (
            ("certificate", "3.3", "host-certificate+jwt", certificate(cnf={"jwk": jwk})),
            ("host-request", "3.2", "host-request+jwt", host_request(jwk=jwk)),
            ("trust", "3.7", "trust+jwt", trust(keys=[PUBLISHER.jwk, jwk])),
        ):
            yield _either(f"{kind}-key-{name}", shows, section, typ, claims, is_good=False)


def _texts() -> Iterator[Vector]:
    """Characters are Unicode code points, however they are spelled."""
    for name, shows, customer, is_good in (
        ("emoji-200", "Beyond the first 65,536 characters one is one as well.", "\U0001f600" * 200, True),
        ("emoji-201", "So 201 of them are too many.", "\U0001f600" * 201, False),
        ("combining-200", "A combining mark is a character of its own.", "e\u0301" * 100, True),
        ("combining-202", "So 101 letters with their marks are too many.", "e\u0301" * 101, False),
        ("blank", "A blank is a character.", " ", True),
        ("right-to-left-mark", "Marks that only join or turn a letter are allowed.", "\u05d0\u200f", True),
        ("line-separator", "A line separator is refused.", "a\u2028b", False),
        ("paragraph-separator", "So is a paragraph separator.", "a\u2029b", False),
        ("next-line", "U+0085 is a control character.", "a\u0085b", False),
        ("delete", "U+007F is one too.", "a\u007fb", False),
        ("zero", "So is U+0000.", "a\u0000b", False),
        ("override", "What turns the direction of writing is refused.", "a\u202eb", False),
        ("isolate", "So is what isolates one.", "a\u2066b", False),
        ("line-break-after", "A text does not end with a line break.", "Contoso\n", False),
    ):
        claims = certificate(customer=customer)
        yield _either(f"text-{name}", shows, "2", "host-certificate+jwt", claims, is_good)
    pair = compact(certificate()).replace(b"Contoso", b"Contoso \\ud83d\\ude00")
    yield document(
        "bounds/text-escaped-pair",
        "Two escapes of halves that belong together are one character.",
        "2",
        token("host-certificate+jwt", pair, PUBLISHER),
        valid(claims=certificate(customer="Contoso \U0001f600")),
    )
    reordered = dict(reversed(changed(lease()).items()))
    yield document(
        "bounds/members-reversed",
        "The order of members means nothing.",
        "2",
        token("lease+jwt", reordered, HOST),
        valid(claims=lease()),
        "lease+jwt",
    )


def _headers() -> Iterator[Vector]:
    good = compact(header("host-certificate+jwt", PUBLISHER))
    for name, shows, size, expected in (
        ("header-of-512", "A header has up to 512 characters in base64url.", 384, valid(claims=certificate())),
        ("header-of-514", "Longer ones are refused, white space though they are.", 385, MALFORMED),
    ):
        head = good + b" " * (size - len(good))
        if len(b64url(head)) != {384: 512, 385: 514}[size]:
            raise ValueError("base64 makes four characters of three bytes")
        yield document(f"bounds/{name}", shows, "3", sealed(head, certificate(), PUBLISHER), expected)
