"""A client below the threshold, against a real KMS host: renewed by the publisher's soft threshold, and told so."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate import Client
from quorate.core.policy import DAY_S, Policy, SoftThreshold, Threshold, Thresholds
from quorate.core.trust import utc_text
from quorate.errors import CountInsufficientError, LeaseInvalidError
from tests.client.parties import Installation, scripted
from tests.support.clocks import START_S, ManualClock
from tests.support.documents import World
from tests.support.hosting import Hosted, hosting

SOFT = SoftThreshold(1, 20 * DAY_S)


def two(soft: SoftThreshold | None = SOFT) -> World:
    """A product whose clients are activated from two machines on, and renewed down to one."""
    counts = Policy().thresholds.client.counts
    client = Threshold(2, counts) if soft is None else Threshold(2, counts, soft)
    thresholds = Thresholds(server=Policy().thresholds.server, client=client, ephemeral=client)
    return World(policy=Policy(profile="two", thresholds=thresholds))


def alone(tmp_path: Path, host: Hosted) -> tuple[Installation, Client]:
    """An activated client whose only companion has just lapsed; its last renewal at the full count is 5 days ago."""
    host.activate(77)
    here = Installation(tmp_path / "pc", host.world, host.clock)
    client = here.client(host)
    client.activate()
    assert client.status().code is None
    host.clock.advance(25 * DAY_S)
    client.activate()
    host.clock.advance(5 * DAY_S)
    return here, client


def test_below_the_threshold_it_is_renewed_licensed_usable_and_warned(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        here, client = alone(tmp_path, host)
        status = client.activate()
        until = utc_text(START_S + 45 * DAY_S)
        assert (status.status, status.usable, status.code) == ("licensed", True, "COUNT_BELOW_THRESHOLD")
        assert (status.count, status.threshold) == (1, 2)
        assert status.message == f"renewed although the activation count is only 1 of 2; until {until} that goes on"
        assert "1 more machine must contact" in status.hint
        assert status.expires_s == host.clock.now_s() + 180 * DAY_S
        assert here.client().status() == status  # read back from disk, by another process
        received = here.events()[-1]
        assert (received["event_id"], received["code"], received["activated"]) == (12289, None, True)
        assert (received["count"], received["threshold"], received["soft_until_s"]) == (1, 2, START_S + 45 * DAY_S)
        assert "soft_until_s" not in here.events()[1]
        [handled] = host.administration.events(12290, limit=1)
        assert (handled["code"], handled["soft_until_s"]) == (None, START_S + 45 * DAY_S)
        [row] = host.administration.clients(here.client().status().cmid)
        assert row.flags == ("soft",)
        host.activate(78)
        client.activate()
        [row] = host.administration.clients(here.client().status().cmid)
        assert row.flags == ()


def test_when_its_time_is_over_it_is_refused_and_stays_licensed_and_a_second_machine_mends_it(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        _, client = alone(tmp_path, host)
        for _ in range(2):
            client.activate()
            host.clock.advance(7 * DAY_S)
        expires_s = client.status().expires_s
        host.clock.advance(DAY_S)  # 20 days after the last renewal at the full count
        with pytest.raises(CountInsufficientError, match="1 of 2"):
            client.activate()
        status = client.status()
        assert (status.status, status.usable, status.code) == ("licensed", True, "COUNT_INSUFFICIENT")
        assert status.expires_s == expires_s
        host.activate(78)
        status = client.activate()
        assert (status.code, status.count) == (None, 2)


def test_a_new_machine_is_refused_where_an_activated_one_is_renewed(tmp_path: Path) -> None:
    world = two(SoftThreshold(1, 40 * DAY_S))
    with hosting(tmp_path, world) as host:
        _, client = alone(tmp_path, host)
        assert client.activate().code == "COUNT_BELOW_THRESHOLD"
        host.clock.advance(30 * DAY_S - 1)
        newcomer = Installation(tmp_path / "new", world, host.clock).client(host)
        assert newcomer.status().status == "initial_grace"
        host.clock.advance(1)  # nobody else is counted any more
        with pytest.raises(CountInsufficientError, match="1 of 2"):
            newcomer.activate()


def test_a_rearmed_machine_starts_as_a_new_one(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        _, client = alone(tmp_path, host)
        client.activate()
        client.rearm()
        with pytest.raises(CountInsufficientError):
            client.activate()


def test_a_host_that_grants_more_than_the_policy_is_not_believed_and_the_lease_stays(tmp_path: Path) -> None:
    clock = ManualClock()
    world = two(None)  # this product file has no soft threshold
    here = Installation(tmp_path / "pc", world, clock)
    with scripted(world, clock) as host:
        client = here.client(host)
        client.activate()
        before = client.status()
        clock.advance(7 * DAY_S)
        host.script = lambda request: host.say(host.lease(request, count=1, threshold=2, full_s=START_S))
        with pytest.raises(LeaseInvalidError, match="soft threshold does not allow"):
            client.activate()
        status = client.status()
        assert (status.status, status.usable, status.expires_s) == ("licensed", True, before.expires_s)
        assert status.code == "LEASE_INVALID"
