"""The host announced by multicast DNS (RFC 6762, RFC 6763), for networks where nobody administers DNS. Off by default.

Anybody on the link can announce a host, so this is only as strong as the trust chain: clients believe what a host has
signed, however they found it. The package zeroconf (extra `mdns`) does the work and is looked for only when this is on.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import structlog

from quorate.clock import Clock
from quorate.core.events import HostEvent, PublicationFailed, PublicationSucceeded
from quorate.errors import MdnsAnnouncementError
from quorate.host.settings.settings import Settings

__all__ = ["MdnsThread"]

DOMAIN = "local"
RETRY_S = 300.0  # a network that comes later, an address that has changed
UNSPECIFIED = 0x80004005  # E_FAIL: Windows' own number for a failure that has none
_EVERYWHERE = frozenset({"", "::", "0.0.0.0"})  # noqa: S104  (recognized, not bound)


@dataclass(frozen=True)
class _Wanted:
    port: int
    services: tuple[str, ...]
    address: str
    priority: int
    weight: int


class MdnsThread:
    """Announces what this process serves while the setting is on. `adopt` and `stop` are the host's, one at a time.

    Args:
        host_id: makes the announced names this host's own.
        machine: what this machine calls itself.
        record_event: takes events from the announcing thread; their domain is `local`.
    """

    def __init__(self, clock: Clock, host_id: str, machine: str, record_event: Callable[[HostEvent], object]) -> None:
        label = "".join(c if c.isascii() and c.isalnum() else "-" for c in machine.split(".")[0])[:40].strip("-")
        self._name = f"{label or 'kms'}-{host_id[:8]}"
        self._host_id = host_id
        self._clock = clock
        self._record_event = record_event
        self._log = structlog.get_logger("quorate.host.mdns")
        self._wake = threading.Event()
        self._wanted: _Wanted | None = None
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    def adopt(self, settings: Settings, port: int, services: tuple[str, ...]) -> None:
        """Announce this from now on, or nothing. Returns at once."""
        address = "" if settings.address in _EVERYWHERE else settings.address
        wanted = _Wanted(port, services, address, settings.dns_priority, settings.dns_weight) if settings.mdns else None
        if wanted == self._wanted:
            return
        self._wanted = wanted
        self._wake.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="quorate-mdns", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Say goodbye on the link and end; returns in time."""
        self._is_stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        link: Any = None
        announced: _Wanted | None = None
        while not self._is_stopping:
            self._wake.clear()
            wanted = self._wanted
            if wanted != announced:
                _close(link)
                link = None if wanted is None else self._announced(wanted)
                announced = None if link is None else wanted
            self._clock.wait(self._wake, RETRY_S)
        _close(link)

    def _announced(self, wanted: _Wanted) -> Any:
        """The open link, or None after telling why not."""
        try:
            link = self._announce(wanted)
        except Exception as fault:  # noqa: BLE001  (a host serves its clients, whatever becomes of its announcement)
            error = fault if isinstance(fault, MdnsAnnouncementError) else _error(fault)
            self._log.warning("mdns_not_announced", code=error.code, message=error.message, hint=error.hint)
            self._record_event(
                PublicationFailed(
                    time_s=self._clock.now_s(),
                    code=error.code,
                    hresult=UNSPECIFIED,
                    domain=DOMAIN,
                    message=f"{error.message}. {error.hint}",
                )
            )
            return None
        self._log.info("mdns_announced", name=self._name, services=wanted.services, port=wanted.port)
        self._record_event(PublicationSucceeded(time_s=self._clock.now_s(), domain=DOMAIN))
        return link

    def _announce(self, wanted: _Wanted) -> Any:
        zeroconf = import_module("zeroconf")
        addresses = [wanted.address] if wanted.address else _addresses()
        if not addresses:
            raise MdnsAnnouncementError(reason="this machine has no IPv4 address that others reach")
        interfaces = [wanted.address] if wanted.address else zeroconf.InterfaceChoice.All
        link = zeroconf.Zeroconf(interfaces=interfaces, ip_version=zeroconf.IPVersion.V4Only)
        try:
            for service in wanted.services:
                kind = f"{service}.local."
                info = zeroconf.ServiceInfo(
                    kind,
                    f"{self._name}.{kind}",
                    port=wanted.port,
                    priority=wanted.priority,
                    weight=wanted.weight,
                    properties={"host_id": self._host_id},
                    server=f"{self._name}.local.",
                    parsed_addresses=addresses,
                )
                link.register_service(info)
        except BaseException:
            link.close()
            raise
        return link


def _close(link: Any) -> None:
    """Close it, which tells the link that the host is gone."""
    if link is not None:
        with contextlib.suppress(Exception):
            link.close()


def _addresses() -> list[str]:
    adapters = import_module("ifaddr").get_adapters()
    found = [each.ip for adapter in adapters for each in adapter.ips if isinstance(each.ip, str)]
    return [each for each in found if not each.startswith(("127.", "169.254."))]


def _error(fault: Exception) -> MdnsAnnouncementError:
    if isinstance(fault, ImportError):
        return MdnsAnnouncementError(reason="the Python package zeroconf is not installed")
    reason = getattr(fault, "strerror", None) or f"{type(fault).__name__} {fault}".strip()
    return MdnsAnnouncementError(reason=reason)
