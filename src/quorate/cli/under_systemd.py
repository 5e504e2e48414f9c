"""What systemd hands to `quorate host run`: a manager to report to, the clients' socket, a keytab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from quorate.clock import Clock
from quorate.host.publication.machine import Surroundings
from quorate.host.sdnotify import ServiceManager, handed_socket

__all__ = ["KEYTAB_CREDENTIAL", "TSIG_CREDENTIAL", "handed_by_systemd"]

KEYTAB_CREDENTIAL = "dns-keytab"
TSIG_CREDENTIAL = "dns-tsig-key"


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
