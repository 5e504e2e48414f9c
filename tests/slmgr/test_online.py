"""`/ato` on a KMS host: activated online, at its publisher's own activation service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quorate.clock import SystemClock, SystemEntropy
from quorate.host.admin.administration import Administration
from quorate.host.settings.paths import StatePaths
from quorate.publisher.issue import Publisher
from tests.client.parties import closed_port
from tests.publisher.test_activation_api import serving
from tests.publisher.world import PASSPHRASE
from tests.slmgr.conftest import Machine
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.site import SOURCE


@dataclass
class Online:
    """A host with its key installed, and its publisher's service."""

    machine: Machine
    url: str


@pytest.fixture
def online(tmp_path: Path, machine: Machine) -> Iterator[Online]:
    clock = ManualClock(SystemClock().now_s())
    publisher = Publisher.create(tmp_path / "publisher", "Acme Software", PASSPHRASE, clock, SeededEntropy(7))
    source = tmp_path / "product.toml"
    source.write_text(SOURCE.format(profile="windows-7"))
    product = publisher.add_product(source)
    key = publisher.issue_host_key("Contoso", ["acme"])
    jwks = publisher.jwks_path.read_bytes()
    with Administration.init(
        StatePaths(machine.folder), product.read_text(), jwks, SystemClock(), SystemEntropy()
    ) as host:
        host.install_key(key.text)
    with serving(publisher, clock) as service:
        yield Online(machine, f"http://127.0.0.1:{service.port}")


def know(online: Online, url: str) -> None:
    with Administration.open(StatePaths(online.machine.folder), SystemClock(), SystemEntropy()) as host:
        host.set_settings({"publisher-url": url})


def test_s34_ato_activates_a_host_online_where_its_publisher_is_known(online: Online) -> None:
    assert online.machine.type("/ato", "--json").json["error"] == "PUBLISHER_UNKNOWN"
    know(online, online.url)
    told = online.machine.type("/ato", "--json").json
    assert (told["activated"], told["role"]) == (True, "host")
    assert "License Status: Licensed" in online.machine.type("/dli").out
    assert f"Publisher URL: {online.url}" in online.machine.type("/dlv").out


def test_a_publisher_that_is_not_there_is_told_as_such(online: Online) -> None:
    know(online, f"http://127.0.0.1:{closed_port()}")
    said = online.machine.type("/ato", "--json")
    assert (said.code, said.json["error"]) == (1, "PUBLISHER_UNREACHABLE")
