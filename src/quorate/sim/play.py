"""Playing one scenario, from its beginning to its end, in a folder of its own."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from quorate.sim.recording import Recording
from quorate.sim.scenario import Scenario
from quorate.sim.world import Result, World

__all__ = ["play"]


def play(
    scenario: Scenario,
    progress: Callable[[int, Recording], None] | None = None,
    trace: TextIO | None = None,
    is_over: Callable[[], bool] | None = None,
) -> Result:
    """Play it; its databases are thrown away afterwards. `is_over`: as `World.run`."""
    with (
        tempfile.TemporaryDirectory(prefix="quorate-sim-") as folder,
        World(scenario, Path(folder), trace) as world,
        _calm_collector(),
    ):
        return world.run(progress, is_over)


@contextmanager
def _calm_collector() -> Iterator[None]:
    """A large fleet is hundreds of thousands of objects that stay: looking through all of them again and again for
    garbage took a quarter of the time, and found next to none."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
