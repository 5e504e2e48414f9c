"""Discovery as it happens at a site: clients without any setting, real name servers, real hosts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dns.name
import dns.resolver
import pytest

from quorate import Client
from quorate.client.discovery.network import Network
from quorate.client.discovery.search import TARGETS_MAX
from quorate.client.identity import Machine
from quorate.core.messages import ActivationRequest, Answer
from quorate.core.policy import MachineClass, Policy, Threshold, Thresholds
from quorate.errors import DnsNameDoesNotExistError, DnsServerFailureError, HostUnreachableError, QuorateError
from quorate.host.publication.manual_record import advice_for
from quorate.host.publication.record import SrvRecord
from tests.client.parties import ScriptedHost, closed_port, scripted
from tests.dns.resolvers import dnsmasq, unbound
from tests.dns.servers import ZONE, Bind, NameServer, Zone, nsupdate
from tests.dns.support import SECRET, key_text, names_at, resolver_at
from tests.dns.support import World as Publication
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.documents import CLIENT_EDITION, World, signing_key
from tests.support.hosting import Hosted, hosting

SRV = "_quorate._tcp.corp.test"
TWO = Threshold(2, (MachineClass.SERVER, MachineClass.CLIENT))
SMALL = World(policy=Policy(thresholds=Thresholds(server=TWO, client=TWO, ephemeral=TWO)))
"""A world whose threshold two machines reach."""

SERVFAIL_ZONE = "this is no zone\n"
OPEN = "allow-update { any; };"


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    """One server with every kind of zone; its log shows each query."""
    zones = [
        Zone("corp.test", OPEN),
        Zone("branch.test", OPEN),
        Zone("signed.test", "update-policy { grant kms name _quorate._tcp.signed.test. SRV; };"),
        Zone("nodata.test", text=ZONE.format(zone="nodata.test.") + '_quorate._tcp IN TXT "no SRV"\n'),
        Zone("dot.test", text=ZONE.format(zone="dot.test.") + "_quorate._tcp IN SRV 0 0 0 .\n"),
        Zone("broken.test", text=SERVFAIL_ZONE),
        Zone("parent.test", text=ZONE.format(zone="parent.test.") + "child IN NS ns1.parent.test.\n"),
        Zone("alias.test", text=ZONE.format(zone="alias.test.") + "_quorate._tcp IN CNAME _quorate._tcp.corp.test.\n"),
    ]
    keys = [("kms", "hmac-sha256", SECRET)]
    server = Bind(tmp_path_factory.mktemp("bind"), zones, keys, options="querylog yes;")
    with server.running() as running:
        yield running


@pytest.fixture(autouse=True)
def empty_zones(bind: NameServer) -> Iterator[None]:
    yield
    for zone in ("corp.test", "branch.test"):
        nsupdate(bind, f"zone {zone}", f"update delete _quorate._tcp.{zone}. SRV")


def add(bind: NameServer, *records: str, zone: str = "corp.test") -> None:
    """SRV records by hand: `PRIORITY WEIGHT PORT TARGET`."""
    nsupdate(bind, f"zone {zone}", *(f"update add _quorate._tcp.{zone}. 60 SRV {record}" for record in records))


def remove(bind: NameServer, *records: str, zone: str = "corp.test") -> None:
    nsupdate(bind, f"zone {zone}", *(f"update delete _quorate._tcp.{zone}. SRV {record}" for record in records))


class Fleet:
    """Machines with the product on them and no setting at all."""

    def __init__(self, folder: Path, world: World, clock: ManualClock, resolver: NameServer) -> None:
        self.folder, self.world, self.clock, self.resolver = folder, world, clock, resolver
        folder.mkdir()
        (folder / "acme-cad.product").write_text(world.product_token)
        (folder / "publisher.jwks").write_bytes(world.jwks)

    def client(self, number: int = 1, *, domain: str = "corp.test", search: Sequence[str] = ()) -> Client:
        """Machine `number` of a domain."""
        name = f"pc-{number:03}.{domain}"

        def open_resolver() -> dns.resolver.Resolver:
            resolver = resolver_at(self.resolver)
            resolver.domain = dns.name.root
            resolver.search = [dns.name.from_text(each) for each in search]
            return resolver

        return Client(
            self.folder / "acme-cad.product",
            self.folder / "publisher.jwks",
            edition=CLIENT_EDITION,
            state_dir=self.folder / name,
            clock=self.clock,
            entropy=SeededEntropy(number),
            machine=Machine(name, identity=name, is_virtual=False),
            network=Network(open_resolver, own_name=lambda: name),
        )

    def activates(self, *, machines: int = 3, domain: str = "corp.test") -> None:
        """The first is refused for count; then all have a lease."""
        clients = [self.client(number, domain=domain) for number in range(1, machines + 1)]
        with pytest.raises(QuorateError) as refused:
            clients[0].activate()
        assert refused.value.code == "COUNT_INSUFFICIENT"
        for client in [*clients[1:], clients[0]]:
            assert client.activate().status.value == "licensed"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def fleet(tmp_path: Path, bind: NameServer, clock: ManualClock) -> Fleet:
    return Fleet(tmp_path / "fleet", SMALL, clock, bind)


@pytest.fixture
def host(tmp_path: Path, clock: ManualClock) -> Iterator[Hosted]:
    with hosting(tmp_path / "kms", SMALL, clock) as running:
        yield running


@contextmanager
def rogue(clock: ManualClock, bent: Callable[[ScriptedHost, ActivationRequest], Answer]) -> Iterator[ScriptedHost]:
    with scripted(SMALL, clock) as host:
        host.script = lambda request: bent(host, request)
        yield host


def fails(client: Client) -> QuorateError:
    with pytest.raises(QuorateError) as caught:
        client.activate()
    return caught.value


def asked(bind: NameServer, since: int = 0) -> list[str]:
    """`NAME TYPE` of the queries in the server's log from a place on; not the SOA queries of `nsupdate`."""
    log = bind.process.log.read_text()[since:]
    return [f"{name} {kind}" for name, kind in re.findall(r"query: (\S+) IN (SRV|A|AAAA) ", log)]


