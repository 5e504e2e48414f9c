"""`quorate client`, as it is typed: what comes on stdout and stderr, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quorate import Status
from quorate.cli.main import run
from quorate.clock import SystemClock
from quorate.core.documents import PRODUCT, sign
from quorate.core.policy import DAY_S
from tests.client.nameserver import ScriptedNameServer, nameserver, zone
from tests.client.parties import Installation, ScriptedHost, closed_port, scripted
from tests.support.child import Child
from tests.support.documents import World
from tests.support.source import ROOT
from tests.support.waiting import PATIENCE_S

COMMANDS = [
    *("init", "activate", "status", "set-host", "clear-host", "rearm", "run"),
    *("discover", "set-domain", "clear-domain", "set-caching", "set-mdns", "set-enrolment", "clear-enrolment"),
]


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        [line] = self.out.splitlines()
        told: dict[str, Any] = json.loads(line)
        return told


Quorate = Callable[..., Said]


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


@pytest.fixture
def host() -> Iterator[ScriptedHost]:
    """A host of today: these commands use this machine's own clock."""
    world, now_s = World(), SystemClock().now_s()
    with scripted(world, SystemClock()) as host:
        host.certificate = world.certificate_token(issued_s=now_s - DAY_S, expires_s=now_s + 700 * DAY_S)
        yield host


@pytest.fixture
def names() -> Iterator[ScriptedNameServer]:
    """A name server that knows nothing unless a test says so."""
    with nameserver(zone({})) as server:
        yield server


