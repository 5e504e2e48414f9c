"""firewalld: a service named "KMS Traffic" in the default zone, through its daemon, or its files while it is off.

firewalld's commands end with 0 on some errors, so their words are read.
"""

from __future__ import annotations

import re

from quorate.host.firewall.forms import DESCRIPTION, NAME, SERVICE, Form, form
from quorate.host.firewall.tools import Tools

__all__ = ["Firewalld"]

_FAULTS = ("Error:", "INVALID_", "NOT_ENABLED")
_PORT = re.compile(r"\b(\d+)/tcp\b")


class Firewalld:
    """The firewall of Red Hat, Fedora and SUSE."""

    name = "firewalld"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._runs: bool | None = None
        self._zone: str | None = None

    def filters(self) -> bool:
        """Whether its daemon runs."""
        if self._runs is None:
            said = self._tools.answers("firewall-cmd", "--state") if self._tools.has("firewall-cmd") else None
            self._runs = said is not None and "running" in said
        return self._runs

    def ports(self) -> tuple[int, ...]:
        """The service's ports, when a zone lets the service in."""
        if not self._zones():
            return ()
        return tuple(sorted(int(port) for port in self._service_ports() or ()))

    def form(self, port: int) -> Form:
        return form(self.name, port)

    def enable(self, port: int) -> None:
        before = len(self._tools.did)
        ports = self._service_ports()
        if ports is None:
            self._change(f"--new-service={SERVICE}")
            self._change(f"--service={SERVICE}", f"--set-short={NAME}")
            self._change(f"--service={SERVICE}", f"--set-description={DESCRIPTION}")
        for old in ports or ():
            if old != str(port):
                self._change(f"--service={SERVICE}", f"--remove-port={old}/tcp")
        if str(port) not in (ports or ()):
            self._change(f"--service={SERVICE}", f"--add-port={port}/tcp")
        if self._default_zone() not in self._zones():
            self._change(f"--zone={self._default_zone()}", f"--add-service={SERVICE}")
        self._reload_after(before)

    def disable(self) -> None:
        before = len(self._tools.did)
        remove = "--remove-service" if self.filters() else "--remove-service-from-zone"  # the offline program's word
        for zone in self._zones():
            self._change(f"--zone={zone}", f"{remove}={SERVICE}")
        if self._service_ports() is not None:
            self._change(f"--delete-service={SERVICE}")
        self._reload_after(before)

    def note(self, port: int) -> str:
        zone = self._default_zone()
        if not self.filters():
            return f"firewalld does not run: the exception for port {port} holds in zone {zone} once it does."
        active = self._tools.ask("firewall-cmd", "--get-active-zones")
        others = [line.split()[0] for line in active.splitlines() if line and not line[0].isspace()]
        others = [name for name in others if name != zone]
        if not others:
            return f"It holds in zone {zone}."
        return (
            f"It holds in zone {zone}, the default. Clients that come in through {', '.join(others)} need it there "
            f"too: firewall-cmd --permanent --zone={others[0]} --add-service={SERVICE} && firewall-cmd --reload"
        )

    # --- inside ------------------------------------------------------------------------------------------------

    def _words(self, *options: str) -> tuple[str, ...]:
        program = ("firewall-cmd", "--permanent") if self.filters() else ("firewall-offline-cmd",)
        return (*program, *options)

    def _change(self, *options: str) -> None:
        self._tools.change(*self._words(*options), faults=_FAULTS)

    def _reload_after(self, before: int) -> None:
        """Once, when something changed: what is permanent is not in force before."""
        if self.filters() and len(self._tools.did) > before:
            self._tools.change("firewall-cmd", "--reload", faults=_FAULTS)

    def _default_zone(self) -> str:
        if self._zone is None:
            program = "firewall-cmd" if self.filters() else "firewall-offline-cmd"
            self._zone = self._tools.ask(program, "--get-default-zone").split()[-1]
        return self._zone

    def _service_ports(self) -> list[str] | None:
        """The ports of the service; None when there is no such service."""
        said = self._tools.answers(*self._words(f"--service={SERVICE}", "--get-ports"))
        return None if said is None else _PORT.findall(said)

    def _zones(self) -> list[str]:
        """Zones that let the service in."""
        zones, name = [], ""
        for line in self._tools.ask(*self._words("--list-all-zones")).splitlines():
            if line and not line[0].isspace():
                name = line.split()[0]
            elif line.strip().startswith("services:") and SERVICE in line.split():
                zones.append(name)
        return zones
