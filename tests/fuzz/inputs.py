"""What fuzzing begins with: for each decoder an input that it takes, and what the vectors of `spec/vectors` hold."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from quorate.client.storage.record import fresh
from quorate.core.armor import armored
from quorate.core.checkpoint import EVENT_CHECKPOINT
from quorate.core.documents import HOST_CERTIFICATE, HOST_REQUEST, PRODUCT, header_of, sign
from quorate.core.enrolment import enrolled
from quorate.core.ids import ProductKey
from quorate.core.lease import LEASE, REFUSAL
from quorate.core.messages import HostDescription, ProbeResult, encode
from quorate.core.publication import HostActivation, PublishedRevocations, PublishedTrust
from quorate.core.revocation import REVOCATIONS
from quorate.core.succession import TRUST
from quorate.publisher.sealed import Sealed, sealed
from scripts.vectors.__main__ import FOLDER
from tests.client.parties import HERE
from tests.fuzz.decoders import ARMORED, DECODERS, KEY, KINDS, SECRET, WORLD, signed
from tests.support.clocks import START_S, SeededEntropy
from tests.support.documents import CLIENT_EDITION, HOST_ID

__all__ = ["corpus", "good_inputs", "vector_inputs"]

# Members of a vector's input that hold what a program is given to read.
_READ: Final = ("body", "text", "typed", "token", "lease", "host_certificate", "product", "offered", "revocations")
_VECTOR_BYTES_MAX: Final = 20_000  # long ones show a length only
_CLAIMS: Final[dict[str, Any]] = {
    PRODUCT.typ: WORLD.product,
    HOST_REQUEST.typ: WORLD.host_request(),
    HOST_CERTIFICATE.typ: WORLD.certificate(),
    LEASE.typ: WORLD.lease(),
    REFUSAL.typ: WORLD.refusal(),
    REVOCATIONS.typ: {"v": 1, "iss": "A", "iat": 1, "number": 1, "entries": []},
    TRUST.typ: {"v": 1, "iss": "A", "iat": 1, "version": 2, "keys": [KEY.public()]},
    EVENT_CHECKPOINT.typ: {
        "v": 1,
        "iat": 1,
        "sub": HOST_ID,
        "log": "A" * 22,
        "number": 1,
        "digest": "A" * 43,
        "upto_bytes": 100,
        "kept_from": 1,
    },
}


def good_inputs() -> dict[str, bytes]:
    """For each decoder one input that it takes."""
    claims = {typ: encode(said) for typ, said in _CLAIMS.items()}
    tokens = {kind.typ: signed(kind, claims[kind.typ]) for kind in KINDS}
    request = sign(HOST_REQUEST, WORLD.host_request(), WORLD.host_key)
    return {
        **_messages(tokens[TRUST.typ], tokens[REVOCATIONS.typ]),
        **_files(tokens[TRUST.typ], tokens[REVOCATIONS.typ]),
        "activation response, whole": claims[LEASE.typ],
        "header": encode(header_of(LEASE, KEY.kid)),
        "header, unverified": tokens[LEASE.typ].encode(),
        "product file beside its keys": tokens[PRODUCT.typ].encode(),
        "host request as token": request.encode(),
        "host request, proven": claims[HOST_REQUEST.typ],
        "next keys, followed": claims[TRUST.typ],
        "revocations, taken": claims[REVOCATIONS.typ],
        "address of a host": b"kms.contoso.example:1688",
        "activation request, enrolled": encode(enrolled(WORLD.request(), SECRET.key)),
        "enrolment file": b"# of a site\n" + SECRET.text.encode(),
        **{f"{kind.typ} as text": armored(tokens[kind.typ]).encode() for kind in ARMORED},
        **{f"{typ} as token": token.encode() for typ, token in tokens.items()},
        **{f"{typ} by its claims": said for typ, said in claims.items()},
    }


def _messages(trust: str, listed: str) -> dict[str, bytes]:
    certificate = WORLD.certificate_token()
    answer = encode(WORLD.answer(WORLD.lease()))
    host = HostDescription(
        service="s",
        version="1",
        protocol=(1,),
        host_id=HOST_ID,
        activated=True,
        host_certificate=certificate,
        products=("acme-cad",),
        time_s=START_S,
    )
    return {
        "activation request": encode(WORLD.request()),
        "activation response": answer,
        "activation response over HTTP": b"\xff" + answer + b" " * (-(len(answer) + 1) % 5),  # its length is a status
        "problem": encode({"type": "t", "title": "t", "status": 429, "detail": "d", "code": "X", "hint": "h"}),
        "probe result": encode(
            ProbeResult(would_activate=True, code=None, message="m", count=25, threshold=25, host_time_s=START_S)
        ),
        "host description": encode(host),
        "host activation": encode(HostActivation(host_certificate=certificate, trust=(trust,), revocations=listed)),
        "published trust": encode(PublishedTrust(trust=(trust,))),
        "published revocations": encode(PublishedRevocations(revocations=listed)),
    }


def _files(trust: str, listed: str) -> dict[str, bytes]:
    return {
        "product key": ProductKey.from_entropy(bytes(range(32))).text.encode(),
        "lease file": encode(fresh(WORLD.anchor, CLIENT_EDITION, HERE, START_S, SeededEntropy(1))),
        "news file": encode({"after": 1, "trust": [trust], "revocations": listed}),
        "key file": sealed(Sealed("Acme", KEY, None), "a passphrase", SeededEntropy(1)),
        "publisher.jwks": WORLD.jwks,
        "publisher.trust": trust.encode() + b"\n",
    }


@cache
def vector_inputs() -> tuple[bytes, ...]:
    """Everything that a vector gives to read: bodies, texts and tokens, and the claims inside tokens."""
    found: dict[bytes, None] = {}
    for path in sorted(FOLDER.rglob("*.json")):
        given = json.loads(path.read_text("utf-8"))["input"]
        if "body_base64url" in given:
            found[_unb64(given["body_base64url"])] = None
        for name in _READ:
            text = given.get(name)
            if isinstance(text, str):
                found[text.encode("utf-8", "surrogatepass")] = None
                parts = text.split(".")
                found |= dict.fromkeys(_unb64(part) for part in parts[:2]) if len(parts) == 3 else {}
    return tuple(data for data in found if len(data) <= _VECTOR_BYTES_MAX)


def _unb64(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def corpus() -> Iterator[tuple[str, bytes]]:
    """Name of a decoder, and an input for it: its good one; each of the vectors', for four decoders in turn."""
    yield from good_inputs().items()
    names = list(DECODERS)
    for number, data in enumerate(vector_inputs()):
        for step in range(4):
            yield names[(number * 4 + step) % len(names)], data
