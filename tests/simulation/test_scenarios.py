"""Scenario files: what they may say, how mistakes are told; and what the scenarios that ship show."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S, HOUR_S
from quorate.errors import FileAccessError, InvalidSourceError
from quorate.sim.scenario import Scenario, What
from quorate.sim.scenario_file import read_scenario, shipped
from tests.simulation.playing import story

SMALL = """
title = "Small"
length = "2d"

[[host]]
name = "kms1"

[[population]]
name = "office"
kind = "pc"
machines = 3
"""


def read(tmp_path: Path, text: str) -> Scenario:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return read_scenario(path)


def test_a_small_file_is_enough(tmp_path: Path) -> None:
    scenario = read(tmp_path, SMALL)
    assert (scenario.name, scenario.length_s, scenario.machines_max) == ("own", 2 * DAY_S, 3)
    assert scenario.hosts[0].database == "kms1"


def test_an_event_may_be_repeated(tmp_path: Path) -> None:
    event = '[[event]]\nat = "1h"\nwhat = "crash"\nmachines = 1\nevery = "3h"\ntimes = 4\n'
    times = [each.at_s for each in read(tmp_path, SMALL + event).happenings]
    assert times == [1 * HOUR_S, 4 * HOUR_S, 7 * HOUR_S, 10 * HOUR_S]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('[[event]]\nat = "1h"\nwhat = "retired"\n', "Did you mean retire?"),
        ('[[event]]\nat = "1h"\nwhat = "retire"\npopulation = "offce"\n', "Did you mean office?"),
        ('[[event]]\nat = "soon"\nwhat = "retire"\n', 'Write a number with s, m, h, d or w: at = "10d"'),
        ('[[event]]\nat = "1h"\nwhat = "clock-step"\n', "Write how far the clock jumps"),
        ('[[event]]\nat = "1h"\nwhat = "retire"\nhost = "kms1"\n', "Take the line out"),
        ('[[population]]\nname = "kms1"\nkind = "pc"\n', "a name of its own"),
        ('[[population]]\nname = "x"\nkind = "desktop"\n', "Known here: server, pc, laptop, vdi, ci"),
        ("[network]\nloss_percent = 5\n", "Did you mean loss_permille?"),
        ("[policy]\nsoft = 25\n", "Write a lower number"),
        ('[policy]\nsoft_for = "30d"\n', "Add soft = 20"),
    ],
)
def test_a_mistake_is_told_with_what_is_right(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(InvalidSourceError) as told:
        read(tmp_path, SMALL + more)
    assert words in told.value.hint


def test_what_is_no_toml_or_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidSourceError, match="not TOML"):
        read(tmp_path, "title = ")
    with pytest.raises(FileAccessError):
        read_scenario(tmp_path / "nowhere.toml")


def test_all_that_can_happen_is_in_the_manual() -> None:
    page = Path("docs/explanation/simulator.md").read_text(encoding="utf-8")
    assert [each.value for each in What if f"`{each.value}`" not in page] == []
    assert [name for name in shipped() if f"`{name}`" not in page] == []


# --- what they show --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["two-hosts-diluted", "two-hosts-shared", "cloned-image", "host-moved", "vdi-pool", "clock-chaos"]
)
def test_a_shipped_scenario_breaks_no_rule(name: str) -> None:
    assert story(name).result.violations == ()


def test_two_hosts_that_count_apart_never_activate_anybody_and_sharing_activates_all() -> None:
    apart, shared = story("two-hosts-diluted").result.recording, story("two-hosts-shared").result.recording
    assert apart.answers["ACTIVATED"] == 0
    assert apart.statuses[LicenseStatus.NOTIFICATION] == 40
    assert shared.statuses[LicenseStatus.LICENSED] == 40


def test_copies_of_a_disk_end_as_machines_of_their_own() -> None:
    recording = story("cloned-image").result.recording
    assert recording.samples[-1].counts["kms1"][0] == recording.samples[-1].machines == 30
    assert recording.answers["CMID_SUPERSEDED"] == 5


def test_clients_follow_a_host_that_moves_when_dns_does() -> None:
    recording = story("host-moved").result.recording
    assert recording.faults["HOST_UNREACHABLE"] > 0
    assert recording.samples[-1].unanswered == {}
    assert recording.statuses[LicenseStatus.LICENSED] == 40


def test_the_desktops_of_a_used_image_are_told_apart_as_those_of_a_clean_one() -> None:
    samples = story("vdi-pool").result.recording.samples
    day = 24
    before, after = samples[21 * day].counts["kms1"][0], samples[21 * day + 12].counts["kms1"][0]
    assert after - before == 40 + 40  # each desktop of either pool has a CMID of its own by noon


def test_a_soft_threshold_keeps_renewing_for_its_time_and_activates_nobody_new() -> None:
    result = story("soft-threshold", is_quick=False).result
    assert result.violations == ()
    marks = {each.kind: each for each in result.recording.milestones}
    assert "count 23 of 25; client machines are only renewed from now on" in marks["threshold-soft"].text
    fell_s, over_s = marks["threshold-soft"].at_s, marks["threshold-missed"].at_s
    assert over_s - result.scenario.start_s > 60 * DAY_S
    newcomer = [each for each in result.recording.changes if each.machine.startswith("late") and each.at_s < over_s]
    assert [each.after for each in newcomer] == [LicenseStatus.INITIAL_GRACE]
    between = [each for each in result.recording.samples if fell_s < each.at_s < over_s]
    assert sum(each.leases for each in between) > 23
    assert result.recording.statuses[LicenseStatus.LICENSED] == 25
