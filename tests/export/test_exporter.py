"""One target kept up with the log: in order, from where it was, whatever happens between."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quorate.core.events import ExportChanged, HostEvent
from quorate.core.policy import DAY_S
from quorate.host.config import Settings
from quorate.host.export.service import EventExport
from quorate.host.store.checkpoints import seal
from quorate.host.store.housekeeping import Retention, trim_events_step
from tests.export.receivers import BOUND_S, JournalSocket, TcpServer, UdpServer, closed_port
from tests.store.world import SIGNER, Site
from tests.support.waiting import until


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "host.sqlite3")
    yield made
    made.store.close()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of a second and more are for people."""
    monkeypatch.setattr("quorate.host.export.exporter.LOOK_S", 0.02)
    monkeypatch.setattr("quorate.host.export.exporter.RETRY_S", (0.02,))


@contextmanager
def exporting(
    site: Site, record: Callable[[HostEvent], object] | None = None, journal: Path = Path("none"), **settings: object
) -> Iterator[EventExport]:
    """The export of a running host."""
    export = EventExport(site.store, site.clock, record or site.store.record, "kms", journal=journal, dev_log=journal)
    export.adopt(Settings(**settings))  # type: ignore[arg-type]
    try:
        yield export
    finally:
        assert export.stop(BOUND_S)


def is_known(site: Site, name: str) -> bool:
    return f"export-place:{name}" in site.store.settings()


def lines(path: Path) -> list[dict[str, object]]:
    """Those that are written to their end: another thread writes them meanwhile."""
    whole, _, _ = path.read_bytes().rpartition(b"\n") if path.exists() else (b"", b"", b"")
    return [json.loads(line) for line in whole.splitlines()]


def events_in(path: Path) -> list[object]:
    return [line["id"] for line in lines(path) if "id" in line]


