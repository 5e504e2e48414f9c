"""A running host hands its log on: set while it runs, told in /readyz, and complete at its end."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from quorate.core.policy import DAY_S
from quorate.host.store.verify import verify_log
from tests.export.receivers import TcpServer, closed_port
from tests.support.documents import World
from tests.support.hosting import hosting, running
from tests.support.waiting import until

WORLD = World()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of a second and more are for people."""
    monkeypatch.setattr("quorate.host.export.exporter.LOOK_S", 0.02)
    monkeypatch.setattr("quorate.host.export.exporter.RETRY_S", (0.02,))


def lines(path: Path) -> list[dict[str, Any]]:
    """Those that are written to their end: another thread writes them meanwhile."""
    whole, _, _ = path.read_bytes().rpartition(b"\n") if path.exists() else (b"", b"", b"")
    return [json.loads(line) for line in whole.splitlines()]


def numbers(path: Path) -> list[int]:
    return [line["id"] for line in lines(path) if "id" in line]


def test_all_events_of_a_run_are_in_the_file_the_last_checkpoint_too(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with hosting(tmp_path, WORLD, settings={"export-file": str(path)}) as host:
        place = f"export-place:file {path}"
        until(lambda: place in host.administration._store.settings(), "the beginning")
        for number in range(20):
            host.activate(number)
        clock = host.clock
    first = numbers(path)
    assert first == list(range(first[0], first[0] + 21)), "the newest of before, and those of this run"
    assert lines(path)[-1]["checkpoint_of"] == first[-1]
    with running(tmp_path / "host", WORLD, clock) as host:
        host.activate(1)
    assert numbers(path) == list(range(first[0], first[0] + 22))


def test_a_target_that_is_away_warns_in_readyz_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    with closed_port(socket.SOCK_STREAM) as port, hosting(tmp_path, WORLD) as host:
        with host.noticing():
            host.administration.set_settings({"export-syslog": f"tcp://127.0.0.1:{port}"})
        place = f"export-place:syslog tcp://127.0.0.1:{port}"
        until(lambda: place in host.administration._store.settings(), "the beginning")
        host.activate(1)

        def check() -> dict[str, Any]:
            reply = host.admin("/readyz")
            assert reply.status == 200
            [found] = [each for each in reply.json["checks"] if each["name"] == "export"]
            return dict(found)

        until(lambda: not check()["ok"], "the warning")
        assert "Connection refused" in check()["reason"]
        assert check()["required"] is False
        until(lambda: bool(host.administration.events(12317)), "the event")
        [told] = host.administration.events(12317)
        assert (told["level"], told["code"]) == ("error", "EVENT_EXPORT_FAILED")
        with TcpServer(wanted_port=port) as back:
            until(lambda: check()["ok"], "the end of the warning")
            until(lambda: len(back.numbers) >= 2, "the events")
            assert back.numbers == list(range(back.numbers[0], back.numbers[0] + len(back.numbers)))


def test_a_host_whose_log_is_cut_while_it_runs_notices_at_the_next_checkpoint(tmp_path: Path) -> None:
    with hosting(tmp_path, WORLD) as host:
        host.activate(1)
        database = host.administration._store.database

        def check() -> dict[str, Any]:
            [found] = [each for each in host.admin("/readyz").json["checks"] if each["name"] == "events"]
            return dict(found)

        host.clock.advance(3601)
        newest = host.administration.events(limit=1)[0]["id"]
        sealed = "SELECT max(number) FROM event_checkpoints"

        def is_sealed() -> bool:
            with database.reading() as connection:
                return bool(connection.exec_driver_sql(sealed).scalar() == newest)

        until(is_sealed, "the hour's checkpoint")
        assert check()["ok"]
        with database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM events WHERE id = ?", (newest,))
        host.clock.advance(3601)
        until(lambda: not check()["ok"], "the warning")
        assert check()["reason"] == f"the event log has lost the events from {newest} on: quorate host events verify"
        assert host.admin("/readyz").status == 200


def test_a_host_vouches_for_its_log_by_itself_and_retention_leaves_it_whole(tmp_path: Path) -> None:
    with hosting(tmp_path, WORLD, settings={"event-days": "1"}) as host:
        for number in range(5):
            host.activate(number)
        host.clock.advance(DAY_S)
        host.activate(6)
        administration = host.administration
        until(lambda: len(administration.events(12290)) == 1, "housekeeping")
        host.clock.advance(3601)  # the hour's checkpoint may have come before the last event, or after it
        keyring, database = administration.keyring, administration._store.database
        keys = keyring.signing_key().verify_keys()
        until(
            lambda: verify_log(database, keyring.host_id, keys).sealed_to == administration.events(limit=1)[0]["id"],
            "the next checkpoint",
        )
        verdict = verify_log(database, keyring.host_id, keys)
        assert verdict.finding is None
        assert 2 <= verdict.checkpoints <= 3, "what retention left, and those of the hours since"
        assert verdict.first is not None
        assert verdict.first > 1
