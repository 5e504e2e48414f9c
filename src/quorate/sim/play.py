"""Playing scenarios from beginning to end: one in a folder of its own, or many random ones until the time is over."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TextIO

import structlog

from quorate.clock import Clock
from quorate.sim.invariants import Violation
from quorate.sim.recording import Recording
from quorate.sim.scenario import Scenario
from quorate.sim.swarm import random_scenario
from quorate.sim.world import Result, World

__all__ = ["Tried", "play", "swarm"]


@dataclass(frozen=True)
class Tried:
    """One random scenario that was played."""

    seed: int
    attempts: int
    trace_hash: str
    violations: tuple[Violation, ...]


def play(
    scenario: Scenario, progress: Callable[[int, Recording], None] | None = None, trace: TextIO | None = None
) -> Result:
    """Play it; its databases are thrown away afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="quorate-sim-") as folder,
        World(scenario, Path(folder), trace) as world,
        _calm_collector(),
    ):
        return world.run(progress)


@contextmanager
def _calm_collector() -> Iterator[None]:
    """A large fleet is hundreds of thousands of objects that stay: looking through all of them again and again for
    garbage took a quarter of the time, and found next to none."""
    before = gc.get_threshold()
    gc.set_threshold(20_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def try_seed(seed: int) -> Tried:
    """Play random scenario `seed`."""
    structlog.configure(processors=[_drop])  # hosts that lose their disks have much to say
    result = play(random_scenario(seed))
    return Tried(seed, result.recording.attempts, result.trace_hash, result.violations)


def swarm(first_seed: int, seconds: float, processes: int, clock: Clock) -> Iterator[Tried]:
    """Random scenarios, one seed after the other, on so many processes, until `seconds` have passed; as they end."""
    until_s = clock.monotonic_s() + seconds
    seed = first_seed
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting: set[Future[Tried]] = set()
        while waiting or clock.monotonic_s() < until_s:  # bounded by the time; a scenario lasts seconds
            while len(waiting) < processes and clock.monotonic_s() < until_s:
                waiting.add(pool.submit(try_seed, seed))
                seed += 1
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from sorted((future.result() for future in done), key=lambda tried: tried.seed)


def _drop(_logger: object, _name: str, _values: object) -> str:
    raise structlog.DropEvent
