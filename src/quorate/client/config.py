"""Where a client's state lives and how it connects: the only file of the client that reads the environment.

| variable | meaning |
|---|---|
| `QUORATE_STATE_DIR` | folder of all clients' state; one folder per product below it |
| `QUORATE_HTTPS` | `1`: speak HTTPS to the KMS host (an answer carries its own proof, so HTTP is the default) |
| `QUORATE_CA_FILE` | PEM file of the authorities to believe, with HTTPS; default: the system's |
| `QUORATE_DNS_SERVER` | `ADDRESS[:PORT]` of the name server to ask for KMS hosts, instead of this machine's |
| `QUORATE_MDNS` | `1`: look for KMS hosts on the local link too, when DNS knows none that will do |
| `QUORATE_PROXY` | `http://NAME:PORT` of a proxy; the general `http_proxy` is not used, as KMS hosts are near |
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from quorate.client.discovery.network import Network, name_server_at
from quorate.client.transport import TransportSettings
from quorate.errors import InvalidSettingError

__all__ = ["Settings"]

MACHINE_WIDE = Path("/var/lib/quorate/client")


@dataclass(frozen=True)
class Settings:
    """What the environment says.

    Attributes:
        state_root: the folder given by hand, or None.
        machine_root: the folder of the whole machine, which root's agent keeps.
        user_root: the folder of this user.
        is_root: whether this process may keep the machine's folder.
    """

    state_root: Path | None
    machine_root: Path
    user_root: Path
    is_root: bool
    transport: TransportSettings
    network: Network = field(default_factory=Network)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """The settings of this process.

        Raises:
            InvalidSettingError: a variable has a value it cannot have.
        """
        variables = os.environ if environment is None else environment
        given = variables.get("QUORATE_STATE_DIR")
        ca_file = variables.get("QUORATE_CA_FILE")
        network = Network(is_mdns=_switch(variables, "QUORATE_MDNS"))
        if server := variables.get("QUORATE_DNS_SERVER"):
            network = replace(network, open_resolver=name_server_at(server))
        return cls(
            state_root=Path(given) if given else None,
            machine_root=_machine_root(variables),
            user_root=_user_root(variables),
            is_root=sys.platform != "win32" and os.geteuid() == 0,
            transport=TransportSettings(
                is_https=_switch(variables, "QUORATE_HTTPS"),
                ca_file=Path(ca_file) if ca_file else None,
                proxy=variables.get("QUORATE_PROXY") or None,
            ),
            network=network,
        )

    def root(self, product: str) -> Path:
        """The folder that holds the product's folder: the given one, else the machine's (as root, or when the product
        is already there and may be read), else the user's."""
        if self.state_root is not None:
            return self.state_root
        if self.is_root or os.access(self.machine_root / product, os.R_OK | os.X_OK):
            return self.machine_root
        return self.user_root

    def roots(self) -> tuple[Path, ...]:
        """Where products may be set up, in the order in which they are looked for."""
        if self.state_root is not None:
            return (self.state_root,)
        return (self.machine_root,) if self.is_root else (self.machine_root, self.user_root)


def _machine_root(variables: Mapping[str, str]) -> Path:
    if sys.platform == "win32":
        return Path(variables.get("PROGRAMDATA", r"C:\ProgramData")) / "quorate" / "client"
    return MACHINE_WIDE


def _user_root(variables: Mapping[str, str]) -> Path:
    try:
        home = Path.home()
    except RuntimeError:
        home = Path("/nonexistent")  # a process without a home: its state is kept in memory, and it is told so
    if sys.platform == "win32":
        data = Path(variables.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        data = home / "Library" / "Application Support"
    else:
        data = Path(variables.get("XDG_DATA_HOME") or home / ".local" / "share")
    return data / "quorate" / "client"


def _switch(variables: Mapping[str, str], name: str) -> bool:
    value = variables.get(name, "").strip().lower()
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("", "0", "false", "no", "off"):
        return False
    raise InvalidSettingError(name=name, reason=f"{value!r} is neither yes nor no", allowed="1 or 0")
