"""What systemd hands to `quorate host run`: a manager to report to, the clients' socket, a keytab."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from quorate.cli.host.open import open_host
from quorate.clock import Clock
from quorate.host.publication.local_machine import Surroundings
from quorate.host.settings.paths import StatePaths
from quorate.host.settings.settings import Settings
from quorate.systemd import ServiceManager, handed_socket

__all__ = ["handed_by_systemd", "listen_stream"]

SERVICE_STATE = Path("/var/lib/quorate/host")
KEYTAB_CREDENTIAL = "dns-keytab"  # as LoadCredential= of the unit names it


def listen_stream() -> str:
    """`ListenStream=` for the host in the service's state folder, as it is set; the default where there is none yet."""
    paths = StatePaths(SERVICE_STATE)
    settings = Settings()
    if os.access(paths.identity, os.R_OK):
        with open_host(SERVICE_STATE) as host:
            settings = host.settings()
    if not settings.address:
        return str(settings.port)
    address = f"[{settings.address}]" if ":" in settings.address else settings.address
    return f"{address}:{settings.port}"


def handed_by_systemd(environ: Mapping[str, str], pid: int, clock: Clock) -> dict[str, Any]:
    """Arguments for `HostServer`; without systemd they change nothing.

    Raises:
        ListenSocketError: the socket unit is not as it must be.
    """
    around = Surroundings.of_this_machine(clock)
    keytab = Path(environ.get("CREDENTIALS_DIRECTORY", ""), KEYTAB_CREDENTIAL)
    if keytab.is_absolute() and keytab.is_file():  # a service's own user cannot read the machine's
        around = replace(around, keytab=keytab)
    return {
        "manager": ServiceManager(environ, pid, clock),
        "handed": handed_socket(environ, pid),
        "around": around,
    }
