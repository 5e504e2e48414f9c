"""DNS in a simulation: the site's SRV records and addresses, as the real search of the client asks for them.

Hosts that run stand in it. It can be dark (nobody answers), or stale (it tells what was true once).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dns.exception
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.resolver

from quorate.client.discovery.network import Network as Resolving

__all__ = ["DOMAIN", "SimNames", "address_of"]

DOMAIN = "sim.test"
PORT = 1688


def address_of(host: str) -> str:
    """The DNS name of a host's address: `kms1-2.sim.test`, once it has moved."""
    return f"{host}.{DOMAIN}"


class SimNames:
    """What is in DNS."""

    def __init__(self) -> None:
        self.dark = 0
        self.stale = 0
        self._hosts: list[str] = []

    def publish(self, hosts: list[str]) -> None:
        """Hosts that run, by their addresses; passed over while stale, and where nobody runs the old ones stand."""
        if not self.stale and hosts:
            self._hosts = hosts

    def seen_by(self, is_cut_off: Callable[[], bool]) -> Resolving:
        """How a machine finds names; cut off, it finds none."""
        return Resolving(
            open_resolver=lambda: _Resolver(self, is_cut_off),
            open_upstream=lambda: _Resolver(self, is_cut_off),
            own_name=lambda: f"pc.{DOMAIN}",
        )

    def records(self, name: str, kind: str) -> list[str]:
        """The texts of the records of that name and kind."""
        if kind == "SRV" and name.startswith("_"):
            return [f"0 0 {PORT} {address_of(host)}." for host in self._hosts]
        if kind == "A" and name.rstrip(".").removesuffix(f".{DOMAIN}") in self._hosts:
            return ["192.0.2.1"]  # the network of a simulation goes by the name
        return []


class _Told(list[Any]):
    """Records, and who told them."""

    nameserver = "192.0.2.53"


class _Resolver(dns.resolver.Resolver):
    """Answers from `SimNames`; there is no name server and no socket."""

    def __init__(self, names: SimNames, is_cut_off: Callable[[], bool]) -> None:
        super().__init__(configure=False)
        self.domain = dns.name.from_text(DOMAIN)
        self._names = names
        self._is_cut_off = is_cut_off

    def resolve(self, qname: Any, rdtype: Any = "A", *_others: Any, **_more: Any) -> Any:
        if self._names.dark or self._is_cut_off():
            raise dns.resolver.LifetimeTimeout(timeout=3.0, errors=[])  # type: ignore[no-untyped-call]  # it has none
        found = _Told(
            dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(str(rdtype)), text)
            for text in self._names.records(str(qname), str(rdtype))
        )
        if not found:
            raise dns.resolver.NXDOMAIN
        return found
