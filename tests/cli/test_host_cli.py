"""`quorate host` as people and scripts use it: words, JSON, exit codes, hints."""

from __future__ import annotations

import csv
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from quorate.cli import main
from quorate.clock import SystemClock
from quorate.core.messages import encode
from tests.host.processes import started
from tests.support.clocks import ManualClock
from tests.support.documents import World, cmid_of
from tests.support.hosting import Hosted, certificate_for, hosting, make_host

WORLD = World()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """What a publisher ships."""
    (tmp_path / "acme-cad.product").write_text(WORLD.product_token + "\n")
    (tmp_path / "publisher.jwks").write_bytes(WORLD.jwks)
    return tmp_path


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def quorate(*words: str, state_dir: Path | None = None) -> Done:
    """One command to its end, through the real entry point; in this process, as starting one takes a second."""
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
    ):
        patch.setattr("sys.argv", ["quorate", *words])
        patch.setenv("COLUMNS", "250")
        if state_dir is not None:
            patch.setenv("QUORATE_STATE_DIR", str(state_dir))
        try:
            main.run()
            code: Any = 0
        except SystemExit as end:
            code = end.code or 0
    return Done(int(code), out.getvalue(), err.getvalue())


def said(*words: str, state_dir: Path) -> Any:
    done = quorate("host", *words, "--json", state_dir=state_dir)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_s01_from_nothing_to_an_activated_host(files: Path) -> None:
    state, now_s = files / "state", SystemClock().now_s()
    made = said(
        "init", "--product", str(files / "acme-cad.product"), "--trust", str(files / "publisher.jwks"), state_dir=state
    )
    assert made["products"] == ["acme-cad"]
    assert not said("status", state_dir=state)["activated"]
    assert said("install-key", WORLD.product_key.text, state_dir=state) == {
        "product_key_last_five": WORLD.product_key.last_five
    }
    said("request", "-o", str(files / "a.req"), state_dir=state)
    (files / "a.cert").write_text(certificate_for(WORLD, (files / "a.req").read_text(), now_s))
    activated = said("activate", "--confirmation", str(files / "a.cert"), state_dir=state)
    assert (activated["customer"], activated["product_groups"]) == ("Contoso", ["acme"])
    status = said("status", state_dir=state)
    assert status["activated"]
    assert status["host_id"] == made["host_id"]
    assert {"version", "certificate_expires_s", "port", "dns_publishing", "counts", "requests"} <= set(status)


def test_status_for_people_is_readable_at_a_glance(tmp_path: Path) -> None:
    make_host(tmp_path / "host", WORLD, SystemClock(), activated=False)
    shown = quorate("host", "status", state_dir=tmp_path / "host").stdout
    for line in (
        "NOT ACTIVATED: this KMS host is not activated, not running",
        "0 of 25  25 more machines needed (counting servers and clients)",
        "Listening on port:   1688 (all addresses)",
        "Renewal interval:    10,080 minutes",
        "DNS publishing:      enabled",
        "KMS priority:        Normal",
    ):
        assert line in shown


def test_set_says_what_stands_and_what_is_allowed(tmp_path: Path) -> None:
    state = tmp_path / "host"
    make_host(state, WORLD, SystemClock())
    assert said("set", "activation-interval", "30", state_dir=state) == {"activation-interval": 30}
    assert said("set", "activation-interval", "default", state_dir=state) == {"activation-interval": 120}
    wrong = quorate("host", "set", "activation-interval", "1", "--json", state_dir=state)
    assert wrong.returncode == 2
    assert json.loads(wrong.stdout)["error"] == "INVALID_SETTING"
    assert "15..43200" in wrong.stderr
    assert "Did you mean priority?" in quorate("host", "set", "prioritiy", "low", state_dir=state).stderr


@pytest.fixture
def host(tmp_path: Path) -> Hosted:
    """A host that has heard three machines, and stopped."""
    with hosting(tmp_path, clock=ManualClock(SystemClock().now_s())) as running:
        running.activate(1)
        running.activate(2, machine="=HYPERLINK(0)")
        running.activate(3, vm=True)
    return running


