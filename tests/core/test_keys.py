"""Verify keys: exactly public Ed25519 keys that only their owner can sign with, under their thumbprint."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey

from quorate.core.documents import (
    Jwk,
    SigningKey,
)
from quorate.core.ids import b64url
from quorate.core.succession import TrustState
from quorate.core.trust import Anchor
from quorate.errors import MalformedError
from tests.support.documents import World, jwks_of, signing_key
from tests.support.forgery import ATTACKER

KEY = signing_key(1)


def test_keys_are_known_by_their_thumbprint() -> None:
    assert set(TrustState.shipped(jwks_of(KEY, ATTACKER)).for_issuing().by_kid) == {KEY.kid, ATTACKER.kid}


def test_a_signing_key_shows_its_public_half_only() -> None:
    assert repr(KEY) == str(KEY) == f"SigningKey({KEY.kid})"
    assert KEY.seed == (1).to_bytes(32, "big")
    assert SigningKey.from_seed(KEY.seed).kid == KEY.kid
    with pytest.raises(ValueError, match="32"):
        SigningKey.from_seed(b"short")


PUBLIC: dict[str, Any] = msgspec.to_builtins(KEY.public())


def jwks_with(**changes: object) -> bytes:
    return json.dumps({"keys": [PUBLIC | changes]}).encode()


BAD_SETS = {
    "empty": b'{"keys":[]}',
    "seventeen keys": json.dumps({"keys": [PUBLIC] * 17}).encode(),
    "no set": json.dumps(PUBLIC).encode(),
    "an array": b"[]",
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "deep": b'{"keys":' + b"[" * 10_000,
    "keys twice": b'{"keys":[],"keys":[' + json.dumps(PUBLIC).encode() + b"]}",
    "more than keys": json.dumps({"keys": [PUBLIC], "next": "x"}).encode(),
    "a private key": jwks_with(d=b64url(KEY.seed)),
    "a kid that is no thumbprint": jwks_with(kid=ATTACKER.kid),
    "a nickname": jwks_with(kid="publisher-2026"),
    "another curve": jwks_with(crv="X25519"),
    "another type": jwks_with(kty="EC"),
    "a key for encryption": jwks_with(use="enc"),
    "another algorithm": jwks_with(alg="EdDSA"),
    "a short key": jwks_with(x=b64url(bytes(31))),
    "a long key": jwks_with(x=b64url(bytes(33))),
    "padding": jwks_with(x=PUBLIC["x"] + "="),
    "a number": jwks_with(x=1),
    "operations": jwks_with(key_ops=["verify"]),
    "a kid of null": jwks_with(kid=None),
    "a role of null": jwks_with(role=None),
    "a key twice": jwks_of(KEY, KEY),
    "a key twice, in two roles": json.dumps({"keys": [PUBLIC | {"role": "root"}, PUBLIC]}).encode(),
    "root keys alone": jwks_with(role="root"),
    "issuing keys alone": jwks_with(role="issuing"),
    "a role that is none": jwks_with(role="admin"),
    "version 0": json.dumps({"keys": [PUBLIC], "version": 0}).encode(),
    "version 1001": json.dumps({"keys": [PUBLIC], "version": 1001}).encode(),
    "a version that is true": json.dumps({"keys": [PUBLIC], "version": True}).encode(),
}


@pytest.mark.parametrize("data", list(BAD_SETS.values()), ids=list(BAD_SETS))
def test_a_key_set_that_is_not_exactly_public_ed25519_keys_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        TrustState.shipped(data)
    with pytest.raises(MalformedError):  # as a client and a host load it, with the product file beside it
        Anchor.load(World().product_token, data)


def test_a_key_has_one_spelling() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    bent = PUBLIC["x"][:-1] + alphabet[alphabet.index(PUBLIC["x"][-1]) | 1]
    assert bent != PUBLIC["x"]
    with pytest.raises(MalformedError, match="canonical"):
        TrustState.shipped(json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": bent}]}).encode())


@given(st.binary(max_size=300))
def test_whatever_the_bytes_a_key_set_is_read_or_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        TrustState.shipped(data)


# The points of small order, worked out here independently: (x, y) on -x² + y² = 1 + d x² y² over the field of 2^255-19.
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def plus(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    k = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + k, -1, P) % P
    return x, (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, -1, P) % P


def point(y: int) -> tuple[int, int] | None:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    for x in (pow(square, (P + 3) // 8, P), pow(square, (P + 3) // 8, P) * pow(2, (P - 1) // 4, P) % P):
        if x * x % P == square:
            return x, y % P
    return None


def small_order_points() -> set[tuple[int, int]]:
    """All eight: any point times the prime order of the main subgroup is one of them."""
    order = 2**252 + 27742317777372353535851937790883648493
    found = set()
    for y in range(2, 80):
        start, total = point(y), (0, 1)
        if start is None:
            continue
        power = start
        for bit in range(order.bit_length()):
            if order >> bit & 1:
                total = plus(total, power)
            power = plus(power, power)
        found |= {total, (-total[0] % P, total[1])}
        if len(found) == 8:
            break
    return found


def test_keys_under_which_anybody_can_sign_are_refused() -> None:
    points = small_order_points()
    assert len(points) == 8
    for x, y in points:
        for spelled in {y, y + P} if y + P < 2**255 else {y}:
            raw = (spelled | (x & 1) << 255).to_bytes(32, "little")
            for encoded in (raw, raw[:31] + bytes([raw[31] ^ 0x80])):
                jwk = Jwk(kty="OKP", crv="Ed25519", x=b64url(encoded))
                with pytest.raises(MalformedError, match="only its owner"):
                    jwk.key()


def test_a_signature_that_anybody_can_make_is_why() -> None:
    identity = (1).to_bytes(32, "little")
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64url(identity)})
    said = f"{b64url(json.dumps({'alg': 'Ed25519'}).encode())}.{b64url(b'anything')}"
    nobodys = f"{said}.{b64url(identity + bytes(32))}"
    assert jws.deserialize_compact(nobodys, key, algorithms=["Ed25519"]).payload == b"anything"
