"""Several processes and threads on one record, and processes that die at the wrong moment."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.client.filelock import FileLock
from quorate.errors import StateInUseError
from tests.client.parties import BOUND_S, FixedClock, Installation, ScriptedHost, scripted
from tests.support.child import Child
from tests.support.clocks import START_S, ManualClock
from tests.support.documents import World
from tests.support.source import ROOT

PROGRAM = """
import sys
from pathlib import Path
from quorate.clock import SystemEntropy
from tests.client.parties import FixedClock, Installation
here = Installation(Path(sys.argv[1]))
client = here.client(clock=FixedClock(), entropy=SystemEntropy())
print("ready", flush=True)
"""


class Program:
    """Another process with a client of the same installation; it runs `code` when told to."""

    def __init__(self, here: Installation, code: str) -> None:
        program = PROGRAM + "sys.stdin.readline()\n" + code
        self.child = Child([sys.executable, "-c", program, str(here.folder)], cwd=ROOT)
        assert self.line() == "ready"

    def line(self) -> str:
        return self.child.line()

    def go(self) -> None:
        self.child.types()

    def end(self) -> str:
        """The last that it said; after its end."""
        with self.child:
            assert self.child.ends() == 0, self.child.err
            return self.child.out.splitlines()[-1]

    def kill(self) -> None:
        """kill -9."""
        with self.child:
            self.child.kill()


@pytest.fixture
def host() -> Iterator[ScriptedHost]:
    with scripted(World(), FixedClock()) as host:
        yield host


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_of_processes_that_renew_at_once_one_asks(here: Installation, host: ScriptedHost) -> None:
    here.client(host)
    programs = [Program(here, "print(client.renew_if_due().cmid)") for _ in range(4)]
    for program in programs:
        program.go()
    told = {program.end() for program in programs}
    assert len(told) == 1
    assert len(host.requests) == 1
    assert here.client().status().status.value == "licensed"


def test_of_processes_that_begin_at_once_all_have_one_cmid(here: Installation) -> None:
    programs = [Program(here, "client.status(); print('ok')") for _ in range(4)]
    for program in programs:
        program.go()
    assert [program.end() for program in programs] == ["ok"] * 4
    cmid = here.read()["cmid"]
    assert {here.client(seed=n).status().cmid for n in range(5)} == {cmid}


def test_who_waits_for_another_attempt_takes_its_result(here: Installation, host: ScriptedHost) -> None:
    first, second = here.client(host, seed=1), here.client(seed=2)
    release, waiting = threading.Event(), threading.Event()
    honest = host.honest

    def slowly(request: object) -> object:
        assert release.wait(BOUND_S)
        return honest(host.requests[-1])

    class WaitingClock(ManualClock):
        """Says when somebody waits on it, and lets time pass in truth."""

        def wait(self, wake: threading.Event, timeout_s: float) -> bool:
            waiting.set()
            return wake.wait(timeout_s)

    host.script = slowly  # type: ignore[assignment]  # it gives what `honest` gives
    second = here.client(seed=2, clock=WaitingClock())
    threads = [threading.Thread(target=client.activate) for client in (first, second)]
    threads[0].start()
    assert host.heard.wait(BOUND_S)
    threads[1].start()
    assert waiting.wait(BOUND_S)
    release.set()
    for thread in threads:
        thread.join(BOUND_S)
    assert len(host.requests) == 1
    assert first.status() == second.status()
    assert second.status().status.value == "licensed"


def test_status_does_not_wait_for_an_attempt_under_way(here: Installation, host: ScriptedHost) -> None:
    client = here.client(host)
    with FileLock(here.record.parent / "client.lock", ManualClock()).held(0):
        assert client.status().status.value == "initial_grace"
        assert client.renew_if_due().last_attempt_s is None
        with pytest.raises(StateInUseError):
            client.activate()
        here.record.write_bytes(b"damaged, and somebody else holds the lock")
        assert client.status().code == "LEASE_DAMAGED"
        assert here.record.read_bytes().startswith(b"damaged")  # nothing was moved behind the holder's back
    client.set_host(f"127.0.0.1:{host.port}")
    assert client.activate().status.value == "licensed"


def test_kill_9_in_the_middle_of_writing_leaves_the_old_record_or_the_new_one(here: Installation) -> None:
    here.client().status()
    for round_ in range(8):
        writer = Program(here, "n = 0\nwhile True:\n n += 1\n client.set_host(f'h{n}.example')\n print(n, flush=True)")
        writer.go()
        for _ in range(3 + 5 * round_):
            last = int(writer.line())
        writer.kill()
        status = here.client(seed=round_).status()
        assert status.code is None
        assert int((status.host or "").removeprefix("h").partition(".")[0]) >= last


@pytest.mark.parametrize("leftover", [b"", b'{"v":1,"prod', b"\x00" * 4096])
def test_what_a_dead_writer_left_behind_is_no_hindrance(
    here: Installation, host: ScriptedHost, leftover: bytes
) -> None:
    client = here.client(host)
    (here.record.parent / "client.json.new").write_bytes(leftover)
    assert here.client(seed=2).status() == client.status()
    assert client.activate().status.value == "licensed"
    assert here.client(seed=3).status().status.value == "licensed"


def test_kill_9_while_the_host_is_asked_repeats_the_same_question(here: Installation, host: ScriptedHost) -> None:
    here.client(host)
    release = threading.Event()

    def silent(_: socket.socket) -> None:
        release.wait(BOUND_S)

    host.raw = silent
    dying = Program(here, "client.activate()")
    dying.go()
    assert host.heard.wait(BOUND_S)
    dying.kill()
    release.set()
    host.raw = None
    again = here.client(seed=8)
    assert again.activate().status.value == "licensed"
    first, second = host.requests
    assert first == second
    assert first.time_s == START_S


def test_a_status_in_the_program_is_up_to_date_after_another_process_has_activated(
    here: Installation, host: ScriptedHost
) -> None:
    client = here.client(host)
    assert client.status().status.value == "initial_grace"
    agent = Program(here, "client.activate()")
    agent.go()
    agent.end()
    assert client.status().status.value == "licensed"
