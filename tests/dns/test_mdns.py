"""The opt-in announcement by multicast DNS, on the loopback interface alone: a client that looks finds the host."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quorate.client.discovery.mdns import browse
from quorate.clock import SystemClock
from quorate.core.documents import ProductFile
from quorate.host.publication import mdns
from tests.dns.hosts import TickingClock
from tests.support.documents import World
from tests.support.hosting import make_host, running
from tests.support.waiting import until

LOOPBACK = ["127.0.0.1"]
LABEL = "_hostside._tcp"  # of this test alone: others may announce at the same time


class OwnService(World):
    """A product whose clients look for that label."""

    @property
    def product(self) -> ProductFile:
        return msgspec.structs.replace(super().product, service=LABEL)


def found() -> list[tuple[str, tuple[str, ...]]]:
    return [(str(host.target), host.addresses) for host, _, _ in browse(LABEL, SystemClock(), interfaces=LOOPBACK)]


def test_announced_when_switched_on_and_gone_when_switched_off(tmp_path: Path) -> None:
    world, clock = OwnService(), TickingClock()
    make_host(tmp_path / "host", world, clock)
    with running(tmp_path / "host", world, clock) as host:
        assert "quorate-mdns" not in {thread.name for thread in threading.enumerate()}, "off by default"
        host.administration.set_settings({"mdns": "on"})
        until(lambda: bool(host.administration.events(event_id=12294)), "event 12294")
        (event,) = host.administration.events(event_id=12294)
        assert event["domain"] == "local"
        ((target, addresses),) = found()
        name, _, port = target.rpartition(":")
        assert name.endswith(f"-{host.administration.status().host_id[:8]}.local")
        assert (int(port), addresses) == (host.port, ("127.0.0.1",))
        host.administration.set_settings({"mdns": "off"})
        until(lambda: found() == [], "the goodbye")


def test_a_missing_package_is_an_event_and_the_host_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def import_module(name: str) -> Any:
        if name == "zeroconf":
            raise ModuleNotFoundError(name)
        return importlib.import_module(name)

    monkeypatch.setattr(mdns, "import_module", import_module)
    world, clock = OwnService(), TickingClock()
    make_host(tmp_path / "host", world, clock, settings={"mdns": "on"})
    with running(tmp_path / "host", world, clock) as host:
        until(lambda: bool(host.administration.events(event_id=12293)), "event 12293")
        (event,) = host.administration.events(event_id=12293)
        assert (event["domain"], event["code"]) == ("local", "MDNS_NOT_ANNOUNCED")
        assert "quorate-activation[mdns]" in event["message"]
        assert host.activate(1).count == 1
