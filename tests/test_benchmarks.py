"""The benchmark works and says what its README says; how fast it was is nobody's business here."""

from __future__ import annotations

import importlib.util
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from benchmarks.__main__ import main
from benchmarks.questions import question
from benchmarks.simulator import main as simulator
from benchmarks.stored import GROUP, fill_host
from benchmarks.targets import verdicts
from quorate.core.ids import unb64url
from quorate.core.messages import decode_request
from quorate.core.policy import Policy
from quorate.host.store.database import Database
from quorate.host.store.record import cmid_bytes
from quorate.host.store.schema import cmid_records
from quorate.host.store.store import Store
from tests.support.clocks import START_S

LINE_FIELDS = {
    *("server", "connections", "rate", "keep_alive", "answers_per_s", "answers_per_s_range", "p50_ms", "p99_ms"),
    *("max_ms", "cpu_us", "cpu_us_best", "kernel_us", "machine_us", "generator_us", "answered", "errors", "rounds"),
}


def _bench(capfd: pytest.CaptureFixture[str], *parts: str) -> dict[str, Any]:
    code = main(["--json", "--quick", "--seconds", "0.2", "--only", *parts])
    said = capfd.readouterr()
    assert code == 0, said.err
    report: dict[str, Any] = json.loads(said.out)
    assert set(report) == {
        *("machine", "plan", "lines", "floor_us", "memory_mb", "records_at_the_end", "samples_verified"),
        *("durability", "client_status_us", "ratios", "targets"),
    }
    for line in report["lines"].values():
        assert set(line) == LINE_FIELDS
        assert line["answered"] > 0
        assert not line["errors"]
    return report


def test_a_host_is_set_up_driven_killed_and_reported_on(capfd: pytest.CaptureFixture[str]) -> None:
    report = _bench(capfd, "host", "rate", "durable", "status")
    assert set(report["lines"]) == {f"host {load}" for load in ("fresh", "keep-alive", "1000/s", "3000/s")}
    assert report["samples_verified"] > 0
    assert report["records_at_the_end"]["host"] > 0
    assert report["durability"]["answered"] > 0
    assert report["durability"]["lost"] == 0
    assert report["client_status_us"] > 0
    assert report["memory_mb"]["host"] > 0
    assert {each["figure"] for each in report["targets"] if each["met"] is None} == {
        *("over_echo", "over_floor", "over_flask_empty", "over_flask_filled", "filled_over_empty", "memory_filled_mb"),
    }


def test_a_filled_store_holds_machines_whose_renewals_are_no_clones(tmp_path: Path) -> None:
    path = tmp_path / "host.db"
    Database.create(path).close()
    fill_host(path, 30, START_S)
    renewal = decode_request(question(7, START_S, renews=True).body)
    with closing(Store.open(path)) as store:
        threshold = Policy().thresholds.client
        assert store.count(GROUP, threshold, START_S, Policy().count_window_s) == 30
        with store.database.reading() as connection:
            link = connection.execute(
                select(cmid_records.c.link).where(cmid_records.c.cmid == cmid_bytes(renewal.cmid))
            ).scalar_one()
    assert renewal.link is not None
    assert unb64url(renewal.link) == link


def test_the_echo_server_and_the_floor_are_measured(capfd: pytest.CaptureFixture[str]) -> None:
    report = _bench(capfd, "echo", "floor")
    assert set(report["lines"]) == {
        f"{server} {load}" for server in ("echo", "tcp") for load in ("fresh", "keep-alive")
    }
    floor = report["floor_us"]
    assert floor["total"] == pytest.approx(sum(floor[part] for part in ("parse", "row", "sign", "tcp")), abs=0.3)


@pytest.mark.skipif(importlib.util.find_spec("flask") is None, reason="the baselines need: uv sync --group bench")
def test_the_usual_program_is_measured_empty_and_filled(capfd: pytest.CaptureFixture[str]) -> None:
    report = _bench(capfd, "baseline")
    assert set(report["lines"]) == {
        f"{kind}-{state} fresh" for kind in ("flask-1w", "flask-2w", "flask-tuned-2w") for state in ("empty", "filled")
    }


def test_a_target_is_met_or_not_or_not_measured() -> None:
    words = {"stored": "1,000,000", "flask_stored": "100,000"}
    said = {each.figure: each for each in verdicts({"answers_per_s": 4000, "over_echo": 4.0, "lost": 0}, words)}
    assert (said["answers_per_s"].met, said["answers_per_s"].ratio) == (False, 0.8)
    assert (said["over_echo"].met, said["over_echo"].ratio) == (True, 0.8)
    assert said["lost"].met is True
    assert said["over_floor"].met is None
    assert "1,000,000" in said["filled_over_empty"].title


def test_a_simulated_year_is_measured_with_what_it_did(capfd: pytest.CaptureFixture[str]) -> None:
    assert simulator(["--quick", "--json", "--only", "year", "signed"]) == 0
    quick, signed = json.loads(capfd.readouterr().out)["cases"]
    assert (quick["signatures"], signed["signatures"]) == ("quick", "real")
    for each in (quick, signed):
        assert each["violations"] == 0
        assert each["met"] is None, "a fiftieth says nothing"
        assert each["events"] > each["requests"] > 3 * each["machines"]
        assert each["cpu_s"] > 0
    assert simulator(["--quick", "--only", "year"]) == 0
    assert "asked: 60 s: not measured (--quick); 0 rules broken" in capfd.readouterr().out