@pytest.fixture
def quorate(
    here: Installation,
    names: ScriptedNameServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Quorate:
    """Types `quorate client ...` with this test's state folder and name server in the environment."""
    monkeypatch.setenv("QUORATE_STATE_DIR", str(here.state_dir))
    monkeypatch.setenv("QUORATE_DNS_SERVER", f"{names.address}:{names.port}")

    def type_it(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["quorate", "client", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            run()
        said = capsys.readouterr()
        return Said(int(end.value.code or 0), said.out, said.err)

    return type_it


@pytest.fixture
def installed(here: Installation, quorate: Quorate) -> Installation:
    assert quorate("init", "--product", here.product, "--trust", here.trust).exit_code == 0
    return here


def test_init_copies_both_files_and_begins_the_grace(here: Installation, quorate: Quorate) -> None:
    said = quorate("init", "--product", here.product, "--trust", here.trust, "--json")
    assert said.exit_code == 0
    assert set(said.json) == {field.name for field in fields(Status)}
    assert (said.json["status"], said.json["edition"], said.json["code"]) == ("initial_grace", "acme-cad-pro", None)
    folder = here.state_dir / "acme-cad"
    assert (folder / "acme-cad.product").read_bytes() == here.product.read_bytes()
    assert (folder / "publisher.jwks").read_bytes() == here.trust.read_bytes()
    assert "set-host" in said.err


def test_init_again_keeps_the_state_and_may_choose_an_edition(here: Installation, quorate: Quorate) -> None:
    files = "--product", here.product, "--trust", here.trust
    first = quorate("init", *files, "--json").json
    again = quorate("init", *files, "--edition", "acme-cad-server", "--json").json
    assert again["cmid"] == first["cmid"]
    assert again["edition"] == quorate("status", "--json").json["edition"] == "acme-cad-server"
    said = quorate("init", *files, "--edition", "acme-cad-nonsense")
    assert said.exit_code == 1
    assert "acme-cad-pro" in said.err


def test_init_with_files_that_do_not_belong_together_changes_nothing(here: Installation, quorate: Quorate) -> None:
    here.product.write_text("eyJ.not.one")
    said = quorate("init", "--product", here.product, "--trust", here.trust, "--json")
    assert (said.exit_code, said.json["error"]) == (1, "MALFORMED_DOCUMENT")
    assert not here.state_dir.exists()


def test_activate_is_licensed_or_says_why_with_the_exit_code(
    installed: Installation, quorate: Quorate, host: ScriptedHost
) -> None:
    said = quorate("activate", "--json")
    assert (said.exit_code, said.json["code"]) == (1, "DNS_NAME_DOES_NOT_EXIST")
    assert "set-host" in said.json["hint"]

    assert quorate("set-host", f"127.0.0.1:{closed_port()}").exit_code == 0
    said = quorate("activate", "--json")
    assert (said.exit_code, said.json["code"], said.json["status"]) == (1, "HOST_UNREACHABLE", "initial_grace")
    assert "connection refused" in said.err

    quorate("set-host", f"127.0.0.1:{host.port}")
    host.count = 18
    said = quorate("activate", "--json")
    assert (said.exit_code, said.json["code"], said.json["count"], said.json["threshold"]) == (
        3,
        "COUNT_INSUFFICIENT",
        18,
        25,
    )
    assert said.err == f"not yet activated: 18 of 25 machines\nhint: {said.json['hint']}\n"
    said = quorate("activate")
    assert (said.exit_code, said.out) == (3, "")
    assert "not yet activated: 18 of 25 machines" in said.err

    host.count = 25
    said = quorate("activate", "--json")
    assert (said.exit_code, said.json["status"], said.json["usable"], said.err) == (0, "licensed", True, "")


def test_status_is_readable_at_a_glance(installed: Installation, quorate: Quorate, host: ScriptedHost) -> None:
    quorate("set-host", f"127.0.0.1:{host.port}")
    quorate("activate")
    said = quorate("status")
    assert said.exit_code == 0
    lines = dict(line.split(":", 1) for line in said.out.splitlines())
    shown = {name: text.strip() for name, text in lines.items()}
    assert shown["product"] == "Acme CAD Professional"
    assert shown["status"].startswith("licensed until ")
    assert shown["status"].endswith("(in 180 days)")
    assert shown["count"] == "25 of 25"
    assert shown["KMS host"] == f"127.0.0.1:{host.port} (set by hand)"
    assert shown["next attempt"].endswith("(in 6 days)")
    assert "reason" not in shown
    host.count = 18
    quorate("activate")
    said = quorate("status")
    assert "activation count 18 of 25\n" in said.out
    assert "COUNT_INSUFFICIENT\n" in said.out


def test_status_asks_nobody(installed: Installation, quorate: Quorate, host: ScriptedHost) -> None:
    quorate("set-host", f"127.0.0.1:{host.port}")
    quorate("status")
    assert not host.requests


def test_set_host_and_clear_host(installed: Installation, quorate: Quorate) -> None:
    assert quorate("set-host", "kms.contoso.example", "--json").json["host"] == "kms.contoso.example:1688"
    assert quorate("set-host", "[2001:db8::7]:1700", "--json").json["host"] == "[2001:db8::7]:1700"
    said = quorate("set-host", "http://kms", "--json")
    assert (said.exit_code, said.json["error"]) == (2, "INVALID_SETTING")
    assert quorate("status", "--json").json["host"] == "[2001:db8::7]:1700"
    assert quorate("clear-host", "--json").json["host"] is None


def test_rearm_is_limited(installed: Installation, quorate: Quorate) -> None:
    cmids = {quorate("rearm", "--json").json["cmid"] for _ in range(3)}
    assert len(cmids) == 3
    said = quorate("rearm", "--json")
    assert (said.exit_code, said.json["error"], said.json["hresult"]) == (1, "REARM_LIMIT_REACHED", "0xC004D307")


def test_of_several_products_one_is_chosen(installed: Installation, quorate: Quorate, tmp_path: Path) -> None:
    world = World()
    view = msgspec.structs.replace(world.product, product="acme-view", name="Acme View")
    other = tmp_path / "other.product"
    other.write_text(sign(PRODUCT, view, world.publisher_key))
    quorate("init", "--product", other, "--trust", installed.trust)
    said = quorate("status")
    assert said.exit_code == 2
    assert "acme-cad, acme-view" in said.err
    assert quorate("status", "--product-id", "acme-view", "--json").json["edition"] == "acme-cad-pro"
    said = quorate("status", "--product-id", "nonsense")
    assert said.exit_code == 1
    assert "acme-view" in said.err


def test_before_init_every_command_says_how_to_begin(quorate: Quorate) -> None:
    for words in (["activate"], ["status"], ["set-host", "kms"], ["clear-host"], ["rearm"], ["run"]):
        said = quorate(*words, "--json")
        assert (said.exit_code, said.json["error"]) == (1, "STATE_MISSING")
        assert "quorate client init --product" in said.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_ends_with_an_example_and_shows_the_variables(quorate: Quorate, command: str) -> None:
    said = quorate(command, "--help")
    assert said.exit_code == 0
    assert " ".join(said.out.split()).rpartition("Example: ")[2].startswith(f"quorate client {command}")
    assert "QUORATE_STATE_DIR" in said.out


@pytest.mark.parametrize("words", [["nonsense"], ["init"], ["status", "extra"], ["set-host"], ["status", "--colour"]])
def test_misuse_is_exit_2(quorate: Quorate, words: list[str]) -> None:
    assert quorate(*words).exit_code == 2


def agent_of(installed: Installation, *words: str) -> Child:
    """`quorate client run` in a process of its own."""
    command = [sys.executable, "-c", "from quorate.cli.main import run; run()", "client", "run", *words]
    environ = os.environ | {"QUORATE_STATE_DIR": str(installed.state_dir)}
    environ.pop("PYTHONUNBUFFERED", None)  # most people's Python keeps back what it writes into a pipe
    return Child(command, cwd=ROOT, environ=environ)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_activates_and_ends_at_once_on_a_signal(
    installed: Installation, quorate: Quorate, host: ScriptedHost, number: signal.Signals
) -> None:
    quorate("set-host", f"127.0.0.1:{host.port}")
    with agent_of(installed, "--json") as agent:
        assert agent.told()["status"] == "licensed"
        agent.signal(number)
        assert agent.ends() == 0, agent.err
    assert quorate("status", "--json").json["status"] == "licensed"


def test_run_ends_at_once_even_while_a_host_is_silent(
    installed: Installation, quorate: Quorate, host: ScriptedHost
) -> None:
    quorate("set-host", f"127.0.0.1:{host.port}")
    done = threading.Event()

    def silent(_: socket.socket) -> None:
        done.wait(PATIENCE_S)

    host.raw = silent
    with agent_of(installed) as agent:
        assert host.heard.wait(PATIENCE_S)
        assert agent.terminate() == 0
    assert quorate("status", "--json").json["code"] is None, "it waited for the end of its attempt"
    done.set()
    host.raw = None
    assert quorate("activate", "--json").json["status"] == "licensed"
    assert host.requests[0].nonce == host.requests[1].nonce
