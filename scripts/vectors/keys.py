"""Vectors of section 3: JWK Sets a reader may trust, and keys that are none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from scripts.vectors.making import (
    OTHER_PUBLISHER,
    PUBLISHER,
    Claims,
    b64url,
    compact,
    keyset,
    loose_last,
    thumbprint,
)
from scripts.vectors.vector import Vector, invalid, valid

__all__ = ["vectors"]

MALFORMED = invalid("MALFORMED_DOCUMENT")
_P: Final = 2**255 - 19
_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _good()
    yield from _bent()
    yield from _points()


def _set(name: str, shows: str, text: str, expected: dict[str, Any]) -> Vector:
    return Vector(f"keys/{name}", shows, "3", "jwk-set", {"text": text}, expected)


def _text(*keys: Claims) -> str:
    return compact({"keys": list(keys)}).decode("ascii")


def _kids(*kids: str) -> dict[str, Any]:
    """A set of version 1 without roles: each key signs documents and the next set."""
    return valid(version=1, kids=list(kids), next_kids=list(kids))


def _good() -> Iterator[Vector]:
    one = _kids(PUBLISHER.kid)
    bare = {"kty": "OKP", "crv": "Ed25519", "x": PUBLISHER.x}
    yield _set("one", "A key is known by its thumbprint.", _text(PUBLISHER.jwk), one)
    spaced = json.dumps({"version": 1, "keys": [dict(reversed(PUBLISHER.jwk.items()))]}, indent=2) + "\n"
    yield _set("spaced", "Neither order nor white space means anything; `version` 1 may be said.", spaced, one)
    yield _set("bare", "`kid`, `alg` and `use` may be left out.", _text(bare), one)
    yield _set(
        "two",
        "A set may have several keys.",
        json.dumps(keyset(PUBLISHER, OTHER_PUBLISHER)),
        _kids(PUBLISHER.kid, OTHER_PUBLISHER.kid),
    )
    rfc = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    known = {"kty": "OKP", "crv": "Ed25519", "x": rfc, "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}
    yield _set(
        "rfc-8037",
        "The key of RFC 8037, appendix A.3, has the thumbprint given there.",
        _text(known),
        _kids(known["kid"]),
    )


def _bent() -> Iterator[Vector]:
    key = PUBLISHER.jwk
    short = b64url(PUBLISHER.public[:31])
    whole = _text(key)
    for name, shows, text in (
        ("private", "A private key is refused: it has no business here.", _text(key | {"d": "A" * 43})),
        ("other-kty", "A key of another type is refused.", _text(key | {"kty": "EC"})),
        ("other-curve", "A key of another curve is refused.", _text(key | {"crv": "X25519"})),
        ("shared-secret", "A shared secret is refused.", _text({"kty": "oct", "k": "AAAA"})),
        ("other-alg", "A key for another algorithm is refused.", _text(key | {"alg": "EdDSA"})),
        ("other-use", "A key for another use is refused.", _text(key | {"use": "enc"})),
        (
            "unknown-member",
            "A member that the protocol does not name is refused.",
            _text(key | {"key_ops": ["verify"]}),
        ),
        ("kid-of-another", "`kid` is the thumbprint, and no other key's.", _text(key | {"kid": OTHER_PUBLISHER.kid})),
        ("kid-name", "`kid` is the thumbprint, and no name.", _text(key | {"kid": "2027"})),
        ("x-missing", "A key has an `x`.", _text({"kty": "OKP", "crv": "Ed25519"})),
        ("x-padded", "`x` has no padding.", _text(key | {"x": PUBLISHER.x + "="})),
        ("x-short", "`x` is 32 bytes, not 31.", _text({"kty": "OKP", "crv": "Ed25519", "x": short})),
        (
            "x-loose",
            "The unused bits of the last character of `x` are zero.",
            _text({"kty": "OKP", "crv": "Ed25519", "x": loose_last(PUBLISHER.x)}),
        ),
        ("x-twice", "A member stands once.", whole.replace('"x":', f'"x":"{OTHER_PUBLISHER.x}","x":')),
        ("no-keys", "A set has a key.", _text()),
        ("kid-null", "null is no `kid`.", _text(key | {"kid": None})),
        ("alg-null", "null is no `alg`.", _text(key | {"alg": None})),
        ("role-null", "null is no `role`.", _text(key | {"role": None})),
        ("keys-twice", "`keys` stands once.", whole[:-1] + ',"keys":[]}'),
        ("set-unknown-member", "A set has no other member.", whole[:-1] + ',"next":1}'),
        ("byte-order-mark", "A byte order mark is no JSON.", "\ufeff" + whole),
        ("list", "A set is an object with `keys`.", json.dumps([key])),
        ("key-alone", "A key alone is no set.", json.dumps(key)),
        ("not-json", "A set is JSON.", "-----BEGIN PUBLIC KEY-----"),
    ):
        yield _set(name, shows, text, MALFORMED)


def _points() -> Iterator[Vector]:
    for name, y in (
        ("order-4", 0),
        ("order-1", 1),
        ("order-2", _P - 1),
        ("order-8", _ORDER_8),
        ("other-order-8", _P - _ORDER_8),
    ):
        yield _point(f"small-{name}", "A key of small order is refused: anybody can sign with it.", y)
    yield _point("small-order-1-negative", "So is one with the sign bit set.", 1 | 1 << 255)
    yield _point("not-reduced", "A key's y is below 2^255 - 19: one key has one spelling.", _P + 3)
    yield _point("not-reduced-small", "A key of small order in its other spelling is refused.", _P + 1)


def _point(name: str, shows: str, y: int) -> Vector:
    x = b64url(y.to_bytes(32, "little"))
    return _set(name, shows, _text({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": thumbprint(x)}), MALFORMED)
