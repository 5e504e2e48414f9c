"""Signed documents in the hands of somebody who bends them: headers, payloads, spelling, every byte."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.core.documents import (
    HOST_CERTIFICATE,
    HOST_REQUEST,
    PRODUCT,
    DocumentKind,
    SigningKey,
    read,
    read_host_request,
    sign,
    typ_of,
)
from quorate.core.ids import b64url, unb64url
from quorate.core.lease import LEASE, REFUSAL
from quorate.errors import BadSignatureError, MalformedError, QuorateError, UnknownPublisherError
from tests.support.documents import World, signing_key
from tests.support.forgery import ATTACKER
from tests.support.forgery import forged as forged_by

WORLD = World()
KEY = signing_key(1)
KEYS = KEY.verify_keys()
EXAMPLES: list[tuple[DocumentKind[Any], Any]] = [
    (PRODUCT, WORLD.product),
    (HOST_REQUEST, WORLD.host_request()),
    (HOST_CERTIFICATE, WORLD.certificate()),
    (LEASE, WORLD.lease()),
    (REFUSAL, WORLD.refusal()),
]
KINDS = [kind for kind, _ in EXAMPLES]
CERTIFICATE = sign(HOST_CERTIFICATE, WORLD.certificate(), KEY)


def forged(header: dict[str, object] | bytes, payload: bytes, key: SigningKey = KEY) -> str:
    return forged_by(header, payload, key)


def header(**changes: object) -> dict[str, object]:
    return {"alg": "Ed25519", "kid": KEY.kid, "typ": HOST_CERTIFICATE.typ} | changes


PAYLOAD = msgspec.json.encode(WORLD.certificate())


# --- headers ----------------------------------------------------------------------------------------------------------

BAD_HEADERS: dict[str, dict[str, object] | bytes] = {
    "no algorithm": header(alg="none"),
    "no algorithm, capital": header(alg="None"),
    "the older name of the algorithm": header(alg="EdDSA"),
    "another curve": header(alg="Ed448"),
    "a shared secret": header(alg="HS256"),
    "elliptic": header(alg="ES256"),
    "a number as algorithm": header(alg=1),
    "a key inside": header(jwk=msgspec.to_builtins(ATTACKER.public())),
    "an address of keys": header(jku="https://attacker.example/keys"),
    "a certificate inside": header(x5c=["AAAA"]),
    "an unknown critical extension": header(crit=["exp"], exp=1),
    "an empty list of critical extensions": header(crit=[]),
    "unencoded payload": header(b64=False, crit=["b64"]),
    "a nested type": header(cty="JWT"),
    "no kid": {"alg": "Ed25519", "typ": HOST_CERTIFICATE.typ},
    "no typ": {"alg": "Ed25519", "kid": KEY.kid},
    "empty": {},
    "an array": b"[]",
    "no JSON": b"alg=Ed25519",
    "an algorithm twice": b'{"alg":"none","alg":"Ed25519","kid":"%s","typ":"host-certificate+jwt"}' % KEY.kid.encode(),
    "a kid twice": b'{"alg":"Ed25519","kid":"%s","kid":"%s","typ":"host-certificate+jwt"}'
    % (ATTACKER.kid.encode(), KEY.kid.encode()),
    "a typ twice, once spelled in another way": b'{"alg":"Ed25519","kid":"%s","t\\u0079p":"x","typ":"%s"}'
    % (KEY.kid.encode(), HOST_CERTIFICATE.typ.encode()),
    "deep nesting": b"[" * 2000,
    "a kid that is a path": header(kid="../../etc/passwd"),
    "a kid with a line break": header(kid=KEY.kid + "\n"),
    "a kid of null": header(kid=None),
    "a typ in capitals": header(typ=HOST_CERTIFICATE.typ.upper()),
    "a typ as media type": header(typ="application/" + HOST_CERTIFICATE.typ),
}


@pytest.mark.parametrize("bad", list(BAD_HEADERS.values()), ids=list(BAD_HEADERS))
def test_a_header_with_anything_but_the_three_known_entries_is_refused(bad: dict[str, object] | bytes) -> None:
    with pytest.raises(MalformedError):
        read(HOST_CERTIFICATE, forged(bad, PAYLOAD), KEYS)


def test_the_public_key_is_no_shared_secret() -> None:
    public = msgspec.json.encode(KEY.public())
    for secret in (public, unb64url(KEY.public().x), KEY.public().x.encode()):
        said = f"{b64url(json.dumps(header(alg='HS256')).encode())}.{b64url(PAYLOAD)}"
        for digest in ("sha256", "sha512"):
            mac = hmac.new(secret, said.encode(), digest).digest()
            with pytest.raises(MalformedError):
                read(HOST_CERTIFICATE, f"{said}.{b64url(mac)}", KEYS)


def test_a_mac_of_signature_length_under_the_right_algorithm_name_is_no_signature() -> None:
    said = f"{b64url(json.dumps(header()).encode())}.{b64url(PAYLOAD)}"
    mac = hmac.new(unb64url(KEY.public().x), said.encode(), hashlib.sha512).digest()
    with pytest.raises(BadSignatureError):
        read(HOST_CERTIFICATE, f"{said}.{b64url(mac)}", KEYS)


def test_no_signature_is_no_document() -> None:
    said = CERTIFICATE.rsplit(".", 1)[0]
    with pytest.raises(BadSignatureError):
        read(HOST_CERTIFICATE, f"{said}.{b64url(bytes(64))}", KEYS)
    for length in (0, 63, 65):
        with pytest.raises(MalformedError, match="cut off"):
            read(HOST_CERTIFICATE, f"{said}.{b64url(bytes(length))}", KEYS)


def test_a_document_of_another_publisher_names_the_unknown_key() -> None:
    with pytest.raises(UnknownPublisherError, match=ATTACKER.kid):
        read(HOST_CERTIFICATE, sign(HOST_CERTIFICATE, WORLD.certificate(), ATTACKER), KEYS)


def test_the_attackers_signature_under_the_publishers_kid_is_bad() -> None:
    with pytest.raises(BadSignatureError):
        read(HOST_CERTIFICATE, forged(header(), PAYLOAD, ATTACKER), KEYS)


# --- payloads ---------------------------------------------------------------------------------------------------------


def claims_with(old: bytes, new: bytes) -> bytes:
    assert PAYLOAD.count(old) == 1
    return PAYLOAD.replace(old, new)


BAD_PAYLOADS = {
    "a claim twice": claims_with(b'"v":1', b'"v":1,"v":1'),
    "a claim twice, once spelled in another way": claims_with(b'"v":1', b'"\\u0076":1,"v":1'),
    "a claim twice within": claims_with(b'"kty":"OKP"', b'"kty":"OKP","kty":"OKP"'),
    "an unknown claim": claims_with(b'"v":1', b'"v":1,"admin":true'),
    "another version": claims_with(b'"v":1', b'"v":2'),
    "a version that is true": claims_with(b'"v":1', b'"v":true'),
    "a fraction": claims_with(b'"v":1', b'"v":1.0'),
    "a huge number": claims_with(b'"v":1', b'"v":' + b"9" * 3000),
    "a huge exponent": claims_with(b'"v":1', b'"v":1e999'),
    "no number": claims_with(b'"v":1', b'"v":NaN'),
    "null": claims_with(b'"groups":["acme"]', b'"groups":null'),
    "an empty list": claims_with(b'"groups":["acme"]', b'"groups":[]'),
    "deep nesting": claims_with(b'"groups":["acme"]', b'"groups":' + b"[" * 2000),
    "a line break in a group": claims_with(b'"groups":["acme"]', b'"groups":["acme\\n"]'),
    "a control character": claims_with(b'"Contoso"', b'"Con\\u001b[2Jtoso"'),
    "a text that turns around": claims_with(b'"Contoso"', '"Con\u202etoso"'.encode()),
    "half a character": claims_with(b'"Contoso"', b'"\\ud800"'),
    "bytes that are no text": claims_with(b'"Contoso"', b'"\xff\xfe"'),
    "a byte order mark": b"\xef\xbb\xbf" + PAYLOAD,
    "something behind": PAYLOAD + b"{}",
    "nothing": b"",
    "an array": b"[]",
    "a private key": claims_with(
        b'"crv":"Ed25519"', b'"crv":"Ed25519","d":"%s"' % b64url(WORLD.host_key.seed).encode()
    ),
    "an end before the beginning": msgspec.json.encode(
        json.loads(PAYLOAD) | {"exp": WORLD.certificate().issued_s},
    ),
}


@pytest.mark.parametrize("payload", list(BAD_PAYLOADS.values()), ids=list(BAD_PAYLOADS))
def test_even_the_publisher_cannot_sign_nonsense(payload: bytes) -> None:
    with pytest.raises(MalformedError):
        read(HOST_CERTIFICATE, forged(header(), payload), KEYS)


# --- the outer form ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(0, len(CERTIFICATE), 7))
def test_a_document_that_was_cut_off_is_refused(length: int) -> None:
    with pytest.raises((MalformedError, BadSignatureError)):
        read(HOST_CERTIFICATE, CERTIFICATE[:length], KEYS)


@given(st.integers(0, len(CERTIFICATE) - 1))
def test_a_document_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises((MalformedError, BadSignatureError)):
        read(HOST_CERTIFICATE, CERTIFICATE[:length], KEYS)


@given(st.integers(0, len(CERTIFICATE) - 1), st.integers(0, 7))
@settings(max_examples=400)
def test_one_flipped_bit_anywhere_is_noticed(place: int, bit: int) -> None:
    raw = bytearray(CERTIFICATE.encode())
    raw[place] ^= 1 << bit
    with pytest.raises((MalformedError, BadSignatureError, UnknownPublisherError)):
        read(HOST_CERTIFICATE, raw.decode("latin-1"), KEYS)


@given(st.sampled_from(range(3)), st.data())
def test_one_flipped_bit_in_what_the_parts_hold_is_noticed(part: int, data: st.DataObject) -> None:
    parts = CERTIFICATE.split(".")
    raw = bytearray(unb64url(parts[part]))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    parts[part] = b64url(bytes(raw))
    with pytest.raises((MalformedError, BadSignatureError, UnknownPublisherError)):
        read(HOST_CERTIFICATE, ".".join(parts), KEYS)


def with_trailing_bits(token: str) -> str:
    """The same bytes, spelled in base64 with bits left over (64 bytes leave four)."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spelled = token[:-1] + alphabet[alphabet.index(token[-1]) | 1]
    padded = spelled.rsplit(".", 1)[1] + "=="
    assert base64.urlsafe_b64decode(padded) == unb64url(token.rsplit(".", 1)[1])
    return spelled


