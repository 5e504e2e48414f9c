"""What a host tells the service manager, heard on a real socket; and the sockets it may be handed."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from quorate.cli.client_agent import Pulses
from quorate.clock import SystemClock
from quorate.errors import ListenSocketError
from quorate.host.sdnotify import ServiceManager, handed_socket
from quorate.host.serve import HostServer
from tests.dns.servers import free_port
from tests.firewall.room import need_programs, world_of_one
from tests.support.child import Child
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.hosting import BOUND_S, LIMITS, make_host
from tests.support.waiting import PATIENCE_S


@dataclass
class Heard:
    """A service manager's end of the notification socket."""

    path: Path
    inbox: socket.socket
    seen: list[str] = field(default_factory=list)

    @property
    def manager(self) -> ServiceManager:
        return ServiceManager({"NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": "60000000"}, 1, SystemClock())

    def until(self, wanted: str) -> None:
        """Listen until something is said that begins so."""
        while not any(line.startswith(wanted) for line in self.seen):
            self.seen += self.inbox.recv(4096).decode().splitlines()


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.settimeout(BOUND_S)
        inbox.bind(str(tmp_path / "notify"))
        yield Heard(tmp_path / "notify", inbox)


@contextmanager
def running(state: Path, manager: ServiceManager, handed: socket.socket | None = None) -> Iterator[HostServer]:

    server = HostServer(
        state,
        ManualClock(),
        SeededEntropy(2),
        overrides={"address": "127.0.0.1", "port": 0, "admin_port": 0},
        limits=LIMITS,
        manager=manager,
        handed=handed,
    )
    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(server.run(ready.set)))
    thread.start()
    try:
        assert ready.wait(BOUND_S)
        yield server
    finally:
        server.stop()
        thread.join(BOUND_S)


def test_ready_pulse_reload_and_stop_are_told_in_order(tmp_path: Path, heard: Heard) -> None:
    make_host(tmp_path / "host", world_of_one(), ManualClock())
    with running(tmp_path / "host", heard.manager) as server:
        heard.until("READY=1")
        assert any(line.startswith("STATUS=activated; clients on TCP port") for line in heard.seen)
        heard.until("WATCHDOG=1")
        heard.seen.clear()
        server.reload()
        heard.until("RELOADING=1")
        heard.until("MONOTONIC_USEC=")
        heard.until("READY=1")
        heard.seen.clear()
    heard.until("STOPPING=1")


def test_a_dead_writer_gives_no_pulse(tmp_path: Path, heard: Heard) -> None:
    make_host(tmp_path / "host", world_of_one(), ManualClock())
    with running(tmp_path / "host", heard.manager) as server:
        heard.until("WATCHDOG=1")
        server.writer.stop()  # as if its thread had died
        assert server.writer.join(BOUND_S)
        server.reload()
        heard.seen.clear()
        heard.until("READY=1")  # the loop has gone round since then, and at least once more
        server.reload()
        heard.seen.clear()
        heard.until("READY=1")
        assert "WATCHDOG=1" not in heard.seen


def test_without_a_service_manager_all_is_silent(tmp_path: Path) -> None:
    silent = ServiceManager({}, 1, SystemClock())
    silent.ready("x")
    silent.pulse()
    gone = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}, 1, SystemClock())
    gone.ready("nobody hears it, and nothing fails")
    assert not silent.watchdog_s


def test_a_watchdog_for_another_process_is_not_ours(heard: Heard) -> None:
    environ = {"NOTIFY_SOCKET": str(heard.path), "WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "4711"}
    assert ServiceManager(environ, 1, SystemClock()).watchdog_s == 0
    assert ServiceManager(environ, 4711, SystemClock()).watchdog_s == 5


def test_a_status_is_one_line(heard: Heard) -> None:
    heard.manager.status("two\nlines\x1b")
    heard.until("STATUS=")
    assert heard.seen == ["STATUS=two lines "]


def test_sockets_of_another_process_are_not_ours() -> None:
    assert handed_socket({"LISTEN_PID": "4711", "LISTEN_FDS": "1"}, os.getpid()) is None
    assert handed_socket({}, os.getpid()) is None
    with pytest.raises(ListenSocketError, match="2 sockets"):
        handed_socket({"LISTEN_PID": "1", "LISTEN_FDS": "2"}, 1)


_HANDED = """
import os
from quorate.errors import ListenSocketError
from quorate.host.sdnotify import handed_socket
os.environ["LISTEN_PID"] = str(os.getpid())
try:
    print(handed_socket(os.environ, os.getpid()).getsockname()[1])
except ListenSocketError as fault:
    print(fault.message)
"""


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@pytest.mark.parametrize("kind", ["tcp", "not listening", "udp", "no socket"])
def test_only_a_listening_tcp_socket_will_do(kind: str, tmp_path: Path) -> None:
    """In a process of its own, as descriptor 3 is the first that is handed over."""
    with (tmp_path / "file").open("wb") as file, socket.socket() as bound, listening() as tcp:
        bound.bind(("127.0.0.1", 0))
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            numbers = {"tcp": tcp.fileno(), "not listening": bound.fileno(), "udp": udp.fileno()}
            given = numbers.get(kind, file.fileno())
            said = subprocess.run(
                [sys.executable, "-c", _HANDED],
                env={**os.environ, "LISTEN_FDS": "1"},
                capture_output=True,
                text=True,
                timeout=BOUND_S,
                check=True,
                preexec_fn=lambda: os.dup2(given, 3),
                close_fds=False,
            ).stdout.strip()
        port = str(tcp.getsockname()[1])
    if kind == "tcp":
        assert said == port
    elif kind == "no socket":
        assert "not a socket" in said or "operation on non-socket" in said
    else:
        assert "no listening TCP socket" in said


def test_systemds_own_tool_hands_the_host_its_port(tmp_path: Path) -> None:
    """`systemd-socket-activate`, without PID 1: the first connection starts `quorate host run`, which answers it."""
    need_programs(systemd_socket_activate="systemd")
    make_host(tmp_path / "host", world_of_one(), SystemClock(), settings={"dns-publishing": "off"})
    port = free_port()
    words = ["host", "run", "--state-dir", str(tmp_path / "host"), "--port", "1", "--admin-port", "0", "--json"]
    command = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname=kms", "-E", "PATH"]
    command += [sys.executable, "-c", "from quorate.cli.main import run; run()", *words]
    with Child(command) as process:
        process.error_with("Listening on ")
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            connection.sendall(b"GET /v1/host HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert connection.recv(64).startswith(b"HTTP/1.1 200")
        assert process.told()["port"] == port, "not the port of the settings"


def test_the_agent_gives_a_pulse_only_when_every_product_has() -> None:
    given: list[int] = []
    pulses = Pulses({"cad", "paint"}, lambda: given.append(1))
    pulses.beat("cad")
    pulses.beat("cad")
    assert not given
    pulses.beat("paint")
    assert len(given) == 1
    pulses.beat("paint")
    assert len(given) == 1
