"""host.toml and a real host in a process: read at the start, at SIGHUP, and told by the commands."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quorate.cli.hostopen import open_host
from quorate.clock import SystemClock
from quorate.host.config import RULES, StatePaths
from quorate.host.layers import Layers, Said
from quorate.host.process import Running, StateLock, running_host
from tests.host.processes import HostProcess, quorate, started
from tests.support.documents import World
from tests.support.hosting import BOUND_S, make_host
from tests.support.waiting import until

WORLD = World()


@contextmanager
def at_home(tmp_path: Path, text: str, **variables: str) -> Iterator[tuple[Path, HostProcess]]:
    """A host with this file, running, whose environment has these variables."""
    file = tmp_path / "host.toml"
    file.write_text(text)
    make_host(tmp_path / "host", WORLD, SystemClock())
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        with started(tmp_path / "host", "--config", str(file), "--port", "0", "--admin-port", "0") as host:
            os.environ.clear()
            os.environ.update(before)
            yield file, host
    finally:
        os.environ.clear()
        os.environ.update(before)


def shown(state_dir: Path) -> dict[str, tuple[Any, str, str | None]]:
    """What `quorate host config show` tells."""
    with open_host(state_dir) as host:
        values, origins = host.shown_settings(), host.origins()
        return {name: (values[name], origins[name].source.value, origins[name].where) for name in values}


def readyz(host: HostProcess) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{host.said['admin_port']}/readyz", timeout=BOUND_S) as reply:
        checks = json.load(reply)["checks"]
    found: dict[str, Any] = next(check for check in checks if check["name"] == "configuration")
    return found


def test_a_running_host_reads_its_file_again_at_sighup_and_survives_a_bad_one(tmp_path: Path) -> None:
    state = tmp_path / "host"
    with at_home(tmp_path, "renewal-interval = 5000\n", QUORATE_HOST_CMID_RATE="7") as (file, host):
        first = shown(state)
        assert first["renewal-interval"] == (5000, "file", f"{file}:1")
        assert first["cmid-rate"] == (7, "environment", "QUORATE_HOST_CMID_RATE")
        assert first["admin-port"][1:] == ("flag", "--admin-port")
        assert readyz(host)["ok"]

        file.write_text("# changed\nrenewal-interval = 6000\n")
        told = quorate("host", "config", "show", "--json", state_dir=state)
        assert "has changed since" in told.stderr
        rows = [json.loads(line) for line in told.stdout.splitlines()]
        assert [row["name"] for row in rows] == list(RULES)
        assert {"name": "renewal-interval", "value": 5000, "source": "file", "where": f"{file}:1"} in rows
        assert shown(state)["renewal-interval"][0] == 5000
        host.process.signal(signal.SIGHUP)
        until(
            lambda: shown(state)["renewal-interval"] == (6000, "file", f"{file}:2"),
            "the changed interval",
        )

        file.write_text("renewal-interval = 7000\nrenewl-interval = 1\n")
        host.process.signal(signal.SIGHUP)
        until(lambda: not readyz(host)["ok"], "a readyz that says no")
        assert "host.toml:2:1: renewl-interval: there is no such setting" in readyz(host)["reason"]
        assert shown(state)["renewal-interval"][0] == 6000
        events = quorate("host", "events", "--id", "12291", "--json", state_dir=state).stdout.splitlines()
        assert [json.loads(line)["code"] for line in events] == ["CONFIGURATION_INVALID"]

        file.write_text("renewal-interval = 8000\n")
        host.process.signal(signal.SIGHUP)
        until(lambda: bool(readyz(host)["ok"]) and shown(state)["renewal-interval"][0] == 8000, "the mended file")
        assert host.terminate() == 0


def test_what_is_set_by_hand_is_stronger_than_the_file_and_weaker_than_the_environment(tmp_path: Path) -> None:
    state = tmp_path / "host"
    text = "renewal-interval = 5000\ncmid-rate = 9\n"
    with at_home(tmp_path, text, QUORATE_HOST_CMID_RATE="7", QUORATE_HOST_PRIORITY="normal") as (file, _):
        done = quorate("host", "set", "renewal-interval", "6000", "--json", state_dir=state)
        assert (json.loads(done.stdout), done.stderr) == ({"renewal-interval": 6000}, "")
        done = quorate("host", "set", "cmid-rate", "8", "--json", state_dir=state)
        assert json.loads(done.stdout) == {"cmid-rate": 7}
        assert "cmid-rate stays 7 as long as QUORATE_HOST_CMID_RATE says so" in done.stderr
        slmgr = [sys.executable, "-c", "from quorate.cli.slmgr import run; run()", "/sri", "6001"]
        environ = {**os.environ, "QUORATE_STATE_DIR": str(state)}
        said = subprocess.run(slmgr, capture_output=True, text=True, timeout=60, env=environ, check=False)
        assert (said.returncode, said.stderr) == (0, "")
        assert "6001 minutes" in said.stdout
        said = subprocess.run(
            [*slmgr[:-2], "/cpri"], capture_output=True, text=True, timeout=60, env=environ, check=False
        )
        assert "priority stays normal as long as QUORATE_HOST_PRIORITY says so" in said.stderr
        assert shown(state)["renewal-interval"] == (6001, "set", "quorate host set")
        quorate("host", "set", "renewal-interval", "default", state_dir=state)
        assert shown(state)["renewal-interval"] == (5000, "file", f"{file}:1")


def test_a_host_does_not_start_with_a_mistake_in_its_file_and_says_where(tmp_path: Path) -> None:
    state, file = tmp_path / "host", tmp_path / "host.toml"
    make_host(state, WORLD, SystemClock())
    file.write_text('\ndns-publishing = "perhaps"\n')
    words = ("host", "run", "--config", str(file), "--port", "0", "--admin-port", "0", "--json")
    done = quorate(*words, state_dir=state)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "CONFIGURATION_INVALID"
    assert f"{file}:2:18: dns-publishing: 'perhaps' is neither on nor off" in done.stderr
    events = quorate("host", "events", "--id", "12291", "--json", state_dir=state).stdout.splitlines()
    assert [json.loads(line)["code"] for line in events] == ["CONFIGURATION_INVALID"]
    done = quorate(*words[:3], str(tmp_path / "none.toml"), state_dir=state)
    assert (done.returncode, "none.toml" in done.stderr) == (1, True)


def test_check_tells_everything_at_once_and_what_is_said_in_vain(tmp_path: Path) -> None:
    state, file = tmp_path / "host", tmp_path / "host.toml"
    make_host(state, WORLD, SystemClock(), settings={"event-days": "5"})
    file.write_text('prot = 1\nevent-days = 7\nadmin-token = "s3cret"\npriority = low\n')
    done = quorate("host", "config", "check", str(file), "--json", state_dir=state)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert [(each["line"], each["name"]) for each in told["problems"]] == [
        (1, "prot"),
        (3, "admin-token"),
        (4, "priority"),
    ]
    assert "s3cret" not in done.stdout + done.stderr
    human = quorate("host", "config", "check", str(file), state_dir=state)
    assert "host.toml:1:1: prot: there is no such setting\n    Did you mean port?" in human.stdout
    assert "3 problems" in human.stderr

    file.write_text("event-days = 7\n")
    environ = {**os.environ, "QUORATE_CONFIG": str(file), "QUORATE_STATE_DIR": str(state)}
    command = ["-c", "from quorate.cli.main import run; run()", "host", "config", "check", "--json"]
    good = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=60,
        env=environ,
        check=False,
    )
    assert good.returncode == 0
    assert "`quorate host set event-days default` lets the file hold" in json.loads(good.stdout)["notes"][0]


def test_check_needs_no_host(tmp_path: Path) -> None:
    file = tmp_path / "host.toml"
    file.write_text("port = 1700\n")
    done = quorate("host", "config", "check", str(file), "--json", state_dir=tmp_path / "nothing")
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (0, True)
    done = quorate("host", "config", "check", state_dir=tmp_path / "nothing")
    assert (done.returncode, "config example" in done.stderr) == (0, True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_a_port_of_the_file_is_listened_on_and_left_at_sighup(tmp_path: Path) -> None:
    port, other = free_port(), free_port()
    state, file = tmp_path / "host", tmp_path / "host.toml"
    make_host(state, WORLD, SystemClock())
    file.write_text(f"port = {port}\n")
    with started(state, "--config", str(file), "--admin-port", "0") as host:
        assert host.port == port
        file.write_text(f"port = {other}\n")
        host.process.signal(signal.SIGHUP)
        until(lambda: is_open(other), "the new port to be open")
        until(lambda: not is_open(port), "the old port to be closed")


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=BOUND_S).close()
    except OSError:
        return False
    return True


def test_what_a_host_tells_of_itself_is_whole_whenever_it_is_read(tmp_path: Path) -> None:
    make_host(tmp_path, WORLD, SystemClock())
    paths = StatePaths(tmp_path)
    done = threading.Event()
    long = Layers(file={name: Said("x" * 200, "host.toml:1") for name in RULES})

    def tell(lock: StateLock) -> None:
        while not done.is_set():
            for layers in (long, Layers(flags={"port": Said(0, "--port")})):
                lock.say(Running(pid=os.getpid(), port=1700, layers=layers))

    with StateLock(paths) as lock:
        tell_once = Running(pid=os.getpid(), port=1700, layers=long)
        lock.say(tell_once)
        teller = threading.Thread(target=tell, args=(lock,))
        teller.start()
        try:
            found = [running_host(paths) for _ in range(500)]
        finally:
            done.set()
            teller.join(BOUND_S)
    assert {each.pid for each in found if each is not None} == {os.getpid()}
    assert all(each is not None and each.layers != Layers() for each in found)
    assert running_host(paths) is None
