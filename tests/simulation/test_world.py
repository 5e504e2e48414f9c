"""One seed is one world: the same trace in every process; random fleets keep every rule; what fails is made small."""

from __future__ import annotations

import dataclasses
import itertools
import os
import subprocess
import sys
from multiprocessing import active_children
from pathlib import Path

import pytest

from quorate.clock import SystemClock
from quorate.sim.crew import swarm, try_seed
from quorate.sim.invariants import Violation
from quorate.sim.play import play
from quorate.sim.scenario import Scenario, What
from quorate.sim.scenario_file import read_scenario, shipped
from quorate.sim.scenario_text import scenario_text
from quorate.sim.shrink import shrink
from quorate.sim.swarm import random_scenario
from quorate.sim.timeline import LOOKS_EVERY
from quorate.sim.world import Result
from tests.simulation.test_mutants import trouble

HASH = "from quorate.sim.crew import try_seed; print(try_seed({seed}).trace_hash)"
LONG_SEED = 50  # half a minute and more
SHORT_SEED = 42  # it and the next one take less than a second
# Short ones with many faults, three with real signatures. 3425: an answer is underway when its host loses its database.
SEEDS = (1000, 1004, 1015, 1040, 1054, 1062, 3425)


def test_the_same_seed_gives_the_same_trace_in_two_processes() -> None:
    hashes = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", HASH.format(seed=53)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        hashes.add(done.stdout.strip())
    assert hashes == {try_seed(53).trace_hash}


def test_another_seed_gives_another_trace() -> None:
    scenario = trouble()
    assert play(scenario).trace_hash != play(dataclasses.replace(scenario, seed=4)).trace_hash


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_fleet_with_random_faults_keeps_every_rule(seed: int) -> None:
    tried = try_seed(seed)
    assert tried.violations == (), f"replay: quorate simulate --swarm-seed {seed}"


def test_the_swarm_plays_seeds_in_two_processes_until_its_time_is_over() -> None:
    tried = list(swarm(53, 0.2, 2, SystemClock()))
    assert sorted(each.seed for each in tried)[:2] == [53, 54]
    assert all(each.violations == () for each in tried)


def test_a_fleet_that_is_long_is_left_when_the_time_is_over_and_told_as_not_finished() -> None:
    whole, looks = try_seed(53), itertools.count()
    part = try_seed(53, lambda: next(looks) >= 1)
    assert whole.is_finished
    assert not part.is_finished
    assert 0 < part.events == 2 * LOOKS_EVERY < whole.events
    assert part.violations == ()


def test_the_swarm_ends_though_its_fleets_do_not() -> None:
    (tried,) = swarm(LONG_SEED, 0.1, 1, SystemClock())
    assert (tried.seed, tried.is_finished) == (LONG_SEED, False)


def test_who_stops_reading_the_swarm_has_ended_its_processes() -> None:
    before = set(active_children())
    fleets = swarm(SHORT_SEED, 3600, 2, SystemClock())
    assert next(fleets).seed >= SHORT_SEED
    fleets.close()
    assert set(active_children()) <= before


def test_a_process_of_the_swarm_that_is_killed_is_told_with_its_seed_and_replaced() -> None:
    fleets = swarm(SHORT_SEED, 3600, 1, SystemClock())
    first = next(fleets)
    (process,) = active_children()
    process.kill()
    second, third = next(fleets), next(fleets)
    fleets.close()
    assert [each.seed for each in (first, second, third)] == [SHORT_SEED, SHORT_SEED + 1, SHORT_SEED + 2]
    assert [each.rule for each in second.violations] == ["world-ended"]
    assert third.is_finished


def test_a_failing_scenario_is_made_small() -> None:
    """A scenario is said to fail when its host crashes: everything else goes, and half of the fleet again and again."""

    def pretend(scenario: Scenario) -> Result:
        has_crash = any(each.what is What.HOST_CRASH for each in scenario.happenings)
        broken = (Violation(0, "rule", ""),) if has_crash else ()
        return Result(scenario, None, broken, 0)  # type: ignore[arg-type]  # nobody looks at a recording here

    small = shrink(trouble(), "rule", pretend)
    assert [each.what for each in small.happenings] == [What.HOST_CRASH]
    assert [each.machines for each in small.populations] == [1]


@pytest.mark.parametrize("seed", range(40))
def test_a_made_up_scenario_can_be_written_and_read(seed: int, tmp_path: Path) -> None:
    scenario = random_scenario(seed)
    path = tmp_path / f"{scenario.name}.toml"
    path.write_text(scenario_text(scenario), encoding="utf-8")
    assert read_scenario(path) == scenario


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_scenario_can_be_written_and_read(name: str, tmp_path: Path) -> None:
    scenario = read_scenario(shipped()[name])
    path = tmp_path / f"{name}.toml"
    path.write_text(scenario_text(scenario), encoding="utf-8")
    assert read_scenario(path) == scenario
