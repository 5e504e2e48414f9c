"""Vectors of section 6: a host's answer in the hands of a client, and whoever stands between the two."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from scripts.vectors.making import (
    ATTACKER,
    HOST,
    OTHER_HOST,
    OTHER_PUBLISHER,
    PUBLISHER,
    Claims,
    b64url,
    compact,
    header,
    keyset,
    sealed,
    thumbprint,
    token,
)
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import (
    DAY,
    EDITION_OF,
    NOW,
    answer_input,
    body,
    certificate_token,
    cmid,
    host_request,
    lease,
    lease_token,
    nonce,
    product_token,
    question,
    refusal,
    refusal_token,
)

__all__ = ["answer_vector", "unsigned", "vectors"]

MALFORMED = invalid("MALFORMED_DOCUMENT")
FORGED = invalid("BAD_SIGNATURE")
MISMATCH = invalid("ANSWER_MISMATCH")
ENDED = invalid("HOST_CERTIFICATE_EXPIRED")
LEASED = valid(typ="lease+jwt", claims=lease())
ANOTHER_HOST_ID = "7d1b6f1e-2c55-4b7e-8f0a-0a1b2c3d4e5f"


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _good()
    yield from _bodies()
    yield from _signers()
    yield from _host_keys()
    yield from _other_questions()
    yield from _refusals()


def answer_vector(
    name: str, shows: str, said: str | bytes, expected: dict[str, Any], section: str = "6", **changes: Any
) -> Vector:
    return Vector(f"answers/{name}", shows, section, "answer", answer_input(said, **changes), expected)


def _good() -> Iterator[Vector]:
    for each, edition in EDITION_OF.items():
        yield answer_vector(
            f"lease-{each}",
            f"A lease for an edition of class {each} is taken.",
            body(lease_token(each)),
            valid(typ="lease+jwt", claims=lease(each)),
            question=question(edition=edition),
        )
    for code in ("COUNT_INSUFFICIENT", "PRODUCT_NOT_COVERED", "CLOCK_SKEW"):
        yield answer_vector(
            f"refusal-{code.lower().replace('_', '-')}",
            "A refusal with every proof is taken; it carries the host's intervals.",
            body(refusal_token(code)),
            valid(typ="refusal+jwt", claims=refusal(code)),
        )
    spaced = json.dumps(json.loads(body(lease_token())), indent=2) + "\n"
    yield answer_vector("white-space", "White space in the body means nothing.", spaced, LEASED)
    yield answer_vector(
        "keys-exchanged",
        "The publisher may have several keys; the product file and the certificate may be signed by different ones.",
        body(lease_token(), certificate_token(OTHER_PUBLISHER)),
        LEASED,
        keys=keyset(PUBLISHER, OTHER_PUBLISHER),
    )
    yield answer_vector(
        "revocations-number",
        "The number of the revocation list may be any below 2^53.",
        body(lease_token(), revocations=2**53 - 1),
        LEASED,
        "4",
    )


def _bodies() -> Iterator[Vector]:
    good = body(lease_token())
    for name, shows, said in (
        ("empty", "An empty body is no answer.", ""),
        ("null", "null is no answer.", "null"),
        ("array", "An array is no answer.", f"[{good}]"),
        ("web-page", "A web page is no answer (a proxy's, for instance).", "<!doctype html><title>Sign in</title>"),
        ("cut-off", "A body that is cut off is refused.", good[:-1]),
        ("two-values", "Two answers in one body are refused.", good + good),
        ("token-alone", "A lease alone is no answer.", lease_token()),
        ("unknown-member", "A member that the protocol does not name is refused.", body(lease_token(), cached=True)),
        ("missing-certificate", "An answer holds the certificate.", body(lease_token(), host_certificate=...)),
        (
            "missing-revocations",
            "An answer holds the number of the revocation list.",
            body(lease_token(), revocations=...),
        ),
        ("revocations-text", "The number of the revocation list is an integer.", body(lease_token(), revocations="0")),
        ("revocations-fraction", "1.0 is no integer.", body(lease_token(), revocations=1.0)),
        (
            "revocations-negative",
            "The number of the revocation list is not below zero.",
            body(lease_token(), revocations=-1),
        ),
        (
            "revocations-too-high",
            "It is below 2^53: not every JSON reader could tell it from its neighbour.",
            body(lease_token(), revocations=2**53),
        ),
        ("byte-order-mark", "A byte order mark is no JSON.", "\ufeff" + good),
        ("certificate-null", "null is no certificate.", body(lease_token(), host_certificate=None)),
        ("missing-answer", "An answer holds a lease or a refusal.", body(lease_token(), answer=...)),
        ("answer-null", "null is no lease.", body(lease_token(), answer=None)),
        ("answer-object", "A lease is a text.", body(lease_token(), answer=lease())),
        ("answer-empty", "An empty text is no lease.", body("")),
        ("answer-twice", "`answer` stands once.", f'{{"answer":{json.dumps(lease_token("server"))},{good[1:]}'),
        (
            "certificate-twice",
            "`host_certificate` stands once.",
            f'{{"host_certificate":{json.dumps(certificate_token())},{good[1:]}',
        ),
        ("too-large", "A body has at most 65536 bytes.", good[:-1] + " " * 65_536 + "}"),
    ):
        yield answer_vector(f"body-{name}", shows, said, MALFORMED, "4")
    not_utf_8 = good.encode("ascii").replace(b'"answer":"', b'"answer":"\xff')
    yield answer_vector("body-not-utf-8", "Bytes that are not UTF-8 are refused.", not_utf_8, MALFORMED, "4")


def unsigned(typ: str, claims: Claims) -> str:
    """A token that says it has no signature, and has none."""
    return f"{b64url(compact({'alg': 'none', 'typ': typ}))}.{b64url(compact(claims))}."


def _signers() -> Iterator[Vector]:
    good = lease()
    other = certificate_token(cnf={"jwk": OTHER_HOST.jwk})
    twice = token("lease+jwt", compact(good)[:-1] + b',"count":1000}', HOST)
    embedded = sealed(compact(header("lease+jwt", HOST, jwk=ATTACKER.jwk)), good, ATTACKER)
    for name, shows, said, expected in (
        (
            "another-key",
            "A lease signed by a key that is not the certificate's is refused.",
            token("lease+jwt", good, ATTACKER),
            FORGED,
        ),
        (
            "borrowed-kid",
            "So is one with the host's `kid` over it.",
            token("lease+jwt", good, ATTACKER, kid=HOST.kid),
            FORGED,
        ),
        ("publisher-key", "The publisher signs no leases.", token("lease+jwt", good, PUBLISHER), FORGED),
        ("embedded-key", "A key that a lease brings along is not believed.", embedded, MALFORMED),
        ("alg-none", "A lease without signature is refused.", unsigned("lease+jwt", good), MALFORMED),
        ("hs256", "A MAC is no signature.", token("lease+jwt", good, HOST, alg="HS256"), MALFORMED),
        (
            "crit",
            "A critical extension is refused.",
            token("lease+jwt", good, HOST, crit=["b64"], b64=False),
            MALFORMED,
        ),
        ("count-twice", "A member of a lease stands once.", twice, MALFORMED),
        ("other-version", "A lease of another version is refused.", token("lease+jwt", lease(v=2), HOST), MALFORMED),
        ("is-the-certificate", "A certificate is no lease.", certificate_token(), MALFORMED),
        ("is-a-product", "A product file is no lease.", product_token(), MALFORMED),
        ("is-a-request", "A host request is no lease.", token("host-request+jwt", host_request(), HOST), MALFORMED),
        (
            "lease-called-refusal",
            "A lease's claims under `refusal+jwt` are no refusal.",
            token("refusal+jwt", good, HOST),
            MALFORMED,
        ),
        (
            "refusal-called-lease",
            "A refusal's claims under `lease+jwt` are no lease.",
            token("lease+jwt", refusal(), HOST),
            MALFORMED,
        ),
        ("cut-off", "A lease that is cut off is refused.", lease_token()[:-2], MALFORMED),
    ):
        yield answer_vector(f"signer-{name}", shows, body(said), expected)
    yield answer_vector(
        "signer-another-host",
        "A lease beside another host's certificate is refused.",
        body(lease_token(), other),
        FORGED,
    )


def _host_keys() -> Iterator[Vector]:
    identity = b64url(b"\x01" + bytes(31))
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": identity}
    head = {"alg": "Ed25519", "kid": thumbprint(identity), "typ": "lease+jwt"}
    said = f"{b64url(compact(head))}.{b64url(compact(lease()))}"
    forged = f"{said}.{b64url(bytes([1]) + bytes(63))}"  # R the identity, S zero: satisfies the equation for any text
    yield answer_vector(
        "host-key-of-small-order",
        "A certificate for a key of small order is refused: this signature was made by nobody.",
        body(forged, certificate_token(cnf={"jwk": jwk})),
        MALFORMED,
    )
    yield answer_vector(
        "host-key-kid-of-another",
        "The `kid` of the key in a certificate is its thumbprint.",
        body(lease_token(), certificate_token(cnf={"jwk": HOST.jwk | {"kid": OTHER_HOST.kid}})),
        MALFORMED,
    )
    bare = certificate_token(cnf={"jwk": {"kty": "OKP", "crv": "Ed25519", "x": HOST.x}})
    yield answer_vector("host-key-bare", "The key in a certificate needs no `kid`.", body(lease_token(), bare), LEASED)


def _other_questions() -> Iterator[Vector]:
    for member, value in (
        ("nonce", nonce(2)),
        ("cmid", cmid(2)),
        ("edition", EDITION_OF["server"]),
    ):
        bent: Claims = {"sub" if member == "cmid" else member: value}
        for kind, make in (("lease", lease_token), ("refusal", refusal_token)):
            yield answer_vector(
                f"mismatch-{kind}-{member}",
                f"A {kind} that answers another {member} is refused (a replay, or somebody else's).",
                body(make(**bent)),
                MISMATCH,
            )
    for kind, make in (("lease", lease_token), ("refusal", refusal_token)):
        yield answer_vector(
            f"mismatch-{kind}-host-id",
            f"The `iss` of a {kind} is the host that the certificate names.",
            body(make(iss=ANOTHER_HOST_ID)),
            MISMATCH,
        )
    yield answer_vector(
        "mismatch-replay",
        "Yesterday's lease, good in itself, does not answer today's question.",
        body(lease_token(at=NOW - DAY)),
        MISMATCH,
        question=question(nonce=nonce(7)),
    )


def _refusals() -> Iterator[Vector]:
    year = 365 * DAY
    skew = refusal("CLOCK_SKEW", iat=NOW, client_time_s=NOW + 10 * year)
    yield answer_vector(
        "refusal-clock-ten-years-ahead",
        "`CLOCK_SKEW` is believed by a client whose clock is ten years ahead: the certificate's times are taken at the "
        "refusal's `iat`, as the client's clock is what is in doubt.",
        body(token("refusal+jwt", skew, HOST)),
        valid(typ="refusal+jwt", claims=skew),
        now_s=NOW + 10 * year,
    )
    yield answer_vector(
        "refusal-clock-certificate-ended",
        "`CLOCK_SKEW` from a time when the certificate had ended is refused.",
        body(token("refusal+jwt", skew, HOST), certificate_token(exp=NOW)),
        ENDED,
        now_s=NOW + 10 * year,
    )
    yield answer_vector(
        "refusal-certificate-ended",
        "Any other refusal under a certificate that has ended is refused.",
        body(refusal_token(), certificate_token(exp=NOW)),
        ENDED,
    )
    early = refusal(iat=NOW - year)
    yield answer_vector(
        "refusal-time-not-judged",
        "A refusal's own time is not judged: the nonce binds it to the question, and it grants nothing.",
        body(token("refusal+jwt", early, HOST)),
        valid(typ="refusal+jwt", claims=early),
    )
    yield answer_vector(
        "refusal-other-group",
        "A refusal of a host for another product group is refused.",
        body(refusal_token("PRODUCT_NOT_COVERED"), certificate_token(groups=["apex"])),
        invalid("PRODUCT_NOT_COVERED"),
    )
    yield answer_vector(
        "refusal-another-key",
        "A refusal signed by somebody else is refused.",
        body(token("refusal+jwt", refusal(), ATTACKER)),
        FORGED,
    )
