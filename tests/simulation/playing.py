"""Playing scenarios in tests: once each, with everything kept that a test may ask for."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from functools import lru_cache

from quorate.sim.play import play
from quorate.sim.scenario import Scenario
from quorate.sim.scenario_file import read_scenario, shipped
from quorate.sim.world import Result

__all__ = ["Line", "Played", "played", "story"]


@dataclass(frozen=True)
class Line:
    """One line of a trace; `hour` counts from the scenario's beginning."""

    at_s: int
    what: str
    who: str
    detail: str


@dataclass(frozen=True)
class Played:
    """A result and its trace."""

    result: Result
    lines: tuple[Line, ...]

    def of(self, what: str, from_s: int = 0, until_s: int = 10**12) -> list[Line]:
        """The lines of one kind in a span of time, in seconds from the beginning."""
        start_s = self.result.scenario.start_s
        return [each for each in self.lines if each.what == what and from_s <= each.at_s - start_s < until_s]

    def sample(self, at_s: int) -> tuple[int, int]:
        """Licensed machines, and the client count of the first database, at a full hour."""
        scenario = self.result.scenario
        found = self.result.recording.samples[at_s // scenario.sample_s]
        assert found.at_s == scenario.start_s + at_s
        return found.statuses[2], next(iter(found.counts.values()))[0]


def played(scenario: Scenario) -> Played:
    """Play it, with its trace."""
    trace = io.StringIO()
    result = play(scenario, trace=trace)
    lines = []
    for text in trace.getvalue().splitlines():
        at_s, what, who, detail = (*text.split(" ", 3), "")[:4]
        lines.append(Line(int(at_s), what, who, detail))
    return Played(result, tuple(lines))


@lru_cache(maxsize=16)
def story(name: str, *, is_quick: bool = True) -> Played:
    """A scenario that comes with Quorate; with quick proofs, unless its signatures are to be real."""
    return played(dataclasses.replace(read_scenario(shipped()[name]), is_quick=is_quick))
