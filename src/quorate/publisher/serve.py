"""`quorate publisher serve`: the activation service on a socket of its own, from start to a clean stop.

It listens on loopback unless told otherwise. Elsewhere it wants TLS: nothing in a request can be used by whoever reads
it, and nothing in an answer can be forged, but who listens learns which customers have which hosts. Who has a TLS proxy
in front of it, or does not mind, says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from quorate.errors import InvalidSettingError
from quorate.errors.listening import cannot_listen
from quorate.files import check_private

__all__ = ["PORT_DEFAULT", "Listening", "check_listening", "listen", "run_until_signalled", "serve_until"]

PORT_DEFAULT: Final = 1690
BACKLOG: Final = 128
CONNECTIONS_MAX: Final = 256  # hosts ask once in months
HEADERS_S: Final = 10
STOP_S: Final = 10.0  # requests under way are answered within that, or given up


@dataclass(frozen=True)
class Listening:
    """An open socket, and the certificate to use on it."""

    socket: socket.socket
    tls_cert: Path | None
    tls_key: Path | None

    @property
    def url(self) -> str:
        """Where hosts find it, as far as this machine can tell."""
        address, port = self.socket.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        return f"{'http' if self.tls_cert is None else 'https'}://{shown}:{port}/"


def listen(
    address: str, port: int, tls_cert: Path | None = None, tls_key: Path | None = None, *, insecure_http: bool = False
) -> Listening:
    """Open the socket.

    Args:
        address: an IP address.
        port: 0 lets the operating system choose.
        tls_cert, tls_key: PEM files; both or none.
        insecure_http: plain HTTP on another address than loopback is meant so.

    Raises:
        InvalidSettingError: no address, half a certificate or a useless one, or plain HTTP that is not meant so.
        FilePermissionsError, FileAccessError: the TLS key is open to others, or cannot be read.
        PortTakenError, AddressNotHereError, PortNotAllowedError: it is not ours to take.
    """
    ip = check_listening(address, tls_cert, tls_key, insecure_http=insecure_http)
    try:
        family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
        opened = socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as fault:
        raise cannot_listen(address, port, fault, "`--port N`", "`--address ADDRESS`") from None
    return Listening(opened, tls_cert, tls_key)


def check_listening(
    address: str, tls_cert: Path | None, tls_key: Path | None, *, insecure_http: bool
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address, if it may be served so; raises as `listen`."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        raise InvalidSettingError(
            name="--address", reason=f"{address!r} is no IP address", allowed="Give one, such as 127.0.0.1 or ::."
        ) from None
    if (tls_cert is None) != (tls_key is None):
        raise InvalidSettingError(
            name="--tls-cert", reason="a certificate needs its key", allowed="Give --tls-cert and --tls-key."
        )
    if tls_cert is not None and tls_key is not None:
        _check_tls(tls_cert, tls_key)
    elif not ip.is_loopback and not insecure_http:
        raise InvalidSettingError(
            name="--address",
            reason=f"{address} would be served without TLS, and who listens learns which customers have which hosts",
            allowed="Give --tls-cert and --tls-key; or --insecure-http, if a TLS proxy is in front of it.",
        )
    return ip


def run_until_signalled(
    listening: Listening,
    application: Any,
    on_ready: Callable[[], None],
    reload: Callable[[], Listening | None],
) -> None:
    """Serve in this thread until SIGTERM or SIGINT; what is under way is answered first.

    Threads of Granian (2.8) may be left, which abort the process when its interpreter ends before them: a program that
    has nothing else to do ends without that (`os._exit`).

    Args:
        reload: called at SIGHUP: the same socket with another certificate, or None where that is as before.
            Connections wait in the socket's queue while the server is exchanged.
    """

    async def run() -> None:
        loop, stop, hung_up = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if not os.isatty(0):  # on a terminal SIGHUP says that the terminal is gone
            loop.add_signal_handler(signal.SIGHUP, hung_up.set)
        now, ready = listening, on_ready
        while True:  # bounded by `stop`
            end = asyncio.Event()
            serving = asyncio.create_task(_serve(end, now, application, ready))
            again = await _next(serving, stop, hung_up, reload)
            end.set()
            await serving
            if again is None:
                return
            now, ready = again, _nothing

    try:
        asyncio.run(run())
    finally:
        listening.socket.close()


async def _next(
    serving: asyncio.Task[None],
    stop: asyncio.Event,
    hung_up: asyncio.Event,
    reload: Callable[[], Listening | None],
) -> Listening | None:
    """What to serve next, as soon as there is something new; None when it is over."""
    while not serving.done() and not stop.is_set():  # bounded by `stop`
        waiting = [asyncio.create_task(each.wait()) for each in (stop, hung_up)]
        await asyncio.wait({serving, *waiting}, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        if hung_up.is_set() and not stop.is_set():
            hung_up.clear()
            again = reload()
            if again is not None:
                return again
    return None


async def serve_until(
    stop: asyncio.Event, listening: Listening, application: Any, on_ready: Callable[[], None]
) -> None:
    """Serve until `stop` is set. The socket is closed then."""
    try:
        await _serve(stop, listening, application, on_ready)
    finally:
        listening.socket.close()


async def _serve(stop: asyncio.Event, listening: Listening, application: Any, on_ready: Callable[[], None]) -> None:
    server = _server(listening, application)
    serving = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(stop.wait())
    on_ready()
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    server.signal_handler_interrupt()
    with contextlib.suppress(TimeoutError, asyncio.CancelledError):
        await asyncio.wait_for(serving, STOP_S)


def _nothing() -> None:
    """Who waited for the service has heard of it."""


def _check_tls(cert: Path, key: Path) -> None:
    check_private(key)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ValueError) as fault:
        reason = f"{cert} and {key} cannot be used: {getattr(fault, 'reason', None) or fault}"
        raise InvalidSettingError(
            name="--tls-cert",
            reason=reason,
            allowed="PEM files: the certificate with its chain, and its unencrypted key.",
        ) from None


def _server(listening: Listening, application: Any) -> Any:
    address, port = listening.socket.getsockname()[:2]
    return _OnOurSocket(
        listening.socket,
        application,
        address=address,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        backpressure=CONNECTIONS_MAX,
        log_enabled=False,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_S * 1000, max_buffer_size=16 * 1024),
        ssl_cert=listening.tls_cert,
        ssl_key=listening.tls_key,
    )


class _OnOurSocket(Server):
    """Granian's embedded server on a socket that was opened without SO_REUSEPORT, so that a taken port is an error."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        self._ours = sock
        super().__init__(*args, **kwargs)

    def _init_shared_socket(self) -> None:
        # Granian closes what it is given when it stops, so it gets a descriptor of its own.
        self._ssp = None
        holder: Any = SocketHolder  # its stub leaves the constructor out
        self._shd = holder(os.dup(self._ours.fileno()), False, self.backlog)
