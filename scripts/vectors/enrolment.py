"""Vectors of section 12: enrolment secrets as they are typed, and the proofs that requests carry."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any, Final

from scripts.vectors.making import Claims, b64url, compact, loose_last
from scripts.vectors.proof import commit, reveal
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import CMID, EDITION_OF, NONCE, NOW, changed, cmid, link, nonce

__all__ = ["vectors"]

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
WRONG = invalid("ENROLMENT_WRONG")
REQUIRED = invalid("ENROLMENT_REQUIRED")
MALFORMED = invalid("MALFORMED_REQUEST")

_PROVED: dict[str, Any] = {"commit": commit(NONCE), "reveals": [reveal(nonce(2)), reveal(nonce(3))]}


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _secrets()
    yield from _bad_secrets()
    yield from _proofs()
    yield from _bad_proofs()
    yield from _shapes()


def _checked(symbols: str) -> str:
    """The whole secret, in groups, of its first 29 symbols: found by trying the 31 last ones."""
    for last in ALPHABET:
        whole = symbols + last
        if sum(place * ALPHABET.index(each) for place, each in enumerate(whole, 1)) % 31 == 0:
            return "-".join(whole[at : at + 5] for at in range(0, 30, 5))
    raise ValueError("31 is a prime: one of them fits")


SECRET: Final = _checked("QEW7T4NKM3VJ9DBXC2RG8PFZH5AYS")
OTHER: Final = _checked("QE" + "2" * 27)


def _key(secret: str) -> bytes:
    return hashlib.sha256(b"quorate-enrolment-key:" + secret.encode("ascii")).digest()


def _typed(name: str, shows: str, typed: str, expected: dict[str, Any]) -> Vector:
    return Vector(f"enrolment/secret-{name}", shows, "12", "enrolment-secret", {"typed": typed}, expected)


def _secrets() -> Iterator[Vector]:
    for name, shows, typed, whole in (
        ("usual", "A secret as it was handed out.", SECRET, SECRET),
        ("smallest-symbols", "Symbols of value 0 add nothing to the sum.", OTHER, OTHER),
        ("lower-case", "It is typed as product keys are: capitals do not matter,", SECRET.lower(), SECRET),
        ("spaces", "nor spaces in the place of dashes,", f" {SECRET.replace('-', ' ')}\n", SECRET),
        ("en-dashes", "nor other dashes.", SECRET.replace("-", "\u2013"), SECRET),
    ):
        yield _typed(name, shows, typed, valid(secret=whole, key=b64url(_key(whole))))


def _bad_secrets() -> Iterator[Vector]:
    refused = invalid("ENROLMENT_SECRET_INVALID")
    wrong = "3" if SECRET[8] != "3" else "4"
    for name, shows, typed in (
        ("one-wrong-symbol", "One wrong symbol is found.", SECRET[:8] + wrong + SECRET[9:]),
        ("two-exchanged", "Two symbols exchanged are found.", SECRET[:2] + SECRET[3] + SECRET[2] + SECRET[4:]),
        ("too-short", "29 symbols are too few.", SECRET[:-1]),
        ("too-long", "31 symbols are too many.", SECRET + "2"),
        ("empty", "Nothing is no secret.", ""),
        ("letter-o", "O is none of the symbols.", SECRET[:-1] + "O"),
        ("of-another-kind", "A secret begins with QE.", _checked("QH" + SECRET.replace("-", "")[2:29])),
    ):
        yield _typed(name, shows, typed, refused)


def _request(**changes: Any) -> Claims:
    claims = {
        "v": 1,
        "edition": EDITION_OF["client"],
        "cmid": CMID,
        "machine": "pc-0001.contoso.example",
        "status": "licensed",
        "time_s": NOW,
        "nonce": NONCE,
        "expires_in_min": 43_200,
        "vm": True,
        "previous_cmid": cmid(2),
        "link": link(CMID, nonce(9)),
    }
    return changed(claims, **changes)


def _proof(request: Claims, secret: str = SECRET) -> str:
    lines = [
        "quorate-enrolment",
        str(request["v"]),
        request["edition"],
        request["cmid"],
        request["machine"],
        request["status"],
        str(request["time_s"]),
        request["nonce"],
        str(request.get("expires_in_min", 0)),
        "true" if request.get("vm") else "false",
        request.get("previous_cmid") or "",
        request.get("link") or "",
    ]
    if "commit" in request:
        lines.append(f"commit:{request['commit']}")
    if "reveals" in request:
        lines.append(f"reveals:{','.join(request['reveals'])}")
    return b64url(hmac.new(_key(secret), "\n".join(lines).encode("utf-8"), "sha256").digest())


def _asked(
    name: str, shows: str, request: Claims | bytes, expected: dict[str, Any], *secrets: str, section: str = "12"
) -> Vector:
    """A request to a host whose secrets these are."""
    raw = request if isinstance(request, bytes) else compact(request)
    given = {"secrets": list(secrets or (SECRET,)), "body": raw.decode("utf-8")}
    return Vector(f"enrolment/{name}", shows, section, "enrolment", given, expected)


def _enrolled(request: Claims, secret: str = SECRET) -> Claims:
    return request | {"enrolment": _proof(request, secret)}


def _proofs() -> Iterator[Vector]:
    small = _request(expires_in_min=..., vm=..., previous_cmid=..., link=...)
    for name, shows, request, secrets in (
        ("proof", "The proof is over every member of the request.", _request(), (SECRET,)),
        ("proof-smallest", "What is left out is 0, false, and nothing.", small, (SECRET,)),
        (
            "proof-nulls",
            "null is nothing as well.",
            _request(previous_cmid=None, link=None),
            (SECRET,),
        ),
        ("proof-letters", "A machine name is taken as UTF-8.", _request(machine="bücher-\U0001f600"), (SECRET,)),
        ("proof-two-secrets", "After an exchange the secret before is good as well.", _request(), (OTHER, SECRET)),
    ):
        yield _asked(name, shows, _enrolled(request), valid(), *secrets)
    for name, shows, more in (
        ("proof-commit", "A commit is proved as well, where there is one.", {"commit": commit(NONCE)}),
        ("proof-reveals", "So are the keys that are shown,", _PROVED),
        ("proof-reveals-none", "also where the list is empty.", {"commit": commit(NONCE), "reveals": []}),
    ):
        yield _asked(name, shows, _enrolled(_request(**more)), valid())
    spelled = compact(_enrolled(_request())).replace(b"licensed", b"\\u006cicensed")
    yield _asked("proof-spelling", "How the JSON is spelled means nothing.", spelled, valid())
    reversed_ = dict(reversed(_enrolled(_request()).items()))
    yield _asked("proof-order", "Nor does the order of members.", reversed_, valid())


def _bad_proofs() -> Iterator[Vector]:
    good = _enrolled(_request())
    yield _asked("missing", "A request without a proof is refused.", _request(), REQUIRED)
    yield _asked("other-secret", "So is the proof of another secret.", _enrolled(_request(), OTHER), WRONG)
    yield _asked("other-secrets", "Also where two are good.", good, WRONG, OTHER, _checked("QE" + "3" * 27))
    for member, value in (
        ("edition", EDITION_OF["server"]),
        ("cmid", cmid(3)),
        ("machine", "pc-0002.contoso.example"),
        ("status", "notification"),
        ("time_s", NOW + 1),
        ("nonce", nonce(2)),
        ("expires_in_min", 0),
        ("vm", False),
        ("previous_cmid", cmid(4)),
        ("link", nonce(3)),
    ):
        shows = f"`{member}` cannot be changed on the way."
        yield _asked(f"changed-{member.replace('_', '-')}", shows, good | {member: value}, WRONG)
    for member in ("previous_cmid", "link"):
        shows = f"`{member}` cannot be taken away on the way."
        yield _asked(f"without-{member.replace('_', '-')}", shows, changed(good, **{member: ...}), WRONG)
    proved = _enrolled(_request(**_PROVED))
    for name, shows, changes in (
        ("changed-commit", "`commit` cannot be changed on the way.", {"commit": commit(nonce(4))}),
        ("changed-reveals", "Nor can `reveals`,", {"reveals": [reveal(nonce(4)), reveal(nonce(3))]}),
        ("reveals-exchanged", "nor their order.", {"reveals": _PROVED["reveals"][::-1]}),
        ("without-commit", "`commit` cannot be taken away.", {"commit": ...}),
        ("without-reveals", "Nor can `reveals`.", {"reveals": ...}),
        ("without-both", "Nor can both.", {"commit": ..., "reveals": ...}),
    ):
        yield _asked(name, shows, changed(proved, **changes), WRONG)
    yield _asked("with-commit", "Nor can one be added.", good | {"commit": commit(NONCE)}, WRONG)
    moved = _request(machine="pc\u2003licensed")
    swapped = moved | {"enrolment": _proof(_request(machine="pc"))}
    yield _asked("moved", "Nothing can be moved from one member to the next.", swapped, WRONG)


def _shapes() -> Iterator[Vector]:
    good = _enrolled(_request())
    yield Vector(
        "enrolment/request",
        "A host that asks for no proof takes a request with one.",
        "4",
        "request",
        {"body": compact(good).decode("utf-8")},
        valid(claims=good),
    )
    for name, shows, value in (
        ("null", "It is left out where there is none; null is no proof.", None),
        ("empty", "An empty text is no proof.", ""),
        ("too-short", "A proof is 32 bytes.", good["enrolment"][:-1]),
        ("too-long", "A proof is 32 bytes, and not 33.", good["enrolment"] + "A"),
        ("padded", "It has no padding.", good["enrolment"] + "="),
        ("loose", "The unused bits of its last character are zero.", loose_last(good["enrolment"])),
        ("number", "A proof is a text.", 7),
        ("the-secret", "The secret itself is no proof, and never travels.", SECRET),
    ):
        bent = compact(good | {"enrolment": value}).decode("utf-8")
        yield Vector(f"enrolment/request-{name}", shows, "4", "request", {"body": bent}, MALFORMED)
        yield _asked(f"shape-{name}", shows, bent.encode("utf-8"), MALFORMED)
    twice = compact(good)[:-1] + b',"enrolment":"%s"}' % good["enrolment"].encode()
    shows = "It stands once."
    yield Vector("enrolment/request-twice", shows, "4", "request", {"body": twice.decode()}, MALFORMED)
