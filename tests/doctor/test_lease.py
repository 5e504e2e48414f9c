"""Causes on this machine itself: its lease, its clock, its disk; and what doctor says when all is well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quorate.core.checkup import Level, cause_of
from quorate.core.policy import DAY_S, HOUR_S
from tests.client.parties import HERE, closed_port
from tests.doctor.patient import Patient, kms, one
from tests.support.clocks import ManualClock
from tests.support.hosting import hosting

# --- this machine's own lease and clock ------------------------------------------------------------------------------


def test_lease_for_another_machine(tmp_path: Path, lone: Patient) -> None:
    with kms(tmp_path, lone):
        lone.client().activate()
        lone.machine = replace(HERE, identity="b" * 32)
        status = lone.status()
        assert (status.code, status.usable) == ("LEASE_WRONG_MACHINE", True)
        cause = lone.cause()
        assert (cause.code, cause.step, cause.level) == ("LEASE_WRONG_MACHINE", "lease", Level.FAIL)
        assert "quorate client activate" in cause.fix
        lone.client().activate()
        assert cause_of(lone.checks()) is None


def test_lease_expired(tmp_path: Path, lone: Patient) -> None:
    with kms(tmp_path, lone):
        lone.client().activate()
        lone.here.clock.advance(181 * DAY_S)
        assert lone.status().code == "LEASE_EXPIRED"
        cause = lone.cause()
        assert (cause.code, cause.step, cause.level) == ("LEASE_EXPIRED", "lease", Level.FAIL)
        lone.here.clock.advance(31 * DAY_S)
        assert lone.status().code == lone.cause().code == "GRACE_EXPIRED"


def test_a_lease_that_expired_because_nobody_is_reached_has_that_as_its_cause(tmp_path: Path, lone: Patient) -> None:
    with kms(tmp_path, lone):
        lone.client().activate()
    lone.here.clock.advance(181 * DAY_S)
    checks = lone.checks()
    cause = cause_of(checks)
    assert cause is not None
    assert cause.code == "HOST_UNREACHABLE"
    assert one(checks, "lease").code == "LEASE_EXPIRED"


def test_clock_turned_back(tmp_path: Path, lone: Patient) -> None:
    host_clock = ManualClock()
    with hosting(tmp_path / "kms", lone.here.world, host_clock) as host:
        lone.client(host).activate()
        lone.here.clock.advance(-10 * DAY_S)
        status = lone.status()
        assert (status.code, status.usable) == ("CLOCK_TURNED_BACK", True)
        cause = lone.cause()
    assert (cause.code, cause.step, cause.level) == ("CLOCK_TURNED_BACK", "clock", Level.FAIL)
    checks = lone.checks()  # the host is gone
    assert "usable for 6 days more" in one(checks, "clock").seen
    assert "quorate client accept-clock" in one(checks, "clock").fix
    assert {check.code for check in checks if check.level is Level.FAIL} == {"HOST_UNREACHABLE", "CLOCK_TURNED_BACK"}


def test_a_clock_that_was_wrong_before_and_is_right_now_needs_one_contact(tmp_path: Path, lone: Patient) -> None:
    with kms(tmp_path, lone):
        lone.here.clock.advance(100 * DAY_S)
        for _ in range(5):  # which is long enough to be confirmed
            lone.status()
            lone.here.clock.advance(HOUR_S)
        lone.here.clock.advance(-100 * DAY_S)
        cause = lone.cause()
        assert (cause.code, "the KMS host's clock agrees with it" in cause.seen) == ("CLOCK_TURNED_BACK", True)
        lone.client().activate()
        assert cause_of(lone.checks()) is None


# --- and when all is well --------------------------------------------------------------------------------------------


def test_all_is_well_and_every_step_says_so_in_order(tmp_path: Path, lone: Patient) -> None:
    with kms(tmp_path, lone):
        lone.client().activate()
        checks = lone.checks()
    assert [check.step for check in checks] == [
        *("dns", "name", "tcp", "protocol", "clock", "chain", "count"),
        *("disk", "certificate", "lease", "attempt"),
    ]
    assert {check.level for check in checks} == {Level.OK}
    assert cause_of(checks) is None


def test_before_the_first_attempt_the_command_that_is_missing_is_named(tmp_path: Path, lone: Patient) -> None:
    with kms(tmp_path, lone):
        cause = lone.cause()
    assert (cause.step, cause.level) == ("lease", Level.WARN)
    assert "quorate client activate" in cause.fix


def test_an_old_failure_that_would_not_come_again_is_told_as_such(tmp_path: Path, lone: Patient) -> None:
    lone.client(closed_port())
    assert lone.failure().code == "HOST_UNREACHABLE"
    with kms(tmp_path, lone):
        check = one(lone.checks(), "attempt")
    assert (check.level, check.code) == (Level.WARN, "HOST_UNREACHABLE")
    assert "Now it would go well" in check.fix


def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, lone: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    lone.client(closed_port())
    folder = lone.here.record.parent

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("quorate.client.checkup.tempfile.TemporaryFile", full)
    check = one(lone.checks(), "disk")
    assert (check.level, check.code) == (Level.FAIL, "FILE_ACCESS")
    assert "No space left" in check.seen
    assert str(folder) in check.fix


def test_doctor_leaves_nothing_behind(tmp_path: Path, lone: Patient) -> None:
    with kms(tmp_path, lone) as host:
        lone.client().activate()
        before = {path.name: path.read_bytes() for path in lone.here.record.parent.iterdir()}
        clients, events = host.administration.clients(), len(host.administration.events())
        lone.checks()
        assert host.administration.clients() == clients
        assert len(host.administration.events()) == events
    assert {path.name: path.read_bytes() for path in lone.here.record.parent.iterdir()} == before
