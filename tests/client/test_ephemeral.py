"""The ephemeral class (containers, CI jobs): a short lease that renews itself, shown apart, and never counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.cli.host.status import status_lines
from quorate.core.checkup import Level
from quorate.core.policy import DAY_S, HOUR_S
from quorate.errors import CountInsufficientError
from tests.client.parties import NOWHERE, Installation
from tests.client.test_soft import two
from tests.doctor.patient import Patient, one
from tests.support.documents import EPHEMERAL_EDITION
from tests.support.hosting import hosting


def test_a_ci_job_lives_by_leases_of_a_day_and_renews_twice_a_day(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        host.activate(1)
        host.activate(2)
        job = Installation(tmp_path / "job", host.world, host.clock)
        client = job.client(host, edition=EPHEMERAL_EDITION)
        status = client.activate()
        assert status.expires_s == host.clock.now_s() + DAY_S
        assert host.clock.now_s() + 11 * HOUR_S <= status.next_attempt_s <= host.clock.now_s() + 12 * HOUR_S
        for _ in range(4):
            host.clock.advance(client.status().next_attempt_s - host.clock.now_s())
            renewed = client.renew_if_due()
            assert (renewed.status, renewed.code, renewed.expires_s) == ("licensed", None, host.clock.now_s() + DAY_S)
        host.clock.advance(DAY_S)
        assert client.status().status == "additional_grace"


def test_jobs_are_shown_apart_and_count_toward_nothing(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        host.activate(1)
        for number in range(10, 30):
            host.activate(number, EPHEMERAL_EDITION)
        status = host.administration.status()
        assert status.machines["acme"] == {"server": 0, "client": 1, "ephemeral": 20}
        assert {name: count.current for name, count in status.counts["acme"].items()} == {
            "server": 0,
            "client": 1,
            "ephemeral": 1,
        }
        assert any("1 client, 20 ephemeral" in line for line in status_lines(status))
        assert {
            each.machine_class for each in host.administration.clients() if each.machine != "pc-0001.contoso.example"
        } == {"ephemeral"}
        newcomer = Installation(tmp_path / "job", host.world, host.clock).client(host, edition=EPHEMERAL_EDITION)
        with pytest.raises(CountInsufficientError, match="1 of 2"):
            newcomer.activate()


def test_doctor_finds_nothing_wrong_with_a_lease_of_a_day(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        host.activate(1)
        host.activate(2)
        job = Installation(tmp_path / "job", host.world, host.clock)
        job.client(host, edition=EPHEMERAL_EDITION).activate()
        patient = Patient(job, network=NOWHERE)
        assert one(patient.checks(), "lease").level is Level.OK
        host.clock.advance(21 * HOUR_S)  # it should have been renewed nine hours ago
        assert one(patient.checks(), "lease").level is Level.WARN