def logged(bind: NameServer) -> int:
    return len(bind.process.log.read_text())


# --- the stories -----------------------------------------------------------------------------------------------------


def test_s29_a_fleet_without_settings_activates_through_the_zone_that_the_host_filled_itself(
    bind: NameServer, fleet: Fleet, host: Hosted
) -> None:
    publication = Publication(names_at(bind))
    settings = publication.settings(
        {"port": str(host.port), "dns-priority": "5"}, key=key_text(), machine="kms01.signed.test"
    )
    assert [result.error for result in publication.publisher(settings).publish()] == [None]
    fleet.activates(domain="signed.test")
    status = fleet.client(1, domain="signed.test").status()
    assert (status.host, status.host_source) == (f"kms01.signed.test:{host.port}", "dns")
    assert status.host_domain == "signed.test"


def test_s30_the_srv_query_is_seen_at_the_name_server_and_nothing_else_leaks(
    bind: NameServer, fleet: Fleet, host: Hosted
) -> None:
    add(bind, f"0 0 {host.port} kms01.corp.test.")
    since = logged(bind)
    fails(fleet.client(search=["branch.test"]))  # refused for count: the host was found
    assert asked(bind, since) == [f"{SRV} SRV", "kms01.corp.test A", "kms01.corp.test AAAA"]


def test_s27_without_a_record_activation_cannot_start(bind: NameServer, fleet: Fleet) -> None:
    since = logged(bind)
    error = fails(fleet.client(search=["nodata.test", "branch.test", "dot.test"]))
    assert isinstance(error, DnsNameDoesNotExistError)
    assert error.hresult == 0x8007232B
    names = [f"_quorate._tcp.{domain}" for domain in ("corp.test", "nodata.test", "branch.test", "dot.test")]
    assert asked(bind, since) == [f"{name} SRV" for name in names]
    assert all(f"{name}." in error.message for name in names)


def test_s04_where_updates_are_refused_the_line_that_is_printed_makes_the_fleet_activate(
    tmp_path: Path, fleet: Fleet, host: Hosted
) -> None:
    text = ZONE.format(zone="corp.test.")
    with Bind(tmp_path / "before", [Zone("corp.test", text=text)]).running() as static:
        publication = Publication(names_at(static))
        settings = publication.settings({"port": str(host.port)})
        (result,) = publication.publisher(settings).publish()
        assert result.error is not None
        assert result.error.code == "DNS_UPDATES_NOT_OFFERED"
        fleet.resolver = static
        assert fails(fleet.client()).code == "DNS_NAME_DOES_NOT_EXIST"
    record = SrvRecord(name=f"{SRV}.", target="kms01.corp.test.", port=host.port)
    [line] = [each.text for each in advice_for(record, zone="corp.test.", server="ns1") if each.tool == "zone-file"]
    with Bind(tmp_path / "after", [Zone("corp.test", text=f"{text}{line}\n")]).running() as by_hand:
        fleet.resolver = by_hand
        fleet.activates()


def test_a_record_from_nsupdate_is_as_good(bind: NameServer, fleet: Fleet, host: Hosted) -> None:
    add(bind, f"0 0 {host.port} kms01.corp.test.")
    fleet.activates()


def test_the_first_host_is_dead_the_second_activates_is_remembered_and_when_it_falls_silent_dns_decides(
    tmp_path: Path, bind: NameServer, fleet: Fleet
) -> None:
    with hosting(tmp_path / "third", SMALL, fleet.clock) as third:
        with hosting(tmp_path / "second", SMALL, fleet.clock) as second:
            add(bind, f"0 0 {closed_port()} kms01.corp.test.", f"10 0 {second.port} kms01.corp.test.")
            fleet.activates(machines=2)
            client = fleet.client(1)
            assert client.status().host == f"kms01.corp.test:{second.port}"
            add(bind, f"5 0 {third.port} kms01.corp.test.")
            since = logged(bind)
            client.activate()
            assert f"{SRV} SRV" not in asked(bind, since), "the one that worked is asked without DNS"
            assert third.administration.counts()["acme"]["client"].current == 0
            port = third.port
        with pytest.raises(QuorateError) as caught:
            client.activate()
    assert caught.value.code == "COUNT_INSUFFICIENT", "the third host answered, in the same attempt"
    assert client.status().host == f"kms01.corp.test:{port}"


