"""The whole story with real commands and a real `resolv.conf`, in a namespace of its own, at port 53.

A host fills the zone, and machines that have nothing but the product file activate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate.clock import SystemClock
from quorate.core.policy import MachineClass, Policy, Threshold, Thresholds
from tests.dns.hosts import SRV, run_in
from tests.dns.namespace import Namespace
from tests.dns.servers import ZONE, Bind, NameServer, Zone
from tests.dns.support import SECRET, key_text
from tests.support.documents import World
from tests.support.hosting import make_host
from tests.support.source import ROOT
from tests.support.waiting import until

ADDRESS = "10.53.8.1"
THREE = Threshold(3, (MachineClass.SERVER, MachineClass.CLIENT))
SMALL = World(policy=Policy(thresholds=Thresholds(server=THREE, client=THREE, ephemeral=THREE)))
ZONE_TEXT = ZONE.format(zone="corp.test.").replace("127.0.0.1", ADDRESS)


@pytest.fixture(scope="module")
def room() -> Iterator[Namespace]:
    """A network whose machines search two domains; the record is in the second."""
    with Namespace.made(ADDRESS, resolv_conf=f"search empty.test corp.test\nnameserver {ADDRESS}\n") as namespace:
        yield namespace


@pytest.fixture
def bind(room: Namespace, tmp_path: Path) -> Iterator[NameServer]:
    zones = [
        Zone("corp.test", f"update-policy {{ grant kms name {SRV}. SRV; }};", ZONE_TEXT),
        Zone("empty.test", text=ZONE.format(zone="empty.test.")),
    ]
    server = Bind(
        tmp_path / "bind",
        zones,
        [("kms", "hmac-sha256", SECRET)],
        options="querylog yes;",
        address=ADDRESS,
        port=53,
        prefix=room.prefix,
    )
    with server.running() as running:
        until(lambda: "status: NOERROR" in shown(room, "empty.test", "SOA", "+tcp"), "named")
        yield running


def shown(room: Namespace, *words: str) -> str:
    return room.run("dig", f"@{ADDRESS}", "+time=1", "+tries=1", *words, check=False)


def quorate(room: Namespace, machine: str, *words: str | Path) -> dict[str, Any]:
    """`quorate ... --json` on a machine of that name; whatever comes of it."""
    script = f'hostname {machine}; exec "$@"'
    said = room.run(
        *("unshare", "--uts", "sh", "-ec", script, "sh", ROOT / ".venv/bin/quorate", *words, "--json"), check=False
    )
    told: dict[str, Any] = json.loads(said.splitlines()[0])
    return told


def test_s29_a_fleet_with_nothing_but_the_product_file_activates_through_the_zone(
    room: Namespace, bind: NameServer, tmp_path: Path
) -> None:
    (tmp_path / "acme-cad.product").write_text(SMALL.product_token)
    (tmp_path / "publisher.jwks").write_bytes(SMALL.jwks)
    key = tmp_path / "kms.key"
    key.write_text(key_text())
    key.chmod(0o600)
    make_host(tmp_path / "host", SMALL, SystemClock(), settings={"dns-tsig-key": str(key)})

    def client(number: int, *words: str | Path) -> dict[str, Any]:
        return quorate(room, f"pc-{number}", "client", *words, "--state-dir", tmp_path / f"pc-{number}")

    for number in (1, 2, 3):
        files = ("--product", tmp_path / "acme-cad.product", "--trust", tmp_path / "publisher.jwks")
        assert client(number, "init", *files)["status"] == "initial_grace"
    assert client(1, "activate")["code"] == "DNS_NAME_DOES_NOT_EXIST"
    with run_in(room, tmp_path / "host", "kms01.corp.test"):
        until(lambda: "1688 kms01.corp.test." in shown(room, "+short", SRV, "SRV"), "the record")
        assert client(1, "activate")["code"] == "COUNT_INSUFFICIENT"
        assert client(2, "activate")["code"] == "COUNT_INSUFFICIENT"
        for number in (3, 2, 1):
            told = client(number, "activate")
            assert (told["status"], told["host"]) == ("licensed", "kms01.corp.test:1688")
        told = client(3, "discover", "--explain")
        assert [each["ok"] for each in told["hosts"]] == [True]
        results = {step["name"]: step["result"] for step in told["steps"] if step["step"] == "query"}
        assert results == {"_quorate._tcp.empty.test.": "no_such_name", f"{SRV}.": "found"}
    asked = set(re.findall(r"query: (\S+) IN SRV", bind.process.log.read_text()))
    assert asked == {SRV, "_quorate._tcp.empty.test"}, "never the bare name, and nowhere else"
