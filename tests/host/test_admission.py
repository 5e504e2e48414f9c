"""Who is let in and how often: networks, rates, new CMIDs; and that a site that boots behind one address passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from quorate.core.events import HostEvent, SourceLimited
from quorate.errors import InvalidSettingError, NetworkNotAllowedError, RateLimitedError
from quorate.host.admission import CMIDS_MAX, SOURCES_MAX, Admission
from quorate.host.config import Settings
from quorate.host.networks import networks_text, source_of
from tests.store.world import commit_of, key_of
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.documents import cmid_of
from tests.support.hosting import hosting


class Door:
    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        self.events: list[HostEvent] = []
        self.admission = Admission(self.clock, SeededEntropy(), Settings(**settings), self.events.append)

    def refused(self, address: str, times: int) -> list[int]:
        """The waiting times of those that were refused, of so many questions."""
        waits = []
        for _ in range(times):
            try:
                self.admission.at_the_door(address)
            except RateLimitedError as fault:
                waits.append(int(str(fault.values["retry_after_s"])))
        return waits


def test_a_boot_storm_of_ten_thousand_behind_one_address_passes() -> None:
    door = Door()
    assert door.refused("192.0.2.1", 10_000) == []
    for number in range(10_000):
        door.admission.question(cmid_of(number), "192.0.2.7")


def test_who_asks_too_often_waits_and_those_refused_together_do_not_come_back_together() -> None:
    door = Door(source_rate=60)
    waits = door.refused("192.0.2.1", 160)
    assert len(waits) == 100
    assert (min(waits) >= 30, max(waits) <= 90, len(set(waits)) > 40) == (True, True, True)
    assert door.refused("192.0.2.2", 60) == []
    door.clock.advance(10)
    assert len(door.refused("192.0.2.1", 20)) == 10


def test_one_cmid_gone_wild_is_slowed_and_the_others_are_not() -> None:
    door = Door(cmid_rate=2)
    door.admission.question(cmid_of(1), "192.0.2.7")
    door.admission.question(cmid_of(1), "192.0.2.7")
    with pytest.raises(RateLimitedError):
        door.admission.question(cmid_of(1), "192.0.2.7")
    door.admission.question(cmid_of(2), "192.0.2.7")


def test_rates_may_be_off_and_this_machine_itself_is_never_limited() -> None:
    assert Door(source_rate=0).refused("192.0.2.1", 50_000) == []
    assert Door(source_rate=1).refused("127.0.0.1", 100) == []
    assert Door(source_rate=1).refused("::1", 100) == []


def test_an_ipv6_source_is_its_64_and_an_ipv4_one_stays_one_whatever_it_is_written_as() -> None:
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:2") != source_of("2001:db8:0:1::1")
    assert source_of("::ffff:192.0.2.1") == source_of("192.0.2.1") == "192.0.2.1"
    assert source_of("fe80::1%eth0") == "fe80::/64"
    assert source_of("nonsense") == "unknown"


def test_memory_is_bounded_whoever_asks() -> None:
    door = Door()
    for number in range(SOURCES_MAX + 100):
        door.admission.at_the_door(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        door.admission.note_newcomers([f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"])
    for number in range(CMIDS_MAX + 100):
        door.admission.question(cmid_of(number), "192.0.2.7")
    held = [len(each) for each in (door.admission._sources, door.admission._cmids, door.admission._newcomers)]
    assert SOURCES_MAX / 2 <= held[0] <= SOURCES_MAX
    assert CMIDS_MAX / 2 <= held[1] <= CMIDS_MAX
    assert held[2] == SOURCES_MAX


def test_who_may_ask_freely_again_takes_no_memory() -> None:
    door = Door(cmid_rate=2)
    for number in range(100_000):
        door.admission.question(cmid_of(number), "192.0.2.7")
        door.clock.advance(1 / 200)
    assert len(door.admission._cmids) <= 2 * 30 * 200
    door.admission.question(cmid_of(99_999), "192.0.2.7")
    with pytest.raises(RateLimitedError):
        door.admission.question(cmid_of(99_999), "192.0.2.7")


def test_who_goes_on_asking_is_not_forgotten_among_very_many() -> None:
    door = Door(source_rate=60, cmid_rate=2)
    refused = 0
    for number in range(2 * SOURCES_MAX):
        door.refused(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1)
        if number % 100 == 0:
            refused += len(door.refused("192.0.2.1", 1))
    assert refused == 2 * SOURCES_MAX // 100 + 1 - 60


def test_only_the_networks_that_are_named_are_served() -> None:
    door = Door(allowed_networks="10.0.0.0/8, 2001:db8::/32")
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"):
        door.admission.at_the_door(address)
    for address in ("192.0.2.1", "2001:db9::1", "unknown", "127.0.0.1"):
        with pytest.raises(NetworkNotAllowedError):
            door.admission.at_the_door(address)


@pytest.mark.parametrize(
    ("text", "words"), [("10.0.0.1/8", "10.0.0.0/8"), ("10.0.0.0/99", "no network"), ("lan", "no network")]
)
def test_what_is_no_network_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        networks_text(text)


def test_a_crowded_source_is_an_event_once_an_hour() -> None:
    door = Door(new_cmids_per_hour=3)
    door.admission.note_newcomers(["192.0.2.1"] * 2)
    assert not door.admission.is_crowded("192.0.2.1")
    door.admission.note_newcomers(["192.0.2.1"] * 5)
    assert door.admission.is_crowded("192.0.2.1")
    assert not door.admission.is_crowded("192.0.2.2")
    [event] = door.events
    assert isinstance(event, SourceLimited)
    assert (event.address, event.new_cmids) == ("192.0.2.1", 3)
    door.clock.advance(3600)
    assert not door.admission.is_crowded("192.0.2.1")


def test_over_the_wire_the_answer_is_429_with_a_time_and_403_for_other_networks(tmp_path: Path) -> None:
    with hosting(tmp_path, settings={"cmid-rate": "2"}) as host:
        assert [host.post(host.request(1)).status for _ in range(3)] == [200, 200, 429]
        reply = host.post(host.request(1))
        assert reply.problem.code == "RATE_LIMITED"
        assert 30 <= int(reply.headers["retry-after"]) <= 90
        assert host.post(host.request(2)).status == 200
        with host.noticing():
            host.administration.set_settings({"allowed-networks": "10.0.0.0/8"})
        reply = host.post(host.request(3))
        assert (reply.status, reply.problem.code) == (403, "NETWORK_NOT_ALLOWED")
        with pytest.raises(InvalidSettingError, match="no network"):
            host.administration.set_settings({"allowed-networks": "the office"})


def test_known_machines_of_a_crowded_source_are_answered_and_new_ones_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quorate.host.admission.source_of", lambda address: address)  # loopback is never limited
    with hosting(tmp_path, settings={"new-cmids-per-hour": "3"}) as host:
        assert [host.post(host.request(number)).status for number in range(1, 6)] == [200, 200, 200, 429, 429]
        assert host.post(host.request(1, nonce="A" * 22)).status == 200
        claimed = host.request(9, previous_cmid=cmid_of(2))
        assert host.post(claimed).status == 429  # a CMID that anybody may know
        first = host.request(2, nonce="B" * 21 + "A")
        assert host.post(replace(first, commit=commit_of(2, first.nonce))).status == 200
        rearmed = replace(claimed, commit=commit_of(9, claimed.nonce), reveals=(key_of(2, first.nonce),))
        assert host.post(rearmed).status == 200
        host.clock.advance(3600)
        assert host.post(host.request(4)).status == 200


def test_who_is_refused_without_a_record_is_a_newcomer_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each such request leaves an event: an edition that is not covered, or a wrong clock, is no way around."""
    monkeypatch.setattr("quorate.host.admission.source_of", lambda address: address)  # loopback is never limited
    with hosting(tmp_path, settings={"new-cmids-per-hour": "5"}) as host:
        assert host.post(host.request(1)).status == 200
        now_s = host.clock.now_s()
        asked = [host.request(100 + number, edition="unknown-edition") for number in range(2)]
        asked += [host.request(200 + number, time_s=now_s - 10**6) for number in range(2)]
        assert [host.post(each).status for each in asked] == [200, 200, 200, 200]
        assert host.post(host.request(300, edition="unknown-edition")).status == 429
        assert host.post(host.request(301, time_s=now_s - 10**6)).status == 429
        assert host.post(host.request(302)).status == 429
        known = host.request(1, nonce="A" * 22, time_s=now_s - 10**6)
        assert host.post(known).status == 200, "it is told of its clock"
        assert host.post(host.request(1, nonce="B" * 21 + "A")).status == 200
        assert len(host.administration.clients()) == 1


