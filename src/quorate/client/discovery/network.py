"""How this machine finds names: its resolver, its own name, and what stands in for them in tests and simulations."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import dns.resolver
import msgspec

from quorate.client.discovery.domains import own_name
from quorate.client.discovery.mdns import Browse, browse
from quorate.client.discovery.target import split_port
from quorate.errors import InvalidSettingError
from quorate.resolver import machine_resolver

__all__ = ["Network", "name_server_at"]

_STUB_UPSTREAM = Path("/run/systemd/resolve/resolv.conf")  # the servers behind systemd-resolved's stub


def _behind_the_stub() -> dns.resolver.Resolver:
    return machine_resolver(_STUB_UPSTREAM)


def _system_addresses(host: str) -> tuple[str, ...]:
    """Where the operating system knows a host to be: its hosts file, its directory, its DNS; nothing where it does not.

    It takes as long as the operating system's own limits let it.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


class Network(msgspec.Struct, frozen=True):
    """How this machine finds names.

    Attributes:
        open_resolver: the resolver with this machine's name servers, domain and search list.
        open_upstream: the resolver with the servers behind systemd-resolved's stub.
        own_name: this machine's full name, as far as it is known without asking anybody.
        system_addresses: where the operating system knows a host to be, whose address DNS does not know.
        is_mdns: whether to look on the local link too, when DNS knows no host that will do.
        browse: how that is done.
    """

    open_resolver: Callable[[], dns.resolver.Resolver] = machine_resolver
    open_upstream: Callable[[], dns.resolver.Resolver] = _behind_the_stub
    own_name: Callable[[], str] = own_name
    system_addresses: Callable[[str], tuple[str, ...]] = _system_addresses
    is_mdns: bool = False
    browse: Browse = browse


def name_server_at(text: str) -> Callable[[], dns.resolver.Resolver]:
    """`open_resolver` that asks the name server at `ADDRESS[:PORT]`, with this machine's domain and search list.

    Raises:
        InvalidSettingError: that is no IP address.
    """
    allowed = "192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353"
    host, port = split_port(text.strip())
    try:
        address, number = str(ipaddress.ip_address(host)), 53 if port is None else int(port)
        if not 1 <= number <= 65_535:
            raise ValueError
    except ValueError:
        reason = f"{text[:100]!r} is no IP address of a name server"
        raise InvalidSettingError(name="QUORATE_DNS_SERVER", reason=reason, allowed=allowed) from None
    return partial(machine_resolver, servers=(address,), port=number)
