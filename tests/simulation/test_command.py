"""`quorate simulate`: list, play, report, replay."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from quorate.cli.application import application
from quorate.errors import InvalidSettingError, SimulationViolatedError
from tests.simulation.test_mutants import MUTANTS

FIVE = """
title = "Five <b>"
about = "Nothing much."
length = "4d"
signatures = "quick"
[policy]
client = 5
[[host]]
name = "kms1"
[[population]]
name = "office"
kind = "pc"
machines = 5
[[chapter]]
at = "1h"
title = "Everybody is there"
text = "All five."
"""

runner = CliRunner()


@pytest.fixture
def five(tmp_path: Path) -> Path:
    path = tmp_path / "five.toml"
    path.write_text(FIVE, encoding="utf-8")
    return path


def run(*arguments: str | Path) -> str:
    done = runner.invoke(application(["simulate"]), ["simulate", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_without_a_scenario_those_that_ship_are_listed() -> None:
    names = [json.loads(line)["scenario"] for line in run("--json").splitlines()]
    assert "25-to-23" in names
    assert len(names) == 11


def test_a_scenario_is_played_and_told_as_json(five: Path) -> None:
    told = json.loads(run(five, "--json"))
    assert told["statuses_at_end"]["licensed"] == 5
    assert told["answers"] == {"ACTIVATED": 5, "COUNT_INSUFFICIENT": 4}
    assert told["violations"] == []
    assert json.loads(run(five, "--json"))["trace_hash"] == told["trace_hash"]
    assert json.loads(run(five, "--json", "--seed", "2"))["trace_hash"] != told["trace_hash"]


def test_the_report_holds_everything_and_loads_nothing(five: Path, tmp_path: Path) -> None:
    page, rows, trace = tmp_path / "story.html", tmp_path / "hours.csv", tmp_path / "trace.txt"
    run(five, "--report", page, "--csv", rows, "--trace", trace)
    text = page.read_text(encoding="utf-8")
    ours = text.replace(text[text.index("<script>") : text.index("</script>")], "")  # all but the charting library
    assert "Five &lt;b&gt;" in ours
    assert "Everybody is there" in ours
    assert "no rule was broken" in ours
    assert not re.search(r'(src|href)="', ours)
    with rows.open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 4 * 24 + 1
    assert table[-1]["licensed"] == "5"
    assert "ACTIVATED office-005" in trace.read_text(encoding="utf-8")


def test_an_unknown_name_is_told_with_those_that_exist() -> None:
    with pytest.raises(InvalidSettingError, match="no scenario") as told:
        run("25-to-24")
    assert "25-to-23" in told.value.hint


def test_a_broken_rule_ends_with_the_command_that_shows_it_again(five: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS["one too few is enough"][0](monkeypatch)
    with pytest.raises(SimulationViolatedError) as told:
        run(five, "--json")
    assert told.value.values["rule"] == "no-lease-below-threshold"
    assert f"quorate simulate {five} --seed 1 --signatures quick" in told.value.hint


def test_a_random_fleet_is_played_again_by_its_seed() -> None:
    told = json.loads(run("--swarm-seed", "53", "--json"))
    assert told["scenario"] == "swarm-53"
    assert told["replay"] == "quorate simulate --swarm-seed 53"