def test_the_inventory_has_a_bound_and_known_machines_are_answered_beyond_it(tmp_path: Path) -> None:
    with hosting(tmp_path, settings={"clients-max": "100"}) as host:
        for number in range(100):
            first = host.request(number)
            assert host.post(replace(first, commit=commit_of(number, first.nonce))).status == 200
        assert host.post(host.request(100)).status == 429
        assert host.post(host.request(7, nonce="A" * 22)).status == 200
        rearmed = host.request(101, previous_cmid=cmid_of(8))
        assert host.post(rearmed).status == 429, "a CMID alone proves no rearm"
        proved = replace(rearmed, reveals=(key_of(8, host.request(8).nonce),))
        assert host.post(proved).status == 200, "a rearm takes no more room"
        [check] = [each for each in host.server.health.checks() if each.name == "inventory"]
        assert (check.ok, check.required) == (False, False)
        assert "no more than 100" in check.reason


def test_who_knows_a_cmid_takes_nothing_of_its_machines_rate_away() -> None:
    door = Door(cmid_rate=2)
    for _ in range(2):
        door.admission.question(cmid_of(1), "198.51.100.66")
    with pytest.raises(RateLimitedError):
        door.admission.question(cmid_of(1), "198.51.100.66")
    door.admission.question(cmid_of(1), "192.0.2.7")
