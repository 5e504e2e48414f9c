"""DNS in a simulation: the site's SRV records and addresses, as the real search of the client asks for them.

Hosts that run stand in it. It can be dark (nobody answers), or stale (it tells what was true once).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.resolver

from quorate.client.discovery.network import Network as Resolving

__all__ = ["DOMAIN", "SimNames", "address_of"]

DOMAIN = "sim.test"
PORT = 1688
_ADDRESSES = {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]}  # of every host: this network goes by the name


def address_of(host: str) -> str:
    """The DNS name of a host's address: `kms1-2.sim.test`, once it has moved."""
    return f"{host}.{DOMAIN}"


class SimNames:
    """What is in DNS."""

    def __init__(self) -> None:
        self.dark = 0
        self.stale = 0
        self._hosts: list[str] = []
        self._told: dict[tuple[tuple[bytes, ...], str], _Told] = {}  # names are few: each is made once

    def publish(self, hosts: list[str]) -> None:
        """Hosts that run, by their addresses; passed over while stale, and where nobody runs the old ones stand."""
        if not self.stale and hosts:
            self._hosts = hosts
            self._told.clear()

    def seen_by(self, is_cut_off: Callable[[], bool]) -> Resolving:
        """How a machine finds names; cut off, it finds none."""
        resolver: Any = _Resolver(self, is_cut_off)

        def open_resolver() -> Any:
            return resolver

        return Resolving(open_resolver, open_upstream=open_resolver, own_name=_own_name, system_addresses=_nowhere)

    def told(self, name: dns.name.Name, kind: str) -> _Told:
        """The records of that name and kind, as dnspython has them; none for a name that is not there."""
        key = name.labels, kind
        told = self._told.get(key)
        if told is None:
            texts = self._texts(name.to_text(), kind)
            types = dns.rdataclass.IN, dns.rdatatype.from_text(kind)
            told = self._told[key] = _Told(dns.rdata.from_text(*types, text) for text in texts)
        return told

    def _texts(self, name: str, kind: str) -> list[str]:
        if kind == "SRV" and name.startswith("_"):
            return [f"0 0 {PORT} {address_of(host)}." for host in self._hosts]
        if name.rstrip(".").removesuffix(f".{DOMAIN}") in self._hosts:
            return _ADDRESSES.get(kind, [])
        return []


def _own_name() -> str:
    return f"pc.{DOMAIN}"


def _nowhere(_: str) -> tuple[str, ...]:
    """No machine of a simulation has a hosts file."""
    return ()


class _Told(list[Any]):
    """Records, and who told them."""

    nameserver = "192.0.2.53"


class _Resolver:
    """What the client's search uses of a `dns.resolver.Resolver`; there is no name server and no socket behind it."""

    __slots__ = ("_is_cut_off", "_names", "lifetime", "timeout")
    domain = dns.name.from_text(DOMAIN)
    search: tuple[dns.name.Name, ...] = ()
    nameservers: tuple[str, ...] = ()
    port = 53

    def __init__(self, names: SimNames, is_cut_off: Callable[[], bool]) -> None:
        self._names = names
        self._is_cut_off = is_cut_off
        self.timeout = self.lifetime = 0.0

    def resolve(self, qname: dns.name.Name, rdtype: str, search: bool) -> _Told:
        if self._names.dark or self._is_cut_off():
            raise dns.resolver.LifetimeTimeout
        found = self._names.told(qname, rdtype)
        if not found:
            raise dns.resolver.NXDOMAIN
        return found
