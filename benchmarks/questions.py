"""The machines of the benchmark and their requests: machine number N has the same CMID in every run and process.

So the million records of a filled store and the requests that renew them are made apart and still fit: a stored
record has the lineage link of `first_nonce`, and the renewal presents it.
"""

from __future__ import annotations

import hashlib
import os
import uuid

from quorate.core.ids import b64url, link_of
from quorate.core.messages import PROTOCOL_VERSION, ActivationRequest, LicenseStatus, encode

__all__ = ["EDITION", "Question", "cmid_of", "first_nonce", "http_request", "question"]

EDITION = "bench-client"


def cmid_of(number: int) -> str:
    """The CMID of machine `number`: random to the eye and to a B-tree, known to every process."""
    return str(uuid.UUID(bytes=_bytes(b"cmid", number), version=4))


def first_nonce(number: int) -> str:
    """The nonce that a record already in a filled store was last answered for."""
    return b64url(_bytes(b"nonce", number))


class Question:
    """One activation request: its body, and what its answer must repeat."""

    __slots__ = ("body", "nonce", "number")

    def __init__(self, number: int, nonce: str, body: bytes) -> None:
        self.number = number
        self.nonce = nonce
        self.body = body


def question(number: int, now_s: int, *, renews: bool) -> Question:
    """A valid request of machine `number` with a fresh nonce; `renews` says that the host has its record."""
    cmid, nonce = cmid_of(number), b64url(os.urandom(16))
    request = ActivationRequest(
        v=PROTOCOL_VERSION,
        edition=EDITION,
        cmid=cmid,
        machine=f"pc-{number:07d}.corp.example",
        status=LicenseStatus.LICENSED if renews else LicenseStatus.INITIAL_GRACE,
        time_s=now_s,
        nonce=nonce,
        expires_in_min=249_120 if renews else 43_200,
        link=link_of(cmid, first_nonce(number)) if renews else None,
    )
    return Question(number, nonce, encode(request))


def http_request(body: bytes, port: int, path: str, *, keep_alive: bool) -> bytes:
    """The request as our client's HTTP library writes it."""
    head = (
        f"POST {path} HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{port}\r\n"
        "User-Agent: quorate-benchmark\r\n"
        "Accept-Encoding: identity\r\n"
        "Content-Type: application/json\r\n"
        f"Connection: {'keep-alive' if keep_alive else 'close'}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def _bytes(purpose: bytes, number: int) -> bytes:
    return hashlib.blake2b(number.to_bytes(8, "big"), digest_size=16, key=b"quorate-benchmark-" + purpose).digest()
