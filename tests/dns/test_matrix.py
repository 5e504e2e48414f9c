"""The same cause on other name servers (Knot, PowerDNS), on a secondary, and on resolvers that take no updates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.dns.resolvers import dnsmasq, unbound
from tests.dns.servers import Bind, Knot, NameServer, PowerDns, Zone, dig
from tests.dns.support import OTHER_SECRET, SECRET, LateClock, World, key_text, names_at

NAME = "_quorate._tcp.corp.test"
OURS = "0 0 1688 kms01.corp.test."
KEYS = [("kms", "hmac-sha256", SECRET), ("other", "hmac-sha256", SECRET)]
ACL = """\
  - id: kms-srv
    key: kms
    action: update
    update-type: [SRV]
    update-owner: name
    update-owner-match: equal
    update-owner-name: [_quorate._tcp]
  - id: other-www
    key: other
    action: update
    update-owner: name
    update-owner-match: equal
    update-owner-name: [www]
"""


@pytest.fixture(scope="module")
def knot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    zones = [Zone("corp.test", "kms-srv, other-www"), Zone("static.test")]
    with Knot(tmp_path_factory.mktemp("knot"), zones, KEYS, ACL).running() as running:
        yield running


@pytest.fixture(scope="module")
def powerdns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    zones = [Zone("corp.test", "kms"), Zone("open.test")]
    with PowerDns(tmp_path_factory.mktemp("pdns"), zones, KEYS).running() as running:
        yield running


@pytest.fixture(scope="module")
def powerdns_static(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    server = PowerDns(tmp_path_factory.mktemp("static"), [Zone("corp.test", "kms")], KEYS, is_dynamic=False)
    with server.running() as running:
        yield running


@pytest.mark.parametrize("which", ["knot", "powerdns"])
def test_publish_refresh_change_and_withdraw(which: str, request: pytest.FixtureRequest) -> None:
    server: NameServer = request.getfixturevalue(which)
    world = World(names_at(server))
    publisher = world.publisher(world.settings(key=key_text()))
    for settings, shown in [
        (world.settings(key=key_text()), OURS),
        (world.settings(key=key_text()), OURS),
        (world.settings({"port": "1700", "dns-ttl": "600"}, key=key_text()), "0 0 1700 kms01.corp.test."),
        (world.settings({"port": "1700", "dns-ttl": "900"}, key=key_text()), "0 0 1700 kms01.corp.test."),
    ]:
        publisher.apply(settings)
        (result,) = publisher.publish()
        assert result.error is None
        assert result.is_verified
        assert dig(server, NAME) == [shown]
        records = world.names.shown_by(world.names.locate(f"{NAME}."), f"{NAME}.")
        assert records is not None
        assert [each.ttl for each in records] == [settings.ttl], (
            "the time to live is changed too (Knot ignores a bare add)"
        )
    (withdrawn,) = publisher.withdraw()
    assert withdrawn.error is None
    assert dig(server, NAME) == []


@pytest.mark.parametrize(
    ("which", "domain", "key", "off_s", "code"),
    [
        ("knot", "corp.test", "", 0, "DNS_UPDATES_NOT_OFFERED"),
        ("knot", "corp.test", key_text("other"), 0, "DNS_NO_RIGHT"),
        ("knot", "corp.test", key_text(secret=OTHER_SECRET), 0, "DNS_KEY_REFUSED"),
        ("knot", "corp.test", key_text("nobody"), 0, "DNS_KEY_REFUSED"),
        ("knot", "corp.test", key_text(algorithm="hmac-sha512"), 0, "DNS_KEY_REFUSED"),
        ("knot", "corp.test", key_text(), -400, "DNS_CLOCK_SKEW"),
        ("knot", "static.test", key_text(), 0, "DNS_KEY_REFUSED"),  # Knot's word for it, and the hint names both
        ("knot", "static.test", "", 0, "DNS_UPDATES_NOT_OFFERED"),
        ("powerdns", "corp.test", "", 0, "DNS_UPDATES_NOT_OFFERED"),
        ("powerdns", "corp.test", key_text("other"), 0, "DNS_UPDATES_NOT_OFFERED"),
        ("powerdns", "corp.test", key_text(secret=OTHER_SECRET), 0, "DNS_KEY_REFUSED"),
        ("powerdns", "corp.test", key_text("nobody"), 0, "DNS_KEY_REFUSED"),
        ("powerdns", "corp.test", key_text(algorithm="hmac-sha512"), 0, "DNS_KEY_REFUSED"),
        ("powerdns", "corp.test", key_text(), -400, "DNS_KEY_REFUSED"),  # it does not tell its time
        ("powerdns_static", "corp.test", key_text(), 0, "DNS_UPDATES_NOT_OFFERED"),
        ("powerdns_static", "corp.test", "", 0, "DNS_UPDATES_NOT_OFFERED"),
    ],
)
def test_each_cause_has_its_own_code(
    which: str, domain: str, key: str, off_s: int, code: str, request: pytest.FixtureRequest
) -> None:
    server: NameServer = request.getfixturevalue(which)
    clock = LateClock(off_s)
    world = World(names_at(server, clock), clock)
    settings = world.settings({"dns-domains": domain}, key=key)
    chosen = tuple(each for each in settings.domains if each.name == f"{domain}.")
    (result,) = world.publisher(replace(settings, domains=chosen)).publish()
    assert result.error is not None
    assert (result.error.code, world.failure.code) == (code, code), result.error.message
    assert dig(server, f"_quorate._tcp.{domain}") == []


def test_a_secondary_is_not_the_primary(tmp_path_factory: pytest.TempPathFactory) -> None:
    zone = Zone("corp.test", "allow-update { key kms; }; allow-transfer { any; };", text=MOVED)
    with Bind(tmp_path_factory.mktemp("primary"), [zone], KEYS).running() as primary:
        copy = Zone("corp.test", f"primaries {{ {primary.address} port {primary.port}; }};", kind="secondary")
        with Bind(tmp_path_factory.mktemp("secondary"), [copy], KEYS).running() as secondary:
            world = World(names_at(secondary))
            settings = world.settings({"dns-server": secondary.where}, key=key_text())
            (result,) = world.publisher(settings).publish()
            assert result.error is not None
            assert result.error.code == "DNS_NOT_PRIMARY"
            assert "ns1.corp.test" in result.error.hint
            # The hint is right: the primary takes it.
            settings = world.settings({"dns-server": primary.where}, key=key_text())
            assert [each.error for each in world.publisher(settings).publish()] == [None]
            assert dig(primary, NAME) == [OURS]


@pytest.fixture
def signed_zone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    zone = Zone("corp.test", "allow-update { key kms; };")
    with Bind(tmp_path_factory.mktemp("zone"), [zone], KEYS).running() as running:
        yield running


@pytest.mark.parametrize("key", ["", key_text()])
def test_a_resolver_is_not_the_primary(key: str, signed_zone: NameServer, tmp_path: Path) -> None:
    with (
        unbound(tmp_path, forward=signed_zone) as resolver,
        dnsmasq(tmp_path, forward=resolver) as forwarder,
    ):
        for server in (resolver, forwarder):
            world = World(names_at(signed_zone))
            (result,) = world.publisher(world.settings({"dns-server": server.where}, key=key)).publish()
            assert result.error is not None
            assert result.error.code == "DNS_NOT_PRIMARY", result.error.message
    assert dig(signed_zone, NAME) == []


def test_a_reply_that_cannot_be_verified_is_decided_by_reading_back(signed_zone: NameServer, tmp_path: Path) -> None:
    # dnsmasq in front of a primary passes the update on, and returns a reply whose signature does not verify.
    with dnsmasq(tmp_path, forward=signed_zone) as forwarder:
        world = World(names_at(signed_zone))
        (result,) = world.publisher(world.settings({"dns-server": forwarder.where}, key=key_text())).publish()
        assert result.error is None
        assert not result.is_verified
        assert "does not verify" in result.note
    assert dig(signed_zone, NAME) == [OURS]


def test_a_server_of_other_zones_is_not_the_primary(knot: NameServer) -> None:
    world = World(names_at(knot))
    settings = world.settings({"dns-server": knot.where, "dns-domains": "elsewhere.test"}, key=key_text())
    (_, result) = world.publisher(settings).publish()
    assert result.error is not None
    assert result.error.code == "DNS_NOT_PRIMARY"


MOVED = """\
$TTL 300
@ IN SOA ns1.corp.test. hostmaster.corp.test. 1 3600 600 86400 60
@ IN NS ns1.corp.test.
ns1 IN A 192.0.2.53
kms01 IN A 127.0.0.1
"""
