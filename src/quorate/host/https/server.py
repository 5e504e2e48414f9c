"""A port that is served: Granian's embedded server on a socket that we opened ourselves (`host/process/sockets.py`).

What hyper (inside Granian) does with strange bytes was looked at over raw sockets and is held by
`tests/host/test_raw_sockets.py`: garbage and contradictory lengths are answered with 400 before we see them, heads over
16 KiB with 431, slow heads and idle connections are closed after `headers_s`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server

from quorate.host.https.certificate import in_memory
from quorate.host.settings.limits import Limits

__all__ = ["Listener"]

HEAD_BYTES_MAX = 16 * 1024


class Listener:
    """One application on one socket, in the running event loop.

    Args:
        application: an RSGI or ASGI application.
        connections_max: open at once; more wait in the kernel's backlog.
        tls: key and certificate chain in PEM, tried before (`tls.try_tls`); None: without TLS.

    Raises:
        OSError: there is no keeping `tls` in memory here.
    """

    def __init__(
        self,
        sock: socket.socket,
        application: Any,
        interface: Interfaces,
        limits: Limits,
        connections_max: int,
        tls: bytes | None = None,
    ) -> None:
        self.address, self.port = sock.getsockname()[:2]
        self._socket = sock
        self._server: Any = _OnOurSocket(
            sock,
            application,
            address=self.address,
            port=self.port,
            interface=interface,
            http=HTTPModes.http1,
            websockets=False,
            backlog=limits.backlog,
            backpressure=connections_max,
            log_enabled=False,
            http1_settings=HTTP1Settings(
                header_read_timeout=int(limits.headers_s * 1000), max_buffer_size=HEAD_BYTES_MAX
            ),
        )
        self._pem: int | None = None
        if tls is not None:
            self._pem, path = in_memory(tls)
            # As Granian would set it itself, but for its resolving the path, which this one does not survive.
            context: Any = (True, path, path, None, SSLProtocols.tls12.value, None, [], False)
            self._server.ssl_ctx = context
        self._serving: asyncio.Task[None] | None = None

    @property
    def is_serving(self) -> bool:
        """Whether connections are taken."""
        return self._serving is not None and not self._serving.done()

    def start(self) -> None:
        """Begin to serve."""
        self._serving = asyncio.get_running_loop().create_task(self._server.serve())

    async def stop(self, timeout_s: float) -> None:
        """Take no more connections, close the idle ones, and wait until the requests under way are answered.

        After `timeout_s` seconds those that are not are given up.
        """
        self._server.signal_handler_interrupt()
        self._socket.close()
        if self._serving is not None:
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(self._serving, timeout_s)
            self._serving = None
        if self._pem is not None:
            os.close(self._pem)
            self._pem = None

    def same_socket(self) -> socket.socket:
        """Its socket once more, for a listener that takes over from this one."""
        return self._socket.dup()


class _OnOurSocket(Server):
    """Granian's embedded server, given its socket instead of opening one."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        self._ours = sock
        super().__init__(*args, **kwargs)

    def _init_shared_socket(self) -> None:
        # Granian closes what it is given when it stops, so it gets a descriptor of its own.
        self._ssp = None
        holder: Any = SocketHolder  # its stub leaves the constructor out
        self._shd = holder(os.dup(self._ours.fileno()), False, self.backlog)
