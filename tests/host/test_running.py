"""The process: killed under load, stopped in the middle of its work, started twice."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import pytest

from quorate.clock import SystemClock
from quorate.core.messages import encode
from quorate.errors import FilePermissionsError, PortTakenError, StateInUseError, StateMissingError
from quorate.host.store.store import Store
from tests.host.processes import quorate, started
from tests.support.clocks import ManualClock
from tests.support.documents import World, cmid_of
from tests.support.hosting import BOUND_S, hosting, make_host, running
from tests.support.waiting import until

WORLD = World()


def ask_until_dead(port: int, numbers: range, now_s: int, answered: list[int]) -> None:
    """Activate one client after the other, each over a connection of its own, until the host is gone."""
    for number in numbers:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=BOUND_S)
        try:
            connection.request("POST", "/v1/activate", encode(WORLD.request(number, time_s=now_s)))
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()
        if response.status == 200 and b"host_certificate" in body:
            answered.append(number)


def stored_cmids(state_dir: Path) -> set[str]:
    with closing(Store.open(state_dir / "host.db")) as store:
        return {row.cmid for row in store.reports.clients(limit=10_000)}


def test_s08_kill_9_under_load_loses_nobody_who_was_answered(tmp_path: Path) -> None:
    clock, state_dir = SystemClock(), tmp_path / "host"
    make_host(state_dir, WORLD, clock)
    everybody: list[int] = []
    for round_ in range(3):
        answered: list[int] = []
        with started(state_dir) as host, ThreadPoolExecutor(8) as pool:
            for worker in range(8):
                first = (round_ * 8 + worker) * 10_000
                pool.submit(ask_until_dead, host.port, range(first, first + 10_000), clock.now_s(), answered)
            until(lambda: len(answered) >= 150, "150 answers")  # noqa: B023  (called before the round ends)
            host.kill()
        everybody += answered
        missing = {cmid_of(number) for number in everybody} - stored_cmids(state_dir)
        assert not missing
    with started(state_dir) as host:
        status = json.loads(quorate("host", "status", "--json", state_dir=state_dir).stdout)
        assert status["running"]
        assert status["port"] == host.port
        assert status["machines"]["acme"]["client"] >= len(everybody)
        assert status["counts"]["acme"]["client"]["current"] == 50


def test_sigterm_answers_what_is_in_flight_and_ends_with_0(tmp_path: Path) -> None:
    clock, state_dir = SystemClock(), tmp_path / "host"
    make_host(state_dir, WORLD, clock)
    with started(state_dir) as host, ThreadPoolExecutor(1) as pool:
        body = encode(WORLD.request(1, time_s=clock.now_s()))
        with closing(socket.create_connection(("127.0.0.1", host.port), timeout=BOUND_S)) as connection:
            head = b"POST /v1/activate HTTP/1.1\r\nhost: kms\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n"
            connection.sendall(head % len(body))
            assert connection.recv(1000).startswith(
                b"HTTP/1.1 100 "
            )  # now it is in flight: the host waits for the body
            connection.sendall(body[:100])
            ended = pool.submit(host.terminate)
            _until_refused(host.port)  # it takes no more
            connection.sendall(body[100:])
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        assert ended.result(BOUND_S) == 0
    assert stored_cmids(state_dir) == {cmid_of(1)}


def _until_refused(port: int) -> None:
    def is_refused() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=BOUND_S).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            pass
        return False

    until(is_refused, "a host that takes no more connections")


def test_a_stop_writes_and_answers_all_that_waits(tmp_path: Path) -> None:
    with hosting(tmp_path) as host, ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(host.post, host.request(number)) for number in range(1, 200)]
        wait(asked[:20], timeout=BOUND_S)
        host.stop()
        answered = set()
        for number, reply in enumerate(asked, start=1):
            with contextlib.suppress(OSError, http.client.HTTPException):
                if reply.result(BOUND_S).status == 200:
                    answered.add(cmid_of(number))
    assert len(answered) >= 20
    assert answered <= stored_cmids(host.state_dir)


def test_two_hosts_cannot_share_one_port(tmp_path: Path) -> None:
    with hosting(tmp_path / "one") as first:
        make_host(tmp_path / "two", WORLD, first.clock, seed=2)
        taken = {"port": first.port}
        with (
            pytest.raises(PortTakenError, match=f"127.0.0.1:{first.port} is taken"),
            running(tmp_path / "two", WORLD, first.clock, overrides=taken),
        ):
            pytest.fail("it started")
        with (
            pytest.raises(PortTakenError),
            running(tmp_path / "two", WORLD, first.clock, overrides={"port": first.port, "address": ""}),
        ):
            pytest.fail("it started")
        assert first.activate(1).count == 1
    with closing(Store.open(tmp_path / "two" / "host.db")) as store:
        events = store.reports.events(event_id=12291)
    assert [event.event.code for event in events] == ["PORT_TAKEN", "PORT_TAKEN"]


def test_two_processes_cannot_run_one_host(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        with pytest.raises(StateInUseError, match="pid"), running(host.state_dir, WORLD, host.clock):
            pytest.fail("it started")
        refused = quorate("host", "run", "--port", "0", "--admin-port", "0", state_dir=host.state_dir)
        assert refused.returncode == 1
        assert "is in use by another process" in refused.stderr
        assert host.activate(1).count == 1


def test_an_empty_folder_is_no_host(tmp_path: Path) -> None:
    with pytest.raises(StateMissingError, match="no KMS host"), running(tmp_path, WORLD, ManualClock()):
        pytest.fail("it started")


def test_a_folder_others_can_enter_is_refused(tmp_path: Path) -> None:
    make_host(tmp_path / "host", WORLD, ManualClock())
    (tmp_path / "host").chmod(0o755)
    with pytest.raises(FilePermissionsError), running(tmp_path / "host", WORLD, ManualClock()):
        pytest.fail("it started")


def test_a_signing_key_others_can_read_is_refused(tmp_path: Path) -> None:
    make_host(tmp_path / "host", WORLD, ManualClock())
    (tmp_path / "host" / "host.key").chmod(0o640)
    with pytest.raises(FilePermissionsError, match="0640"), running(tmp_path / "host", WORLD, ManualClock()):
        pytest.fail("it started")


def test_all_interfaces_means_ipv6_and_ipv4(tmp_path: Path) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with hosting(tmp_path, overrides={"address": ""}) as host:
        host.activate(1)
        for address in ("127.0.0.1", "::1"):
            with closing(socket.create_connection((address, host.port), timeout=BOUND_S)) as connection:
                connection.sendall(b"GET /v1/host HTTP/1.1\r\nhost: kms\r\n\r\n")
                assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        [client] = host.administration.clients()
        assert client.address == "127.0.0.1"  # not ::ffff:127.0.0.1
