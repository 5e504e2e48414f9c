"""A running host and its SRV record, on a real BIND: it appears by itself, follows the settings, and goes (S3, S28)."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.resolver
import pytest

from quorate.client.client import Client
from quorate.client.discovery.network import Network
from quorate.client.identity import Machine
from quorate.clock import SystemClock
from quorate.errors import CountInsufficientError, FilePermissionsError
from quorate.host.config import Settings
from quorate.host.publication.locate import Names
from quorate.host.publication.machine import Surroundings
from tests.dns.hosts import AS_SET, OF_TWO, SRV, around, publishing, shows
from tests.dns.servers import Bind, NameServer, Zone, dig, free_port, nsupdate
from tests.dns.support import SECRET, key_text, resolver_at
from tests.support.hosting import BOUND_S, Hosted, hosting, running
from tests.support.waiting import until


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    zones = [
        Zone("corp.test", f"update-policy {{ grant kms name {SRV}. SRV; grant admin zonesub ANY; }};"),
        Zone("lab.test", "allow-update { key kms; };"),
        Zone("open.test", "allow-update { any; };"),
        Zone("static.test"),
    ]
    keys = [("kms", "hmac-sha256", SECRET), ("admin", "hmac-sha256", SECRET)]
    with Bind(tmp_path_factory.mktemp("bind"), zones, keys).running() as server:
        yield server


@pytest.fixture(autouse=True)
def empty_zones(bind: NameServer) -> Iterator[None]:
    yield
    nsupdate(bind, "zone corp.test", f"update delete {SRV}. SRV", key=key_text("admin"))
    nsupdate(bind, "zone lab.test", "update delete _quorate._tcp.lab.test. SRV", key=key_text())
    nsupdate(bind, "zone open.test", "update delete _quorate._tcp.open.test. SRV")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "kms.key"
    path.write_text(key_text())
    path.chmod(0o600)
    return path


def signed(key_file: Path, **more: str) -> dict[str, str | None]:
    return {"dns-tsig-key": str(key_file), **{name.replace("_", "-"): value for name, value in more.items()}}


def events(host: Hosted, number: int) -> list[dict[str, Any]]:
    return host.administration.events(event_id=number)


def dns_check(host: Hosted) -> dict[str, Any]:
    reply = host.http("GET", "/readyz", port=host.admin_port)
    assert reply.status == 200, "publication never makes a host unready"
    (check,) = [each for each in reply.json["checks"] if each["name"] == "dns"]
    found: dict[str, Any] = check
    return found


def test_s28_publishing_is_on_with_default_settings(bind: NameServer, tmp_path: Path) -> None:
    assert Settings().dns_publishing
    with publishing(tmp_path / "host", around(bind, "kms01.open.test")) as host:
        shows(bind, f"0 0 {host.port} kms01.open.test.", name="_quorate._tcp.open.test")


def test_s03_a_host_fills_the_zone_by_itself_and_tells_it_everywhere(
    bind: NameServer, tmp_path: Path, key_file: Path
) -> None:
    with publishing(tmp_path / "host", around(bind), signed(key_file)) as host:
        shows(bind, f"0 0 {host.port} kms01.corp.test.")
        until(lambda: bool(events(host, 12294)), "event 12294")
        until(lambda: host.administration.status().dns.next_s is not None, "the time of the next round")
        (event,) = events(host, 12294)
        assert (event["domain"], event["level"]) == ("corp.test", "information")
        (shown,) = host.admin("/api/v1/status").json["dns"]["domains"]
        assert (shown["domain"], shown["result"], shown["server"]) == ("corp.test", "published", "ns1.corp.test")
        assert shown["is_verified"]
        check = dns_check(host)
        assert (check["ok"], check["reason"]) == (True, "published in corp.test")
        metrics = host.http("GET", "/metrics", port=host.admin_port).body.decode()
        assert 'quorate_host_dns_published{domain="corp.test"} 1.0' in metrics
        page = host.http("GET", f"/?token={host.token}", port=host.admin_port)
        cookie = page.headers["set-cookie"].split(";")[0]
        overview = host.http("GET", "/", headers={"cookie": cookie}, port=host.admin_port).body.decode()
        assert f"{SRV}. 3600 IN SRV 0 0 {host.port} kms01.corp.test." in overview
        secret_holders = (overview, metrics, json.dumps(host.admin("/api/v1/settings").json))
        assert not any(SECRET in each for each in secret_holders)


def test_s03_a_fleet_without_any_setting_activates_through_the_zone(
    bind: NameServer, tmp_path: Path, key_file: Path
) -> None:
    (tmp_path / "acme-cad.product").write_text(OF_TWO.product_token)
    (tmp_path / "publisher.jwks").write_bytes(OF_TWO.jwks)

    def client(number: int) -> Client:
        name = f"pc-{number}.corp.test"
        network = Network(lambda: resolver_at(bind), own_name=lambda: name)
        machine = Machine(name=name, identity=f"{number:032}", is_virtual=False)
        folder = tmp_path / f"pc-{number}"
        return Client(
            tmp_path / "acme-cad.product",
            tmp_path / "publisher.jwks",
            edition="acme-cad-pro",
            state_dir=folder,
            machine=machine,
            network=network,
        )

    with publishing(tmp_path / "host", around(bind), signed(key_file), world=OF_TWO) as host:
        shows(bind, f"0 0 {host.port} kms01.corp.test.")
        with pytest.raises(CountInsufficientError):
            client(1).activate()
        assert client(2).activate().status == "licensed"
        assert client(1).activate().status == "licensed"


def test_a_new_port_is_published_and_the_old_value_goes(bind: NameServer, tmp_path: Path, key_file: Path) -> None:
    first, second = free_port(), free_port()
    settings = signed(key_file, port=str(first), admin_port=str(free_port()), address="127.0.0.1")
    with publishing(tmp_path / "host", around(bind), settings, {"port": None, "admin_port": None}) as host:
        shows(bind, f"0 0 {first} kms01.corp.test.")
        host.administration.set_settings({"port": str(second)})
        shows(bind, f"0 0 {second} kms01.corp.test.")
        host.administration.set_settings({"dns-priority": "7", "dns-weight": "3"})
        shows(bind, f"7 3 {second} kms01.corp.test.")


def test_each_domain_gets_its_own_numbers_and_loses_the_record_when_it_leaves_the_list(
    bind: NameServer, tmp_path: Path, key_file: Path
) -> None:
    settings = signed(key_file, dns_domains="lab.test, 10, 5; corp.test, 1, 2")
    with publishing(tmp_path / "host", around(bind), settings) as host:
        shows(bind, f"1 2 {host.port} kms01.corp.test.")
        shows(bind, f"10 5 {host.port} kms01.corp.test.", name="_quorate._tcp.lab.test")
        host.administration.set_settings({"dns-domains": None})
        shows(bind, name="_quorate._tcp.lab.test")
        shows(bind, f"0 0 {host.port} kms01.corp.test.")


def test_a_stop_leaves_the_record_and_withdraws_it_when_told_to(
    bind: NameServer, tmp_path: Path, key_file: Path
) -> None:
    with publishing(tmp_path / "one", around(bind), signed(key_file)) as host:
        value = f"0 0 {host.port} kms01.corp.test."
        shows(bind, value)
    assert dig(bind, SRV) == [value]
    with running(tmp_path / "one", host.world, host.clock, overrides=AS_SET, around=around(bind)) as again:
        shows(bind, f"0 0 {again.port} kms01.corp.test.")
        with again.noticing():
            again.administration.set_settings({"dns-withdraw-on-stop": "on"})
    assert dig(bind, SRV) == []


def test_switched_off_and_on_while_it_runs(bind: NameServer, tmp_path: Path, key_file: Path) -> None:
    with publishing(tmp_path / "host", around(bind), signed(key_file, dns_publishing="off")) as host:
        assert dns_check(host)["reason"] == "publishing is off"
        assert "quorate-dns" not in {thread.name for thread in threading.enumerate()}
        host.administration.set_settings({"dns-publishing": "on"})
        shows(bind, f"0 0 {host.port} kms01.corp.test.")


# --- what fails ------------------------------------------------------------------------------------------------------


def test_s04_updates_refused_the_host_keeps_serving_and_the_log_says_why_and_what_to_do(
    bind: NameServer, tmp_path: Path
) -> None:
    with publishing(tmp_path / "host", around(bind, "kms01.static.test")) as host:
        until(lambda: bool(events(host, 12293)), "event 12293")
        (event,) = events(host, 12293)
        assert (event["domain"], event["code"], event["level"]) == ("static.test", "DNS_UPDATES_NOT_OFFERED", "error")
        assert f"_quorate._tcp.static.test. 3600 IN SRV 0 0 {host.port} kms01.static.test." in event["message"]
        assert host.activate(1).count == 1
        check = dns_check(host)
        assert not check["ok"]
        assert check["reason"].startswith("static.test: DNS_UPDATES_NOT_OFFERED")
        status = host.administration.status()
        assert status.dns.next_s == event["time_s"] + 300
        assert (
            'quorate_host_dns_published{domain="static.test"} 0.0'
            in host.http("GET", "/metrics", port=host.admin_port).body.decode()
        )


def test_a_machine_without_a_domain_gets_one_event_and_then_the_back_off(
    bind: NameServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with publishing(tmp_path / "host", around(bind, "vm")) as host:
        until(lambda: host.administration.status().dns.next_s is not None, "the next try")
        (event,) = events(host, 12293)
        assert event["code"] == "DNS_HOST_NAME_NOT_QUALIFIED"
        with host.noticing():  # what has nothing to do with DNS starts no new try
            host.administration.set_settings({"renewal-interval": "5000"})
        assert host.activate(1).count == 1
        assert len(events(host, 12293)) == 1
    told = [line for line in capsys.readouterr().out.splitlines() if "dns_not_published" in line]
    assert len(told) == 1
    assert "quorate host set dns-target" in told[0]


def test_a_machine_without_any_dns_settings_is_told_so(tmp_path: Path) -> None:
    def open_resolver() -> dns.resolver.Resolver:
        raise dns.resolver.NoResolverConfiguration

    surroundings = Surroundings(Names(open_resolver, SystemClock()), lambda: "kms01.corp.test", Path("nowhere"))
    with publishing(tmp_path / "host", surroundings) as host:
        until(lambda: bool(events(host, 12293)), "event 12293")
        assert events(host, 12293)[0]["code"] == "DNS_ZONE_NOT_FOUND"
        assert host.activate(1).count == 1


def test_a_silent_name_server_delays_neither_start_nor_answers_nor_stop(bind: NameServer, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        silent.settimeout(BOUND_S)
        settings = {"dns-server": f"127.0.0.1:{port}"}
        with publishing(tmp_path / "host", around(bind), settings) as host:
            with silent.accept()[0]:
                assert host.activate(1).count == 1
                before_s = host.clock.monotonic_s()
                host.stop()
            assert host.clock.monotonic_s() - before_s < 4


def test_a_key_that_others_may_read_is_refused_when_set_and_told_when_it_becomes_so(
    bind: NameServer, tmp_path: Path, key_file: Path
) -> None:
    with publishing(tmp_path / "host", around(bind), signed(key_file)) as host:
        shows(bind, f"0 0 {host.port} kms01.corp.test.")
        key_file.chmod(0o644)
        with pytest.raises(FilePermissionsError):
            host.administration.set_settings({"dns-tsig-key": str(key_file)})
        host.administration.set_settings({"dns-priority": "4"})  # needs no look into the file, and is not held up
        until(lambda: bool(events(host, 12293)), "event 12293")
        assert events(host, 12293)[0]["code"] == "FILE_PERMISSIONS"
        key_file.chmod(0o600)
        host.administration.set_settings({"dns-priority": "5"})
        shows(bind, f"5 0 {host.port} kms01.corp.test.")


def test_publishing_that_ended_with_an_error_is_told_and_begun_again(
    bind: NameServer, tmp_path: Path, key_file: Path
) -> None:
    """Whatever raises there, such as settings of this machine that a library refuses, ends it for a while only."""
    refusing = threading.Event()
    refusing.set()

    def machine() -> str:
        if refusing.is_set():
            raise ValueError("a setting of this machine that a library refuses")
        return "kms01.corp.test"

    with publishing(tmp_path / "host", replace(around(bind), machine=machine), signed(key_file)) as host:
        until(lambda: not dns_check(host)["ok"], "the fault in readyz")
        assert "a setting of this machine that a library refuses" in dns_check(host)["reason"]
        assert "quorate-dns" in {thread.name for thread in threading.enumerate()}
        refusing.clear()
        host.administration.set_settings({"dns-priority": "4"})  # or a minute later, by itself
        shows(bind, f"4 0 {host.port} kms01.corp.test.")
        until(lambda: bool(dns_check(host)["ok"]), "readyz without the fault")


def test_the_default_test_host_publishes_nothing(tmp_path: Path) -> None:
    with hosting(tmp_path):
        assert "quorate-dns" not in {thread.name for thread in threading.enumerate()}
