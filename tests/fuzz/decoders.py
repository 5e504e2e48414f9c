"""Every decoder of the protocol as one function of bytes, to be fuzzed: nothing but a `QuorateError` may escape.

`tests/fuzz/test_decoders.py` gives each of them a fixed corpus and random bytes at every `make test`. To let coverage
lead the way, run this file by hand; it needs the package atheris, and time (CONTRIBUTING.md, "Fuzzing").

The first byte of an input chooses the decoder, the rest is what it gets. Signed kinds come twice: as the bytes of a
token, and as claims that are signed here, for a signature is not to be had by trying.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.client.attempt.enrolment import secret_of
from quorate.client.discovery.target import Target
from quorate.client.storage.publisher_documents import FILE_NAME, News
from quorate.client.storage.record import decode_state
from quorate.client.transport.response import read_answer
from quorate.core.armor import dearmored, text_of
from quorate.core.checkpoint import EVENT_CHECKPOINT
from quorate.core.documents import (
    HOST_CERTIFICATE,
    HOST_REQUEST,
    PRODUCT,
    DocumentKind,
    SigningKey,
    header_of,
    kid_of,
    read,
    read_host_request,
    typ_of,
)
from quorate.core.enrolment import EnrolmentSecret, check_enrolment
from quorate.core.ids import ProductKey, b64url
from quorate.core.lease import LEASE, REFUSAL
from quorate.core.messages import (
    Answer,
    HostDescription,
    ProbeResult,
    decode_answer,
    decode_problem,
    decode_request,
    decode_strict,
    encode,
)
from quorate.core.publication import decode_activation, decode_revocations, decode_trust
from quorate.core.revocation import REVOCATIONS, accept_list
from quorate.core.succession import TRUST, TrustState, chain_of, follow_chain
from quorate.core.trust import Anchor, accept_answer, check_certificate
from quorate.errors import QuorateError
from quorate.publisher.sealed import unsealed
from tests.support.clocks import START_S
from tests.support.documents import World, signing_key

__all__ = ["ARMORED", "DECODERS", "KEY", "KINDS", "SECRET", "WORLD", "Decoder", "main", "one_input", "signed", "takes"]

WORLD = World()
KEY = signing_key(1)  # the publisher's
KINDS: tuple[DocumentKind[Any], ...] = (
    PRODUCT,
    HOST_REQUEST,
    HOST_CERTIFICATE,
    LEASE,
    REFUSAL,
    REVOCATIONS,
    TRUST,
    EVENT_CHECKPOINT,
)
SECRET: Final = EnrolmentSecret.from_entropy(bytes(range(32)))
ARMORED: Final[tuple[DocumentKind[Any], ...]] = (PRODUCT, HOST_REQUEST, HOST_CERTIFICATE)
_KEYS = KEY.verify_keys()
_SHIPPED = TrustState.shipped(WORLD.jwks)
_CERTIFICATE = WORLD.certificate_token()
_HERE = Path(tempfile.mkdtemp(prefix="quorate-fuzz-"))
_description = msgspec.json.Decoder(HostDescription)
_probe = msgspec.json.Decoder(ProbeResult)

Decoder = Callable[[bytes], object]


def signed(kind: DocumentKind[Any], payload: bytes, key: SigningKey = KEY) -> str:
    """A token over any payload."""
    said = f"{b64url(encode(header_of(kind, key.kid)))}.{b64url(payload)}"
    return f"{said}.{b64url(key.sign_bytes(said.encode()))}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _as_token(kind: DocumentKind[Any]) -> Decoder:
    return lambda data: read(kind, _text(data), _KEYS)


def _as_claims(kind: DocumentKind[Any]) -> Decoder:
    return lambda data: read(kind, signed(kind, data), _KEYS)


def _as_armor(kind: DocumentKind[Any]) -> Decoder:
    return lambda data: dearmored(text_of(data), kind)


def _as_header(data: bytes) -> object:
    said = f"{b64url(data)}.{b64url(encode(WORLD.lease()))}"
    return read(LEASE, f"{said}.{b64url(KEY.sign_bytes(said.encode()))}", _KEYS)


def _as_request(data: bytes) -> object:
    return read_host_request(signed(HOST_REQUEST, data, WORLD.host_key))


def _as_answer(data: bytes) -> object:
    """A whole answer of a host: the claims, signed by it, for the question that was asked."""
    answer = Answer(answer=signed(LEASE, data, WORLD.host_key), host_certificate=_CERTIFICATE, revocations=0)
    return accept_answer(answer, WORLD.question(), WORLD.anchor, START_S)


def _over_http(data: bytes) -> object:
    kind = "application/problem+json" if data[:1] < b"\x80" else "application/json"
    status = (200, 429, 503, 404, 302)[len(data) % 5]
    headers = {"content-type": kind, "retry-after": data[:40].decode("latin-1")}
    return read_answer(Target("kms.example", 1688), status, headers, data[1:], 0)


def _as_next_keys(data: bytes) -> object:
    return follow_chain(_SHIPPED, [signed(TRUST, data)])


def _as_list(data: bytes) -> object:
    """A revocation list, taken, and a certificate judged by it."""
    taken = accept_list(None, signed(REVOCATIONS, data), _SHIPPED)
    return check_certificate(_CERTIFICATE, WORLD.anchor, START_S, _SHIPPED, taken)


def _news(data: bytes) -> object:
    (_HERE / FILE_NAME).write_bytes(data)
    return News(_HERE, WORLD.anchor).revocations


def _key_file(data: bytes) -> object:
    path = _HERE / "publisher.key"
    path.write_bytes(data)
    return unsealed(path, "a passphrase")


DECODERS: Final[dict[str, Decoder]] = {
    "activation request": decode_request,
    "activation response": decode_answer,
    "activation response, whole": _as_answer,
    "activation response over HTTP": _over_http,
    "problem": decode_problem,
    "probe result": lambda data: decode_strict(_probe, data, "the probe"),
    "host description": lambda data: decode_strict(_description, data, "the description"),
    "host activation": decode_activation,
    "published trust": decode_trust,
    "published revocations": decode_revocations,
    "product key": lambda data: ProductKey.parse(_text(data)),
    "activation request, enrolled": lambda data: check_enrolment(decode_request(data), [SECRET.key]),
    "enrolment file": secret_of,
    "lease file": decode_state,
    "news file": _news,
    "key file": _key_file,
    "publisher.jwks": TrustState.shipped,
    "publisher.trust": lambda data: follow_chain(_SHIPPED, chain_of(_text(data))),
    "header": _as_header,
    "header, unverified": lambda data: (typ_of(_text(data)), kid_of(_text(data))),
    "product file beside its keys": lambda data: Anchor.load(_text(data), WORLD.jwks),
    "host request as token": lambda data: read_host_request(_text(data)),
    "host request, proven": _as_request,
    "next keys, followed": _as_next_keys,
    "revocations, taken": _as_list,
    "address of a host": lambda data: Target.parse(_text(data)),
    **{f"{kind.typ} as text": _as_armor(kind) for kind in ARMORED},
    **{f"{kind.typ} as token": _as_token(kind) for kind in KINDS},
    **{f"{kind.typ} by its claims": _as_claims(kind) for kind in KINDS},
}
_IN_ORDER = tuple(DECODERS.values())


def takes(decoder: Decoder, data: bytes) -> bool:
    """Whether it takes `data`. Raises whatever is no `QuorateError`: that is a finding."""
    with contextlib.suppress(QuorateError):
        decoder(data)
        return True
    return False


def one_input(data: bytes) -> None:
    """Let the chosen decoder read it."""
    if data:
        takes(_IN_ORDER[data[0] % len(_IN_ORDER)], data[1:])


def main(arguments: list[str]) -> int:
    """Fuzz until something is found, or as long as the arguments of libFuzzer say."""
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        sys.stderr.write(f"{__doc__}\nIt needs the package atheris: pip install atheris\n")
        return 1
    inputs = importlib.import_module("tests.fuzz.inputs")  # it builds on this file
    logging.disable()  # the client warns of each damaged file
    corpus = _HERE / "corpus"
    corpus.mkdir()
    for number, (name, data) in enumerate(inputs.corpus()):
        (corpus / str(number)).write_bytes(bytes([list(DECODERS).index(name)]) + data)
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], one_input)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(_HERE, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
