"""Which targets the settings ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from quorate.host.eventlog.targets import (
    DEV_LOG,
    JOURNAL,
    Datagrams,
    FileTarget,
    Target,
    TcpSyslog,
)
from quorate.host.settings.settings import Settings

__all__ = ["MIB", "wanted_targets"]

MIB: Final = 1024 * 1024

Make = Callable[[], Target]


def wanted_targets(
    settings: Settings, hostname: str, *, journal: Path = JOURNAL, dev_log: Path = DEV_LOG
) -> Mapping[str, Make]:
    """How each target is made, by the name people know it by; a name never stands for two ways.

    Args:
        hostname: what this machine calls itself.
    """
    made: dict[str, Make] = {}
    if settings.export_journald:
        made["journald"] = lambda: Datagrams(journal, None)
    if settings.export_syslog:
        made[f"syslog {settings.export_syslog}"] = _syslog(settings.export_syslog, hostname, dev_log)
    if settings.export_file:
        path, bytes_max = Path(settings.export_file), settings.export_file_mb * MIB
        made[f"file {path}"] = lambda: FileTarget(path, bytes_max)
    return made


def _syslog(text: str, hostname: str, dev_log: Path) -> Make:
    if text == "local":
        return lambda: Datagrams(dev_log, hostname)
    url: SplitResult = urlsplit(text)
    host, port = url.hostname or "", url.port or 0  # the setting's rule has written both out
    if url.scheme == "udp":
        return lambda: Datagrams((host, port), hostname)
    return lambda: TcpSyslog(host, port, hostname)
