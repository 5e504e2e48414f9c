"""`quorate host run` and the client's commands on machines with nothing but their DNS settings: no step by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.dns.hosts import SRV, client, quorate, run_in, site
from tests.dns.namespace import Namespace
from tests.dns.servers import Bind, NameServer, Zone
from tests.dns.support import SECRET, key_text
from tests.support.waiting import until

ADDRESS = "10.53.1.1"
ZONE = f"""\
$ORIGIN {{zone}}.
$TTL 300
@ IN SOA ns1 hostmaster 1 3600 600 86400 60
@ IN NS ns1
ns1 IN A {ADDRESS}
kms01 IN A {ADDRESS}
"""


@dataclass(frozen=True)
class Room:
    """A network and the name server in it."""

    namespace: Namespace
    server: NameServer


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A network with one name server, which every machine in it knows, and the search list `corp.test`."""
    resolv_conf = f"search corp.test\nnameserver {ADDRESS}\n"
    updates = {"corp.test": "allow-update { key kms; };", "open.test": "allow-update { any; };", "static.test": ""}
    zones = [Zone(name, update, ZONE.format(zone=name)) for name, update in updates.items()]
    with Namespace.made(ADDRESS, resolv_conf=resolv_conf) as namespace:
        folder = tmp_path_factory.mktemp("bind")
        keys = [("kms", "hmac-sha256", SECRET)]
        bind = Bind(folder, zones, keys, address=ADDRESS, port=53, prefix=namespace.prefix)
        with bind.running() as server:
            made = Room(namespace, server)
            server.process.wait_until(lambda: "SOA" in ask(made, "corp.test", "SOA"), "named")
            yield made


def ask(room: Room, name: str, kind: str = "SRV") -> str:
    """The answer section of `dig`, by TCP."""
    return room.namespace.run(
        "dig", f"@{ADDRESS}", "+tcp", "+noall", "+answer", "+time=1", "+tries=1", name, kind, check=False
    )


def test_s03_s28_with_the_key_alone_the_host_publishes_and_a_fleet_without_settings_activates(
    room: Room, tmp_path: Path
) -> None:
    key = tmp_path / "kms.key"
    key.write_text(key_text())
    key.chmod(0o600)
    host = site(tmp_path, {"dns-tsig-key": str(key)})
    with run_in(room.namespace, host, "kms01"):
        until(lambda: "0 0 1688 kms01.corp.test." in ask(room, SRV), "the record")
        first, second = client(room.namespace, tmp_path, 1), client(room.namespace, tmp_path, 2)
        assert (first["code"], second["status"]) == ("COUNT_INSUFFICIENT", "licensed")
        assert second["host"] == "kms01.corp.test:1688"
        findings = quorate(room.namespace, "host", "dns", "check", "--json", "--state-dir", str(host)).splitlines()
        assert [json.loads(each)["code"] for each in findings] == ["PUBLISHED", "ANSWERS"]
    quorate(room.namespace, "host", "dns", "withdraw", "--state-dir", str(host))
    assert ask(room, SRV) == ""


def test_s04_where_updates_are_refused_the_printed_record_makes_the_fleet_activate(room: Room, tmp_path: Path) -> None:
    host = site(tmp_path, {"dns-target": "kms01.static.test"})
    with run_in(room.namespace, host, "kms01"):
        state = ("--state-dir", str(host))
        until(lambda: "12293" in quorate(room.namespace, "host", "events", "--json", *state), "event 12293")
        status = json.loads(quorate(room.namespace, "host", "status", "--json", *state))
        assert status["dns"]["domains"][0]["code"] == "DNS_UPDATES_NOT_OFFERED"
        line = quorate(room.namespace, "host", "dns", "record", "--tool", "zone-file", *state).strip()
        assert line == "_quorate._tcp.static.test. 3600 IN SRV 0 0 1688 kms01.static.test."
        zone = room.server.folder / "zones" / "static.test"
        zone.write_text(zone.read_text().replace("hostmaster 1 ", "hostmaster 2 ") + line + "\n")
        room.server.process.hang_up()
        until(lambda: "kms01" in ask(room, "_quorate._tcp.static.test"), "the pasted record")
        first, second = (client(room.namespace, tmp_path, number, "static.test") for number in (1, 2))
        assert (first["code"], second["status"]) == ("COUNT_INSUFFICIENT", "licensed")
        assert second["host"] == "kms01.static.test:1688"
        findings = quorate(room.namespace, "host", "dns", "check", "--json", *state).splitlines()
        assert [json.loads(each)["code"] for each in findings] == ["PUBLISHED", "ANSWERS"]


def test_s28_a_host_with_no_setting_at_all_publishes_where_the_zone_lets_it(room: Room, tmp_path: Path) -> None:
    host = site(tmp_path, {})
    with run_in(room.namespace, host, "kms01.open.test"):
        until(lambda: "0 0 1688 kms01.open.test." in ask(room, "_quorate._tcp.open.test"), "the record")
    assert "kms01.open.test." in ask(room, "_quorate._tcp.open.test"), "a restart leaves it"
