"""Vectors of section 4: what a host takes as a question, and what it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from scripts.vectors.making import Claims, b64url, compact
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import CMID, EDITION_OF, NONCE, NOW, changed, cmid, link, nonce

__all__ = ["vectors"]

MALFORMED = invalid("MALFORMED_REQUEST")
OTHER_VERSION = invalid("UNSUPPORTED_VERSION")
_OPTIONAL = {"expires_in_min": 0, "vm": False, "previous_cmid": None, "link": None}


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _good()
    yield from _versions()
    yield from _members()
    yield from _spellings()


def _claims(**changes: Any) -> Claims:
    claims = {
        "v": 1,
        "edition": EDITION_OF["client"],
        "cmid": CMID,
        "machine": "pc-0001.contoso.example",
        "status": "initial_grace",
        "time_s": NOW,
        "nonce": NONCE,
        "expires_in_min": 43_200,
    }
    return changed(claims, **changes)


def _request(name: str, shows: str, body: Claims | bytes, expected: dict[str, Any] | None = None) -> Vector:
    """Without an expected outcome it is taken, with what was left out filled in."""
    raw = body if isinstance(body, bytes) else compact(body)
    try:
        given = {"body": raw.decode("utf-8")}
    except UnicodeDecodeError:
        given = {"body_base64url": b64url(raw)}
    if expected is None:
        expected = valid(claims=_OPTIONAL | json.loads(raw))
    return Vector(f"requests/{name}", shows, "4", "request", given, expected)


def _good() -> Iterator[Vector]:
    yield _request("usual", "A usual request.", _claims())
    yield _request(
        "smallest",
        "The last four members may be left out; they are then 0, false, null, null.",
        _claims(expires_in_min=...),
    )
    full = _claims(status="licensed", vm=True, previous_cmid=cmid(2), link=link(CMID, nonce(9)))
    yield _request("full", "All members.", full)
    yield _request("nulls", "`previous_cmid` and `link` may be null.", _claims(previous_cmid=None, link=None))
    yield _request("machine-letters", "A machine name may have letters beyond ASCII.", _claims(machine="bücher-pc"))
    yield _request(
        "machine-joined", "A mark may join what is seen.", _claims(machine="\u200b\U0001f469\u200d\U0001f4bb ")
    )
    yield _request("machine-of-253", "A machine name may have 253 characters.", _claims(machine="m" * 253))
    yield _request("machine-of-253-emoji", "They are counted, not their bytes.", _claims(machine="\U0001f600" * 253))
    yield _request("minutes-most", "Minutes are at most 5256000, ten years.", _claims(expires_in_min=5_256_000))
    yield _request("members-reversed", "The order of members means nothing.", dict(reversed(_claims().items())))
    for status in ("unlicensed", "licensed", "additional_grace", "notification"):
        yield _request(f"status-{status.replace('_', '-')}", f"The state may be {status}.", _claims(status=status))
    spaced = json.dumps(_claims(), indent=4).encode()
    yield _request("white-space", "White space between JSON tokens means nothing.", spaced)
    yield _request(
        "escapes",
        "A text spelled with escapes is the same text.",
        compact(_claims()).replace(b"initial", b"\\u0069nitial"),
    )
    largest = compact(_claims())
    yield _request("largest", "4096 bytes are taken.", largest + b" " * (4096 - len(largest)))


def _versions() -> Iterator[Vector]:
    for name, shows, body in (
        ("later", "A later version is told so.", _claims(v=2)),
        (
            "later-with-more",
            "It is told so also where it has members that version 1 does not know.",
            _claims(v=2, tenant="x"),
        ),
        ("zero", "Version 0 is another version.", _claims(v=0)),
        ("latest", "The highest version is 1000000.", _claims(v=1_000_000)),
        (
            "later-with-fractions",
            "What a later version may write is not judged: numbers with fractions are none of version 1.",
            _claims(v=2, load=0.5, limits={"least": 1e-3, "most": [1.5e300]}),
        ),
        ("later-alone", "Nor is what it leaves out.", {"v": 2}),
        ("later-of-another-shape", "Nor are the members version 1 knows.", _claims(v=2, edition=7, cmid=None)),
    ):
        yield _request(f"version-{name}", shows, body, OTHER_VERSION)
    for name, shows, value in (
        ("text", 'The text "1" is no version.', "1"),
        ("boolean", "true is no version.", True),
        ("fraction", "1.0 is no version.", 1.0),
        ("negative", "-1 is no version.", -1),
        ("missing", "A request names its version.", ...),
        ("too-large", "1000001 is no version.", 1_000_001),
    ):
        yield _request(f"version-{name}", shows, _claims(v=value), MALFORMED)


def _members() -> Iterator[Vector]:
    for member in ("edition", "cmid", "machine", "status", "time_s", "nonce"):
        yield _request(
            f"missing-{member.replace('_', '-')}", f"`{member}` must be there.", _claims(**{member: ...}), MALFORMED
        )
    for name, shows, changes in (
        ("unknown-member", "A member that the protocol does not name is refused.", {"product_key": "QH"}),
        ("time-fraction", "1800000000.0 is no integer.", {"time_s": float(NOW)}),
        ("time-text", "A time is no text.", {"time_s": str(NOW)}),
        ("time-boolean", "true is no time.", {"time_s": True}),
        ("time-null", "null is no time.", {"time_s": None}),
        ("time-negative", "No time is before 1970.", {"time_s": -1}),
        ("time-too-late", "No time is after the year 9999.", {"time_s": 253_402_300_800}),
        ("minutes-fraction", "25.0 is no integer.", {"expires_in_min": 25.0}),
        ("minutes-text", 'The text "25" is no integer.', {"expires_in_min": "25"}),
        ("minutes-boolean", "true is no integer.", {"expires_in_min": True}),
        ("minutes-null", "null is no number of minutes.", {"expires_in_min": None}),
        ("minutes-too-many", "Minutes are at most 5256000, ten years.", {"expires_in_min": 5_256_001}),
        ("vm-number", "1 is no boolean.", {"vm": 1}),
        ("vm-null", "null is no boolean.", {"vm": None}),
        ("status-unknown", "There are five states.", {"status": "activated"}),
        ("status-capitals", "States are lower case.", {"status": "LICENSED"}),
        ("edition-number", "An edition is a text.", {"edition": 7}),
        ("edition-object", "An edition is no object.", {"edition": {"id": "acme-cad-pro"}}),
        ("edition-list", "An edition is no list.", {"edition": ["acme-cad-pro"]}),
        ("edition-capitals", "An edition is a slug.", {"edition": "Acme-Cad-Pro"}),
        ("edition-line-break", "A slug does not end with a line break.", {"edition": "acme-cad-pro\n"}),
        ("cmid-capitals", "A CMID is lower case.", {"cmid": "ABCDEF00-0000-4000-8000-000000000001"}),
        ("cmid-plain", "A CMID has its dashes.", {"cmid": CMID.replace("-", "")}),
        ("cmid-empty", "A CMID is not empty.", {"cmid": ""}),
        ("machine-empty", "A machine has a name.", {"machine": ""}),
        ("machine-too-long", "A machine name has at most 253 characters.", {"machine": "m" * 254}),
        ("machine-of-254-emoji", "They are counted, not their bytes.", {"machine": "\U0001f600" * 254}),
        ("machine-override", "A machine name does not turn the direction of writing.", {"machine": "pc\u202etxt"}),
        ("machine-line-break", "A machine name has no line break.", {"machine": "pc\nfake log line"}),
        ("machine-escape", "A machine name steers no terminal.", {"machine": "pc\x1b[2J"}),
        ("machine-blanks", "Of a machine name something is to be seen.", {"machine": " \u00a0\u3000"}),
        ("machine-zero-width", "Characters that leave no mark are no name.", {"machine": "\u200b\ufeff\u2060"}),
        ("machine-empty-letter", "Nor is a letter that shows nothing.", {"machine": "\u3164\ufe0f"}),
        ("machine-tags", "Nor are those beyond the first plane.", {"machine": "\U000e0041\U0001d173"}),
        ("machine-c1-control", "U+009B is a control character too.", {"machine": "pc\u009b2J"}),
        ("nonce-short", "A nonce is 16 bytes.", {"nonce": NONCE[:-1]}),
        ("nonce-loose", "The unused bits of a nonce's last character are zero.", {"nonce": "A" * 21 + "B"}),
        ("nonce-null", "null is no nonce.", {"nonce": None}),
        ("link-too-long", "A link is 16 bytes.", {"link": "A" * 43}),
        ("previous-cmid-text", "`previous_cmid` is a CMID or null.", {"previous_cmid": "none"}),
    ):
        yield _request(name, shows, _claims(**changes), MALFORMED)


def _spellings() -> Iterator[Vector]:
    good = compact(_claims())
    for name, shows, body in (
        ("empty", "An empty body is no request.", b""),
        ("null", "null is no request.", b"null"),
        ("array", "A list of requests is none.", b"[" + good + b"]"),
        ("two-values", "Two requests in one body are none.", good + good),
        ("form", "A form is no request.", b"v=1&edition=acme-cad-pro"),
        ("cut-off", "A request that is cut off is refused.", good[:-1]),
        (
            "nested",
            "A thousand arrays in one another are refused, and break nothing.",
            good[:-1] + b',"link":' + b"[" * 1000 + b"]" * 1000 + b"}",
        ),
        (
            "huge-number",
            "A number of 400 digits is refused, and breaks nothing.",
            good.replace(b"1800000000", b"9" * 400),
        ),
        ("exponent", "18e8 is no integer.", good.replace(b"1800000000", b"18e8")),
        ("later-cut-off", "What is no JSON is of no version.", good.replace(b'"v":1', b'"v":2')[:-1]),
        ("later-twice", "A member stands once in every version.", b'{"v":2,"tenant":"x","tenant":"y"}'),
        ("version-twice", "The version stands once, too.", b'{"v":1,' + good[1:].replace(b'"v":1', b'"v":2')),
        ("not-a-number", "NaN is no JSON.", good.replace(b"43200", b"NaN")),
        ("not-utf-8", "Bytes that are not UTF-8 are refused.", good.replace(b"pc-0001", b"pc-\xe4\xf6\xfc")),
        ("byte-order-mark", "A byte order mark is no JSON.", b"\xef\xbb\xbf" + good),
        ("lone-surrogate", "An escape of half a character is no text.", good.replace(b"pc-0001", b"pc-\\udc00")),
        ("duplicate", "A member that stands twice is refused, equal values or not.", good[:-1] + b',"v":1}'),
        ("duplicate-cmid", "Two CMIDs in one request are refused.", good[:-1] + b',"cmid":"%s"}' % cmid(2).encode()),
        (
            "duplicate-escaped",
            "A name spelled with an escape is the same name.",
            good[:-1] + b',"no\\u006ece":"%s"}' % NONCE.encode(),
        ),
    ):
        yield _request(name, shows, body, MALFORMED)
    yield _request(
        "too-large", "4097 bytes are too large.", good + b" " * (4097 - len(good)), invalid("REQUEST_TOO_LARGE")
    )
