"""BEHAVIOUR.md over real sockets: publisher, host and SDK clients as they ship, only the clock is moved by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate import QuorateError
from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S, HOUR_S, MINUTE_S
from quorate.errors import CountInsufficientError, HostNotActivatedError
from quorate.host.admin.administration import Administration
from quorate.host.settings.paths import StatePaths
from quorate.host.settings.settings import Settings
from tests.support.clocks import SeededEntropy
from tests.support.documents import SERVER_EDITION
from tests.support.hosting import hosting
from tests.support.site import site

LICENSED, GRACE = LicenseStatus.LICENSED, LicenseStatus.INITIAL_GRACE
SMALL = '[threshold.client]\nminimum = 2\ncounts = ["server", "client"]\n'


def test_s01_a_host_that_was_not_activated_activates_nobody(tmp_path: Path) -> None:
    with hosting(tmp_path, activated=False) as host:
        reply = host.post(host.request())
    assert reply.status == 503
    assert isinstance(reply.problem.error(), HostNotActivatedError)


def test_s02_being_a_client_is_product_file_and_setup(tmp_path: Path) -> None:
    with site(tmp_path, more=SMALL) as acme:
        first, second = acme.install(2)
        first.ask()
        assert second.ask().status is LICENSED


def test_s05_s06_servers_are_refused_at_four_and_activated_at_five(tmp_path: Path) -> None:
    with site(tmp_path) as acme:
        clients, servers = acme.install(30), acme.install(5, SERVER_EDITION)
        assert [machine.ask().status for machine in clients[:3]] == [GRACE] * 3  # clients do not help servers
        assert [machine.ask().status for machine in servers] == [GRACE] * 4 + [LICENSED]


def test_s06_four_servers_and_thirty_clients_activate_a_server_only_under_combined(tmp_path: Path) -> None:
    for profile, expected in (("windows-7", GRACE), ("combined", LICENSED)):
        with site(tmp_path / profile, profile=profile) as acme:
            for machine in acme.install(30) + acme.install(3, SERVER_EDITION):
                machine.ask()
            [server] = acme.install(1, SERVER_EDITION)
            assert server.ask().status is expected, profile


@pytest.mark.parametrize("one_more", ["client", "server"])
def test_s07_five_servers_and_nineteen_clients_need_one_more_of_either_kind(tmp_path: Path, one_more: str) -> None:
    with site(tmp_path) as acme:
        for machine in acme.install(5, SERVER_EDITION):
            machine.ask()
        clients = acme.install(19)
        assert {machine.ask().status for machine in clients} == {GRACE}
        assert clients[-1].client.status().count == 24
        [extra] = acme.install(1, SERVER_EDITION) if one_more == "server" else acme.install(1)
        assert extra.ask().status is LICENSED
        assert clients[0].ask().status is LICENSED


def test_s08_s16_s17_the_count_follows_distinct_machines_and_every_request_renews(tmp_path: Path) -> None:
    with site(tmp_path) as acme:
        first, second = acme.install(2)
        for _ in range(3):
            first.ask()
        assert acme.count() == 1
        second.ask()
        assert acme.count() == 2
        acme.clock.advance(30 * DAY_S - 1)
        first.ask()  # refused, and counted anew all the same
        acme.clock.advance(1)
        assert acme.count() == 1


def test_s07_s09_s11_the_25th_is_activated_at_once_the_others_within_two_hours(tmp_path: Path) -> None:
    with site(tmp_path) as acme:
        fleet = acme.install(25)
        for machine in fleet[:24]:
            status = machine.ask()
            assert (status.status, status.code, status.usable) == (GRACE, "COUNT_INSUFFICIENT", True)
        assert "24 of 25" in fleet[23].client.status().message
        assert fleet[24].ask().status is LICENSED
        assert fleet[0].client.status().status is GRACE  # nothing happens to them at that moment
        acme.live(fleet, 2 * HOUR_S, 6 * MINUTE_S)
        assert {machine.client.status().status for machine in fleet} == {LICENSED}


def test_s11_a_refused_client_asks_every_two_hours(tmp_path: Path) -> None:
    with site(tmp_path) as acme:
        [lonely] = acme.install(1)
        acme.live([lonely], 2 * DAY_S, MINUTE_S)
        gaps = [after - before for before, after in zip(lonely.tried_s, lonely.tried_s[1:], strict=False)]
        assert len(gaps) >= 22
        assert all(114 * MINUTE_S <= gap <= 121 * MINUTE_S for gap in gaps), gaps


def test_s10_s18_s19_activation_stops_when_machines_lapse(tmp_path: Path) -> None:
    with site(tmp_path, more=SMALL) as acme:
        stays, leaves = acme.install(2)
        stays.ask()
        assert leaves.ask().status is LICENSED
        acme.clock.advance(30 * DAY_S - 1)
        assert acme.count() == 2
        assert stays.ask().status is LICENSED  # its renewal still finds both
        acme.clock.advance(1)
        assert acme.count() == 1
        with pytest.raises(CountInsufficientError):
            stays.client.activate()
        assert stays.client.status().status is LICENSED  # S23: the lease it has goes on
        [newcomer] = acme.install(1)
        assert newcomer.ask().status is LICENSED  # two again


def test_s12_s13_s15_s26_a_lease_lasts_180_days_from_the_last_success(tmp_path: Path) -> None:
    with site(tmp_path, more=SMALL) as acme:
        first, second = acme.install(2)
        first.ask()
        second.ask()
        acme.clock.advance(100 * DAY_S)
        second.ask()
        first.ask()
        second.ask()  # the success that counts
        renewed_s = acme.clock.now_s()
        acme.host.stop()
        assert second.client.status().expires_s == renewed_s + 180 * DAY_S
        acme.clock.advance(180 * DAY_S - 1)
        assert second.client.status().status is LICENSED
        acme.clock.advance(1)
        assert second.ask().status is LicenseStatus.ADDITIONAL_GRACE
        assert second.client.status().usable
        acme.clock.advance(30 * DAY_S)
        assert second.client.status().status is LicenseStatus.NOTIFICATION
        assert not second.client.status().usable


def test_s14_activated_clients_renew_every_seven_days(tmp_path: Path) -> None:
    with site(tmp_path, more=SMALL) as acme:
        fleet = acme.install(2)
        for machine in fleet:
            machine.ask()
        fleet[0].ask()
        acme.live(fleet, 43 * DAY_S, HOUR_S)
        for machine in fleet:
            gaps = [after - before for before, after in zip(machine.tried_s, machine.tried_s[1:], strict=False)]
            assert len(gaps) >= 5
            assert all(6.6 * DAY_S <= gap <= 7 * DAY_S + HOUR_S for gap in gaps), gaps


def test_s20_to_s25_the_story_of_25_and_23(tmp_path: Path) -> None:
    with site(tmp_path) as acme:
        fleet = acme.install(25)
        for machine in fleet + fleet:
            machine.ask()
        acme.live(fleet, 10 * DAY_S, 12 * HOUR_S)
        assert acme.count() == 25
        stayed = fleet[:23]
        acme.live(stayed, 30 * DAY_S, 12 * HOUR_S)  # two are gone; within 30 days of their last request both lapse
        assert acme.count() == 23
        acme.live(stayed, 6 * DAY_S, 12 * HOUR_S)
        acme.live(stayed, 12 * HOUR_S, 2 * HOUR_S)
        for machine in stayed:
            status = machine.client.status()
            assert status.code == "COUNT_INSUFFICIENT"  # S21
            assert status.status is LICENSED  # S23
            assert status.next_attempt_s - acme.clock.now_s() <= 2 * HOUR_S  # S22
        failures = [event for event in acme.host.administration.events(12290, limit=30) if event["code"]]
        assert failures  # S24
        assert failures[-1]["code"] == "COUNT_INSUFFICIENT"
        newcomers = acme.install(2)
        for machine in newcomers:
            machine.ask()
        everybody = stayed + newcomers
        acme.live(everybody, 4 * HOUR_S, HOUR_S)
        for machine in everybody:  # S25: back to normal, and to seven days, with no action
            status = machine.client.status()
            assert (status.status, status.code) == (LICENSED, None)
            assert status.next_attempt_s - acme.clock.now_s() > 6 * DAY_S


def test_s33_one_port_1688_by_default(tmp_path: Path) -> None:
    assert Settings().port == 1688
    with site(tmp_path, more=SMALL) as acme:  # all that a client needs goes through that one port
        first, second = acme.install(2)
        first.ask()
        assert second.ask().host == f"127.0.0.1:{acme.host.port}"


def test_a_second_host_of_the_same_key_is_its_own_host(tmp_path: Path) -> None:
    with site(tmp_path, more=SMALL) as acme:
        other = StatePaths(tmp_path / "other")
        with Administration.init(
            other, acme.product.read_text(), acme.trust.read_bytes(), acme.clock, SeededEntropy(99)
        ) as host:
            foreign = acme.host.administration.keyring.paths.root / "host.cert"
            with pytest.raises(QuorateError):
                host.activate(foreign.read_text())
