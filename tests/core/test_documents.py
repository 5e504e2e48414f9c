"""Signed documents: what was signed is read again, and nothing else is ever read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey

from quorate.core.documents import (
    HOST_CERTIFICATE,
    HOST_REQUEST,
    PRODUCT,
    DocumentKind,
    Edition,
    HostCertificate,
    Jwk,
    ProductFile,
    SigningKey,
    TokenSigner,
    VerifyKeys,
    read,
    read_host_request,
    sign,
    typ_of,
)
from quorate.core.ids import b64url, unb64url
from quorate.core.lease import LEASE, REFUSAL, Lease
from quorate.core.policy import MachineClass
from quorate.errors import BadSignatureError, MalformedError, QuorateError, UnknownPublisherError
from tests.support.documents import World, cmid_of, jwks_of, nonce_of, signing_key

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
example = pytest.mark.parametrize(("kind", "claims"), EXAMPLES, ids=[kind.typ for kind in KINDS])


def forged(header: dict[str, object] | bytes, payload: bytes, key: SigningKey = KEY) -> str:
    """A token with any header and payload, its signature right."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    said = f"{b64url(head)}.{b64url(payload)}"
    return f"{said}.{b64url(key.sign_bytes(said.encode()))}"


def header(**changes: object) -> dict[str, object]:
    return {"alg": "Ed25519", "kid": KEY.kid, "typ": HOST_CERTIFICATE.typ} | changes


PAYLOAD = msgspec.json.encode(WORLD.certificate())


# --- round trips ------------------------------------------------------------------------------------------------------


@example
def test_what_was_signed_is_read_again(kind: DocumentKind[Any], claims: Any) -> None:
    assert read(kind, sign(kind, claims, KEY), KEYS) == claims


@example
def test_the_fast_signer_makes_the_same_bytes(kind: DocumentKind[Any], claims: Any) -> None:
    assert TokenSigner(kind, KEY).sign(claims) == sign(kind, claims, KEY)


@example
def test_any_jose_library_can_check_a_document_with_the_publishers_jwks(kind: DocumentKind[Any], claims: Any) -> None:
    public = json.loads(jwks_of(KEY))["keys"][0]
    independent = jws.deserialize_compact(
        TokenSigner(kind, KEY).sign(claims), OKPKey.import_key(public), algorithms=["Ed25519"]
    )
    assert independent.headers() == {"alg": "Ed25519", "kid": public["kid"], "typ": kind.typ}
    assert json.loads(independent.payload) == json.loads(msgspec.json.encode(claims))


slugs = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
shown = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf"]), min_size=1, max_size=50)
times = st.integers(0, 253_402_300_799)


@given(slugs, shown, shown, times, st.lists(st.tuples(slugs, shown, st.sampled_from(list(MachineClass))), min_size=1))
@settings(max_examples=50)
def test_any_sound_product_is_read_as_it_was_signed(
    product: str, name: str, publisher: str, issued_s: int, editions: list[tuple[str, str, MachineClass]]
) -> None:
    unique = {edition_id: (words, kind) for edition_id, words, kind in editions[:64]}
    claims = ProductFile(
        publisher=publisher,
        issued_s=issued_s,
        product=product,
        name=name,
        group=product,
        editions=tuple(Edition(id=i, name=w, machine_class=k) for i, (w, k) in unique.items()),
        policy=WORLD.policy,
    )
    assert read(PRODUCT, sign(PRODUCT, claims, KEY), KEYS) == claims


@given(shown, times, times, st.lists(slugs, min_size=1, max_size=64))
@settings(max_examples=50)
def test_any_sound_certificate_is_read_as_it_was_signed(
    customer: str, one_s: int, two_s: int, groups: list[str]
) -> None:
    begins_s = min(one_s, two_s)
    claims = WORLD.certificate(
        customer=customer, issued_s=begins_s, expires_s=max(one_s, two_s, begins_s + 1), groups=tuple(groups)
    )
    if claims.expires_s <= 253_402_300_799:
        assert read(HOST_CERTIFICATE, sign(HOST_CERTIFICATE, claims, KEY), KEYS) == claims


@given(st.integers(0, 2**128 - 1), times, st.integers(0, 1_000_000), st.integers(0, 1_000_000))
@settings(max_examples=50)
def test_any_sound_lease_is_read_as_it_was_signed(number: int, time_s: int, count: int, threshold: int) -> None:
    claims = WORLD.lease(
        cmid=cmid_of(number), nonce=nonce_of(number), issued_s=time_s, count=count, threshold=threshold
    )
    assert read(LEASE, TokenSigner(LEASE, KEY).sign(claims), KEYS) == claims


