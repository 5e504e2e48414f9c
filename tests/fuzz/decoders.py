"""Every decoder of the protocol as one function of bytes, to be fuzzed: nothing but a `QuorateError` may escape.

Not part of the suite: it needs the package atheris, and time (CONTRIBUTING.md, "Fuzzing").

The first byte of an input chooses the decoder, the rest is what it gets. Signed kinds come twice: as the bytes of a
token, and as claims that are signed here, for a signature is not to be had by trying.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from quorate.client.discovery.target import Target
from quorate.client.news import FILE_NAME, News
from quorate.client.replies import read_answer
from quorate.client.state import decode_state
from quorate.core.armor import dearmored, text_of
from quorate.core.checkpoint import EVENT_CHECKPOINT
from quorate.core.documents import (
    HOST_CERTIFICATE,
    HOST_REQUEST,
    PRODUCT,
    DocumentKind,
    header_of,
    kid_of,
    read,
    read_host_request,
    typ_of,
)
from quorate.core.ids import ProductKey, b64url
from quorate.core.lease import LEASE, REFUSAL
from quorate.core.messages import HostDescription, ProbeResult, decode_problem, decode_request, decode_strict, encode
from quorate.core.publication import decode_activation, decode_revocations, decode_trust
from quorate.core.revocation import REVOCATIONS
from quorate.core.succession import TRUST, TrustState, chain_of, follow_chain
from quorate.errors import QuorateError
from tests.support.documents import World, signing_key

__all__ = ["DECODERS", "main", "one_input"]

WORLD = World()
KEY = signing_key(1)
KEYS = KEY.verify_keys()
SHIPPED = TrustState.shipped(WORLD.jwks)
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
_HERE = Path(tempfile.mkdtemp(prefix="quorate-fuzz-"))
_description = msgspec.json.Decoder(HostDescription)
_probe = msgspec.json.Decoder(ProbeResult)

Decoder = Callable[[bytes], object]


def _as_token(kind: DocumentKind[Any]) -> Decoder:
    return lambda data: read(kind, data.decode("utf-8", "replace"), KEYS)


def _as_claims(kind: DocumentKind[Any]) -> Decoder:
    head = b64url(encode(header_of(kind, KEY.kid)))

    def decode(data: bytes) -> object:
        said = f"{head}.{b64url(data)}"
        return read(kind, f"{said}.{b64url(KEY.sign_bytes(said.encode()))}", KEYS)

    return decode


def _as_header(data: bytes) -> object:
    said = f"{b64url(data)}.{b64url(b'{}')}"
    return read(LEASE, f"{said}.{b64url(KEY.sign_bytes(said.encode()))}", KEYS)


def _news(data: bytes) -> object:
    (_HERE / FILE_NAME).write_bytes(data)
    return News(_HERE, WORLD.anchor).revocations


def _told(data: bytes) -> object:
    kind = "application/problem+json" if data[:1] < b"\x80" else "application/json"
    status = (200, 429, 503, 404, 302)[len(data) % 5]
    headers = {"content-type": kind, "retry-after": data[:40].decode("latin-1")}
    return read_answer(Target("kms.example", 1688), status, headers, data[1:], 0)


DECODERS: tuple[Decoder, ...] = (
    decode_request,
    decode_problem,
    decode_activation,
    decode_trust,
    decode_revocations,
    decode_state,
    TrustState.shipped,
    _news,
    _told,
    _as_header,
    lambda data: decode_strict(_description, data, "the description"),
    lambda data: decode_strict(_probe, data, "the probe"),
    lambda data: ProductKey.parse(data.decode("utf-8", "replace")),
    lambda data: Target.parse(data.decode("utf-8", "replace")),
    lambda data: chain_of(data.decode("utf-8", "replace")),
    lambda data: follow_chain(SHIPPED, chain_of(data.decode("utf-8", "replace"))),
    lambda data: read_host_request(data.decode("utf-8", "replace")),
    lambda data: (typ_of(data.decode("utf-8", "replace")), kid_of(data.decode("utf-8", "replace"))),
    *(lambda data, kind=kind: dearmored(text_of(data), kind) for kind in (PRODUCT, HOST_REQUEST, HOST_CERTIFICATE)),
    *map(_as_token, KINDS),
    *map(_as_claims, KINDS),
)


def one_input(data: bytes) -> None:
    """Let the chosen decoder read it. Raises whatever is no `QuorateError`: that is a finding."""
    if data:
        with contextlib.suppress(QuorateError):
            DECODERS[data[0] % len(DECODERS)](data[1:])


def seeds(folder: Path) -> None:
    """Write one good input of each kind, to begin with."""
    claims = (
        WORLD.product,
        WORLD.host_request(),
        WORLD.certificate(),
        WORLD.lease(),
        WORLD.refusal(),
        {"v": 1, "iss": "A", "iat": 1, "number": 1, "entries": []},
        {"v": 1, "iss": "A", "iat": 1, "version": 2, "keys": [KEY.public()]},
    )
    good = [encode(WORLD.request()), WORLD.jwks, WORLD.product_token.encode(), *map(encode, claims)]
    for number in range(len(DECODERS)):
        for which, data in enumerate(good):
            (folder / f"{number}-{which}").write_bytes(bytes([number]) + data)


def main(arguments: list[str]) -> int:
    """Fuzz until something is found, or as long as the arguments of libFuzzer say."""
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        sys.stderr.write(f"{__doc__}\nIt needs the package atheris: pip install atheris\n")
        return 1
    logging.disable()  # the client warns of each damaged file
    corpus = _HERE / "corpus"
    corpus.mkdir()
    seeds(corpus)
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], one_input)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
