"""When the record is published again, what is remembered, and that nothing stops the service."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from quorate.clock import SystemEntropy
from quorate.core.events import HostEvent, PublicationFailed
from quorate.errors import StoreUnavailableError
from quorate.host.publication.publisher import REFRESH_S, DnsPublisher
from quorate.host.publication.settings import PublicationSettings
from quorate.host.settings.dns import ServerAddress
from tests.dns.servers import Bind, NameServer, Zone, dig, free_port, nsupdate
from tests.dns.support import TextMemory, World, names_at
from tests.support.clocks import START_S, ManualClock

NAME = "_quorate._tcp.corp.test"
OURS = "0 0 1688 kms01.corp.test."


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    zone = Zone("corp.test", "allow-update { any; };")
    with Bind(tmp_path_factory.mktemp("bind"), [zone]).running() as running:
        yield running


@pytest.fixture(autouse=True)
def empty_zone(bind: NameServer) -> Iterator[None]:
    yield
    nsupdate(bind, "zone corp.test", f"update delete {NAME}. SRV")


@pytest.fixture
def world(bind: NameServer) -> World:
    clock = ManualClock()
    return World(names_at(bind, clock), clock)


def run_until(world: World, settings: PublicationSettings, count: int) -> list[HostEvent]:
    """`run` until there are `count` events; waiting moves the clock."""

    def record(event: HostEvent) -> None:
        world.events.append(event)
        if len(world.events) == count:
            publisher.stop()

    publisher = DnsPublisher(
        settings,
        names=world.names,
        memory=world.memory,
        clock=world.clock,
        entropy=SystemEntropy(),
        record_event=record,
    )
    publisher.run()
    return world.events


def test_it_publishes_at_start_and_every_24_hours(world: World) -> None:
    events = run_until(world, world.settings(), 3)
    assert [each.time_s - START_S for each in events] == [0, REFRESH_S, 2 * REFRESH_S]
    assert not any(isinstance(each, PublicationFailed) for each in events)


def test_after_a_failure_it_tries_again_sooner_and_then_ever_later_up_to_a_day(world: World) -> None:
    away = replace(world.settings(), server=ServerAddress("127.0.0.1", free_port()))
    events = run_until(world, away, 12)
    times = [each.time_s - START_S for each in events]
    waits = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert waits == [300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 76_800, 86_400, 86_400]


def test_a_changed_setting_is_published_at_once(bind: NameServer, world: World) -> None:
    publisher = world.publisher(world.settings())
    assert len(publisher.publish_if_due()) == 1
    assert publisher.publish_if_due() == (), "nothing changed, and the day has not passed"
    publisher.apply(world.settings({"dns-priority": "7"}))
    assert len(publisher.publish_if_due()) == 1
    assert dig(bind, NAME) == ["7 0 1688 kms01.corp.test."]


def test_a_setting_that_changes_while_it_is_published_is_not_lost(bind: NameServer, world: World) -> None:
    publisher = world.publisher(world.settings())
    newer = world.settings({"port": "1700"})

    class Meddling(TextMemory):
        def get(self) -> str | None:
            publisher.apply(newer)
            return super().get()

    publisher = DnsPublisher(
        world.settings(),
        names=world.names,
        memory=Meddling(),
        clock=world.clock,
        entropy=SystemEntropy(),
        record_event=world.events.append,
    )
    publisher.publish_if_due()
    assert dig(bind, NAME) == [OURS]
    publisher.publish_if_due()
    assert dig(bind, NAME) == ["0 0 1700 kms01.corp.test."]


def test_switched_off_it_publishes_nothing_by_itself(bind: NameServer, world: World) -> None:
    publisher = world.publisher(world.settings({"dns-publishing": "off"}))
    assert publisher.publish_if_due() == ()
    assert dig(bind, NAME) == []
    publisher.apply(world.settings())
    publisher.publish_if_due()
    assert dig(bind, NAME) == [OURS]


def test_a_spoilt_memory_does_not_keep_it_from_publishing(bind: NameServer, world: World) -> None:
    world.memory.text = "{not json"
    (result,) = world.publisher(world.settings()).publish()
    assert result.error is None
    assert dig(bind, NAME) == [OURS]


def test_a_full_disk_and_an_odd_fault_are_failures_of_that_domain_only(world: World) -> None:
    class FullDisk:
        fault: Exception = StoreUnavailableError(reason="disk full", retry_after_s=30, path="host.db")

        def get(self) -> str | None:
            return None

        def change(self, edit: Callable[[str | None], str]) -> None:
            raise self.fault

    disk = FullDisk()
    publisher = DnsPublisher(
        world.settings(),
        names=world.names,
        memory=disk,
        clock=world.clock,
        entropy=SystemEntropy(),
        record_event=world.events.append,
    )
    assert [each.error and each.error.code for each in publisher.publish()] == ["STORE_UNAVAILABLE"]
    disk.fault = ZeroDivisionError("odd")
    assert [each.error and each.error.code for each in publisher.publish()] == ["INTERNAL_FAULT"]
    codes = [event.code for event in world.events]
    assert codes == ["STORE_UNAVAILABLE", "INTERNAL_FAULT"]


def test_an_event_log_that_is_full_does_not_stop_it(bind: NameServer, world: World) -> None:
    def refuse(_: HostEvent) -> None:
        raise StoreUnavailableError(reason="disk full", retry_after_s=30, path="host.db")

    publisher = DnsPublisher(
        world.settings(),
        names=world.names,
        memory=world.memory,
        clock=world.clock,
        entropy=SystemEntropy(),
        record_event=refuse,
    )
    publisher.publish()
    assert dig(bind, NAME) == [OURS]


def test_what_was_published_is_shown_to_whoever_asks(world: World) -> None:
    publisher = world.publisher(world.settings())
    assert not publisher.results
    publisher.publish()
    assert [(each.domain, each.server) for each in publisher.results] == [("corp.test.", "ns1.corp.test")]


def test_withdrawing_what_is_not_there_is_done(world: World) -> None:
    (result,) = world.publisher(world.settings()).withdraw()
    assert result.error is None
    assert result.note == "it was not there"
    assert not world.events


def test_nothing_is_ever_sent_to_a_top_level_domain(tmp_path_factory: pytest.TempPathFactory) -> None:
    # `corp.test` does not exist, so the zone that answers for it is `test`: in the world outside, a registry's server.
    text = "$TTL 60\n@ IN SOA ns1.test. hostmaster.test. 1 60 60 60 60\n@ IN NS ns1.test.\nns1 IN A 127.0.0.1\n"
    zone = Zone("test", "allow-update { any; };", text=f"{text}kms01.elsewhere IN A 127.0.0.1\n")
    with Bind(tmp_path_factory.mktemp("top"), [zone]).running() as top:
        world = World(names_at(top))
        settings = world.settings({"dns-target": "kms01.elsewhere.test", "dns-domains": "corp.test"})
        results = world.publisher(settings).publish()
        assert [each.error and each.error.code for each in results] == ["DNS_ZONE_NOT_FOUND", "DNS_ZONE_NOT_FOUND"]
        assert dig(top, NAME) == []
        # An administrator who names the server means it.
        (_, result) = world.publisher(replace(settings, server=ServerAddress("127.0.0.1", top.port))).publish()
        assert result.error is None
