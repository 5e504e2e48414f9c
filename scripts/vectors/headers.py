"""Vectors of section 3: what a protected header may not say, and what stands around it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

from scripts.vectors.documents import document
from scripts.vectors.making import (
    ATTACKER,
    GROUP_ORDER,
    OTHER_PUBLISHER,
    PUBLISHER,
    b64url,
    compact,
    header,
    keyset,
    loose_last,
    sealed,
    token,
    unb64url,
)
from scripts.vectors.vector import Vector, invalid, valid
from scripts.vectors.world import certificate, certificate_token, lease_token

__all__ = ["vectors"]

TYP = "host-certificate+jwt"
MALFORMED = invalid("MALFORMED_DOCUMENT")
FORGED = invalid("BAD_SIGNATURE")


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield from _members()
    yield from _spellings()
    yield from _algorithms()
    yield from _signers()
    yield from _parts()
    yield from _base64()
    yield from _signatures()


def _header(name: str, shows: str, head: bytes, expected: dict[str, Any] = MALFORMED) -> Vector:
    return document(f"headers/{name}", shows, "3", sealed(head, certificate(), PUBLISHER), expected)


def _members() -> Iterator[Vector]:
    for name, shows, changes in (
        ("alg-none", "No algorithm is refused, also with a good signature.", {"alg": "none"}),
        ("alg-eddsa", "The older name `EdDSA` is refused: there is one name.", {"alg": "EdDSA"}),
        ("alg-es256", "Another algorithm is refused.", {"alg": "ES256"}),
        ("alg-lower-case", "Names of algorithms have their capitals.", {"alg": "ed25519"}),
        ("alg-number", "An algorithm is a text.", {"alg": 1}),
        ("alg-missing", "A header names its algorithm.", {"alg": None}),
        ("kid-missing", "A header names its key.", {"kid": None}),
        ("kid-no-thumbprint", "A `kid` that is no thumbprint is refused.", {"kid": "1"}),
        ("kid-path", "A `kid` is no path.", {"kid": "../../../publisher.jwks"}),
        ("kid-line-break", "A `kid` does not end with a line break.", {"kid": PUBLISHER.kid + "\n"}),
        ("typ-missing", "A header names its kind.", {"typ": None}),
        ("typ-upper-case", "A kind has no capitals.", {"typ": TYP.upper()}),
        ("typ-media-type", "A kind has no `application/` before it.", {"typ": "application/" + TYP}),
        ("typ-jwt", "`JWT` is no kind of document.", {"typ": "JWT"}),
        ("jwk", "A key inside the header is refused.", {"jwk": PUBLISHER.jwk}),
        ("jku", "An address of keys is refused.", {"jku": "https://publisher.example/publisher.jwks"}),
        ("x5c", "A certificate inside the header is refused.", {"x5c": ["AAAA"]}),
        ("crit", "A critical extension is refused: none is known.", {"crit": ["exp"], "exp": 1}),
        ("crit-empty", "An empty list of critical extensions is refused.", {"crit": []}),
        ("b64", "An unencoded payload (RFC 7797) is refused.", {"b64": False, "crit": ["b64"]}),
        ("b64-true", "`b64` is refused also where it changes nothing.", {"b64": True}),
        ("cty", "A content type is refused.", {"cty": "JWT"}),
        ("unknown-member", "A member that nobody knows is refused.", {"quorate": "yes"}),
    ):
        yield _header(name, shows, compact(header(TYP, PUBLISHER, **changes)))


def _spellings() -> Iterator[Vector]:
    good = compact(header(TYP, PUBLISHER))
    kid = PUBLISHER.kid.encode()
    for name, shows, head in (
        ("kid-null", "null is no `kid`.", good.replace(b'"%s"' % kid, b"null")),
        ("alg-twice", "`alg` stands once: readers would take different ones.", b'{"alg":"none",' + good[1:]),
        ("kid-twice", "`kid` stands once.", b'{"kid":"%s",' % ATTACKER.kid.encode() + good[1:]),
        (
            "typ-twice",
            "`typ` stands once, also when it is spelled with an escape.",
            b'{"t\\u0079p":"lease+jwt",' + good[1:],
        ),
        ("array", "A header is an object.", b"[]"),
        ("empty", "A header is not empty.", b""),
        ("not-json", "A header is JSON.", b"alg=Ed25519"),
        ("byte-order-mark", "A header does not begin with a byte order mark.", b"\xef\xbb\xbf" + good),
        ("two-values", "A header is one JSON value.", good + good),
        ("nested", "Two thousand arrays in one another are refused, and break nothing.", b"[" * 2000),
    ):
        yield _header(name, shows, head)
    loose = json.dumps({"typ": TYP, "kid": PUBLISHER.kid, "alg": "Ed25519"}, indent=1).encode()
    yield _header(
        "order-and-white-space",
        "Neither the order of a header's members nor white space between them means anything.",
        loose,
        valid(claims=certificate()),
    )


def _algorithms() -> Iterator[Vector]:
    none = f"{b64url(compact(header(TYP, PUBLISHER, alg='none')))}.{b64url(compact(certificate()))}."
    yield document("headers/alg-none-unsigned", "No algorithm and no signature: refused.", "3", none, MALFORMED)
    for name, alg, shows in (
        ("hs256", "HS256", "The public key is no shared secret: a MAC with it is refused."),
        ("hs256-called-ed25519", "Ed25519", "A MAC with the public key is no signature, whatever the header calls it."),
    ):
        said = f"{b64url(compact(header(TYP, PUBLISHER, alg=alg)))}.{b64url(compact(certificate()))}"
        digest = "sha256" if alg == "HS256" else "sha512"
        mac = hmac.new(PUBLISHER.public, said.encode("ascii"), digest).digest()
        expected = MALFORMED if alg == "HS256" else FORGED
        yield document(f"headers/alg-{name}", shows, "3", f"{said}.{b64url(mac)}", expected)


def _signers() -> Iterator[Vector]:
    for name, shows, text, expected in (
        (
            "unknown",
            "A document signed by nobody known here is refused.",
            certificate_token(ATTACKER),
            invalid("UNKNOWN_PUBLISHER"),
        ),
        (
            "other-publisher",
            "A document of another publisher is refused.",
            certificate_token(OTHER_PUBLISHER),
            invalid("UNKNOWN_PUBLISHER"),
        ),
        (
            "borrowed-kid",
            "Who writes the publisher's `kid` over his own signature is refused.",
            token(TYP, certificate(), ATTACKER, kid=PUBLISHER.kid),
            FORGED,
        ),
        (
            "embedded-key",
            "A key that a document brings along is not believed.",
            token(TYP, certificate(), ATTACKER, jwk=ATTACKER.jwk),
            MALFORMED,
        ),
    ):
        yield document(f"signatures/{name}", shows, "3", text, expected)
    both = keyset(PUBLISHER, OTHER_PUBLISHER)
    for name, shows, text, expected in (
        (
            "one-of-two",
            "Any key of the set may have signed.",
            certificate_token(OTHER_PUBLISHER),
            valid(claims=certificate()),
        ),
        (
            "kid-of-the-other",
            "The key is taken by `kid`; other trusted keys are not tried.",
            token(TYP, certificate(), OTHER_PUBLISHER, kid=PUBLISHER.kid),
            FORGED,
        ),
    ):
        yield document(f"signatures/{name}", shows, "3", text, expected, keys=both)


def _parts() -> Iterator[Vector]:
    good = certificate_token()
    head, payload, signature = good.split(".")
    flat = json.dumps({"protected": head, "payload": payload, "signature": signature})
    for name, shows, text in (
        ("nothing", "Nothing is no document.", ""),
        ("two-parts", "Without signature it is no document.", f"{head}.{payload}"),
        ("empty-signature", "An empty signature is no signature.", f"{head}.{payload}."),
        ("four-parts", "Four parts are too many.", f"{good}.{signature}"),
        (
            "five-parts",
            "Five parts are an encrypted document, which is none of ours.",
            f"{head}.{payload}.{signature}.AA.AA",
        ),
        ("concatenated", "Two documents in a row are none.", good + good),
        ("concatenated-line", "Two documents on two lines are none.", good + "\n" + good),
        ("cut-off", "A document that is cut off is refused.", good[:-1]),
        ("cut-off-early", "A document cut off in its payload is refused.", good[: len(good) // 2]),
        ("json-form", "The JSON form of a JWS is refused.", flat),
        ("byte-order-mark", "A byte order mark is none of it.", "\ufeff" + good),
        (
            "too-long",
            "More characters than the greatest size are refused, white space in the payload though they are.",
            token(TYP, compact(certificate()) + b" " * 6000, PUBLISHER),
        ),
    ):
        yield document(f"tokens/{name}", shows, "3", text, MALFORMED)


def _base64() -> Iterator[Vector]:
    head, payload, signature = certificate_token(customer="Conto").split(".")
    whole = compact(certificate())
    whole += b" " * ((1 - len(whole)) % 3)  # JSON may end with white space; now the last character has unused bits
    loose_payload = f"{head}.{loose_last(b64url(whole))}"
    spaced_head = compact(header(TYP, PUBLISHER))
    spaced_head += b" " * ((1 - len(spaced_head)) % 3)
    loose_head = f"{loose_last(b64url(spaced_head))}.{b64url(compact(certificate()))}"
    for name, shows, text in (
        ("header-loose", "The unused bits of a header's last character are zero; signed or not.", _signed(loose_head)),
        (
            "payload-loose",
            "The unused bits of a payload's last character are zero; signed or not.",
            _signed(loose_payload),
        ),
        (
            "signature-loose",
            "The unused bits of a signature's last character are zero.",
            f"{head}.{payload}.{loose_last(signature)}",
        ),
        ("header-padded", "A header has no padding; signed or not.", _signed(f"{b64url(spaced_head)}==.{payload}")),
        ("payload-padded", "A payload has no padding; signed or not.", _signed(f"{head}.{b64url(whole)}==")),
        ("signature-padded", "A signature has no padding.", f"{head}.{payload}.{signature}=="),
        (
            "standard-alphabet",
            "The alphabet is that of base64url: `+` and `/` are refused.",
            _signed(f"{head}.{_slashes()}"),
        ),
        ("space-before", "No white space before it.", f" {head}.{payload}.{signature}"),
        ("line-break-after", "No line break after it.", f"{head}.{payload}.{signature}\n"),
        (
            "line-break-inside",
            "No line break inside it; signed or not.",
            _signed(f"{head}.{payload[:64]}\n{payload[64:]}"),
        ),
        ("foreign-letter", "Letters beyond ASCII are refused.", f"{head}.{payload[:-1]}\u00e9.{signature}"),
        ("zero-byte", "A zero character is refused.", f"{head}.{payload}\x00.{signature}"),
    ):
        yield document(f"tokens/{name}", shows, "2", text, MALFORMED)


def _signed(said: str) -> str:
    return f"{said}.{b64url(PUBLISHER.sign(said.encode('ascii')))}"


def _slashes() -> str:
    text = b64url(compact(certificate(customer="???>>>???>>>")))
    if "_" not in text and "-" not in text:
        raise ValueError("this payload shows no difference between the alphabets")
    return text.replace("-", "+").replace("_", "/")


def _signatures() -> Iterator[Vector]:
    head, payload, signature = certificate_token().split(".")
    raw = unb64url(signature)
    scalar = int.from_bytes(raw[32:], "little") + GROUP_ORDER
    longer = b64url(compact(certificate(exp=certificate()["exp"] + 1)))
    lease_signature = lease_token().split(".")[2]
    prehashed = hashlib.sha512(f"{head}.{payload}".encode("ascii")).digest()
    for name, shows, text in (
        ("flipped-first-bit", "A signature with another first bit is refused.", _over(head, payload, _flip(raw, 0))),
        ("flipped-last-bit", "A signature with another last bit is refused.", _over(head, payload, _flip(raw, 511))),
        (
            "flipped-middle-bit",
            "A signature with another bit in its middle is refused.",
            _over(head, payload, _flip(raw, 256)),
        ),
        ("all-zero", "64 zero bytes are no signature.", _over(head, payload, bytes(64))),
        ("detached-payload", "A payload that is left out is refused.", f"{head}..{signature}"),
        ("exchanged-payload", "Another payload under the same signature is refused.", f"{head}.{longer}.{signature}"),
        ("of-another-document", "The signature of another document is refused.", f"{head}.{payload}.{lease_signature}"),
        (
            "added-group-order",
            "S is below the group order (RFC 8032, section 5.1.7): one document has one signature.",
            _over(head, payload, raw[:32] + scalar.to_bytes(32, "little")),
        ),
        (
            "over-a-hash",
            "A signature over the hash of the text is refused.",
            _over(head, payload, PUBLISHER.sign(prehashed)),
        ),
        (
            "over-the-payload-alone",
            "A signature over the payload alone is refused.",
            _over(head, payload, PUBLISHER.sign(payload.encode("ascii"))),
        ),
    ):
        yield document(f"signatures/{name}", shows, "3", text, FORGED)
    for name, shows, text in (
        ("too-short", "A signature has 64 bytes, not 63.", _over(head, payload, raw[:-1])),
        ("too-long", "A signature has 64 bytes, not 65.", _over(head, payload, raw + b"\x00")),
    ):
        yield document(f"signatures/{name}", shows, "3", text, MALFORMED)


def _over(head: str, payload: str, signature: bytes) -> str:
    return f"{head}.{payload}.{b64url(signature)}"


def _flip(data: bytes, bit: int) -> bytes:
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)