BENT: dict[str, Callable[[str], str]] = {
    "bits left over": with_trailing_bits,
    "padding": lambda t: t + "==",
    "a line break behind": lambda t: t + "\n",
    "a blank in front": lambda t: " " + t,
    "a line break within": lambda t: t[:50] + "\n" + t[50:],
    "the other base64": lambda t: t + "+/",
    "twice": lambda t: t + t,
    "twice with a dot": lambda t: t + "." + t,
    "a fourth part": lambda t: t + ".",
    "an empty payload": lambda t: t.split(".")[0] + ".." + t.split(".")[2],
    "a foreign character": lambda t: t[:-1] + "é",
    "a NUL": lambda t: t[:20] + "\0" + t[21:],
    "half a character": lambda t: t + "\ud800",
    "another signature": lambda t: t.rsplit(".", 1)[0] + "." + sign(LEASE, WORLD.lease(), KEY).rsplit(".", 1)[1],
    "nothing": lambda t: "",
    "dots": lambda t: "..",
    "very many dots": lambda t: "." * 8000,
    "a megabyte": lambda t: t * 1000,
    "JSON serialization": lambda t: json.dumps(
        dict(zip(("protected", "payload", "signature"), t.split("."), strict=True))
    ),
}


@pytest.mark.parametrize("bend", list(BENT.values()), ids=list(BENT))
def test_a_document_has_exactly_one_spelling(bend: Callable[[str], str]) -> None:
    with pytest.raises((MalformedError, BadSignatureError)):
        read(HOST_CERTIFICATE, bend(CERTIFICATE), KEYS)


