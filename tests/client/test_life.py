"""A client's life against a real KMS host, with a clock that is moved: BEHAVIOUR S9, S11 to S15, S23 to S26."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from quorate import Client, Status
from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S, HOUR_S, Policy, Threshold, Thresholds
from quorate.errors import CountInsufficientError, HostUnreachableError
from tests.client.parties import Installation, closed_port
from tests.support.clocks import START_S
from tests.support.documents import World
from tests.support.hosting import Hosted, hosting

VALIDITY_S = 180 * DAY_S


def two(**changes: object) -> World:
    """A product whose clients are activated from two machines on."""
    client = Threshold(2, Policy().thresholds.client.counts)
    thresholds = Thresholds(server=Policy().thresholds.server, client=client, ephemeral=client)
    return World(policy=Policy(profile="two", thresholds=thresholds, **changes))  # type: ignore[arg-type] # by name


def activated(tmp_path: Path, host: Hosted) -> tuple[Installation, Client]:
    """A client of a host that another machine has asked before."""
    host.activate(77)
    here = Installation(tmp_path / "pc", host.world, host.clock)
    client = here.client(host)
    client.activate()
    return here, client


def state_of(status: Status) -> tuple[str, bool]:
    return status.status.value, status.usable


def test_s09_below_the_threshold_the_state_is_unchanged_and_the_count_is_shown(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        client = Installation(tmp_path / "pc", host.world, host.clock).client(host)
        before = client.status()
        with pytest.raises(CountInsufficientError, match="activation count 1 of 2"):
            client.activate()
        after = client.status()
        assert (after.status, after.expires_s, after.usable) == (before.status, before.expires_s, True)
        assert (after.code, after.count, after.threshold) == ("COUNT_INSUFFICIENT", 1, 2)
        assert "1 more machine" in after.hint


def test_s11_a_refused_client_asks_again_every_two_hours(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        client = Installation(tmp_path / "pc", host.world, host.clock).client(host)
        asked_s = []
        for _ in range(6):
            status = client.renew_if_due()
            asked_s.append(status.last_attempt_s or 0)
            host.clock.advance(status.next_attempt_s - host.clock.now_s() - 1)
            assert client.renew_if_due().last_attempt_s == asked_s[-1]  # a second too early: nobody is asked
            host.clock.advance(1)
        gaps = [later - earlier for earlier, later in itertools.pairwise(asked_s)]
        assert all(0.95 * 2 * HOUR_S <= gap <= 2 * HOUR_S for gap in gaps), gaps
        assert len(set(gaps)) > 1  # jittered: machines refused together do not come back together


def test_s12_licensed_until_the_last_second_of_180_days(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        _, client = activated(tmp_path, host)
        assert client.status().expires_s == START_S + VALIDITY_S
        host.clock.advance(VALIDITY_S - 1)
        assert state_of(client.status()) == ("licensed", True)


def test_s13_after_180_days_without_success_additional_grace_then_notification(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        here, client = activated(tmp_path, host)
    host.clock.advance(VALIDITY_S)
    status = here.client(seed=2).status()  # another process, which knows only the file
    assert state_of(status) == state_of(client.status()) == ("additional_grace", True)
    assert status.code == "LEASE_EXPIRED"
    assert "30 days of additional grace" in status.message
    host.clock.advance(30 * DAY_S - 1)
    assert state_of(client.status()) == ("additional_grace", True)
    host.clock.advance(1)
    status = client.status()
    assert state_of(status) == ("notification", False)
    assert (status.code, status.expires_s) == ("GRACE_EXPIRED", None)


def test_s14_an_activated_client_renews_every_seven_days(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        _, client = activated(tmp_path, host)
        for _ in range(4):
            host.activate(77)
            wait_s = client.status().next_attempt_s - host.clock.now_s()
            assert 0.95 * 7 * DAY_S <= wait_s <= 7 * DAY_S
            host.clock.advance(wait_s)
            assert client.renew_if_due().last_attempt_s == host.clock.now_s()
            assert client.status().code is None


def test_s15_a_success_resets_the_180_days(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        _, client = activated(tmp_path, host)
        host.clock.advance(100 * DAY_S)
        host.activate(77)
        assert client.renew_if_due().expires_s == START_S + 100 * DAY_S + VALIDITY_S


def test_s15_one_success_leads_from_notification_straight_to_licensed(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        _, client = activated(tmp_path, host)
        host.clock.advance(VALIDITY_S + 31 * DAY_S)
        assert client.status().status is LicenseStatus.NOTIFICATION
        host.activate(77)
        assert state_of(client.activate()) == ("licensed", True)


def test_s23_refused_renewals_leave_the_lease_running_and_come_every_two_hours(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        _, client = activated(tmp_path, host)
        host.clock.advance(31 * DAY_S)  # the other machine's record has lapsed
        for _ in range(3):
            status = client.renew_if_due()
            assert state_of(status) == ("licensed", True)
            assert (status.code, status.count) == ("COUNT_INSUFFICIENT", 1)
            wait_s = status.next_attempt_s - host.clock.now_s()
            assert wait_s <= 2 * HOUR_S
            host.clock.advance(wait_s)
        host.activate(77)  # S25: another machine comes, and all is as before, with no action here
        status = client.renew_if_due()
        assert status.code is None
        assert status.next_attempt_s - host.clock.now_s() > 6 * DAY_S


def test_s24_every_attempt_and_every_failure_is_in_the_event_log(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        here = Installation(tmp_path / "pc", host.world, host.clock)
        client = here.client(host)
        with pytest.raises(CountInsufficientError):
            client.activate()
        host.activate(77)
        client.activate()
    client.set_host(f"127.0.0.1:{closed_port()}")
    with pytest.raises(HostUnreachableError):
        client.activate()
    told = [(event["event_id"], event["code"]) for event in here.events()]
    assert told == [
        (12288, None),
        (12289, "COUNT_INSUFFICIENT"),
        (12288, None),
        (12289, None),
        (12288, "HOST_UNREACHABLE"),
    ]
    assert here.events()[1]["hresult"] == 0xC004F038


def test_s26_nothing_permanent_is_ever_granted(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        _, client = activated(tmp_path, host)
        for _ in range(3):
            host.clock.advance(7 * DAY_S)
            host.activate(77)
            status = client.renew_if_due()
            assert status.expires_s == host.clock.now_s() + VALIDITY_S


def test_the_hosts_intervals_are_adopted_with_a_refusal_too(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        with host.noticing():
            host.administration.set_settings({"activation-interval": "30", "renewal-interval": "1440"})
        client = Installation(tmp_path / "pc", host.world, host.clock).client(host)
        with pytest.raises(CountInsufficientError):
            client.activate()
        assert client.status().next_attempt_s - host.clock.now_s() <= 30 * 60
        host.activate(77)
        client.activate()
        assert client.status().next_attempt_s - host.clock.now_s() <= DAY_S


def test_a_rearm_takes_a_new_cmid_and_the_host_replaces_the_record(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        here, client = activated(tmp_path, host)
        old = client.status().cmid
        status = client.rearm()
        assert status.cmid != old
        assert state_of(status) == ("initial_grace", True)
        client.activate()
        known = {each.cmid for each in host.administration.clients()}
        assert status.cmid in known
        assert old not in known
    assert here.read()["previous_cmid"] is None  # the host has heard of it: it is said no more
