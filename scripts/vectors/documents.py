"""Vectors of section 3: each kind of document, each kind in the place of each other, and payloads bent one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scripts.vectors.making import HOST, PUBLISHER, Claims, Key, compact, keyset, token
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import (
    DAY,
    HOST_ID,
    KINDS,
    NOW,
    certificate,
    changed,
    host_request,
    lease,
    policy,
    product,
    refusal,
    revocations,
    trust,
)

__all__ = ["document", "vectors"]

MALFORMED = invalid("MALFORMED_DOCUMENT")
_CLAIMS: dict[str, Claims] = {
    "product+jwt": product(),
    "host-request+jwt": host_request(),
    "host-certificate+jwt": certificate(),
    "lease+jwt": lease(),
    "refusal+jwt": refusal(),
    "revocations+jwt": revocations(),
    "trust+jwt": trust(),
}
_SIGNER: dict[str, Key] = {
    kind: HOST if kind in ("host-request+jwt", "lease+jwt", "refusal+jwt") else PUBLISHER for kind in KINDS
}


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _each_kind()
    yield from _each_as_each_other()
    yield from _payloads()
    yield from _claims()
    yield from _policies()
    yield from _host_requests()


def document(  # one vector has that many facts
    name: str,
    shows: str,
    section: str,
    text: str,
    expected: dict[str, Any],
    typ: str = "host-certificate+jwt",
    keys: Claims | None = None,
) -> Vector:
    """A token that is expected to be of kind `typ`, for a reader who trusts `keys`."""
    given: Claims = {"typ": typ, "token": text}
    if typ != "host-request+jwt":  # it brings its own key
        given["keys"] = keys or keyset(PUBLISHER if _SIGNER[typ] is PUBLISHER else HOST)
    return Vector(name, shows, section, "document", given, expected)


def _short(typ: str) -> str:
    return typ.removesuffix("+jwt")


def _each_kind() -> Iterator[Vector]:
    for typ, claims in _CLAIMS.items():
        text = token(typ, claims, _SIGNER[typ])
        yield document(f"documents/{_short(typ)}", f"A {typ} is read.", "3", text, valid(claims=claims), typ)
    bare = certificate(cnf={"jwk": {"kty": "OKP", "crv": "Ed25519", "x": HOST.x}})
    yield document(
        "documents/host-certificate-bare-jwk",
        "The three members that make the key are enough in a JWK.",
        "3",
        token("host-certificate+jwt", bare, PUBLISHER),
        valid(claims=bare),
    )


def _each_as_each_other() -> Iterator[Vector]:
    """The reader trusts both signers for everything: only `typ` tells one kind from another."""
    for typ, claims in _CLAIMS.items():
        text = token(typ, claims, _SIGNER[typ])
        for wanted in KINDS:
            if wanted == typ:
                continue
            yield document(
                f"typ/{_short(typ)}-as-{_short(wanted)}",
                f"A {typ} is refused where a {wanted} is expected, although its signer is trusted here.",
                "3",
                text,
                MALFORMED,
                wanted,
                keyset(PUBLISHER, HOST),
            )
    yield document(
        "typ/lease-claims-under-refusal",
        "What a lease says is no refusal, whatever the header calls it.",
        "3.5",
        token("refusal+jwt", lease(), HOST),
        MALFORMED,
        "refusal+jwt",
    )


def _payloads() -> Iterator[Vector]:
    """The signature is right; the JSON under it is not."""
    good = compact(lease())
    nested = b'{"v":1,"iss":' + b"[" * 2000 + b"]" * 2000 + b"}"
    for name, shows, payload in (
        ("empty", "An empty payload is no document.", b""),
        ("array", "An array is no document.", b"[]"),
        ("null", "null is no document.", b"null"),
        ("cut-off", "JSON that is cut off is refused.", good[:-1]),
        ("two-values", "Two JSON values in one payload are refused.", good * 2),
        ("trailing-text", "Text after the JSON value is refused.", good + b"x"),
        ("byte-order-mark", "A byte order mark is no JSON.", b"\xef\xbb\xbf" + good),
        ("not-utf-8", "Bytes that are not UTF-8 are refused.", good.replace(b"acme-cad-pro", b"acme-cad-pr\xf3")),
        ("utf-16", "UTF-16 is refused.", good.decode("ascii").encode("utf-16-le")),
        ("comment", "JSON has no comments.", good[:-1] + b"/**/}"),
        ("trailing-comma", "JSON has no trailing comma.", good[:-1] + b",}"),
        ("single-quotes", "JSON has no single quotes.", good.replace(b'"', b"'")),
        ("nested", "Two thousand arrays in one another are refused, and break nothing.", nested),
        ("duplicate", "A member that stands twice makes it malformed, equal values or not.", good[:-1] + b',"v":1}'),
        (
            "duplicate-earlier",
            "A member that stands twice is refused, the good one last: readers take different ones.",
            b'{"count":1,' + good[1:],
        ),
        (
            "duplicate-escaped",
            "A member name spelled with an escape is the same name, and stands twice.",
            good[:-1] + b',"co\\u0075nt":1000}',
        ),
        (
            "duplicate-inside",
            "Members stand once in objects inside, too.",
            good.replace(b'"activation_min":120', b'"activation_min":120,"activation_min":1'),
        ),
    ):
        yield _lease(f"payloads/{name}", shows, "2", payload, MALFORMED)
    for name, shows, number in (
        ("fraction", "25.0 is no integer.", b"25.0"),
        ("exponent", "2.5e1 is no integer.", b"2.5e1"),
        ("leading-zero", "025 is no JSON.", b"025"),
        ("plus", "+25 is no JSON.", b"+25"),
        ("text", 'The text "25" is no integer.', b'"25"'),
        ("boolean", "true is no integer.", b"true"),
        ("null", "null is no integer.", b"null"),
        ("negative", "A count is not below zero.", b"-1"),
        ("huge", "A number of 400 digits is refused, and breaks nothing.", b"9" * 400),
        ("infinite", "1e999 is refused.", b"1e999"),
        ("not-a-number", "NaN is no JSON.", b"NaN"),
    ):
        bent = good.replace(b'"count":25', b'"count":' + number)
        yield _lease(f"payloads/number-{name}", shows, "2", bent, MALFORMED)
    spaced = b" \r\n\t" + good.replace(b",", b" ,\n").replace(b":", b" : ") + b"\n"
    yield _lease(
        "payloads/white-space", "White space between JSON tokens means nothing.", "2", spaced, valid(claims=lease())
    )
    escaped = good.replace(b"acme-cad-pro", b"\\u0061cme-cad-pro")
    yield _lease(
        "payloads/escapes", "A text spelled with escapes is the same text.", "2", escaped, valid(claims=lease())
    )


def _lease(name: str, shows: str, section: str, claims: Claims | bytes, expected: dict[str, Any]) -> Vector:
    return document(name, shows, section, token("lease+jwt", claims, HOST), expected, "lease+jwt")


def _claims() -> Iterator[Vector]:
    for name, shows, section, bent in (
        ("unknown-member", "A member that the protocol does not name is refused.", "2", lease(admin=True)),
        ("missing-member", "A member that is missing is refused.", "2", lease(link=...)),
        ("null-member", "null is no value of a member that has a type.", "2", lease(link=None)),
        ("other-version", "Another version is not read as version 1.", "3.4", lease(v=2)),
        ("slug-upper-case", "An edition in capitals is no slug.", "2", lease(edition="Acme-Cad-Pro")),
        ("slug-line-break", "A slug does not end with a line break.", "2", lease(edition="acme-cad-pro\n")),
        ("slug-too-long", "A slug has at most 64 characters.", "2", lease(edition="a" * 65)),
        ("slug-path", "A slug does not begin with a dot.", "2", lease(edition="../acme")),
        ("uuid-upper-case", "UUIDs are lower case.", "2", lease(sub="ABCDEF00-0000-4000-8000-000000000001")),
        ("uuid-braces", "UUIDs have no braces.", "2", lease(sub="{00000000-0000-4000-8000-000000000001}")),
        ("nonce-too-short", "A nonce is 16 bytes.", "2", lease(nonce="AAAAAAAAAAAAAAAAAAAAA")),
        ("nonce-loose", "The unused bits of a nonce's last character are zero.", "2", lease(nonce="A" * 21 + "B")),
        ("nonce-padded", "A nonce has no padding.", "2", lease(nonce="A" * 21 + "A==")),
        ("time-negative", "No time is before 1970.", "2", lease(iat=-1)),
        ("time-too-late", "No time is after the year 9999.", "2", lease(exp=253_402_300_800)),
        ("interval-zero", "An interval is at least a minute.", "3.4", _intervals(0, 10_080)),
        ("interval-too-long", "An interval is at most 30 days.", "3.4", _intervals(120, 43_201)),
    ):
        yield _lease(f"claims/{name}", shows, section, bent, MALFORMED)
    yield document(
        "claims/refusal-unknown-code",
        "A refusal has one of four codes; the others travel as problems.",
        "3.5",
        token("refusal+jwt", refusal("HOST_NOT_ACTIVATED"), HOST),
        MALFORMED,
        "refusal+jwt",
    )
    for name, shows, bent in (
        ("ends-before-it-begins", "A certificate ends after it begins.", certificate(exp=NOW - DAY)),
        ("no-groups", "A certificate names a group.", certificate(groups=[])),
        ("too-many-groups", "A certificate names at most 64 groups.", certificate(groups=[f"g{n}" for n in range(65)])),
        ("groups-as-text", "Groups are a list.", certificate(groups="acme")),
        ("text-with-escape", "A text has no control characters.", certificate(customer="Contoso\x1b[2J")),
        ("text-too-long", "A text has at most 200 characters.", certificate(customer="x" * 201)),
        ("text-empty", "A text has at least one character.", certificate(customer="")),
        ("private-key", "A private key inside a JWK is refused.", _confirming(d="A" * 43)),
        ("key-of-another-kind", "A key of another kind is refused.", _confirming(kty="EC")),
        (
            "confirmation-unknown-member",
            "`cnf` has a `jwk` and nothing else.",
            certificate(cnf={"jwk": HOST.jwk, "kid": HOST.kid}),
        ),
        ("confirmation-empty", "`cnf` has a `jwk`.", certificate(cnf={})),
    ):
        yield document(
            f"claims/certificate-{name}", shows, "3.3", token("host-certificate+jwt", bent, PUBLISHER), MALFORMED
        )
    letters = certificate(customer="Ünï\U0001f600" * 50)
    yield document(
        "claims/certificate-text-of-200-letters",
        "A text is measured in characters (Unicode code points), not in bytes.",
        "3.3",
        token("host-certificate+jwt", letters, PUBLISHER),
        valid(claims=letters),
    )
    yield document(
        "claims/certificate-lone-surrogate",
        "An escape of half a character is no text.",
        "2",
        token("host-certificate+jwt", compact(certificate()).replace(b"Contoso", b"Contoso\\ud83d"), PUBLISHER),
        MALFORMED,
    )


def _intervals(activation: int, renewal: int) -> Claims:
    return lease(intervals={"activation_min": activation, "renewal_min": renewal})


def _confirming(**changes: Any) -> Claims:
    return certificate(cnf={"jwk": HOST.jwk | changes})


def _policies() -> Iterator[Vector]:
    def threshold(**changes: Any) -> Claims:
        return policy(thresholds=policy()["thresholds"] | {"client": {"minimum": 25, "counts": ["client"]} | changes})

    editions = product()["editions"]
    for name, shows, bent in (
        ("minimum-zero", "A threshold is at least 1.", product(policy=threshold(minimum=0))),
        ("minimum-too-large", "A threshold is at most 10000.", product(policy=threshold(minimum=10_001))),
        ("counts-nothing", "A threshold counts at least one class.", product(policy=threshold(counts=[]))),
        ("counts-ephemeral", "Ephemeral machines are never counted.", product(policy=threshold(counts=["ephemeral"]))),
        ("counts-twice", "A class counts once.", product(policy=threshold(counts=["client", "client"]))),
        ("class-unknown", "There are three classes.", product(policy=threshold(counts=["phone"]))),
        (
            "interval-bounds",
            "The lower bound of intervals is not above the upper.",
            product(policy=policy(interval_min_s=2 * DAY, interval_max_s=DAY)),
        ),
        ("no-editions", "A product has an edition.", product(editions=[])),
        ("edition-twice", "The id of an edition stands once.", product(editions=[*editions, editions[0]])),
        ("service-of-another-kind", "The service label is one label under _tcp.", product(service="_quorate._udp")),
    ):
        yield document(
            f"claims/product-{name}",
            shows,
            "3.1",
            token("product+jwt", bent, PUBLISHER),
            MALFORMED,
            "product+jwt",
        )
    smallest = product(policy=changed(threshold(minimum=1), profile="one-is-enough"))
    yield document(
        "claims/product-minimum-one",
        "A publisher may set any threshold, 1 included.",
        "3.1",
        token("product+jwt", smallest, PUBLISHER),
        valid(claims=smallest),
        "product+jwt",
    )


def _host_requests() -> Iterator[Vector]:
    other = Key(23)
    for name, shows, text, expected in (
        (
            "signed-by-another",
            "A host request proves possession of the key inside it: another key's signature is refused.",
            token("host-request+jwt", host_request(), other, kid=HOST.kid),
            invalid("BAD_SIGNATURE"),
        ),
        (
            "kid-of-another",
            "The `kid` of a host request is the thumbprint of the key inside it.",
            token("host-request+jwt", host_request(), HOST, kid=other.kid),
            invalid("BAD_SIGNATURE"),
        ),
        (
            "machine-control-characters",
            "A machine name has no control characters.",
            token("host-request+jwt", host_request(machine="kms\u0007"), HOST),
            MALFORMED,
        ),
        (
            "host-id-twice",
            "A member of a host request stands once.",
            token("host-request+jwt", compact(host_request())[:-1] + b',"sub":"%s"}' % HOST_ID.encode(), HOST),
            MALFORMED,
        ),
        (
            "with-private-key",
            "A host request never holds a private key.",
            token("host-request+jwt", host_request(jwk=HOST.jwk | {"d": "A" * 43}), HOST),
            MALFORMED,
        ),
    ):
        yield document(f"claims/host-request-{name}", shows, "3.2", text, expected, "host-request+jwt")
