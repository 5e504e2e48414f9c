"""`quorate demo` as a newcomer runs it: a process, real sockets, the figures of the story."""

from __future__ import annotations

import json
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

DEMO = [sys.executable, "-m", "quorate", "demo", "--port", "0", "--admin-port", "0", "--retry-seconds", "0"]


def run(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
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
    assert "1 leases were read back" in done.stderr


def test_the_host_stays_up_until_ctrl_c_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # Who starts these tests in the background has Ctrl-C ignored, and whatever they start would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        demo = subprocess.Popen(
            [*DEMO, "--clients", "3", "--threshold-client", "2", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert demo.stderr is not None
    assert demo.stdout is not None
    ready = ""
    try:
        for line in demo.stderr:
            if "/readyz" in line:
                ready = line.split()[-1]
                break
        with urllib.request.urlopen(ready, timeout=10) as answer:  # noqa: S310  (our own, on loopback)
            assert json.load(answer)["ready"] is True
        assert select.select([demo.stdout], [], [], 60)[0], "no figures in the pipe after 60 s, while the demo runs"
        assert json.loads(demo.stdout.readline())["clients"] == 3
    finally:
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=60)
    assert demo.returncode == 0
    assert list(tmp_path.glob("quorate-demo-*")) == []
