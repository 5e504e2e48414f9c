"""Vectors of section 7: the key of a question and its commit, and how both travel in a request."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

from scripts.vectors.making import Claims, b64url, compact, loose_last
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import CMID, EDITION_OF, NONCE, NOW, cmid, nonce

__all__ = ["commit", "reveal", "vectors"]

MALFORMED = invalid("MALFORMED_REQUEST")
SECRET = bytes(range(32))


def _key(secret: bytes, of_cmid: str, of_nonce: str) -> bytes:
    said = f"quorate-question:{of_cmid}:{of_nonce}".encode("ascii")
    return hmac.new(secret, said, "sha256").digest()[:16]


def reveal(of_nonce: str, of_cmid: str = CMID, secret: bytes = SECRET) -> str:
    """The key of that question."""
    return b64url(_key(secret, of_cmid, of_nonce))


def commit(of_nonce: str, of_cmid: str = CMID, secret: bytes = SECRET) -> str:
    """What hides it."""
    return b64url(hashlib.sha256(b"quorate-commit:" + _key(secret, of_cmid, of_nonce)).digest()[:16])


def vectors() -> Iterator[Vector]:
    """All of them."""
    for name, shows, secret, of_cmid, of_nonce in (
        ("usual", "The key of a question, and the commit that hides it.", SECRET, CMID, NONCE),
        ("other-secret", "Another secret has another key.", bytes(32), CMID, NONCE),
        ("other-cmid", "Another CMID has another key.", SECRET, cmid(2), NONCE),
        ("other-nonce", "Another question has another key.", SECRET, CMID, nonce(2)),
    ):
        yield Vector(
            f"computations/question-key-{name}",
            shows,
            "7",
            "question-key",
            {"secret": b64url(secret), "cmid": of_cmid, "nonce": of_nonce},
            valid(key=reveal(of_nonce, of_cmid, secret), commit=commit(of_nonce, of_cmid, secret)),
        )
    yield from _requests()


def _claims(**more: Any) -> Claims:
    return {
        "v": 1,
        "edition": EDITION_OF["client"],
        "cmid": CMID,
        "machine": "pc-0001.contoso.example",
        "status": "licensed",
        "time_s": NOW,
        "nonce": NONCE,
        "expires_in_min": 43_200,
        "vm": False,
        "previous_cmid": None,
        "link": None,
    } | more


def _requests() -> Iterator[Vector]:
    hidden, keys = commit(NONCE), [reveal(nonce(n)) for n in range(2, 7)]
    good: tuple[tuple[str, str, Claims], ...] = (
        ("commit", "A first question has a commit alone.", {"commit": hidden}),
        ("reveals", "A later one shows the keys of those before.", {"commit": hidden, "reveals": keys[:1]}),
        ("reveals-four", "Four of them at the most.", {"commit": hidden, "reveals": keys[:4]}),
        ("reveals-none", "No key is none.", {"commit": hidden, "reveals": []}),
        ("reveals-alone", "Keys without a commit are well-formed, and prove nothing.", {"reveals": keys[:1]}),
    )
    for name, shows, more in good:
        yield _request(name, shows, more, valid(claims=_claims(**more)))
    bad: tuple[tuple[str, str, Claims], ...] = (
        ("commit-null", "What there is not is left out; null is no commit.", {"commit": None}),
        ("commit-short", "A commit has 16 bytes,", {"commit": hidden[:-1]}),
        ("commit-long", "and not 17;", {"commit": hidden + "A"}),
        ("commit-loose", "the unused bits of its last character are zero;", {"commit": loose_last(hidden)}),
        ("commit-number", "it is a text.", {"commit": 7}),
        ("reveals-five", "Five keys are too many.", {"reveals": keys}),
        ("reveals-null", "null is no list.", {"reveals": None}),
        ("reveals-text", "Nor is one key.", {"reveals": keys[0]}),
        ("reveals-short", "Each has 16 bytes.", {"reveals": [keys[0], keys[1][:-1]]}),
        ("reveals-of-null", "Each is a text.", {"reveals": [None]}),
    )
    for name, shows, more in bad:
        yield _request(name, shows, more, MALFORMED)


def _request(name: str, shows: str, more: Claims, expected: dict[str, Any]) -> Vector:
    return Vector(f"requests/{name}", shows, "4", "request", {"body": compact(_claims(**more)).decode()}, expected)
