"""Output that cannot be written, in processes of their own: the work is done, and its exit code tells it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from quorate.cli import main
from quorate.clock import SystemClock
from quorate.core.policy import DAY_S
from tests.client.parties import Installation, ScriptedHost, scripted
from tests.support.child import Child
from tests.support.documents import World
from tests.support.hosting import hosting
from tests.support.source import ROOT
from tests.support.waiting import PATIENCE_S, until

QUORATE = f"{shlex.quote(sys.executable)} -m quorate"


def shell(line: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The line as bash runs it; `quorate` stands for the program."""
    return subprocess.run(
        ["bash", "-c", line.replace("quorate ", f"{QUORATE} ")],
        capture_output=True,
        timeout=PATIENCE_S,
        cwd=ROOT,
        env=dict(environ),
        check=False,
        encoding="utf-8",
        errors="replace",
    )


@pytest.fixture
def host() -> Iterator[ScriptedHost]:
    world, now_s = World(), SystemClock().now_s()
    with scripted(world, SystemClock()) as host:
        host.certificate = world.certificate_token(issued_s=now_s - DAY_S, expires_s=now_s + 700 * DAY_S)
        yield host


@pytest.fixture
def environ(tmp_path: Path, host: ScriptedHost) -> dict[str, str]:
    """Of a client that is set up and knows its host."""
    here = Installation(tmp_path)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "QUORATE_STATE_DIR": str(here.state_dir)}
    made = shell(f"quorate client init --product {here.product} --trust {here.trust}", environ)
    assert made.returncode == 0, made.stderr
    assert shell(f"quorate client set-host 127.0.0.1:{host.port}", environ).returncode == 0
    return environ


def status(environ: Mapping[str, str]) -> str:
    return str(json.loads(shell("quorate client status --json", environ).stdout)["status"])


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "| true"])
def test_what_a_command_does_is_done_whoever_listens(environ: dict[str, str], host: ScriptedHost, closed: str) -> None:
    done = shell(f"quorate client activate {closed}", environ)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert len(host.requests) == 1
    assert status(environ) == "licensed"


def test_a_full_device_is_told_in_one_line_and_fails_what_was_to_be_shown_alone(environ: dict[str, str]) -> None:
    asked = shell("quorate client activate > /dev/full", environ)
    assert (asked.returncode, "what it reports is done" in asked.stderr) == (0, True), asked.stderr
    for line in ("quorate client status", "quorate client status --json", "quorate client --help"):
        shown = shell(f"{line} > /dev/full", environ)
        assert shown.returncode == 1, line
        assert shown.stderr.splitlines() == ["error: standard output cannot be written: No space left on device"]


def test_what_the_terminal_cannot_say_is_spelt(tmp_path: Path) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "QUORATE_PUBLISHER_PASSPHRASE": "correct horse battery staple",
        "QUORATE_PASSPHRASE": "correct horse battery staple",
        "PYTHONIOENCODING": "latin-1",
    }
    made = shell(f"quorate publisher init --name 'Łódź 🚀' --state-dir {tmp_path}/vault --json", environ)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["publisher"] == "Łódź 🚀"  # JSON has a spelling of its own
    shown = shell(f"quorate publisher init --name 'Łódź 🚀' --state-dir {tmp_path}/other", environ)
    assert (shown.returncode, "Traceback" in shown.stderr) == (0, False), shown.stderr
    assert "\\u0141" in shown.stdout


def test_flags_that_act_take_no_variable(environ: dict[str, str]) -> None:
    acts = {"QUORATE_VERSION": "0.1.0", "QUORATE_HELP": "1", "QUORATE_SHOW_COMPLETION": "1", "QUORATE_CLIENT_HELP": "1"}
    done = shell("quorate client status --json", environ | acts | {"QUORATE_INSTALL_COMPLETION": "1"})
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "initial_grace"), done.stderr
    assert "QUORATE_VERSION" not in done.stderr, "nothing is misspelt: it is there for another purpose"


def test_who_follows_the_log_into_head_gets_the_prompt_back(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        host.activate(1)
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "QUORATE_STATE_DIR": str(tmp_path / "host")}
        done = shell("quorate host events --follow --json | head -n 1", environ)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_a_reader_that_has_enough_changes_no_exit_code(environ: dict[str, str]) -> None:
    whole = shell("quorate doctor --json", environ)
    cut = shell("quorate doctor --json | true; exit ${PIPESTATUS[0]}", environ)
    assert cut.returncode == whole.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_ended_takes_its_keys_along(tmp_path: Path, number: signal.Signals) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    words = ["demo", "--port", "0", "--admin-port", "0", "--clients", "3", "--threshold-client", "5", "--json"]
    with Child([sys.executable, "-m", "quorate", *words], environ=environ, cwd=ROOT) as demo:
        until(lambda: bool(list(tmp_path.glob("quorate-demo-*/**/*.jwks"))), "the demo's keys")
        demo.signal(number)
        assert demo.ends() == 128 + number, demo.err
    assert list(tmp_path.glob("quorate-demo-*")) == []


def test_a_report_that_cannot_be_written_is_told_before_anything_is_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it was played")

    monkeypatch.setattr("quorate.cli.simulate.play", never)
    for option in ("--report", "--csv", "--trace"):
        words = ["quorate", "simulate", "25-to-23", option, str(tmp_path / "nowhere" / "story.html")]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as end:
            main.run()
        assert end.value.code == 1
        assert "nowhere" in capsys.readouterr().err
