"""Listening sockets, opened by ourselves: a taken port is an error with a name.

An HTTP server would open its own with SO_REUSEPORT, and two hosts would then share one port without noticing. Ours is
opened without; an IPv6 socket takes IPv4 too where the machine allows it.
"""

from __future__ import annotations

import errno
import socket

from quorate.errors.listening import cannot_listen
from quorate.host.config import Settings

__all__ = ["open_admin_socket", "open_socket"]


def open_admin_socket(settings: Settings, backlog: int) -> socket.socket:
    """As `open_socket`, for administration."""
    return open_socket(settings.admin_address, settings.admin_port, backlog, "admin-")


def open_socket(address: str, port: int, backlog: int, of: str = "") -> socket.socket:
    """A listening socket.

    Args:
        address: an IP address, or empty for every interface, IPv6 and IPv4 (IPv4 alone where there is no IPv6).
        port: 0 lets the operating system choose.
        of: what the names of its settings begin with.

    Raises:
        PortTakenError, AddressNotHereError, PortNotAllowedError: by whom it is not ours to take.
    """
    try:
        if address:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            return socket.create_server((address, port), family=family, backlog=backlog)
        return _open_everywhere(port, backlog)
    except OSError as fault:
        commands = f"`quorate host set {of}port N`", f"`quorate host set {of}address ADDRESS`"
        raise cannot_listen(address, port, fault, *commands) from None


def _open_everywhere(port: int, backlog: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=backlog)
        except OSError as fault:
            if fault.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):  # IPv6 is there, but switched off
                raise
    return socket.create_server(("", port), backlog=backlog)
