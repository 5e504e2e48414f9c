"""Over real sockets: who is activated, from which count on, and how a record lives and lapses."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.core.lease import Lease, Refusal
from quorate.core.policy import DAY_S, PROFILES
from quorate.host.config import Settings
from tests.store.world import commit_of, key_of
from tests.support.clocks import ManualClock
from tests.support.documents import CLIENT_EDITION, EPHEMERAL_EDITION, SERVER_EDITION, World, cmid_of
from tests.support.hosting import Hosted, certificate_for, hosting, running


def current(host: Hosted, machine_class: str = "client") -> int:
    return host.administration.counts()["acme"][machine_class].current


def ask_many(host: Hosted, numbers: range, edition: str = CLIENT_EDITION) -> list[Lease | Refusal]:
    return [host.activate(number, edition) for number in numbers]


def test_s01_a_machine_becomes_a_host_only_by_key_and_activation_and_running(tmp_path: Path) -> None:
    with hosting(tmp_path, activated=False) as host:
        reply = host.post(host.request())
        assert (reply.status, reply.problem.code, reply.problem.hresult) == (503, "HOST_NOT_ACTIVATED", "0xC004F041")
        assert "install-key" in reply.problem.hint
        assert host.administration.requests()["total"] == 0
        assert not host.http("GET", "/v1/host").json["activated"]


def test_s02_being_a_client_is_a_product_file_and_nothing_the_host_knew_before(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        assert not host.administration.clients()
        host.activate(7)
        [client] = host.administration.clients()
        assert (client.machine, client.cmid, client.address) == ("pc-0007.contoso.example", cmid_of(7), "127.0.0.1")


def test_s06_servers_are_refused_at_four_and_activated_at_five(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        answers = ask_many(host, range(1, 6), SERVER_EDITION)
        assert [isinstance(answer, Lease) for answer in answers] == [False] * 4 + [True]
        assert [answer.count for answer in answers] == [1, 2, 3, 4, 5]


def test_s06_clients_do_not_help_servers_under_windows_7_and_do_under_combined(tmp_path: Path) -> None:
    for profile, helps in (("windows-7", False), ("combined", True)):
        with hosting(tmp_path / profile, World(policy=PROFILES[profile])) as host:
            ask_many(host, range(100, 130))
            answers = ask_many(host, range(1, 5), SERVER_EDITION)
            assert [isinstance(answer, Lease) for answer in answers] == [helps] * 4


def test_s07_five_servers_and_nineteen_clients_are_one_too_few(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        ask_many(host, range(1, 6), SERVER_EDITION)
        answers = ask_many(host, range(6, 25))
        assert all(isinstance(answer, Refusal) for answer in answers)
        assert answers[-1].count == 24
        assert isinstance(host.activate(25), Lease)


def test_s07_the_missing_one_may_be_a_server_as_well(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        ask_many(host, range(1, 6), SERVER_EDITION)
        ask_many(host, range(6, 25))
        host.activate(99, SERVER_EDITION)
        assert isinstance(host.activate(6), Lease)


def test_s07_the_25th_client_is_activated_at_once_and_the_others_when_they_ask_again(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        first = ask_many(host, range(1, 26))
        assert [isinstance(answer, Lease) for answer in first] == [False] * 24 + [True]
        host.clock.advance(2 * 3600)
        again = ask_many(host, range(1, 25))
        assert all(isinstance(answer, Lease) for answer in again)


def test_s08_the_count_survives_a_restart(tmp_path: Path) -> None:
    world, clock = World(), ManualClock()
    with hosting(tmp_path, world, clock) as host:
        ask_many(host, range(1, 11))
        assert current(host) == 10
    with running(tmp_path / "host", world, clock) as host:
        assert current(host) == 10
        assert host.activate(11).count == 11


def test_s09_a_refusal_is_signed_and_shows_the_count(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        ask_many(host, range(1, 18))
        refusal = host.activate(18)
        assert isinstance(refusal, Refusal)
        assert (refusal.code, refusal.count, refusal.threshold) == ("COUNT_INSUFFICIENT", 18, 25)
        assert (refusal.intervals.activation_min, refusal.intervals.renewal_min) == (120, 10_080)


def test_s10_activation_stops_when_the_count_falls_below_the_threshold(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        ask_many(host, range(1, 26))
        host.clock.advance(29 * DAY_S)
        assert all(isinstance(answer, Lease) for answer in ask_many(host, range(1, 24)))
        host.clock.advance(1 * DAY_S)  # 24 and 25 are 30 days old now
        renewal = host.activate(1)
        assert isinstance(renewal, Refusal)
        assert renewal.count == 23
        assert isinstance(host.activate(99), Refusal)
        assert isinstance(host.activate(100), Lease)


def test_s16_one_cmid_is_one_machine_however_often_it_asks(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        for _ in range(3):
            host.activate(1)
            host.clock.advance(60)
        assert current(host) == 1
        assert host.activate(2).count == 2


def test_s16_a_machine_that_was_rearmed_is_not_counted_twice(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        nonce = host.request(1).nonce
        host.activate(1, commit=commit_of(1, nonce))
        assert host.activate(2, previous_cmid=cmid_of(1), reveals=(key_of(1, nonce),)).count == 1
        assert [client.cmid for client in host.administration.clients()] == [cmid_of(2)]
        assert host.activate(3, previous_cmid=cmid_of(2)).count == 2, "a CMID alone removes nobody"


def test_s16_ephemeral_machines_are_never_counted(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        assert host.activate(1, EPHEMERAL_EDITION).count == 0
        assert host.activate(2).count == 1


def test_s17_asking_renews_the_record_also_when_it_is_refused(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        host.activate(1)
        host.clock.advance(10 * DAY_S)
        assert isinstance(host.activate(1), Refusal)
        [client] = host.administration.clients()
        assert client.last_seen_s == host.clock.now_s()
        assert client.first_seen_s == host.clock.now_s() - 10 * DAY_S


def test_s18_s19_a_record_counts_until_its_last_second_of_thirty_days(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        host.activate(1)
        host.clock.advance(30 * DAY_S - 1)
        assert host.post(host.request(2), "/v1/probe").json["count"] == 2
        host.clock.advance(1)
        assert host.post(host.request(2), "/v1/probe").json["count"] == 1
        assert host.activate(2).count == 1


def test_s18_a_lapsed_record_leaves_the_store_by_itself(tmp_path: Path) -> None:
    world, clock = World(), ManualClock()
    with hosting(tmp_path, world, clock) as host:  # an idle writer sweeps; a full stop waits for its step
        host.activate(1)
        clock.advance(31 * DAY_S)  # while it runs: a time off alone makes nothing certain (ADR 0022)
        host.activate(2)
        host.activate(3)
    with running(tmp_path / "host", world, clock) as host:
        assert [client.cmid for client in host.administration.clients()] == [cmid_of(2), cmid_of(3)]


def test_s33_one_port_1688_by_default() -> None:
    assert (Settings().port, Settings().admin_port, Settings().admin_address) == (1688, 1689, "127.0.0.1")


def test_the_same_question_gets_the_same_answer_to_the_byte(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        ask_many(host, range(1, 25))
        request = host.request(25)
        first = host.post(request).body
        host.activate(26)
        assert host.post(request).body == first


def test_a_probe_counts_nobody(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        ask_many(host, range(1, 25))
        result = host.post(host.request(25), "/v1/probe").json
        assert (result["would_activate"], result["count"], result["threshold"]) == (True, 25, 25)
        assert current(host) == 24
        assert host.administration.requests()["total"] == 24


@pytest.mark.parametrize("offset_s", [4 * 3600 + 1, -(4 * 3600 + 1)])
def test_a_clock_more_than_four_hours_off_is_told_both_times(tmp_path: Path, offset_s: int) -> None:
    with hosting(tmp_path) as host:
        refusal = host.activate(1, time_s=host.clock.now_s() + offset_s)
        assert isinstance(refusal, Refusal)
        assert refusal.code == "CLOCK_SKEW"
        assert (refusal.issued_s, refusal.client_time_s) == (host.clock.now_s(), host.clock.now_s() + offset_s)
        probe = host.post(host.request(1, time_s=host.clock.now_s() + offset_s), "/v1/probe").json
        assert probe["code"] == "CLOCK_SKEW"
        assert "2027-01-15 08:00:00 UTC" in probe["message"]
        assert not host.administration.clients()
        assert host.administration.requests()["failed"] == 1
        assert isinstance(host.activate(1, time_s=host.clock.now_s() + 4 * 3600 * (1 if offset_s > 0 else -1)), Refusal)
        assert current(host) == 1


def test_an_unknown_edition_is_refused_signed_and_counts_nobody(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        refusal = host.activate(1, "acme-paint")
        assert isinstance(refusal, Refusal)
        assert refusal.code == "PRODUCT_NOT_COVERED"
        [event] = host.administration.events(event_id=12290)
        assert (event["code"], event["hresult"], event["edition"]) == ("PRODUCT_NOT_COVERED", 0xC004F042, "acme-paint")
        assert not host.administration.clients()
        assert host.activate(1).count == 1


def test_a_host_whose_certificate_ended_answers_nobody_and_says_since_when(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        host.activate(1)
        host.clock.advance(730 * DAY_S)
        reply = host.post(host.request(2))
        assert (reply.status, reply.problem.code) == (503, "HOST_CERTIFICATE_EXPIRED")
        assert host.administration.requests()["total"] == 1
        assert host.administration.status().code == "HOST_CERTIFICATE_EXPIRED"


def test_a_host_that_is_activated_while_it_runs_needs_no_restart(tmp_path: Path) -> None:
    with hosting(tmp_path, activated=False) as host:
        assert host.post(host.request()).status == 503
        with host.noticing():
            host.administration.install_key(host.world.product_key.text)
            request = host.administration.request()
            host.administration.activate(certificate_for(host.world, request, host.clock.now_s()))
        assert host.http("GET", "/v1/host").json["activated"]
        assert host.activate(1).count == 1
