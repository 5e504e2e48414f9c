"""Vectors of sections 7, 8 and 9: product keys, what is computed from them, lineage links, and problems."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any, Final

from scripts.vectors.making import HOST, OTHER_HOST, Claims, b64url, compact
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import CMID, HOST_ID, NONCE, changed, cmid, link, nonce

__all__ = ["vectors"]

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
KEY: Final = "QHR4TYBMK3VJ9DNXC2WG7PFZ"  # 24 symbols; the check digit comes behind


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _product_keys()
    yield from _bad_product_keys()
    yield from _key_proofs()
    yield from _links()
    yield from _problems()


def _checked(symbols: str) -> str:
    """The whole key, in groups, of its first 24 symbols: found by trying the 31 last ones."""
    for last in ALPHABET:
        whole = symbols + last
        if sum(place * ALPHABET.index(each) for place, each in enumerate(whole, 1)) % 31 == 0:
            return "-".join(whole[at : at + 5] for at in range(0, 25, 5))
    raise ValueError("31 is a prime: one of them fits")


def _verifier(key: str) -> bytes:
    return hashlib.sha256(b"quorate-host-key-verifier:" + key.encode("ascii")).digest()


def _outcome(key: str) -> dict[str, Any]:
    return valid(
        key=key,
        key_id=b64url(hashlib.sha256(b"quorate-host-key-id:" + key.encode("ascii")).digest()[:12]),
        verifier=b64url(_verifier(key)),
        last_five=key[-5:],
    )


def _typed(name: str, shows: str, typed: str, expected: dict[str, Any]) -> Vector:
    return Vector(f"product-keys/{name}", shows, "9", "product-key", {"typed": typed}, expected)


def _product_keys() -> Iterator[Vector]:
    key = _checked(KEY)
    other = _checked("QH" + "2" * 22)
    for name, shows, typed, whole in (
        ("usual", "A host key as it was handed out.", key, key),
        ("smallest-symbols", "Symbols of value 0 add nothing to the sum.", other, other),
        ("lower-case", "Capitals do not matter when it is typed.", key.lower(), key),
        ("without-dashes", "Nor do dashes.", key.replace("-", ""), key),
        ("spaces", "Nor spaces in their place, or around it.", f"  {key.replace('-', ' ')}\n", key),
        ("other-groups", "Nor how it is grouped.", f"{key[:3]}-{key[3:]}", key),
    ):
        yield _typed(name, shows, typed, _outcome(whole))


def _bad_product_keys() -> Iterator[Vector]:
    key = _checked(KEY)
    refused = invalid("PRODUCT_KEY_INVALID")
    wrong = "3" if key[8] != "3" else "4"
    for name, shows, typed in (
        ("one-wrong-symbol", "One wrong symbol is found.", key[:8] + wrong + key[9:]),
        ("two-exchanged", "Two symbols exchanged are found.", key[:2] + key[3] + key[2] + key[4:]),
        ("wrong-check-digit", "The last symbol must fit.", key[:-1] + ("2" if key[-1] != "2" else "3")),
        ("too-short", "24 symbols are too few.", key[:-1]),
        ("too-long", "26 symbols are too many.", key + "2"),
        ("twice", "Two keys are none.", key + key),
        ("empty", "Nothing is no key.", ""),
        ("letter-o", "O is none of the symbols: it looks like a zero.", key[:-1] + "O"),
        ("digit-one", "1 is none of the symbols.", key[:-1] + "1"),
        ("foreign-letter", "A letter that looks alike is another letter.", key.replace("H", "\u041d", 1)),
        ("foreign-digit", "Digits of other scripts are none.", key[:-1] + "\u0662"),
        (
            "foreign-mark",
            "A key that fits its check digit and does not begin with QH is none of ours.",
            _checked("AB" + KEY[2:]),
        ),
        ("sentence", "A sentence is no key.", "the key is in the mail"),
    ):
        yield _typed(name, shows, typed, refused)


def _key_proofs() -> Iterator[Vector]:
    for name, shows, key, host_id, thumbprint, request in (
        ("usual", "The proof of one request.", _checked(KEY), HOST_ID, HOST.kid, nonce(101)),
        ("other-request", "Another request has another proof.", _checked(KEY), HOST_ID, HOST.kid, nonce(102)),
        (
            "other-host-key",
            "Another signing key has another proof.",
            _checked(KEY),
            HOST_ID,
            OTHER_HOST.kid,
            nonce(101),
        ),
        ("other-host", "Another host has another proof.", _checked(KEY), cmid(5), HOST.kid, nonce(101)),
        (
            "other-product-key",
            "Another product key has another proof.",
            _checked("QH" + "2" * 22),
            HOST_ID,
            HOST.kid,
            nonce(101),
        ),
    ):
        said = f"quorate-host-key-proof:{host_id}:{thumbprint}:{request}".encode("ascii")
        proof = b64url(hmac.new(_verifier(key), said, "sha256").digest())
        given = {"key": key, "host_id": host_id, "thumbprint": thumbprint, "request_id": request}
        yield Vector(f"computations/key-proof-{name}", shows, "9", "key-proof", given, valid(key_proof=proof))


def _links() -> Iterator[Vector]:
    for name, shows, of_cmid, of_nonce in (
        ("usual", "The link of the lease that answers this nonce.", CMID, NONCE),
        ("other-nonce", "Another nonce has another link.", CMID, nonce(2)),
        ("other-cmid", "Another CMID has another link.", cmid(2), NONCE),
    ):
        given = {"cmid": of_cmid, "nonce": of_nonce}
        yield Vector(f"computations/link-{name}", shows, "7", "link", given, valid(link=link(of_cmid, of_nonce)))


def _problem_claims(**changes: Any) -> Claims:
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


def _problems() -> Iterator[Vector]:
    good = compact(_problem_claims())
    refused = invalid("MALFORMED_DOCUMENT")
    for name, shows, body, expected in (
        ("usual", "A problem with a waiting time.", good, valid(claims=_problem_claims())),
        (
            "unknown-member",
            "Members that are not known are passed over, as RFC 9457 asks: a problem is no document of section 2.",
            compact(_problem_claims(instance="/v1/activate")),
            valid(claims=_problem_claims()),
        ),
        (
            "without-optional",
            "`hresult` and `retry_after_s` may be left out; they are then null.",
            compact(_problem_claims(hresult=..., retry_after_s=...)),
            valid(claims=_problem_claims(retry_after_s=None)),
        ),
        ("code-missing", "A problem has a code.", compact(_problem_claims(code=...)), refused),
        ("code-twice", "`code` stands once.", good[:-1] + b',"code":"CLOCK_SKEW"}', refused),
        ("retry-text", "A waiting time is an integer.", compact(_problem_claims(retry_after_s="30")), refused),
        ("retry-negative", "A waiting time is not below zero.", compact(_problem_claims(retry_after_s=-1)), refused),
        ("retry-fraction", "30.5 is no integer.", compact(_problem_claims(retry_after_s=30.5)), refused),
        ("status-text", "A status is an integer.", compact(_problem_claims(status="429")), refused),
        ("web-page", "A web page is no problem.", b"<!doctype html><title>502 Bad Gateway</title>", refused),
        ("array", "An array is no problem.", json.dumps([_problem_claims()]).encode(), refused),
    ):
        given = {"body": body.decode("utf-8")}
        yield Vector(f"problems/{name}", shows, "8", "problem", given, expected)
