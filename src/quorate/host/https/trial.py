"""Serves a key and certificate once, to itself; the exit code is 0 when it worked.

A process of its own, because the server's TLS library ends its process where it cannot use what it is given
(`quorate.host.https.certificate`).
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from typing import Any

from granian.constants import Interfaces

from quorate.host.https.certificate import NO_HANDSHAKE
from quorate.host.https.server import Listener
from quorate.host.process.sockets import open_socket
from quorate.host.settings.limits import Limits

__all__ = ["main"]

TRIES = 200  # the server's threads begin to listen some milliseconds after they are told to
PAUSE_S = 0.05
BYTES_MAX = 4 * 1024 * 1024


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """An application that is never asked for anything."""


def _shown_certificate(port: int) -> bytes | None:
    """What the server at this port shows as its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is our own, and only looked at
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5.0) as plain,
            context.wrap_socket(plain) as encrypted,
        ):
            return encrypted.getpeercert(binary_form=True)
    except OSError:
        return None


async def _tried(pem: bytes) -> bool:
    with open_socket("127.0.0.1", 0, 8) as sock:
        listener = Listener(sock, _nothing, Interfaces.ASGINL, Limits(), 8, pem)
        listener.start()
        port = sock.getsockname()[1]
        for _ in range(TRIES):
            await asyncio.sleep(PAUSE_S)
            shown = await asyncio.to_thread(_shown_certificate, port)
            if shown is not None:
                return shown == ssl.PEM_cert_to_DER_cert(_first(pem))
    return False


def _first(pem: bytes) -> str:
    text = pem.decode("ascii")
    end = "-----END CERTIFICATE-----"
    return text[text.index("-----BEGIN CERTIFICATE-----") : text.index(end) + len(end)]


def main() -> None:
    """Read, serve, look, and end at once: nothing of the server is worth waiting for."""
    works = asyncio.run(_tried(sys.stdin.buffer.read(BYTES_MAX)))
    os._exit(0 if works else NO_HANDSHAKE)
