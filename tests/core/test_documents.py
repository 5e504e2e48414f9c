"""Signed documents: what was signed is read again, as its own kind and no other."""

from __future__ import annotations

import itertools
import json
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
    ProductFile,
    SigningKey,
    TokenSigner,
    read,
    read_host_request,
    sign,
)
from quorate.core.ids import b64url, unb64url
from quorate.core.lease import LEASE, REFUSAL, Lease
from quorate.core.policy import MachineClass
from quorate.errors import BadSignatureError, MalformedError
from tests.support.documents import World, cmid_of, jwks_of, nonce_of, signing_key
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
example = pytest.mark.parametrize(("kind", "claims"), EXAMPLES, ids=[kind.typ for kind in KINDS])


def forged(header: dict[str, object] | bytes, payload: bytes, key: SigningKey = KEY) -> str:
    return forged_by(header, payload, key)


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
