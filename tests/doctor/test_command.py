"""`quorate doctor` and `quorate` alone, as they are typed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from quorate.cli.main import run
from quorate.client.installed import install
from quorate.clock import SystemClock
from quorate.publisher.issue import Publisher
from tests.client.parties import Installation, closed_port
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.documents import World
from tests.support.hosting import make_host


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Quorate = Callable[..., Said]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("QUORATE_STATE_DIR", str(folder))
    monkeypatch.delenv("_QUORATE_COMPLETE", raising=False)
    return folder


@pytest.fixture
def quorate(state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Quorate:
    def type_it(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["quorate", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            run()
        said = capsys.readouterr()
        return Said(int(end.value.code or 0), said.out, said.err)

    return type_it


def be_client(state: Path, host: int | None = None) -> None:
    shipped = Installation(state.with_name("shipped"))
    install(state, shipped.product, shipped.trust)
    if host is not None:
        shipped.client(clock=SystemClock(), state_dir=state).set_host(f"127.0.0.1:{host}")


def be_host(state: Path, *, activated: bool = True) -> None:
    settings = {"dns-publishing": "off", "port": str(closed_port())}
    make_host(state, World(), SystemClock(), activated=activated, settings=settings)


def test_doctor_prints_one_line_a_step_the_fix_and_the_cause(state: Path, quorate: Quorate) -> None:
    port = closed_port()
    be_client(state, port)
    said = quorate("doctor")
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[0] == "KMS client: Acme CAD"
    assert any(line.startswith("[ok]   dns         not asked") for line in lines)
    assert any(line.startswith("[fail] tcp         no KMS host could be reached") for line in lines)
    assert any(line.startswith("[skip] protocol    ") for line in lines)
    assert any(line.strip().startswith("-> ") and "quorate host run" in line for line in lines)
    assert lines[-1].startswith(f"Cause: HOST_UNREACHABLE: no KMS host could be reached: 127.0.0.1:{port}")


def test_doctor_as_json_is_one_object_with_the_cause(state: Path, quorate: Quorate) -> None:
    be_client(state, closed_port())
    said = quorate("doctor", "--json")
    [told] = said.rows
    assert (said.code, told["role"], told["ok"], told["cause"]) == (1, "client", False, "HOST_UNREACHABLE")
    assert {"step", "level", "seen", "code", "fix"} == set(told["checks"][0])


def test_on_a_host_its_own_steps_are_looked_at(state: Path, quorate: Quorate) -> None:
    be_host(state)
    said = quorate("doctor")
    assert said.code == 1
    assert f"KMS host: {state}" in said.out
    assert "Cause: HOST_NOT_RUNNING" in said.out


def test_where_a_machine_is_both_both_are_looked_at_unless_one_is_named(state: Path, quorate: Quorate) -> None:
    be_host(state)
    be_client(state, closed_port())
    assert [row["role"] for row in quorate("doctor", "--json").rows] == ["host", "client"]
    assert [row["role"] for row in quorate("doctor", "--json", "--role", "client").rows] == ["client"]


def test_a_machine_that_is_nothing_yet_is_told_how_to_begin(state: Path, quorate: Quorate) -> None:
    for role in ([], ["--role", "host"], ["--role", "client"]):
        said = quorate("doctor", *role, "--json")
        assert (said.code, said.rows[0]["error"]) == (1, "STATE_MISSING")
        assert " init --product" in said.rows[0]["hint"]


def test_a_product_that_is_not_here_is_said(state: Path, quorate: Quorate) -> None:
    be_client(state)
    said = quorate("doctor", "--product-id", "other", "--json")
    assert (said.code, said.rows[0]["error"]) == (1, "NOT_KNOWN")


WITHOUT_A_HOSTS_LIBRARIES = """
import sys
for name in ("sqlalchemy", "alembic", "granian", "starlette", "structlog", "uvloop", "prometheus_client", "jinja2"):
    sys.modules[name] = None
from quorate.__main__ import run, slmgr
which, sys.argv = sys.argv[1], ["quorate", *sys.argv[2:]]
{"quorate": run, "slmgr": slmgr}[which]()
"""


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["quorate"], "This machine is a KMS client for Acme CAD."),
        (["quorate", "doctor", "--role", "client"], "KMS client: Acme CAD"),
        (["slmgr", "/dli"], "License Status: Initial grace period"),
        (["slmgr", "127.0.0.1:1", "admin", "t", "/dli"], "REMOTE_UNREACHABLE"),
    ],
)
def test_a_client_needs_nothing_of_a_hosts_libraries(state: Path, words: list[str], wanted: str) -> None:
    be_client(state, closed_port())
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_HOSTS_LIBRARIES, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert wanted in done.stdout + done.stderr, done.stderr


# --- quorate alone ---------------------------------------------------------------------------------------------------


def test_alone_it_says_that_this_machine_is_nothing_and_how_to_begin(state: Path, quorate: Quorate) -> None:
    said = quorate()
    assert said.code == 0
    assert said.out.startswith("This machine has no role yet")
    for command in ("quorate demo", "quorate client init ", "quorate host init ", "quorate publisher init "):
        assert command in said.out
    assert "Usage: quorate" in said.out


def test_alone_it_names_every_role_and_each_next_command(state: Path, quorate: Quorate) -> None:
    Publisher.create(state, "Acme Software", "correct horse", ManualClock(), SeededEntropy())
    assert "This machine is a publisher" in quorate().out
    be_host(state, activated=False)
    be_client(state)
    said = quorate().out
    assert "This machine is a publisher" in said
    assert "This machine is a KMS host" in said
    assert "This machine is a KMS client for Acme CAD" in said
    assert "quorate client status" in said
    assert "nothing yet" not in said


def test_alone_on_a_host_it_names_the_next_step_of_the_road(state: Path, quorate: Quorate) -> None:
    be_host(state, activated=False)
    assert "quorate host install-key" in quorate().out
    quorate("host", "install-key", World().product_key.text)
    assert "quorate host request" in quorate().out
    quorate("host", "request", "-o", state.with_name("contoso.req"))
    assert "quorate host activate" in quorate().out


# --- completion ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "place", "wanted"),
    [("quorate doc", 1, "doctor"), ("quorate host stat", 2, "status"), ("quorate doctor --ro", 2, "--role")],
)
def test_the_shell_completes_commands_and_flags(
    quorate: Quorate, monkeypatch: pytest.MonkeyPatch, words: str, place: int, wanted: str
) -> None:
    monkeypatch.setenv("_QUORATE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(place))
    said = quorate()
    assert (said.code, said.out.split()) == (0, [wanted])


def test_the_completion_script_is_printed_for_a_shell(quorate: Quorate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    said = quorate("--show-completion", "bash")
    assert said.code == 0
    assert "_QUORATE_COMPLETE=complete_bash" in said.out