def test_clients_as_table_json_and_csv(host: Hosted) -> None:
    state = host.state_dir
    table = quorate("host", "clients", state_dir=state).stdout
    assert cmid_of(3) in table
    assert "pc-0001.contoso.example" in table
    lines = quorate("host", "clients", "--json", "--search", "pc-0003", state_dir=state).stdout.splitlines()
    [client] = [json.loads(line) for line in lines]
    assert (client["cmid"], client["class"], client["flags"]) == (cmid_of(3), "client", ["vm"])
    rows = list(csv.DictReader(io.StringIO(quorate("host", "clients", "--csv", state_dir=state).stdout)))
    assert [row["cmid"] for row in rows] == [cmid_of(1), cmid_of(2), cmid_of(3)]
    assert rows[1]["machine"] == "'=HYPERLINK(0)"  # shown by a spreadsheet, not run by it


def test_events_as_table_and_json(host: Hosted) -> None:
    lines = quorate("host", "events", "--id", "12290", "--limit", "2", "--json", state_dir=host.state_dir).stdout
    events = [json.loads(line) for line in lines.splitlines()]
    first, second = events
    assert [(event["code"], event["count"]) for event in events] == [
        ("COUNT_INSUFFICIENT", 2),
        ("COUNT_INSUFFICIENT", 3),
    ]
    assert second["id"] == first["id"] + 1
    assert "COUNT_INSUFFICIENT" in quorate("host", "events", state_dir=host.state_dir).stdout
    assert quorate("host", "events", "--id", "12291", "--json", state_dir=host.state_dir).stdout == ""


def test_a_request_file_that_is_there_is_left_alone(files: Path) -> None:
    make_host(files / "host", WORLD, SystemClock())
    (files / "a.req").write_text("precious")
    refused = quorate("host", "request", "-o", str(files / "a.req"), state_dir=files / "host")
    assert refused.returncode == 1
    assert "already there" in refused.stderr
    assert (files / "a.req").read_text() == "precious"
    assert not list((files / "host" / "requests").iterdir())


def test_mistakes_are_told_with_the_next_step(files: Path) -> None:
    state = files / "host"
    nothing = quorate("host", "status", state_dir=state)
    assert nothing.returncode == 1
    assert "hint: Make one: `quorate host init" in nothing.stderr
    make_host(state, WORLD, SystemClock(), activated=False)
    wrong = quorate("host", "activate", "--confirmation", str(files / "acme-cad.product"), state_dir=state)
    assert (wrong.returncode, "is a product file" in wrong.stderr) == (1, True)
    missing = quorate("host", "activate", "--confirmation", str(files / "no.cert"), state_dir=state)
    assert (missing.returncode, "no.cert" in missing.stderr) == (1, True)
    assert quorate("host", "install-key", state_dir=state).returncode == 2
    assert quorate("host", "run", "--port", "70000", state_dir=state).returncode == 2


def test_run_says_where_it_listens_and_logs_json_lines(tmp_path: Path) -> None:
    state, clock = tmp_path / "host", SystemClock()
    make_host(state, WORLD, clock)
    with started(state) as host:
        assert host.said["address"] == "127.0.0.1"
        assert said("status", state_dir=state)["port"] == host.port
        said("set", "renewal-interval", "5000", state_dir=state)
        assert host.terminate() == 0
        events = [json.loads(line) for line in host.process.err.splitlines()]
    assert {"listening", "stopping", "stopped"} <= {event["event"] for event in events}
    assert WORLD.product_key.text not in json.dumps(events)


@pytest.mark.parametrize(
    "command",
    [
        "init",
        "add-product",
        "install-key",
        "request",
        "activate",
        "update",
        "run",
        "status",
        "set",
        "clients",
        "events",
    ],
)
def test_every_help_ends_with_an_example(command: str) -> None:
    shown = quorate("host", command, "--help").stdout.strip().splitlines()
    assert shown[-1].strip().startswith(f"Example: quorate host {command}")


def test_a_request_body_is_small() -> None:
    assert len(encode(WORLD.request())) < 400
