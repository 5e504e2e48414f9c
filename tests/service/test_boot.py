"""The services where they belong: under a systemd that is PID 1, from the socket's first connection to the removal."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.service.boot import _why_nothing_boots, booted, need_boot

KEPT_BY_SERVICE = {"host.key", "product.key", "host.cert", "host.db", "host.db-wal", "host.db-shm", "requests"}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an administrator saw inside; one boot for all tests."""
    findings = booted(tmp_path_factory.mktemp("boot"))
    assert "fault" not in findings, f"{findings['fault']}\n{findings['journal']}"
    return findings


def uids(owners: list[list[Any]]) -> set[int]:
    return {uid for _, uid in owners}


def names(owners: list[list[Any]]) -> set[str]:
    return {name for name, _ in owners}


def test_the_first_client_starts_the_host_through_its_socket(found: dict[str, Any]) -> None:
    assert found["installed"]["ran"] == ["systemctl daemon-reload"]
    assert found["before"]["ActiveState"] == "inactive"
    assert found["activated"]["status"] == "licensed"
    assert found["running"]["ActiveState"] == "active"
    assert found["running"]["StatusText"].startswith("activated; clients on TCP port 1688")
    assert found["clients"]["address"] == "127.0.0.1", "an IPv6 socket says ::ffff:127.0.0.1; that is not for people"
    assert "quorate_" in found["metrics"]


def test_a_dynamic_user_takes_over_what_root_had_made(found: dict[str, Any]) -> None:
    assert 61_184 <= found["uid"] <= 65_519, "systemd's range of dynamic users"
    assert found["link"] == "../private/quorate/host"
    assert uids(found["owners"]) == {found["uid"]}
    assert names(found["owners"]) >= KEPT_BY_SERVICE


def test_roots_commands_leave_the_running_service_its_files(found: dict[str, Any]) -> None:
    assert uids(found["owners_after_root"]) == {found["uid"]}
    assert any(name.endswith(".req") for name in names(found["owners_after_root"])), "root made a request"
    assert found["asked_again"]["status"] == "licensed"
    interval_min = (found["asked_again"]["next_attempt_s"] - found["asked_again"]["last_attempt_s"]) / 60
    assert interval_min <= 5000, "the interval that root set is used"


def test_the_service_has_its_secret_and_root_can_name_it(found: dict[str, Any]) -> None:
    assert found["credential"].startswith("hmac-sha256:kms-update:")


def test_the_service_serves_administration_with_the_certificate_that_it_is_handed(found: dict[str, Any]) -> None:
    assert found["admin_set"] == {"admin-address": "127.0.0.2"}
    assert found["admin_served"]
    [check] = [check for check in found["admin_ready"]["checks"] if check["name"] == "admin-tls"]
    assert check["ok"], check


def test_the_priority_can_be_lowered_and_raised_again(found: dict[str, Any]) -> None:
    assert found["nice_low"]
    assert found.get("nice_normal", True), "where the container may set LimitNICE= it works"


def test_a_reload_reads_anew_in_the_same_process(found: dict[str, Any]) -> None:
    assert found["reloaded"]
    assert found["after_reload"]["ActiveState"] == "active"
    assert found["after_reload"]["MainPID"] == found["running"]["MainPID"]
    assert "Reloaded quorate-host.service" in found["journal"]


def test_the_watchdog_hears_pulses_and_ends_a_host_that_gives_none(found: dict[str, Any]) -> None:
    assert found["after_pulses"]["NRestarts"] == "0"
    assert found["after_pulses"]["MainPID"] == found["running"]["MainPID"]
    assert found["restarted"]
    assert "Watchdog timeout" in found["journal"]
    assert found["answer_after_restart"]["status"] == "licensed", "the socket was open all the time"


