"""Where a client's state lives and how it connects: the only file of the client that reads the environment.

What `client.toml` says (`configfile`) is below what a variable says.

| variable | meaning |
|---|---|
| `QUORATE_CONFIG` | the configuration file, instead of the platform's |
| `QUORATE_STATE_DIR` | folder of all clients' state; one folder per product below it |
| `QUORATE_HTTPS` | `1`: speak HTTPS to the KMS host (an answer carries its own proof, so HTTP is the default) |
| `QUORATE_CA_FILE` | PEM file of the authorities to believe, with HTTPS; default: the system's |
| `QUORATE_DNS_SERVER` | `ADDRESS[:PORT]` of the name server to ask for KMS hosts, instead of this machine's |
| `QUORATE_MDNS` | `1`: look for KMS hosts on the local link too, when DNS knows none that will do |
| `QUORATE_ENROLMENT_FILE` | a file with the enrolment secret of this site, instead of the one that was set |
| `QUORATE_PROXY` | `http://NAME:PORT` of a proxy; the general `http_proxy` is not used, as KMS hosts are near |
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from quorate.client.discovery.network import Network, name_server_at
from quorate.client.settings.file import FILE_SETTINGS, config_paths, read_config
from quorate.client.transport.exchange import Transport, TransportSettings
from quorate.core.configfile import FileSetting
from quorate.errors import FileAccessError, InvalidSettingError, QuorateError

__all__ = ["Settings"]

MACHINE_WIDE = Path("/var/lib/quorate/client")


@dataclass(frozen=True)
class Said:
    """A typed value, and where it is said: `client.toml:3` or a variable."""

    value: Any
    where: str


@dataclass(frozen=True)
class Settings:
    """What the environment says.

    Attributes:
        state_root: the folder given by hand, or None.
        machine_root: the folder of the whole machine, which root's agent keeps.
        user_root: the folder of this user.
        is_root: whether this process may keep the machine's folder.
        file: the configuration file that was read, or None.
        fault: what is wrong with it, and was left out; None when nothing is.
        enrolment_file: a file with the site's enrolment secret, or None.
        said: where each setting that was said comes from, by its name in the file.
    """

    state_root: Path | None
    machine_root: Path
    user_root: Path
    is_root: bool
    transport: TransportSettings
    network: Network = field(default_factory=Network)
    file: Path | None = None
    fault: QuorateError | None = None
    enrolment_file: Path | None = None
    said: Mapping[str, Said] = field(default_factory=dict)

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, config: Path | None = None, folder: Path | None = None
    ) -> Settings:
        """The settings of this process. A mistake in the file is not raised: it is the result's `fault`.

        Args:
            config: the configuration file; None: `QUORATE_CONFIG`, else the platform's.
            folder: of all products' state; None: `QUORATE_STATE_DIR`, else the platform's.

        Raises:
            InvalidSettingError: a variable has a value it cannot have.
        """
        variables = os.environ if environment is None else environment
        given = Path(variables["QUORATE_STATE_DIR"]) if variables.get("QUORATE_STATE_DIR") else None
        is_root = sys.platform != "win32" and os.geteuid() == 0
        user_root, machine_root = _user_root(variables), _machine_root(variables)
        paths, is_named = config_paths(config, folder or given, user_root, machine_root, variables, is_root=is_root)
        file, checked, fault = read_config(paths, is_named=is_named)
        said = {name: Said(each.value, f"{file}:{each.line}") for name, each in checked.values.items()}
        said |= _from_variables(variables)
        values = {name: each.value for name, each in said.items()}
        network = Network(is_mdns=values.get("mdns", False))
        if values.get("dns-server"):
            network = msgspec.structs.replace(network, open_resolver=name_server_at(values["dns-server"]))
        transport = TransportSettings(
            is_https=values.get("https", False), ca_file=values.get("ca-file"), proxy=values.get("proxy")
        )
        if transport.is_https and "ca-file" in checked.values and not variables.get("QUORATE_CA_FILE"):
            transport, fault = _with_usable_authorities(transport, fault)
        return cls(
            state_root=given,
            machine_root=machine_root,
            user_root=user_root,
            is_root=is_root,
            transport=transport,
            network=network,
            file=file,
            fault=fault,
            enrolment_file=values.get("enrolment-file"),
            said=said,
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


def _from_variables(variables: Mapping[str, str]) -> dict[str, Said]:
    """What variables say, an empty one nothing."""
    found = {}
    for name, setting in FILE_SETTINGS.items():
        text = variables.get(setting.variable)
        if text:
            found[name] = Said(_parsed(setting, text), setting.variable)
    return found


def _parsed(setting: FileSetting, text: str) -> Any:
    try:
        return setting.parse(text)
    except ValueError as fault:
        allowed = "1 or 0" if setting.is_switch else f"Allowed: {setting.allowed}."
        raise InvalidSettingError(name=setting.variable, reason=str(fault), allowed=allowed) from None


def _with_usable_authorities(
    transport: TransportSettings, fault: QuorateError | None
) -> tuple[TransportSettings, QuorateError | None]:
    """Without authorities that cannot be read: a file that is wrong must not keep a program from its own license."""
    try:
        Transport(transport)
    except FileAccessError as unreadable:
        return replace(transport, ca_file=None), fault or unreadable
    return transport, fault
