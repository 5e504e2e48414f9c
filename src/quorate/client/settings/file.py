"""The configuration file of clients, `client.toml`: how this machine finds and reaches KMS hosts.

It is read by whatever is licensed on this machine, so a mistake in it breaks nothing: what is right is used, what is
wrong is left out and told. Only commands that ask a host, and the agent's start, refuse to go on with it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quorate.client.discovery.network import name_server_at
from quorate.client.transport.exchange import proxy_at
from quorate.core.configfile import CONFIG_BYTES_MAX, Checked, FileSetting, check_text, configuration_fault
from quorate.errors import FileAccessError, InvalidSettingError, QuorateError

__all__ = ["CHECK", "EXAMPLE_TITLE", "FILE_SETTINGS", "config_paths", "read_config"]

CHECK = "quorate client config check"
EXAMPLE_TITLE = """\
Configuration of Quorate KMS clients: /etc/quorate/client.toml; of one user: ~/.config/quorate/client.toml.

Every line is a comment: what you leave as it is follows the default. An environment variable is stronger.
Check: quorate client config check    Use it: systemctl reload quorate-client"""


def _switch(text: str) -> bool:
    """What people type for yes and no; nothing is no.

    Raises:
        ValueError: it is neither.
    """
    word = text.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("", "0", "false", "no", "off"):
        return False
    raise ValueError(f"{text[:60]!r} is neither yes nor no")


def _file(text: str) -> Path | None:
    return Path(text) if text else None


def _checked(text: str, parse: Any) -> str | None:
    """The text, once it is known to be one; None for none."""
    if not text.strip():
        return None
    try:
        parse(text)
    except InvalidSettingError as fault:
        raise ValueError(fault.values["reason"]) from None
    return text.strip()


FILE_SETTINGS: dict[str, FileSetting] = {
    each.name: each
    for each in (
        FileSetting(
            "https",
            "QUORATE_HTTPS",
            "true or false (default)",
            _switch,
            default="off",
            meaning="Speak HTTPS to KMS hosts. An answer carries its own proof, so HTTP is enough.",
            is_switch=True,
        ),
        FileSetting(
            "ca-file",
            "QUORATE_CA_FILE",
            "a PEM file with the authorities to believe with https; default: those of this machine",
            _file,
            is_file=True,
        ),
        FileSetting(
            "enrolment-file",
            "QUORATE_ENROLMENT_FILE",
            "a file with the enrolment secret of this site; default: the secret that was set for the product, if any",
            _file,
            is_file=True,
        ),
        FileSetting(
            "dns-server",
            "QUORATE_DNS_SERVER",
            "the name server to ask for KMS hosts, 192.0.2.53 or 192.0.2.53:5353; default: this machine's own",
            lambda text: _checked(text, name_server_at),
        ),
        FileSetting(
            "mdns",
            "QUORATE_MDNS",
            "true or false (default)",
            _switch,
            default="off",
            meaning="Look for KMS hosts on the local link too, when DNS knows none that will do. Needs the extra mdns.",
            is_switch=True,
        ),
        FileSetting(
            "proxy",
            "QUORATE_PROXY",
            "http://NAME:PORT; default: none, as KMS hosts are near",
            lambda text: _checked(text, proxy_at),
        ),
    )
}
"""Every setting, as `client.toml` has it."""


def config_paths(
    named: Path | None,
    state_root: Path | None,
    user_root: Path,
    machine_root: Path,
    variables: Mapping[str, str],
    *,
    is_root: bool,
) -> tuple[list[Path], bool]:
    """Where the file may be, the first that is there counts; and whether it must be, because somebody named it.

    `--config`, `QUORATE_CONFIG`, else for root and the agent's state `/etc/quorate`; for a user the user's own folder
    comes before that. A state folder of another place has no file of its own.

    Args:
        state_root: the folder that was named, or None.
        user_root, machine_root: where the platform has it.
    """
    if named is not None or variables.get("QUORATE_CONFIG"):
        return [named if named is not None else Path(variables["QUORATE_CONFIG"])], True
    if state_root not in (None, user_root, machine_root):
        return [], False
    machine = Path("/etc/quorate/client.toml")
    if sys.platform == "win32":
        machine = Path(variables.get("PROGRAMDATA", r"C:\ProgramData")) / "quorate" / "client.toml"
    if is_root or state_root == machine_root:
        return [machine], False
    return [_user_folder(variables) / "quorate" / "client.toml", machine], False


def read_config(paths: list[Path], *, is_named: bool) -> tuple[Path | None, Checked, QuorateError | None]:
    """The file that counts, what is right in it, and what is wrong with it, if anything. Never raises."""
    for path in paths:
        try:
            with path.open("rb") as file:
                data = file.read(CONFIG_BYTES_MAX + 1)
        except (FileNotFoundError, NotADirectoryError):
            if is_named:
                return path, Checked({}), FileAccessError(path=path, reason="there is no such file")
            continue
        except OSError as fault:
            return path, Checked({}), FileAccessError(path=path, reason=fault.strerror or type(fault).__name__)
        checked = check_text(data, FILE_SETTINGS)
        command = f"{CHECK} {path}" if is_named else CHECK
        fault_found = configuration_fault(path, checked.flaws, command) if checked.flaws else None
        return path, checked, fault_found
    return None, Checked({}), None


def _user_folder(variables: Mapping[str, str]) -> Path:
    given = Path(variables.get("XDG_CONFIG_HOME", ""))
    if given.is_absolute():  # its specification has relative ones ignored
        return given
    try:
        home = Path(variables.get("HOME") or Path.home())
    except RuntimeError:  # a process without a home
        home = Path("/nonexistent")
    if sys.platform == "win32":
        return Path(variables.get("APPDATA") or home / "AppData" / "Roaming")
    return home / ".config"
