"""`quorate demo` as a newcomer runs it: a process, real sockets, the figures of the story."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.support.child import Child
from tests.support.waiting import PATIENCE_S

DEMO = [sys.executable, "-m", "quorate", "demo", "--port", "0", "--admin-port", "0", "--retry-seconds", "0"]


def run(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
    )


def test_the_25th_is_activated_at_once_and_the_other_24_at_their_retry(tmp_path: Path) -> None:
    done = run("--clients", "30", "--threshold-client", "25", "--exit", "--json", home=tmp_path)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told | {"retry_wait_s": 0.0} == {
        "clients": 30,
        "threshold": 25,
        "activated_on_first_request": 6,
        "refused_on_first_request": 24,
        "activated_after_retry": 24,
        "count": 30,
        "machines": 30,
        "leases_verified": 30,
        "retry_wait_s": 0.0,
    }
    assert "two-hour retry of 24 refused clients was shortened to 0 s" in done.stderr


def test_too_small_a_fleet_is_activated_by_nothing(tmp_path: Path) -> None:
    told = json.loads(run("--clients", "4", "--threshold-client", "5", "--exit", "--json", home=tmp_path).stdout)

    assert told["refused_on_first_request"] == 4
    assert told["activated_after_retry"] == 0
    assert told["leases_verified"] == 0


def test_a_taken_port_is_exchanged_for_a_free_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--clients", "1", "--threshold-client", "1", "--exit", "--port", str(port), home=tmp_path)

    assert done.returncode == 0, done.stderr
    assert f"127.0.0.1:{port}," not in done.stderr
    assert "1 lease read back" in done.stderr


def test_the_host_stays_up_until_ctrl_c_and_leaves_nothing_behind(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    with Child([*DEMO, "--clients", "3", "--threshold-client", "2", "--json"], environ=environ) as demo:
        ready = demo.error_with("/readyz").split()[-1]
        with urllib.request.urlopen(ready, timeout=PATIENCE_S) as answer:  # noqa: S310  (our own, on loopback)
            assert json.load(answer)["ready"] is True
        assert json.loads(demo.line("its figures, while it runs"))["clients"] == 3
        demo.signal(signal.SIGINT)
        assert demo.ends() == 0, demo.err
    assert list(tmp_path.glob("quorate-demo-*")) == []