@given(st.one_of(st.text(max_size=300), st.lists(st.binary(max_size=100).map(b64url), max_size=5).map(".".join)))
def test_whatever_the_text_only_our_errors_escape(text: str) -> None:
    typ_of(text)
    for kind in KINDS:
        with pytest.raises(QuorateError):
            read(kind, text, KEYS)
    with pytest.raises(QuorateError):
        read_host_request(text)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(range(len(EXAMPLES))), st.data())
def test_whatever_stands_in_a_signed_claim_only_our_errors_escape(which: int, data: st.DataObject) -> None:
    kind, claims = EXAMPLES[which]
    built = msgspec.to_builtins(claims)
    name = data.draw(st.sampled_from(sorted(built)))
    changed = built | {name: data.draw(json_like)}
    token = forged(header(typ=kind.typ), json.dumps(changed).encode())
    try:
        found = read(kind, token, KEYS)
    except MalformedError:
        return
    assert read(kind, sign(kind, found, KEY), KEYS) == found


def test_typ_of_tells_which_file_one_has_in_hand() -> None:
    assert [typ_of(sign(kind, claims, KEY)) for kind, claims in EXAMPLES] == [kind.typ for kind in KINDS]
    for nothing in ("", "..", "é", "\ud800", "aGVsbG8.x.y", "x" * 1_000_000, b64url(b"[" * 10_000)):
        assert typ_of(nothing) is None
