"""Variables named QUORATE_... that nothing reads: who tells them, who goes on; and what is read is never among them."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate import errors
from quorate.cli.main import ROOMS, application, parser_of
from quorate.cli.variables import known_variables, option_variables
from quorate.clock import SystemClock
from quorate.core.policy import Policy
from tests.cli.test_config_cli import COMMAND, process
from tests.client.parties import Installation
from tests.host.processes import quorate, started
from tests.support.documents import World
from tests.support.hosting import make_host
from tests.support.source import ROOT, modules

PORTT = {"QUORATE_HOST_PORTT": "1700"}
EXAMPLES = {"QUORATE_HOST_PORTT", "QUORATE_HOST_SERVICE_HOST"}  # what the documents show as unknown
CLIENT_ONLY = "import sys; sys.modules |= dict.fromkeys(('structlog', 'sqlalchemy', 'granian', 'starlette'))"


def ran(*words: str, program: str = COMMAND[-1], **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("QUORATE_")}
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**kept, **variables}, check=False)


def problems(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {each["name"]: each["allowed"] for each in json.loads(done.stdout)["problems"]}


# --- config check, show, doctor --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["host", "client", "publisher"])
def test_check_counts_a_variable_that_nothing_reads(role: str, tmp_path: Path) -> None:
    file = tmp_path / f"{role}.toml"
    file.write_text("")
    state = {"QUORATE_STATE_DIR": str(tmp_path / "none")}
    words = (role, "config", "check", str(file))
    assert ran(*words, **state).returncode == 0
    done = ran(*words, "--json", **state, **PORTT, QUORATE_PASSPHRAS="correct horse")
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False
    assert problems(done) == {
        "QUORATE_HOST_PORTT": "Did you mean QUORATE_HOST_PORT?",
        "QUORATE_PASSPHRAS": "Did you mean QUORATE_PASSPHRASE?",
    }
    assert "correct horse" not in done.stdout + done.stderr
    human = ran(*words, **state, **PORTT)
    wanted = "environment: QUORATE_HOST_PORTT: nothing here reads this variable\n    Did you mean QUORATE_HOST_PORT?\n"
    assert (human.returncode, human.stdout) == (1, wanted)
    assert "is good: 0 settings" in human.stderr
    assert "environment: 1 problem." in human.stderr


@pytest.mark.parametrize("role", ["host", "client", "publisher"])
def test_check_looks_at_the_environment_where_there_is_no_file_too(role: str, tmp_path: Path) -> None:
    words = (role, "config", "check", "--state-dir", str(tmp_path / "none"))
    assert ran(*words).returncode == 0
    done = ran(*words, "--json", **PORTT)
    assert (done.returncode, json.loads(done.stdout)["file"]) == (1, None)
    assert problems(done) == {"QUORATE_HOST_PORTT": "Did you mean QUORATE_HOST_PORT?"}
    human = ran(*words, **PORTT)
    assert human.returncode == 1
    assert human.stdout.startswith("environment: QUORATE_HOST_PORTT: ")
    assert "A first one: " in human.stderr


def test_check_judges_what_the_variables_of_settings_say(tmp_path: Path) -> None:
    state = {"QUORATE_STATE_DIR": str(tmp_path / "none")}
    wrong = {
        "QUORATE_HOST_PORT": "many",
        "QUORATE_HOST_RENEWAL_INTERVAL": "1",
        "QUORATE_HOST_ADDRESS": "127.0.0.1",
        "QUORATE_PUBLISHER_PORT": "70000",
    }
    done = ran("host", "config", "check", "--json", **state, **wrong)
    assert done.returncode == 1
    assert set(problems(done)) == {"QUORATE_HOST_PORT", "QUORATE_HOST_RENEWAL_INTERVAL"}
    done = ran("publisher", "config", "check", **state, **wrong)
    assert done.returncode == 1
    assert "environment: QUORATE_PUBLISHER_PORT: " in done.stdout
    assert "QUORATE_HOST" not in done.stdout
    done = ran("client", "config", "check", "--json", **state, QUORATE_HTTPS="perhaps", QUORATE_PROXY="ftp://x")
    assert done.returncode == 1
    assert set(problems(done)) == {"QUORATE_HTTPS", "QUORATE_PROXY"}


def test_check_bounds_an_interval_as_the_products_of_the_host_do(tmp_path: Path) -> None:
    make_host(tmp_path / "host", World(policy=Policy(interval_min_s=60, interval_max_s=3600)), SystemClock())
    words = ("host", "config", "check", "--state-dir", str(tmp_path / "host"), "--json")
    assert ran(*words, QUORATE_HOST_RENEWAL_INTERVAL="60").returncode == 0
    assert set(problems(ran(*words, QUORATE_HOST_RENEWAL_INTERVAL="61"))) == {"QUORATE_HOST_RENEWAL_INTERVAL"}


def test_an_empty_variable_and_those_of_other_roles_are_no_mistake(tmp_path: Path) -> None:
    others = {
        "QUORATE_HTTPS": "1",
        "QUORATE_PUBLISHER_PORT": "1",
        "QUORATE_ADMIN_TOKEN": "x",
        "QUORATE_PASSPHRASE": "x",
    }
    places = {"QUORATE_SIMULATE_SEED": "1", "QUORATE_HOST_STATUS_AS_JSON": "0", "QUORATE_HOST_PORTT": ""}
    done = ran("host", "config", "check", "--state-dir", str(tmp_path), "--json", **others, **places)
    assert (done.returncode, problems(done)) == (0, {})


def test_on_a_clients_machine_a_variable_of_a_host_is_not_judged(tmp_path: Path) -> None:
    program = f"{CLIENT_ONLY}; {COMMAND[-1]}"
    assert ran("host", "config", "check", program=program).returncode == 1  # not installed there
    words = ("client", "config", "check", "--state-dir", str(tmp_path), "--json")
    done = ran(*words, program=program, QUORATE_HTTPSS="1", QUORATE_HOST_RENEWAL_INTERVAL="60")
    assert (done.returncode, problems(done)) == (1, {"QUORATE_HTTPSS": "Did you mean QUORATE_HTTPS?"})


def test_show_is_not_disturbed(tmp_path: Path) -> None:
    make_host(tmp_path / "host", World(), SystemClock())
    words = ("config", "show", "--json", "--state-dir", str(tmp_path / "host"))
    for role in ("host", "client", "publisher"):
        before, after = ran(role, *words), ran(role, *words, **PORTT)
        assert (before.returncode, before.stdout, before.stderr) == (0, after.stdout, after.stderr)


def test_doctor_names_it_and_warns(tmp_path: Path) -> None:
    make_host(tmp_path / "host", World(), SystemClock())
    done = ran("doctor", "--role", "host", "--state-dir", str(tmp_path / "host"), "--json", **PORTT)
    first = json.loads(done.stdout)["checks"][0]
    assert first == {
        "step": "config",
        "level": "warn",
        "seen": "QUORATE_HOST_PORTT: nothing here reads this variable",
        "code": "UNKNOWN_VARIABLE",
        "fix": "Did you mean QUORATE_HOST_PORT?",
    }


# --- what runs for years ---------------------------------------------------------------------------------------------


def test_a_host_warns_in_its_log_and_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_host(tmp_path / "host", World(), SystemClock())
    monkeypatch.setenv("QUORATE_HOST_PORTT", "1700")
    with started(tmp_path / "host") as host:
        line = json.loads(host.process.error_with("unknown_variable"))
        assert (line["level"], line["code"]) == ("warning", "UNKNOWN_VARIABLE")
        assert line["message"].startswith("QUORATE_HOST_PORTT: ")
        assert line["hint"] == "Did you mean QUORATE_HOST_PORT?"
        assert host.terminate() == 0


def test_an_agent_warns_and_keeps_its_products(tmp_path: Path) -> None:
    made = Installation(tmp_path)
    files = ("--product", str(made.product), "--trust", str(made.trust))
    assert quorate("client", "init", *files, state_dir=made.state_dir).returncode == 0
    assert quorate("client", "set-host", "127.0.0.1:9", state_dir=made.state_dir).returncode == 0
    with process("client", "run", QUORATE_STATE_DIR=str(made.state_dir), QUORATE_HTTPSS="1") as agent:
        assert agent.error_with("warning: ") == "warning: QUORATE_HTTPSS: nothing here reads this variable"
        assert agent.error_with("hint: ") == "hint: Did you mean QUORATE_HTTPS?"
        agent.error_with("initial_grace")
        assert agent.terminate() == 0


def test_a_publisher_warns_before_what_it_lacks_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_PASSPHRASE", "correct horse battery staple")
    state = tmp_path / "publisher"
    assert quorate("publisher", "init", "--name", "Acme Software", state_dir=state).returncode == 0
    words = ("publisher", "serve", "--port", "0", "--state-dir", str(state), "--json")
    with process(*words, QUORATE_PUBLISHER_ADRESS="::1") as service:
        assert service.told()["publisher"] == "Acme Software"
        assert "Did you mean QUORATE_PUBLISHER_ADDRESS?" in service.error_with("WARNING QUORATE_PUBLISHER_ADRESS")
        assert service.terminate() == 0
    done = ran(*words, "--address", "192.0.2.1", QUORATE_TLS_CERTT="cert.pem")
    assert done.returncode == 2
    assert done.stderr.index("Did you mean QUORATE_TLS_CERT?") < done.stderr.index("error: ")


# --- what is read is known -------------------------------------------------------------------------------------------


class Asked(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def get(self, name: str, default: Any = None) -> Any:
        self.names.append(name)
        return default


def every_option(name: str, parser: Any, parent: Any = None, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Each option of the command line with its place, and the context in which the parser reads it."""
    context = parser.make_context(name, [], parent=parent, resilient_parsing=True)
    place = f"{path} {name}".strip()
    yield from ((place, each, context) for each in parser.params if each.param_type_name == "option")
    for below, command in getattr(parser, "commands", {}).items():
        yield from every_option(below, command, context, place)


