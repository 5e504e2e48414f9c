"""Where administration is listened to: its application behind its gate, with TLS or without, on the socket at hand."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import structlog
from granian.constants import Interfaces

from quorate.clock import Clock, Entropy
from quorate.host.admin_api import admin_application
from quorate.host.admin_changes import Publication
from quorate.host.admin_crowd import connections_at
from quorate.host.admin_tls import AdminTls
from quorate.host.administration import Administration
from quorate.host.config import Limits, Settings
from quorate.host.gate import Gate
from quorate.host.health import Health
from quorate.host.listener import Listener
from quorate.host.metrics import HostMetrics
from quorate.host.publication.hello import say_hello
from quorate.host.publication.machine import Surroundings
from quorate.host.tokens import AdminTokens
from quorate.host.writer import AnswerWriter

__all__ = ["AdminDoor"]

CONNECTIONS_MAX = 128
CROWD_MAX = 2 * CONNECTIONS_MAX  # what is open by right, and what is just being closed

_Listen = Callable[[socket.socket], Awaitable[Listener]]
_Move = Callable[[Listener, str, int, _Listen], Awaitable[Listener]]


class AdminDoor:
    """Makes the listeners; on the event loop's thread.

    Args:
        tls: what they are served with; started already.
    """

    def __init__(
        self,
        administration: Administration,
        health: Health,
        metrics: HostMetrics,
        writer: AnswerWriter,
        tls: AdminTls,
        clock: Clock,
        entropy: Entropy,
        around: Surroundings,
        limits: Limits,
    ) -> None:
        keyring = administration.keyring
        self._gate = Gate(AdminTokens(keyring.paths), keyring.admin_token(), clock, entropy, writer.record)
        self._publication = Publication(
            lambda: administration.publication(around, entropy), names=around.names, hello=say_hello
        )
        self._parts = (administration, health, metrics)
        self._place = ("", 0)
        self._tls = tls
        self._limits = limits
        self._log = structlog.get_logger("quorate.host.admin")

    async def listen(self, sock: socket.socket) -> Listener:
        """Begin to serve on `sock`."""
        identity = self._tls.identity
        application = admin_application(*self._parts, self._gate, self._publication, sock.getsockname()[0])
        pem = None if identity is None else identity.pem
        listener = Listener(sock, application, Interfaces.ASGINL, self._limits, CONNECTIONS_MAX, pem)
        listener.start()
        return listener

    async def open(self, sock: socket.socket, settings: Settings) -> Listener:
        """The first one, where these settings say."""
        self._place = (settings.admin_address, settings.admin_port)
        return await self.listen(sock)

    def url_of(self, listener: Listener) -> str:
        """Its address for a browser."""
        scheme = "http" if self._tls.identity is None else "https"
        address = f"[{listener.address}]" if ":" in listener.address else listener.address
        return f"{scheme}://{address}:{listener.port}/"

    async def follow(self, listener: Listener, wanted: Settings, move: _Move) -> Listener:
        """The listener that these settings ask for, or the one there is where they cannot be followed.

        Args:
            move: makes a listener elsewhere, and ends the former one.
        """
        is_new = await asyncio.to_thread(self._tls.look, wanted)
        if self._tls.fault is not None:
            return listener
        place = (wanted.admin_address, wanted.admin_port)
        if place != self._place:
            self._place = place
            return await move(listener, *place, self.listen)
        if not is_new:
            return listener
        identity = self._tls.identity
        self._log.info("certificate_changed", expires_s=None if identity is None else identity.expires_s)
        return await self._anew(listener)

    async def shed(self, listener: Listener) -> Listener:
        """The listener, or where it holds more connections than it may, a new one without any: administration gives
        way before the clients' port runs out of descriptors."""
        if self._tls.identity is None:  # without TLS the server keeps the limit by itself
            return listener
        open_now = await asyncio.to_thread(connections_at, listener.port)
        if open_now <= CROWD_MAX:
            return listener
        self._log.warning("administration_crowded", connections=open_now, most=CROWD_MAX)
        return await self._anew(listener)

    async def _anew(self, listener: Listener) -> Listener:
        """On the same socket; the former one answers what it has begun, and closes everything else."""
        renewed = await self.listen(listener.same_socket())
        await listener.stop(self._limits.stop_s)
        return renewed
