"""Vectors of section 8: faults that nobody signs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from scripts.vectors.making import Claims, compact
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import changed

__all__ = ["vectors"]

REFUSED: Final = invalid("MALFORMED_DOCUMENT")


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _good()
    yield from _bent()
    yield from _passed_over()


def _claims(**changes: Any) -> Claims:
    claims = {
        "type": "urn:quorate:error:RATE_LIMITED",
        "title": "Rate limited",
        "status": 429,
        "detail": "too many requests from here; retry in 30 s",
        "code": "RATE_LIMITED",
        "hint": "Wait; the client does so by itself.",
        "hresult": None,
        "retry_after_s": 30,
    }
    return changed(claims, **changes)


def _problem(name: str, shows: str, body: bytes, expected: dict[str, Any]) -> Vector:
    return Vector(f"problems/{name}", shows, "8", "problem", {"body": body.decode("utf-8")}, expected)


def _good() -> Iterator[Vector]:
    for name, shows, changes in (
        ("usual", "A problem with a waiting time.", {}),
        ("nulls", "`hresult` and `retry_after_s` may be null.", {"retry_after_s": None}),
        ("hresult", "`hresult` is a text.", {"hresult": "0xC004F038"}),
        ("retry-longest", "A waiting time is up to 2^31 seconds.", {"retry_after_s": 2**31}),
        ("status-lowest", "A status is 100 to 599.", {"status": 100}),
        ("text-empty", "A text may be empty.", {"title": ""}),
        ("text-of-2000", "A text has up to 2000 characters.", {"detail": "\U0001f600" * 2000}),
        (
            "text-with-anything",
            "Any character may be in it: it is cleaned when it is shown.",
            {"detail": "a\x1b[2J\u202eb\n\x00"},
        ),
    ):
        yield _problem(name, shows, compact(_claims(**changes)), valid(claims=_claims(**changes)))
    yield _problem(
        "without-optional",
        "`hresult` and `retry_after_s` may be left out; they are then null.",
        compact(_claims(hresult=..., retry_after_s=...)),
        valid(claims=_claims(retry_after_s=None)),
    )


def _bent() -> Iterator[Vector]:
    for name in ("type", "title", "status", "detail", "code", "hint"):
        shows = f"A problem has a `{name}`."
        yield _problem(f"{name}-missing", shows, compact(_claims(**{name: ...})), REFUSED)
    for name, shows, changes in (
        ("retry-text", "A waiting time is an integer.", {"retry_after_s": "30"}),
        ("retry-negative", "A waiting time is not below zero.", {"retry_after_s": -1}),
        ("retry-fraction", "30.5 is no integer.", {"retry_after_s": 30.5}),
        ("retry-too-long", "A waiting time is up to 2^31 seconds.", {"retry_after_s": 2**31 + 1}),
        ("status-text", "A status is an integer.", {"status": "429"}),
        ("status-too-low", "99 is no status.", {"status": 99}),
        ("status-too-high", "600 is none.", {"status": 600}),
        ("hresult-number", "`hresult` is no number.", {"hresult": 0xC004F038}),
        ("text-null", "null is no text.", {"hint": None}),
        ("text-too-long", "A text has up to 2000 characters.", {"detail": "x" * 2001}),
    ):
        yield _problem(name, shows, compact(_claims(**changes)), REFUSED)
    good = compact(_claims())
    for name, shows, body in (
        ("code-twice", "`code` stands once.", good[:-1] + b',"code":"CLOCK_SKEW"}'),
        ("half-character", "An escape of half a character is no text.", good.replace(b"30 s", b"\\ud83d")),
        ("byte-order-mark", "A byte order mark is no JSON.", b"\xef\xbb\xbf" + good),
        ("web-page", "A web page is no problem.", b"<!doctype html><title>502 Bad Gateway</title>"),
        ("array", "An array is no problem.", json.dumps([_claims()]).encode()),
    ):
        yield _problem(name, shows, body, REFUSED)


def _passed_over() -> Iterator[Vector]:
    """Members that are not known: the one message that may have them."""
    good, taken = compact(_claims()), valid(claims=_claims())
    for name, shows, added, expected in (
        (
            "",
            "Members that are not known are passed over, as RFC 9457 asks: a problem is no document of section 2.",
            b'"instance":"/v1/activate"',
            taken,
        ),
        (
            "-of-any-kind",
            "The rules of section 2 for numbers are not those of members that are passed over.",
            b'"load":0.5,"trace":[[1e300,{"deep":[null,true,-1]}]]',
            taken,
        ),
        (
            "-nested",
            "Such a member may be nested, up to 32 deep with the problem itself.",
            b'"trace":' + b"[" * 31 + b"]" * 31,
            taken,
        ),
        ("-twice", "A name stands once, also in what is passed over.", b'"trace":{"a":1,"a":2}', REFUSED),
        ("-no-json", "What is passed over is JSON all the same.", b'"trace":[1,]', REFUSED),
        ("-not-a-number", "NaN is none, passed over or not.", b'"trace":NaN', REFUSED),
    ):
        yield _problem(f"unknown-member{name}", shows, good[:-1] + b"," + added + b"}", expected)