def test_every_variable_that_the_parser_asks_for_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    known = known_variables(list(ROOMS))
    options = list(every_option("quorate", parser_of(application(list(ROOMS)))))
    assert len(options) > 200
    for place, option, context in options:
        with monkeypatch.context() as patch:
            asked = Asked()
            patch.setattr(os, "environ", asked)
            option.resolve_envvar_value(context)
        assert asked.names == option_variables(place, option), place
        assert set(asked.names) <= set(known), place


NAME = re.compile(r"(?<![A-Z0-9_])QUORATE_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_])")


def test_every_variable_that_the_code_names_is_known() -> None:
    known = set(known_variables(list(ROOMS)))
    wrong = [
        f"{module.where(node.lineno)}: {name}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in NAME.findall(node.value)
        if name not in known | set(errors.BY_CODE)
    ]
    assert not wrong, "give it an option or a setting, or name it in cli/variables.py:\n" + "\n".join(wrong)


def test_every_variable_in_the_documents_and_the_services_is_known() -> None:
    fields = {"QUORATE_EVENT_ID"}  # of systemd's journal
    known = set(known_variables(list(ROOMS))) | set(errors.BY_CODE) | fields | EXAMPLES
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*"), *(ROOT / "src").rglob("units/*")]
    texts = {page: page.read_text(encoding="utf-8") for page in pages if page.is_file()}
    assert any(page.suffix == ".service" for page in texts)
    wrong = [f"{page}: {name}" for page, text in texts.items() for name in NAME.findall(text) if name not in known]
    assert not wrong, "\n".join(wrong)