def test_nothing_is_signed_that_nobody_could_read() -> None:
    with pytest.raises(MalformedError, match=r"the lease: .*count"):
        sign(LEASE, WORLD.lease(count=-1), KEY)
    with pytest.raises(MalformedError, match="the product file"):
        sign(PRODUCT, msgspec.structs.replace(WORLD.product, group="No Slug"), KEY)
    names = "\N{GRINNING FACE}" * 200
    editions = tuple(Edition(id=f"e{n}", name=names, machine_class=MachineClass.CLIENT) for n in range(64))
    with pytest.raises(MalformedError, match="longer than 65536 bytes"):
        sign(PRODUCT, msgspec.structs.replace(WORLD.product, editions=editions), KEY)


# --- one kind is never another ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "expected"), list(itertools.permutations(range(len(EXAMPLES)), 2)), ids=lambda i: KINDS[i].typ
)
def test_no_kind_stands_in_for_another(made: int, expected: int) -> None:
    kind, claims = EXAMPLES[made]
    with pytest.raises(MalformedError, match=f"this is a {kind.typ.replace('+', '.')}, expected is a"):
        read(KINDS[expected], sign(kind, claims, KEY), KEYS)


@pytest.mark.parametrize("expected", KINDS, ids=lambda kind: kind.typ)
def test_right_typ_does_not_help_wrong_claims(expected: DocumentKind[Any]) -> None:
    for kind, claims in EXAMPLES:
        if kind is not expected:
            token = forged(header(typ=expected.typ), msgspec.json.encode(claims))
            with pytest.raises(MalformedError):
                read(expected, token, KEYS)


# --- headers ----------------------------------------------------------------------------------------------------------

ATTACKER = signing_key(66)
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
    for signature in ("", b64url(bytes(64)), b64url(bytes(63)), b64url(bytes(65))):
        with pytest.raises((MalformedError, BadSignatureError)):
            read(HOST_CERTIFICATE, f"{said}.{signature}", KEYS)


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


# --- host requests ----------------------------------------------------------------------------------------------------


def test_a_host_request_proves_that_the_host_holds_its_key() -> None:
    request = WORLD.host_request()
    assert read_host_request(sign(HOST_REQUEST, request, WORLD.host_key)) == request


def test_a_host_request_for_somebody_elses_key_is_refused() -> None:
    with pytest.raises(BadSignatureError):
        read_host_request(sign(HOST_REQUEST, WORLD.host_request(), ATTACKER))
    under_its_kid = forged(
        {"alg": "Ed25519", "kid": WORLD.host_key.kid, "typ": HOST_REQUEST.typ},
        msgspec.json.encode(WORLD.host_request()),
        ATTACKER,
    )
    with pytest.raises(BadSignatureError):
        read_host_request(under_its_kid)


def test_a_host_request_holds_no_product_key() -> None:
    token = sign(HOST_REQUEST, WORLD.host_request(), WORLD.host_key)
    said = unb64url(token.split(".")[1]).decode()
    secret = WORLD.product_key.text
    assert secret not in said
    assert secret.replace("-", "") not in said
    assert b64url(WORLD.product_key.verifier) not in said


# --- keys -------------------------------------------------------------------------------------------------------------


def test_keys_are_known_by_their_thumbprint() -> None:
    assert set(VerifyKeys.parse(jwks_of(KEY, ATTACKER)).by_kid) == {KEY.kid, ATTACKER.kid}


def test_a_key_that_stands_twice_is_one_key() -> None:
    assert len(VerifyKeys.parse(jwks_of(KEY, KEY)).by_kid) == 1


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
}


@pytest.mark.parametrize("data", list(BAD_SETS.values()), ids=list(BAD_SETS))
def test_a_key_set_that_is_not_exactly_public_ed25519_keys_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        VerifyKeys.parse(data)


def test_a_key_has_one_spelling() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    bent = PUBLIC["x"][:-1] + alphabet[alphabet.index(PUBLIC["x"][-1]) | 1]
    assert bent != PUBLIC["x"]
    with pytest.raises(MalformedError, match="canonical"):
        VerifyKeys.parse(jwks_with(x=bent, kid=None))


@given(st.binary(max_size=300))
def test_whatever_the_bytes_a_key_set_is_read_or_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        VerifyKeys.parse(data)


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


# --- claims -----------------------------------------------------------------------------------------------------------


def test_an_edition_id_stands_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        msgspec.structs.replace(WORLD.product, editions=WORLD.product.editions * 2)


def test_a_certificate_ends_after_it_begins() -> None:
    with pytest.raises(ValueError, match="ends after"):
        WORLD.certificate(issued_s=10, expires_s=10)


def test_a_certificate_is_of_the_key_it_names() -> None:
    certificate = read(HOST_CERTIFICATE, CERTIFICATE, KEYS)
    assert isinstance(certificate, HostCertificate)
    assert certificate.jwk.key().thumbprint() == WORLD.host_key.kid


def test_the_rfc_names_of_claims_are_on_the_wire() -> None:
    lease = json.loads(msgspec.json.encode(WORLD.lease()))
    assert {"iss", "iat", "exp", "sub"} <= set(lease)
    certificate = json.loads(PAYLOAD)
    assert {"iss", "iat", "exp", "sub", "jti", "cnf"} <= set(certificate)
    assert isinstance(WORLD.lease(), Lease)
