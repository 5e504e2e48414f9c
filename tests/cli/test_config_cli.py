"""`config check`, `show`, `example` of clients and publishers, and SIGHUP to what they run; as typed."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.client.parties import Installation, closed_port
from tests.host.processes import quorate
from tests.support.child import Child
from tests.support.hosting import BOUND_S
from tests.support.waiting import PATIENCE_S

COMMAND = [sys.executable, "-c", "from quorate.cli.main import run; run()"]


def process(*words: str, **variables: str) -> Child:
    """A long-running command."""
    return Child([*COMMAND, *words], environ={**os.environ, **variables})


def rows(*words: str, **variables: str) -> dict[str, Any]:
    done = subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, **variables},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


# --- client ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    made = Installation(tmp_path)
    done = quorate(
        "client", "init", "--product", str(made.product), "--trust", str(made.trust), state_dir=made.state_dir
    )
    assert done.returncode == 0, done.stderr
    return made


def test_a_clients_file_is_checked_and_explained(tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    file.write_text(f'htps = true\nca-file = "{tmp_path}/none.pem"\nproxy = "http://proxy.example:1"\n')
    done = quorate("client", "config", "check", str(file), "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert [(each["line"], each["name"]) for each in told["problems"]] == [(1, "htps"), (2, "ca-file")]
    assert told["problems"][0]["allowed"] == "Did you mean https?"
    shown = rows("client", "config", "show", "--json", "--config", str(file), QUORATE_MDNS="1")
    assert (shown["proxy"]["source"], shown["proxy"]["where"]) == ("file", f"{file}:3")
    assert (shown["mdns"]["value"], shown["mdns"]["where"]) == (True, "QUORATE_MDNS")
    assert shown["https"]["source"] == "default"


def test_a_file_that_others_may_change_is_told(tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    file.write_text("mdns = true\n")
    file.chmod(0o666)
    done = quorate("client", "config", "check", str(file), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["notes"] == [f"others may change {file}: chmod go-w {file}"]
    file.chmod(0o644)
    assert json.loads(quorate("client", "config", "check", str(file), "--json").stdout)["notes"] == []


def test_commands_that_ask_refuse_a_bad_file_and_status_warns(here: Installation, tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    file.write_text("\nhtps = true\n")
    environ = {**os.environ, "QUORATE_STATE_DIR": str(here.state_dir), "QUORATE_CONFIG": str(file)}
    for words, code in ((["activate"], 1), (["run"], 1), (["status"], 0)):
        done = subprocess.run(
            [*COMMAND, "client", *words], capture_output=True, text=True, timeout=PATIENCE_S, env=environ, check=False
        )
        assert done.returncode == code, words
        assert f"{file}:2:1: htps: there is no such setting" in done.stderr


def test_doctor_names_a_mistake_in_the_file(here: Installation, tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    file.write_text("htps = true\n")
    environ = {**os.environ, "QUORATE_STATE_DIR": str(here.state_dir), "QUORATE_CONFIG": str(file)}
    assert quorate("client", "set-host", "127.0.0.1:9", state_dir=here.state_dir).returncode == 0
    done = subprocess.run(
        [*COMMAND, "doctor", "--json"], capture_output=True, text=True, timeout=PATIENCE_S, env=environ, check=False
    )
    first = json.loads(done.stdout)["checks"][0]
    assert (first["step"], first["level"], first["code"]) == ("config", "warn", "CONFIGURATION_INVALID")
    assert f"{file}:1:1: htps" in first["seen"]
    assert "Did you mean https?" in first["fix"]


def test_the_agent_reads_its_file_again_at_sighup_and_survives_a_bad_one(here: Installation, tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    file.write_text(f'proxy = "http://127.0.0.1:{closed_port()}"\n')
    state = {"QUORATE_STATE_DIR": str(here.state_dir)}
    assert quorate("client", "set-host", "127.0.0.1:9", state_dir=here.state_dir).returncode == 0
    with process("client", "run", "--config", str(file), **state) as agent:
        agent.error_with("initial_grace")
        file.write_text("https = false\n")
        agent.signal(signal.SIGHUP)
        agent.error_with("configuration read again")
        file.write_text("https = false\nhtps = 1\n")
        agent.signal(signal.SIGHUP)
        assert f"{file}:2:1: htps" in agent.error_with("stays in use")
        assert agent.terminate() == 0


# --- publisher -------------------------------------------------------------------------------------------------------


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUORATE_PASSPHRASE", "correct horse battery staple")
    done = quorate("publisher", "init", "--name", "Acme Software", state_dir=tmp_path / "publisher")
    assert done.returncode == 0, done.stderr
    return tmp_path / "publisher"


def asked(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=BOUND_S)
    try:
        connection.request("POST", "/v1/activate-host", b"nonsense")
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_publishers_file_is_checked_and_explained(publisher: Path, tmp_path: Path) -> None:
    file = tmp_path / "publisher.toml"
    file.write_text('prot = 1\naddress = "192.0.2.7"\nrequests-per-minute = 7\npassphrase = "hunter2"\n')
    done = quorate("publisher", "config", "check", str(file), "--json", state_dir=publisher)
    assert done.returncode == 1
    problems = {each["name"]: each["line"] for each in json.loads(done.stdout)["problems"]}
    assert problems == {"prot": 1, "address": 2, "passphrase": 4}
    assert "hunter2" not in done.stdout + done.stderr
    file.write_text("requests-per-minute = 7\nport = 1700\n")
    shown = rows("publisher", "config", "show", "--json", "--config", str(file), QUORATE_PUBLISHER_PORT="1701")
    assert (shown["requests-per-minute"]["value"], shown["requests-per-minute"]["where"]) == (7, f"{file}:1")
    assert (shown["port"]["value"], shown["port"]["source"]) == ("1701", "environment")


def test_serve_takes_the_file_below_flags_and_again_at_sighup(publisher: Path, tmp_path: Path) -> None:
    file = tmp_path / "publisher.toml"
    file.write_text("port = 1\nrequests-per-minute = 1\n")
    words = ("publisher", "serve", "--config", str(file), "--port", "0", "--state-dir", str(publisher), "--json")
    with process(*words) as service:
        port = service.told()["port"]
        assert [asked(port), asked(port)] == [400, 429]
        file.write_text("requests-per-minute = 100\n")
        service.signal(signal.SIGHUP)
        service.error_with("read again")
        assert [asked(port) for _ in range(3)] == [400, 400, 400]
        file.write_text("requests-per-minute = many\n")
        service.signal(signal.SIGHUP)
        assert f"{file}:1:23: requests-per-minute" in service.error_with("stays in use")
        assert asked(port) == 400
        assert service.terminate() == 0
    done = quorate(*words)
    assert (done.returncode, f"{file}:1:23: requests-per-minute" in done.stderr) == (1, True)
