"""The configuration file of a publisher's activation service, `publisher.toml`: where and how `serve` listens."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from pathlib import Path

from quorate.core.configfile import CONFIG_BYTES_MAX, Checked, FileSetting, check_text
from quorate.files import read_bounded
from quorate.publisher.limiter import PER_MINUTE_DEFAULT
from quorate.publisher.serve import PORT_DEFAULT

__all__ = ["CHECK", "EXAMPLE_TITLE", "FILE_SETTINGS", "config_path", "read_config"]

CHECK = "quorate publisher config check"
EXAMPLE_TITLE = """Configuration of a Quorate publisher's activation service: /etc/quorate/publisher.toml.

Every line is a comment: what you leave as it is follows the default. Stronger are, in this order, the environment
variable, and a flag of `quorate publisher serve`.
Check: quorate publisher config check    Use it: send the service SIGHUP"""

MACHINE_STATE = Path("/var/lib/quorate/publisher")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high):
            raise ValueError(f"{text[:60]!r} is no whole number within {low}..{high}")
        return int(text)

    return parse


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no IP address") from None


def _switch(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text[:60]!r} is neither true nor false")
    return text == "true"


def _file(text: str) -> Path | None:
    return Path(text) if text else None


FILE_SETTINGS: dict[str, FileSetting] = {
    each.name: each
    for each in (
        FileSetting(
            "port",
            "QUORATE_PUBLISHER_PORT",
            f"a TCP port, 1..65535; default {PORT_DEFAULT}",
            _whole(1, 65_535),
            default=PORT_DEFAULT,
        ),
        FileSetting(
            "address",
            "QUORATE_PUBLISHER_ADDRESS",
            "an IP address of this machine; :: is every one; default 127.0.0.1",
            _address,
            default="127.0.0.1",
        ),
        FileSetting(
            "tls-cert",
            "QUORATE_TLS_CERT",
            "a PEM file: certificate and chain; default: no TLS",
            _file,
            is_file=True,
        ),
        FileSetting("tls-key", "QUORATE_TLS_KEY", "a PEM file with its private key, mode 0600", _file, is_file=True),
        FileSetting(
            "insecure-http",
            "QUORATE_PUBLISHER_SERVE_INSECURE_HTTP",
            "true or false (default)",
            _switch,
            default="off",
            meaning="Serve without TLS on an address that others reach: behind a TLS proxy.",
            is_switch=True,
        ),
        FileSetting(
            "requests-per-minute",
            "QUORATE_PUBLISHER_SERVE_PER_MINUTE",
            f"what one source address may ask, 1..100000; default {PER_MINUTE_DEFAULT}",
            _whole(1, 100_000),
            default=PER_MINUTE_DEFAULT,
        ),
        FileSetting(
            "passphrase-file",
            "QUORATE_PASSPHRASE_FILE",
            "a file whose first line opens the signing key, mode 0600; default: QUORATE_PASSPHRASE, or you are asked",
            _file,
            is_file=True,
        ),
    )
}
"""Every setting, as `publisher.toml` has it."""


def config_path(named: Path | None, home: Path, environ: Mapping[str, str]) -> tuple[Path | None, bool]:
    """The publisher's file, and whether it must be there, because somebody named it.

    `--config`, `QUORATE_CONFIG`, else `/etc/quorate` for the state in `/var/lib/quorate`, the user's folder for a
    user's. A state folder of another place has no file of its own.
    """
    if named is not None:
        return named, True
    if environ.get("QUORATE_CONFIG"):
        return Path(environ["QUORATE_CONFIG"]), True
    if home == MACHINE_STATE:
        return Path("/etc/quorate/publisher.toml"), False
    user = Path(environ.get("HOME") or Path.home())
    data_home = _absolute(environ.get("XDG_DATA_HOME")) or user / ".local" / "share"
    if home != data_home / "quorate" / "publisher":
        return None, False
    return (_absolute(environ.get("XDG_CONFIG_HOME")) or user / ".config") / "quorate" / "publisher.toml", False


def read_config(path: Path | None, *, is_named: bool) -> Checked:
    """What the file says, and what is wrong with it; nothing where there is none.

    Raises:
        FileAccessError: it cannot be read.
    """
    if path is None or (not is_named and not path.exists()):
        return Checked({})
    return check_text(read_bounded(path, CONFIG_BYTES_MAX), FILE_SETTINGS)


def _absolute(text: str | None) -> Path | None:
    """The specification of these variables has relative ones ignored."""
    return Path(text) if text and Path(text).is_absolute() else None
