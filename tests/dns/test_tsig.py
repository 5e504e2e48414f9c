"""Publishing with a shared secret, on a real BIND."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from quorate.host.publication.record import decode_records
from quorate.host.settings.dns import ServerAddress
from tests.dns.servers import Bind, NameServer, Zone, dig, free_port, nsupdate
from tests.dns.support import OTHER_SECRET, SECRET, LateClock, World, key_text, names_at

NAME = "_quorate._tcp.corp.test"
OURS = "0 0 1688 kms01.corp.test."


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    zones = [
        Zone("corp.test", f"update-policy {{ grant kms name {NAME}. SRV; grant admin zonesub ANY; }};"),
        Zone("lab.test", "allow-update { key kms; };"),
        Zone("open.test", "allow-update { any; };"),
        Zone("static.test"),
    ]
    keys = [("kms", "hmac-sha256", SECRET), ("admin", "hmac-sha256", SECRET), ("other", "hmac-sha512", SECRET)]
    server = Bind(tmp_path_factory.mktemp("bind"), zones, keys)
    with server.running() as running:
        yield running


@pytest.fixture(autouse=True)
def empty_zones(bind: NameServer) -> Iterator[None]:
    yield
    nsupdate(bind, "zone corp.test", f"update delete {NAME}. SRV", key=key_text("admin"))
    nsupdate(bind, "zone lab.test", "update delete _quorate._tcp.lab.test. SRV", key=key_text())
    nsupdate(bind, "zone open.test", "update delete _quorate._tcp.open.test. SRV")


@pytest.fixture
def world(bind: NameServer) -> World:
    return World(names_at(bind))


def test_s03_a_host_with_a_key_publishes_itself_and_dig_sees_it(bind: NameServer, world: World) -> None:
    (result,) = world.publisher(world.settings(key=key_text())).publish()
    assert result.error is None
    assert result.is_verified
    assert (result.zone, result.server) == ("corp.test.", "ns1.corp.test")
    assert dig(bind, NAME) == [OURS]
    assert world.success.domain == "corp.test"


def test_s28_publishing_is_on_by_default(world: World) -> None:
    assert world.settings().enabled


def test_a_zone_open_to_unsigned_updates_takes_them(bind: NameServer, world: World) -> None:
    settings = world.settings({"dns-domains": "open.test, 5, 10"})
    results = world.publisher(replace(settings, domains=settings.domains[1:])).publish()
    assert [each.error for each in results] == [None]
    assert dig(bind, "_quorate._tcp.open.test") == ["5 10 1688 kms01.corp.test."]


def test_each_domain_has_its_own_priority_weight_and_result(bind: NameServer, world: World) -> None:
    settings = world.settings({"dns-domains": "corp.test; lab.test, 10, 5; static.test"}, key=key_text())
    results = world.publisher(settings).publish()
    assert [(each.domain, each.error.code if each.error else None) for each in results] == [
        ("corp.test.", None),
        ("lab.test.", None),
        ("static.test.", "DNS_UPDATES_NOT_OFFERED"),
    ]
    assert dig(bind, "_quorate._tcp.lab.test") == ["10 5 1688 kms01.corp.test."]
    assert [type(each).__name__ for each in world.events] == ["PublicationSucceeded"] * 2 + ["PublicationFailed"]


def test_publishing_again_changes_nothing(bind: NameServer, world: World) -> None:
    publisher = world.publisher(world.settings(key=key_text()))
    publisher.publish()
    before = dig(bind, "corp.test", "SOA")
    publisher.publish()
    assert dig(bind, "corp.test", "SOA") == before
    assert dig(bind, NAME) == [OURS]


def test_other_hosts_records_are_never_touched(bind: NameServer, world: World) -> None:
    theirs = "10 0 1688 kms02.corp.test."
    nsupdate(bind, "zone corp.test", f"update add {NAME}. 3600 SRV {theirs}", key=key_text())
    publisher = world.publisher(world.settings(key=key_text()))
    publisher.publish()
    assert dig(bind, NAME) == sorted([OURS, theirs])
    (withdrawn,) = publisher.withdraw()
    assert withdrawn.error is None
    assert dig(bind, NAME) == [theirs]


def test_what_nsupdate_published_is_accepted_and_can_be_withdrawn(bind: NameServer, world: World) -> None:
    nsupdate(bind, "zone corp.test", f"update add {NAME}. 3600 SRV {OURS}", key=key_text())
    publisher = world.publisher(world.settings(key=key_text()))
    assert [each.error for each in publisher.publish()] == [None]
    assert dig(bind, NAME) == [OURS]
    publisher.withdraw()
    assert dig(bind, NAME) == []


def test_a_changed_port_replaces_the_old_record(bind: NameServer, world: World) -> None:
    world.publisher(world.settings(key=key_text())).publish()
    # A new process, with the same memory and another port:
    world.publisher(world.settings({"port": "1700"}, key=key_text())).publish()
    assert dig(bind, NAME) == ["0 0 1700 kms01.corp.test."]
    remembered = decode_records(world.memory.text or "")
    assert [each.port for each in remembered] == [1700], "what is gone from DNS is forgotten"


def test_a_changed_ttl_is_published(bind: NameServer, world: World) -> None:
    publisher = world.publisher(world.settings(key=key_text()))
    publisher.publish()
    publisher.apply(world.settings({"dns-ttl": "600"}, key=key_text()))
    publisher.publish_if_due()
    shown = world.names.shown_by(world.names.locate(f"{NAME}."), f"{NAME}.")
    assert shown is not None
    assert [each.ttl for each in shown] == [600]


def test_a_domain_taken_off_the_list_is_withdrawn_from(bind: NameServer, world: World) -> None:
    publisher = world.publisher(world.settings({"dns-domains": "lab.test"}, key=key_text()))
    publisher.publish()
    publisher.apply(world.settings(key=key_text()))
    results = publisher.publish_if_due()
    assert [(each.action, each.domain, each.error) for each in results] == [
        ("publish", "corp.test.", None),
        ("withdraw", "lab.test.", None),
    ]
    assert dig(bind, "_quorate._tcp.lab.test") == []


def test_after_a_crash_in_between_the_old_port_is_still_removed(bind: NameServer, world: World) -> None:
    publisher = world.publisher(world.settings(key=key_text()))
    publisher.publish()
    # The server is away while the port changes twice: nothing is forgotten.
    away = ServerAddress("127.0.0.1", free_port())
    for port in ("1700", "1701"):
        publisher.apply(replace(world.settings({"port": port}, key=key_text()), server=away))
        assert [each.error.code for each in publisher.publish() if each.error] == ["DNS_SERVER_UNREACHABLE"]
    publisher.apply(world.settings({"port": "1702"}, key=key_text()))
    publisher.publish()
    assert dig(bind, NAME) == ["0 0 1702 kms01.corp.test."]


def test_a_stop_withdraws_only_when_told_to(bind: NameServer, world: World) -> None:
    publisher = world.publisher(world.settings(key=key_text()))
    publisher.publish()
    publisher.stop()
    publisher.run()
    assert dig(bind, NAME) == [OURS]
    removed = world.publisher(world.settings({"dns-withdraw-on-stop": "on"}, key=key_text()))
    removed.stop()
    removed.run()
    assert dig(bind, NAME) == []


@pytest.mark.parametrize(
    ("key", "domain", "code"),
    [
        ("", "corp.test", "DNS_UPDATES_NOT_OFFERED"),
        (key_text("other", algorithm="hmac-sha512"), "corp.test", "DNS_NO_RIGHT"),
        (key_text(secret=OTHER_SECRET), "corp.test", "DNS_KEY_REFUSED"),
        (key_text("nobody"), "corp.test", "DNS_KEY_REFUSED"),
        (key_text(algorithm="hmac-sha512"), "corp.test", "DNS_KEY_REFUSED"),
        (key_text(), "static.test", "DNS_UPDATES_NOT_OFFERED"),
        (key_text(), "nowhere.test", "DNS_ZONE_NOT_FOUND"),
    ],
)
def test_each_cause_has_its_own_code(world: World, key: str, domain: str, code: str) -> None:
    settings = world.settings({"dns-domains": domain}, key=key)
    chosen = tuple(each for each in settings.domains if each.name == f"{domain}.")
    (result,) = world.publisher(replace(settings, domains=chosen)).publish()
    assert result.error is not None
    assert result.error.code == code == world.failure.code
    assert world.failure.hresult != 0
    assert result.record is not None
    assert result.record.line in world.failure.message, "the event says which record to add by hand"
    assert SECRET not in world.failure.message


@pytest.mark.parametrize("off_s", [-310, 310])
def test_a_wrong_clock_is_told_with_both_times(bind: NameServer, off_s: int) -> None:
    clock = LateClock(off_s)
    world = World(names_at(bind, clock), clock)
    (result,) = world.publisher(world.settings(key=key_text())).publish()
    assert result.error is not None
    assert result.error.code == "DNS_CLOCK_SKEW"
    assert 305 <= int(str(result.error.values["difference"]).split()[0]) <= 315


def test_a_clock_within_the_allowance_works(bind: NameServer) -> None:
    clock = LateClock(-290)
    world = World(names_at(bind, clock), clock)
    world.publisher(world.settings(key=key_text())).publish()
    assert dig(bind, NAME) == [OURS]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("alias.corp.test", "DNS_TARGET_IS_ALIAS"),
        ("nothing.corp.test", "DNS_TARGET_NO_ADDRESS"),
        ("missing.corp.test", "DNS_TARGET_NO_ADDRESS"),
    ],
)
def test_a_target_that_clients_could_not_reach_is_not_published(
    bind: NameServer, world: World, target: str, code: str
) -> None:
    (result,) = world.publisher(world.settings({"dns-target": target}, key=key_text())).publish()
    assert result.error is not None
    assert result.error.code == code
    assert dig(bind, NAME) == []


def test_a_machine_without_a_domain_says_so_and_goes_on(world: World) -> None:
    (result,) = world.publisher(world.settings(machine="kms01")).publish()
    assert result.error is not None
    assert result.error.code == world.failure.code == "DNS_HOST_NAME_NOT_QUALIFIED"


def test_nothing_listens(world: World) -> None:
    port = free_port()
    (result,) = world.publisher(world.settings({"dns-server": f"127.0.0.1:{port}"})).publish()
    assert result.error is not None
    assert result.error.code == "DNS_SERVER_UNREACHABLE"
    assert f"127.0.0.1:{port}: Connection refused" in result.error.message
