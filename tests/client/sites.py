"""A name server with scripted hosts behind it, and a machine in its domain."""

from __future__ import annotations

import contextlib
from typing import Any

from quorate import Client
from tests.client.nameserver import ScriptedNameServer, asking, zone
from tests.client.parties import Installation, ScriptedHost, scripted
from tests.support.documents import World

__all__ = ["SRV", "Site"]

SRV = "_quorate._tcp.corp.test"


class Site:
    """A name server with hosts behind it, and a machine in the domain corp.test."""

    def __init__(self, here: Installation, names: ScriptedNameServer, stack: contextlib.ExitStack) -> None:
        self.here = here
        self.names = names
        self.stack = stack
        self.records: dict[tuple[str, str], list[str]] = {}
        names.script = lambda question, is_tcp: zone(self.records)(question, is_tcp)

    def host(self, name: str, priority: int = 0, weight: int = 0, *, domain: str = "corp.test") -> ScriptedHost:
        """One more host, in the zone."""
        host = self.stack.enter_context(scripted(World(), self.here.clock))
        self.publish(name, host.port, priority, weight, domain=domain)
        return host

    def publish(self, name: str, port: int, priority: int = 0, weight: int = 0, *, domain: str = "corp.test") -> None:
        full = f"{name}.{domain}"
        self.records.setdefault((f"_quorate._tcp.{domain}", "SRV"), []).append(f"{priority} {weight} {port} {full}.")
        self.records[full, "A"] = ["127.0.0.1"]

    def withdraw(self, domain: str = "corp.test") -> None:
        self.records.pop((f"_quorate._tcp.{domain}", "SRV"), None)

    def client(self, **more: Any) -> Client:
        return self.here.client(network=asking(self.names, **more))

    @property
    def queries(self) -> list[str]:
        """The SRV queries so far."""
        return [each.removesuffix(" SRV") for each in self.names.asked if each.endswith(" SRV")]