def test_stop_is_clean_and_the_service_runs_without_its_socket_too(found: dict[str, Any]) -> None:
    stopped = found["stopped"]
    assert (stopped["ActiveState"], stopped["Result"], stopped["ExecMainStatus"]) == ("inactive", "success", "0")
    assert found["alone"]["ActiveState"] == "active"
    assert found["answer_alone"]["status"] == "licensed"


def test_a_socket_is_put_before_a_running_service_by_the_commands_that_are_told(found: dict[str, Any]) -> None:
    assert found["socket_later"]["ActiveState"] == "active"
    assert found["answer_later"]["status"] == "licensed"


def test_the_administrators_file_is_used_after_a_reload(found: dict[str, Any]) -> None:
    assert found["file_checked"] == {
        "file": "/etc/quorate/host.toml",
        "ok": True,
        "settings": ["activation-interval"],
        "problems": [],
        "notes": [],
    }
    assert found["before_file"] == [120, None]
    assert found["after_file"] == [77, "/etc/quorate/host.toml:1"]
    assert found["client_reloaded"]


def test_s24_every_event_is_in_the_journal_under_its_own_fields(found: dict[str, Any]) -> None:
    assert found["exported"]
    entry = found["entry"]
    assert (entry["QUORATE_EVENT_ID"], entry["PRIORITY"]) == ("12290", "6")
    assert entry["_SYSTEMD_UNIT"] == "quorate-host.service"
    assert entry["MESSAGE"].startswith("activation request handled: 0x0,")
    assert entry["MESSAGE_ID"] == "9d1f4b0c6e8a4f73b25c000000003002"
    assert entry["QUORATE_ADDRESS"] == "127.0.0.1"
    assert int(entry["QUORATE_NUMBER"]) > 1
    assert found["by_syslog"]


def test_a_host_that_stops_leaves_its_last_checkpoint_in_the_journal(found: dict[str, Any]) -> None:
    assert found["verified"]["whole"]
    assert json.loads(found["lines"][-1])["checkpoint_of"] == found["verified"]["sealed_to"]
    assert found["checkpoints"][-1] == str(found["verified"]["sealed_to"]) == str(found["verified"]["last"])


def test_the_agent_keeps_a_license_that_every_user_can_read(found: dict[str, Any]) -> None:
    assert found["client_licensed"]
    assert found["client_user"] == "quorate-client"
    assert "acme-cad: licensed" in found["client_running"]["StatusText"]
    assert uids(found["client_owners"]) == {found["client_uid"]}, "root's own attempt included"
    assert found["client_seen_by_nobody"]["status"] == "licensed"
    assert found["client_stopped"]["Result"] == "success"


def test_removal_leaves_the_state_and_nothing_else(found: dict[str, Any]) -> None:
    assert len(found["removed"]["removed"]) == 2
    assert len(found["client_removed"]["removed"]) == 1
    assert found["units_left"].strip() == ""
    assert found["state_left"]


def test_nothing_went_wrong_on_the_way(found: dict[str, Any]) -> None:
    assert "Traceback" not in found["journal"]
    assert "[error" not in found["journal"]


def test_where_systemd_cannot_boot_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As inside another container, whose own says no."""
    (tmp_path / "systemd-nspawn").write_text(
        "#!/bin/sh\necho starting\necho 'Failed to mount cgroup: not permitted'\nexit 1\n"
    )
    (tmp_path / "systemd-nspawn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("tests.service.boot.need_root", lambda: None)
    _why_nothing_boots.cache_clear()
    try:
        monkeypatch.setenv("CI", "true")
        with pytest.raises(pytest.fail.Exception) as failed:
            need_boot()
        monkeypatch.delenv("CI")
        with pytest.raises(pytest.skip.Exception) as skipped:
            need_boot()
    finally:
        _why_nothing_boots.cache_clear()
    for told in (str(failed.value), str(skipped.value)):
        assert "systemd does not boot in a container here (Failed to mount cgroup: not permitted)" in told
        assert "docker run --privileged" in told
        assert "\n" not in told
