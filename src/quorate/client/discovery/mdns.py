"""KMS hosts on the local link, by mDNS and DNS-SD (RFC 6762, RFC 6763): a last resort for networks without a DNS of
their own, off unless wished for.

Anybody on the link can answer. That is no way in: what a host says is believed for its signature alone, as ever. The
Python package zeroconf does the work; it comes with the extra `mdns` and is looked for only when this is used.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any

from quorate.client.discovery.target import Found, Source, Target
from quorate.clock import Clock
from quorate.errors import InvalidSettingError, MdnsNotInstalledError

__all__ = ["BROWSE_S", "Browse", "browse", "check_installed"]

BROWSE_S = 3.0  # until the first host is heard; measured: 0.1 to 2.2 s
GATHER_S = 0.5  # for others after the first
HOSTS_MAX = 16

Browse = Callable[[str, Clock], list[tuple[Found, int, int]]]
"""Service label and clock; hosts with their priority and weight.

Raises:
    MdnsNotInstalledError: the package zeroconf is missing.
    OSError: multicast does not work here.
"""


def browse(service: str, clock: Clock, interfaces: list[str] | None = None) -> list[tuple[Found, int, int]]:
    """Who offers `service` on the local link; takes at most about 5 s.

    Args:
        interfaces: IPv4 addresses of the interfaces to ask on; None: all.

    Raises:
        MdnsNotInstalledError: the package zeroconf is missing.
        OSError: multicast does not work here.
    """
    zeroconf = check_installed()
    kind = f"{service}.local."
    heard: dict[str, None] = {}
    wake = threading.Event()

    def notice(name: str, **_: object) -> None:
        if len(heard) < HOSTS_MAX:
            heard[name] = None
        wake.set()

    asked = zeroconf.InterfaceChoice.All if interfaces is None else interfaces
    with zeroconf.Zeroconf(interfaces=asked, ip_version=zeroconf.IPVersion.V4Only) as link:
        browser = zeroconf.ServiceBrowser(link, kind, handlers=[notice])
        try:
            if clock.wait(wake, BROWSE_S):
                clock.wait(threading.Event(), GATHER_S)
            infos = [link.get_service_info(kind, name, timeout=1000) for name in list(heard)]
        finally:
            browser.cancel()
    return [hosted for info in infos if info is not None and (hosted := _host(info)) is not None]


def _host(info: Any) -> tuple[Found, int, int] | None:
    try:
        target = Target.parse(f"{str(info.server or '').rstrip('.').lower()}:{info.port}")
    except InvalidSettingError:
        return None
    addresses = tuple(str(each) for each in info.parsed_addresses())[:4]
    if not addresses:
        return None
    return Found(target, Source.MDNS, "local", addresses=addresses), int(info.priority), int(info.weight)


def check_installed() -> Any:
    """The package zeroconf.

    Raises:
        MdnsNotInstalledError: it is missing.
    """
    try:
        return importlib.import_module("zeroconf")
    except ImportError:
        raise MdnsNotInstalledError from None
