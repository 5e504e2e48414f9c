"""Wycheproof: each Ed25519 signature is judged as it says; none of its tokens and foreign keys is one of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quorate.core.documents import kid_of, read, sign, typ_of
from quorate.core.ids import b64url, unb64url
from quorate.core.keys import Jwk
from quorate.core.lease import LEASE
from quorate.core.succession import TrustState
from quorate.errors import BadSignatureError, MalformedError, QuorateError
from tests.corpora.reading import rows
from tests.fuzz.decoders import DECODERS, KEY, KINDS, WORLD, takes

SIGNATURES = rows("wycheproof-ed25519.json")
TOKENS = rows("wycheproof-jws.json")
FOREIGN_KEYS = rows("wycheproof-jwk.json")
ORDER = 2**252 + 27742317777372353535851937790883648493


def jwk_of(row: dict[str, Any]) -> Jwk:
    return Jwk(kty="OKP", crv="Ed25519", x=row["jwk"]["x"])


def is_good(row: dict[str, Any]) -> bool:
    """As our documents' signatures are verified."""
    from_key: Any = jwk_of(row).key().get_op_key("verify")
    try:
        from_key.verify(bytes.fromhex(row["sig"]), bytes.fromhex(row["msg"]))
    except Exception:  # noqa: BLE001  (whatever it is called, it is not good)
        return False
    return True


def test_every_signature_is_judged_as_wycheproof_says() -> None:
    wrong = [(row["id"], row["comment"]) for row in SIGNATURES if is_good(row) != (row["result"] == "valid")]
    assert wrong == []
    assert {row["result"] for row in SIGNATURES} == {"valid", "invalid"}


def test_a_key_that_calls_itself_something_else_than_its_thumbprint_is_refused() -> None:
    for row in SIGNATURES:
        with pytest.raises(MalformedError, match="thumbprint"):
            Jwk(kty="OKP", crv="Ed25519", x=row["jwk"]["x"], kid=row["jwk"]["kid"]).key()


def test_what_was_done_to_those_signatures_is_refused_in_a_document_of_ours() -> None:
    """Each bad signature's kind of damage, in the place of a good one's bytes."""
    token = sign(LEASE, WORLD.lease(), KEY)
    head, payload, good = token.split(".")
    keys = KEY.verify_keys()
    assert read(LEASE, token, keys) == WORLD.lease()
    for row in (each for each in SIGNATURES if each["result"] == "invalid"):
        bad = b64url(bytes.fromhex(row["sig"]))
        with pytest.raises((BadSignatureError, MalformedError)):
            read(LEASE, f"{head}.{payload}.{bad}", keys)
    raw = unb64url(good)
    s = int.from_bytes(raw[32:], "little")
    for malleable in (s + ORDER, s + 2 * ORDER, s + 8 * ORDER):  # spec section 3: one document, one signature
        if malleable < 2**256:
            with pytest.raises(BadSignatureError):
                read(LEASE, f"{head}.{payload}.{b64url(raw[:32] + malleable.to_bytes(32, 'little'))}", keys)


def test_no_foreign_token_is_a_document_and_none_raises_anything_else() -> None:
    assert len(TOKENS) > 300
    readers = [DECODERS[f"{kind.typ} as token"] for kind in KINDS]
    readers += [DECODERS[f"{kind} as text"] for kind in ("product+jwt", "host-request+jwt", "host-certificate+jwt")]
    for row in TOKENS:
        data = row["jws"].encode("utf-8", "surrogatepass")
        assert not any(takes(each, data) for each in readers[: len(KINDS)]), row
        for each in readers[len(KINDS) :]:  # text is taken apart here, and read as a token afterwards
            takes(each, data)
        typ_of(row["jws"])
        kid_of(row["jws"])


def test_no_key_of_another_kind_is_a_publishers() -> None:
    assert len(FOREIGN_KEYS) > 20
    for jwk in FOREIGN_KEYS:
        with pytest.raises(QuorateError):
            TrustState.shipped(json.dumps({"keys": [jwk]}).encode())
        with pytest.raises(QuorateError):
            TrustState.shipped(json.dumps({"keys": [json.loads(WORLD.jwks)["keys"][0], jwk]}).encode())
