"""Targets over real files and sockets: what has arrived when `send` returns, and what is said when it cannot."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest

from quorate.core.events import PublicationFailed
from quorate.host.export.forms import Exported, event
from quorate.host.export.targets import FILES_KEPT, Datagrams, FileTarget, TcpSyslog
from quorate.host.store.reports import StoredEvent
from tests.export.receivers import JournalSocket, TcpServer, UdpServer, closed_port
from tests.support.waiting import until


def given(first: int, last: int, message: str = "no") -> list[Exported]:
    failed = PublicationFailed(time_s=1, code="X", domain="example.org", message=message)
    return [event(StoredEvent(number, failed), bytes(32)) for number in range(first, last + 1)]


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["id"] for line in path.read_bytes().splitlines()]


# --- file ------------------------------------------------------------------------------------------------------------


def test_a_file_has_every_event_on_a_line_of_its_own_and_is_for_its_owner_only(tmp_path: Path) -> None:
    target = FileTarget(tmp_path / "events.jsonl", 10**6)
    target.send(given(1, 5))
    target.send(given(6, 7))
    assert numbers(tmp_path / "events.jsonl") == list(range(1, 8))
    assert (tmp_path / "events.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_full_file_becomes_the_first_of_nine(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    target = FileTarget(path, 1000)
    for number in range(1, 100):
        target.send(given(number, number))
    older = [path.with_name(f"events.jsonl.{n}") for n in range(FILES_KEPT, 0, -1)]
    assert sorted(each.name for each in tmp_path.iterdir() if each != path) == sorted(each.name for each in older)
    kept = [number for each in (*older, path) if each.exists() for number in numbers(each)]
    assert kept == list(range(kept[0], 100))
    assert kept[0] > 1
    assert all(each.stat().st_size < 2000 for each in older)


def test_a_line_that_a_power_cut_left_unfinished_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    target = FileTarget(path, 10**6)
    target.send(given(1, 1))
    path.write_bytes(path.read_bytes() + b'{"id":2,"ev')
    target.send(given(2, 3))
    lines = path.read_bytes().splitlines()
    assert [json.loads(line)["id"] for line in (lines[0], *lines[2:])] == [1, 2, 3]


def test_a_file_that_was_moved_away_is_made_again(tmp_path: Path) -> None:
    target = FileTarget(tmp_path / "events.jsonl", 10**6)
    target.send(given(1, 1))
    (tmp_path / "events.jsonl").rename(tmp_path / "taken")
    target.send(given(2, 2))
    assert (numbers(tmp_path / "taken"), numbers(tmp_path / "events.jsonl")) == ([1], [2])


def test_a_link_is_not_followed_and_a_missing_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        FileTarget(tmp_path / "link", 10**6).send(given(1, 1))
    with pytest.raises(OSError, match="No such file"):
        FileTarget(tmp_path / "nowhere" / "file", 10**6).send(given(1, 1))
    assert (tmp_path / "elsewhere").read_bytes() == b""


@pytest.mark.parametrize("content", [b"SQLite format 3\0", b"#!/bin/sh\n", b"[1]\n"])
def test_a_file_of_another_kind_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "host.db").write_bytes(content)
    with pytest.raises(OSError, match="something else than exported events"):
        FileTarget(tmp_path / "host.db", 10**6).send(given(1, 1))
    assert (tmp_path / "host.db").read_bytes() == content


def test_what_is_no_file_is_refused_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/null")):
        with pytest.raises(OSError, match=r"something else|Is a directory"):
            FileTarget(path, 10**6).send(given(1, 1))


# --- datagrams -------------------------------------------------------------------------------------------------------


def test_a_syslog_server_gets_every_event_by_udp() -> None:
    with UdpServer() as server:
        target = Datagrams(("127.0.0.1", server.port), "kms")
        target.send(given(1, 50))
        until(lambda: len(server.raw) == 50, "fifty datagrams")
        target.close()
        assert server.numbers == list(range(1, 51))


def test_a_closed_udp_port_is_told_at_the_second_try() -> None:
    def send_on(target: Datagrams) -> None:
        end = threading.Event()
        for _ in range(1000):
            target.send(given(1, 1))
            end.wait(0.01)

    with closed_port(socket.SOCK_DGRAM) as port:
        target = Datagrams(("127.0.0.1", port), "kms")
        with pytest.raises(ConnectionRefusedError):
            send_on(target)
        target.close()


def test_a_name_that_does_not_exist_is_an_os_error_with_words() -> None:
    with pytest.raises(OSError, match=r"\w"):
        Datagrams(("no-such-host.invalid", 514), "kms").send(given(1, 1))
    with pytest.raises(OSError, match=r"\w"):
        TcpSyslog("no-such-host.invalid", 514, "kms").send(given(1, 1))


def test_the_journal_gets_every_event_and_none_is_too_large_for_it(tmp_path: Path) -> None:
    with JournalSocket(path=tmp_path / "socket") as journal:
        target = Datagrams(tmp_path / "socket", None)
        target.send([*given(1, 3), *given(4, 4, "x" * 1_000_000), *given(5, 5)])
        until(lambda: len(journal.raw) == 5, "five datagrams")
        target.close()
        assert [entry["QUORATE_NUMBER"] for entry in journal.entries] == ["1", "2", "3", "4", "5"]
        assert journal.entries[3]["QUORATE_SHORTENED"] == "true"
        assert journal.entries[3]["QUORATE_CODE"] == "X"


def test_a_journal_that_was_restarted_is_found_again(tmp_path: Path) -> None:
    target = Datagrams(tmp_path / "socket", None)
    with JournalSocket(path=tmp_path / "socket") as journal:
        target.send(given(1, 1))
        until(lambda: len(journal.raw) == 1, "the first")
    with pytest.raises(OSError, match="refused"):
        target.send(given(2, 2))
    target.close()
    with JournalSocket(path=tmp_path / "socket") as journal:
        target.send(given(2, 2))
        until(lambda: len(journal.raw) == 1, "the second")
    target.close()


# --- TCP -------------------------------------------------------------------------------------------------------------


def test_a_syslog_server_gets_every_event_by_tcp_with_its_length_before_it() -> None:
    with TcpServer() as server:
        target = TcpSyslog("127.0.0.1", server.port, "kms")
        target.send(given(1, 500))
        target.send(given(501, 501, 'äöü\n]"\\'))
        until(lambda: len(server.raw) == 501, "all of them")
        target.close()
        assert server.numbers == list(range(1, 502))


def test_a_server_that_has_gone_is_noticed_before_anything_is_lost() -> None:
    with closed_port(socket.SOCK_STREAM) as port:
        target = TcpSyslog("127.0.0.1", port, "kms")
        with TcpServer(wanted_port=port) as first:
            target.send(given(1, 1))
            until(lambda: len(first.raw) == 1, "the first")
        with pytest.raises(OSError, match="refused"):
            target.send(given(2, 2))
        target.close()
        with TcpServer(wanted_port=port) as second:
            target.send(given(2, 3))
            until(lambda: len(second.raw) == 2, "the others")
            assert second.numbers == [2, 3]
            target.close()


def test_a_server_that_takes_nothing_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate.host.export.targets.TIMEOUT_S", 0.2)
    monkeypatch.setattr("quorate.host.export.targets.LOOKS_MAX", 10)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        target = TcpSyslog("127.0.0.1", silent.getsockname()[1], "kms")

        def send_on() -> None:
            for _ in range(10_000):  # until every buffer between is full
                target.send(given(1, 100, "x" * 1000))

        with pytest.raises(OSError, match=r"timed out|does not take"):
            send_on()
        target.close()
