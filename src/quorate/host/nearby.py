"""Addresses that lead to this machine itself, or no further than its link: other programs' back doors.

Programs on loopback, and a cloud's metadata service on a link-local address, believe whoever can reach them. So what is
set over the network never sends anything there, and a name that turns out to lead there is not followed: only
an address that says so itself (`localhost`, `127.0.0.1`, this machine's own name) is, where it was set on this machine.
"""

from __future__ import annotations

import errno
import ipaddress
import socket

__all__ = ["check_led_away", "leads_here"]


def leads_here(host: str) -> bool:
    """Whether a name or an address says by itself that it is this machine, or on its link only."""
    plain = host.strip().strip("[]").rstrip(".").lower()
    address = _address(plain)
    if address is not None:
        return _is_near(address)
    own = socket.gethostname().lower()
    return plain in ("localhost", own, own.partition(".")[0]) or plain.endswith(".localhost")


def check_led_away(connected: socket.socket, host: str) -> None:
    """That a connection to `host` went elsewhere, where its name did not say that it leads here.

    Raises:
        ConnectionRefusedError: it leads to this machine; nothing was sent.
    """
    peer = connected.getpeername()
    address = _address(str(peer[0])) if isinstance(peer, tuple) and peer else None
    if address is not None and _is_near(address) and not leads_here(host):
        reason = f"its name leads to {address}, which is this machine; where that is meant, say localhost"
        raise ConnectionRefusedError(errno.ECONNREFUSED, reason)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_near(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