def test_a_record_that_leads_to_a_rogue_is_passed_over(
    bind: NameServer, fleet: Fleet, host: Hosted, clock: ManualClock
) -> None:
    stranger = World(policy=SMALL.policy, publisher_key=signing_key(5), host_key=signing_key(6))
    with (
        rogue(clock, lambda host, request: stranger.answer(host.lease(request))) as foreign,
        rogue(clock, lambda host, request: host.say(host.lease(request), key=signing_key(66))) as forger,
    ):
        add(bind, f"0 0 {foreign.port} kms01.corp.test.", f"1 0 {forger.port} kms01.corp.test.")
        error = fails(fleet.client(9))
        assert error.code in ("UNKNOWN_PUBLISHER", "BAD_SIGNATURE")
        assert str(foreign.port) in error.message
        assert str(forger.port) in error.message
        add(bind, f"9 0 {host.port} kms01.corp.test.")
        fleet.activates()
        events = (fleet.folder / "pc-001.corp.test/acme-cad/events.jsonl").read_text()
        assert "UNKNOWN_PUBLISHER" in events
        assert "BAD_SIGNATURE" in events
    assert fleet.client(1).status().host == f"kms01.corp.test:{host.port}"


# --- what DNS does ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first", ["no-such.test", "nodata.test", "dot.test", "broken.test", "child.parent.test", "elsewhere.example"]
)
def test_a_domain_without_an_answer_leads_to_the_next(bind: NameServer, fleet: Fleet, host: Hosted, first: str) -> None:
    add(bind, f"0 0 {host.port} kms01.branch.test.", zone="branch.test")
    error = fails(fleet.client(domain=first, search=["branch.test"]))
    assert error.code == "COUNT_INSUFFICIENT", "found, and counted"


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ("broken.test", "answered SERVFAIL"),
        ("child.parent.test", "lame"),
        ("elsewhere.example", "answered REFUSED"),
    ],
)
def test_a_name_server_that_fails_is_told_from_one_that_knows_of_no_host(fleet: Fleet, domain: str, words: str) -> None:
    error = fails(fleet.client(domain=domain, search=["corp.test"]))
    assert isinstance(error, DnsServerFailureError)
    assert words in error.message


def test_an_alias_of_the_record_is_followed(tmp_path: Path, bind: NameServer, fleet: Fleet, host: Hosted) -> None:
    add(bind, f"0 0 {host.port} alias.corp.test.")  # a target that is an alias is against RFC 2782, and works
    with unbound(tmp_path, forward=bind) as resolver:
        fleet.resolver = resolver
        fleet.activates(domain="alias.test")


def test_many_records_come_by_tcp_and_are_bounded(bind: NameServer, fleet: Fleet) -> None:
    port = closed_port()
    add(bind, *(f"{number} 0 {port} host-{number:02}.corp.test." for number in range(50)))
    since = logged(bind)
    error = fails(fleet.client())
    assert isinstance(error, HostUnreachableError)
    assert asked(bind, since).count(f"{SRV} SRV") == 2, "by UDP, then by TCP"
    assert error.message.count("its name does not exist in DNS") == TARGETS_MAX
    assert "others were not tried" in error.message


def test_behind_dnsmasq_and_unbound_it_is_all_the_same(
    tmp_path: Path, bind: NameServer, fleet: Fleet, host: Hosted
) -> None:
    add(bind, f"0 0 {host.port} kms01.corp.test.")
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with dnsmasq(tmp_path / "one", forward=bind) as resolver:
        fleet.resolver = resolver
        assert fails(fleet.client(1)).code == "COUNT_INSUFFICIENT"
    with unbound(tmp_path / "two", forward=bind) as resolver:
        fleet.resolver = resolver
        assert fleet.client(2).activate().status.value == "licensed"
        assert fails(fleet.client(3, domain="nodata.test")).code == "DNS_NAME_DOES_NOT_EXIST"


def test_a_resolver_that_knows_the_record_itself_is_enough(tmp_path: Path, fleet: Fleet, host: Hosted) -> None:
    lines = [f"srv-host={SRV},kms01.corp.test,{host.port},0,0", "host-record=kms01.corp.test,127.0.0.1"]
    with dnsmasq(tmp_path, lines=lines) as resolver:
        fleet.resolver = resolver
        fleet.activates()


def test_weights_hold_for_a_fleet_without_caching(
    tmp_path: Path, bind: NameServer, fleet: Fleet, clock: ManualClock
) -> None:
    with scripted(SMALL, clock) as heavy, scripted(SMALL, clock) as light:
        add(bind, f"0 75 {heavy.port} kms01.corp.test.", f"0 25 {light.port} kms01.corp.test.")
        client = fleet.client()
        client.set_caching(False)
        for _ in range(100):
            client.activate()
        assert 60 <= len(heavy.requests) <= 88, len(heavy.requests)  # four standard deviations around 75
        assert len(heavy.requests) + len(light.requests) == 100