def test_a_new_target_begins_with_the_newest_event_and_gets_all_later_ones(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    site.ask_all(range(10))
    with exporting(site, export_file=str(path)):
        until(lambda: is_known(site, f"file {path}"), "the beginning")
        site.ask_all(range(2500))
        until(lambda: len(lines(path)) == 2501, "all events")
        site.ask(1)
    assert events_in(path) == list(range(10, 2512))  # the last one at the stop


def test_a_restart_goes_on_where_it_was(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with exporting(site, export_file=str(path)):
        until(lambda: is_known(site, f"file {path}"), "the beginning")
        site.ask_all(range(5))
    site.ask_all(range(5))  # by a command, say, while the host is down
    with exporting(site, export_file=str(path)):
        site.ask_all(range(5))
    assert events_in(path) == list(range(1, 16))


def test_checkpoints_go_out_with_the_events_they_vouch_for(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with exporting(site, export_file=str(path)):
        until(lambda: is_known(site, f"file {path}"), "the beginning")
        site.ask_all(range(3))
        until(lambda: len(lines(path)) == 3, "three events")
        made = seal(site.store.database, SIGNER, 1_800_000_007)
        until(lambda: len(lines(path)) == 4, "the checkpoint")
        site.ask_all(range(2))
        seal(site.store.database, SIGNER, 1_800_000_008)
    shown = lines(path)
    assert made is not None
    assert [line.get("checkpoint_of", line.get("id")) for line in shown] == [1, 2, 3, 3, 4, 5, 5]
    assert (shown[3]["checkpoint"], shown[3]["time_s"]) == (made.token, 1_800_000_007)


def test_a_server_that_is_away_gets_everything_when_it_is_back_and_both_are_told(site: Site) -> None:
    told: list[HostEvent] = []
    with (
        closed_port(socket.SOCK_STREAM) as port,
        exporting(site, told.append, export_syslog=f"tcp://127.0.0.1:{port}") as export,
    ):
        name = f"syslog tcp://127.0.0.1:{port}"
        until(lambda: is_known(site, name), "the beginning")
        site.ask_all(range(30))
        until(lambda: bool(export.faults()), "the fault")
        assert export.faults() == [f"events cannot be handed to {name}: Connection refused"]
        until(lambda: len(told) == 1, "event 12317")
        site.ask_all(range(30))  # nobody waits for it
        site.clock.advance(601)
        with TcpServer(wanted_port=port) as back:
            until(lambda: len(back.raw) == 60, "all events")
            assert back.numbers == list(range(1, 61))
            until(lambda: not export.faults(), "that it works")
            until(lambda: len(told) == 2, "the other event 12317")
    first, second = told
    assert isinstance(first, ExportChanged)
    assert isinstance(second, ExportChanged)
    assert (first.code, first.target) == ("EVENT_EXPORT_FAILED", name)
    assert (second.code, second.message) == (None, "events are handed on again")


def test_a_target_that_comes_and_goes_fills_no_log(site: Site, tmp_path: Path) -> None:
    told: list[HostEvent] = []
    path = tmp_path / "folder" / "out.jsonl"
    with exporting(site, told.append, export_file=str(path)) as export:
        until(lambda: is_known(site, f"file {path}"), "the beginning")
        for turn in range(5):
            site.ask(turn)
            until(lambda: bool(export.faults()), "the fault")
            path.parent.mkdir()
            until(lambda: not export.faults(), "that it works")
            path.rename(tmp_path / f"kept-{turn}")
            path.parent.rmdir()
    assert len(told) == 1


def test_a_target_that_does_not_work_shows_at_once_and_not_at_the_next_event(site: Site, tmp_path: Path) -> None:
    site.ask(1)
    with exporting(site, export_journald=True, journal=tmp_path / "none") as export:
        until(lambda: bool(export.faults()), "the fault")
        assert "No such file or directory" in export.faults()[0]


def test_two_targets_do_not_wait_for_each_other(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with exporting(site, export_file=str(path), export_journald=True, journal=tmp_path / "none") as export:
        until(lambda: is_known(site, f"file {path}") and is_known(site, "journald"), "the beginning")
        site.ask_all(range(20))
        until(lambda: len(events_in(path)) >= 20, "the file")
        until(lambda: len(export.faults()) == 1, "the journal's fault")
    assert events_in(path)[:20] == list(range(1, 21))


def test_the_journal_and_a_udp_server_get_the_same_events(site: Site, tmp_path: Path) -> None:
    with JournalSocket(path=tmp_path / "socket") as journal, UdpServer() as server:
        with exporting(
            site, export_journald=True, journal=tmp_path / "socket", export_syslog=f"udp://127.0.0.1:{server.port}"
        ):
            name = f"syslog udp://127.0.0.1:{server.port}"
            until(lambda: is_known(site, "journald") and is_known(site, name), "the beginning")
            site.ask_all(range(20))
        until(lambda: len(server.raw) == 20 and len(journal.raw) == 20, "all of them")
        assert server.numbers == [int(entry["QUORATE_NUMBER"]) for entry in journal.entries] == list(range(1, 21))
        assert journal.entries[0]["QUORATE_EVENT_ID"] == "12290"


def test_syslogs_local_socket_gets_the_form_of_syslog(site: Site, tmp_path: Path) -> None:
    with JournalSocket(path=tmp_path / "log") as dev_log:
        with exporting(site, export_syslog="local", journal=tmp_path / "log"):
            until(lambda: is_known(site, "syslog local"), "the beginning")
            site.ask_all(range(3))
        until(lambda: len(dev_log.raw) == 3, "all of them")
        assert dev_log.numbers == [1, 2, 3]


def test_a_target_that_is_turned_off_and_on_begins_anew(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with exporting(site, export_file=str(path)) as export:
        until(lambda: is_known(site, f"file {path}"), "the beginning")
        site.ask(1)
        export.adopt(Settings())
        assert export.targets() == []
        until(lambda: not is_known(site, f"file {path}"), "the end")
        site.ask_all(range(5))
        export.adopt(Settings(export_file=str(path)))
        until(lambda: is_known(site, f"file {path}"), "the new beginning")
        site.ask(2)
    assert events_in(path) == [1, 6, 7]


def test_what_retention_removed_before_it_was_exported_is_said(site: Site, tmp_path: Path) -> None:
    told: list[HostEvent] = []
    path = tmp_path / "folder" / "out.jsonl"
    with exporting(site, told.append, export_file=str(path)) as export:
        until(lambda: is_known(site, f"file {path}"), "the beginning")
        site.ask_all(range(30))
        until(lambda: bool(export.faults()), "the fault")
        while trim_events_step(site.store.database, site.clock.now_s(), Retention(DAY_S, 10, 2**40), SIGNER):
            pass
        path.parent.mkdir()
        until(lambda: len(events_in(path)) == 10, "what is left")
    assert events_in(path) == list(range(21, 31))
    assert any("events 1 to 20 were removed" in getattr(event, "message", "") for event in told)


def test_an_event_that_cannot_be_read_holds_up_no_other(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with exporting(site, export_file=str(path)):
        until(lambda: is_known(site, f"file {path}"), "the beginning")
        with site.store.database.writing() as connection:
            connection.exec_driver_sql(
                "INSERT INTO events (id, time_s, event_id, data, digest) VALUES (1, 1, 12290, 'nonsense', 7)"
            )
        site.ask(1)
    assert [line["code"] for line in lines(path)] == ["EVENT_DAMAGED", "COUNT_INSUFFICIENT"]
