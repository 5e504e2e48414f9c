"""How a process speaks with systemd: ready, reloading, stopping, a status line, a pulse; and the socket it was handed.

The protocols of sd_notify(3) and sd_listen_fds(3) need no library: datagrams to `NOTIFY_SOCKET`, descriptors from 3 on.
Without systemd all of it is silent. Nothing here keeps a service from its work: what cannot be sent is not sent.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

from quorate.clock import Clock
from quorate.errors import ListenSocketError

__all__ = ["ServiceManager", "handed_socket"]

_FIRST_DESCRIPTOR = 3
_STATUS_MAX = 300


class ServiceManager:
    """The service manager that started this process, or nobody.

    Args:
        environ: the environment of this process.
        pid: its number; variables that are meant for another process are passed over.
    """

    def __init__(self, environ: Mapping[str, str], pid: int, clock: Clock) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._clock = clock
        watched = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        self.watchdog_s = _whole(environ.get("WATCHDOG_USEC", "")) / 1_000_000 if watched else 0.0
        """After this long without a pulse it ends this process and starts another one; 0 when it does not."""

    def ready(self, status: str) -> None:
        """Started, or reloaded."""
        self._say("READY=1", _status(status))

    def reloading(self) -> None:
        """Reading everything anew; `ready` ends it."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic_s() * 1_000_000)}")

    def stopping(self) -> None:
        """Finishing what is under way."""
        self._say("STOPPING=1", _status("stopping"))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._say(_status(text))

    def pulse(self) -> None:
        """Still alive. To be called about once a second, by what would not be called if it were not true."""
        if self.watchdog_s:
            self._say("WATCHDOG=1")

    def _say(self, *lines: str) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            out.setblocking(False)
            out.sendto("\n".join(lines).encode(), self._address)


def handed_socket(environ: Mapping[str, str], pid: int) -> socket.socket | None:
    """The listening socket that the service manager opened for this process; None when it opened none.

    Raises:
        ListenSocketError: it handed over something else, or several.
    """
    if environ.get("LISTEN_PID") != str(pid):
        return None
    number = _whole(environ.get("LISTEN_FDS", ""))
    if number == 0:
        return None
    if number > 1:
        raise ListenSocketError(reason=f"{number} sockets were handed over, one is needed")
    try:
        handed = socket.socket(fileno=_FIRST_DESCRIPTOR)
        os.set_inheritable(_FIRST_DESCRIPTOR, False)
        is_tcp = handed.family in (socket.AF_INET, socket.AF_INET6) and handed.type == socket.SOCK_STREAM
        if not is_tcp or not handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            handed.detach()
            raise ListenSocketError(reason="it is no listening TCP socket")
    except OSError as fault:
        raise ListenSocketError(reason=(fault.strerror or str(fault)).lower()) from None
    return handed


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def _status(text: str) -> str:
    return "STATUS=" + "".join(c if c.isprintable() else " " for c in text)[:_STATUS_MAX]
