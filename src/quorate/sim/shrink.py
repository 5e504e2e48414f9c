"""Making a failing scenario small: halves of what happens and of the fleet go while it still fails in the same way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from quorate.sim.play import play
from quorate.sim.scenario import Scenario, Wire
from quorate.sim.world import Result

__all__ = ["shrink"]

TRIES_MAX = 60


def shrink(
    scenario: Scenario,
    rule: str,
    player: Callable[[Scenario], Result] = play,
    is_over: Callable[[], bool] = lambda: False,
) -> Scenario:
    """The smallest scenario found that still breaks `rule`, in `TRIES_MAX` tries and before `is_over` says so."""
    tries = 0
    is_smaller = True
    while is_smaller and tries < TRIES_MAX:
        is_smaller = False
        for smaller in _smaller(scenario):
            tries += 1
            if any(each.rule == rule for each in player(smaller).violations):
                scenario, is_smaller = smaller, True
                break
            if tries >= TRIES_MAX or is_over():
                return scenario
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Scenarios with less in them, those with much less first."""
    happenings = scenario.happenings
    for parts in (1, 2, 4, 8):
        size = -(-len(happenings) // parts)
        for first in range(0, len(happenings), max(size, 1)):
            yield dataclasses.replace(scenario, happenings=happenings[:first] + happenings[first + size :])
    if len(scenario.populations) > 1:
        for gone in scenario.populations:
            kept = tuple(each for each in scenario.populations if each is not gone)
            events = tuple(each for each in happenings if each.population != gone.name)
            yield dataclasses.replace(scenario, populations=kept, happenings=events)
    if scenario.wire != Wire():
        yield dataclasses.replace(scenario, wire=Wire())
    for place, population in enumerate(scenario.populations):
        if population.machines > 1:
            fewer = dataclasses.replace(population, machines=population.machines // 2)
            kept = (*scenario.populations[:place], fewer, *scenario.populations[place + 1 :])
            yield dataclasses.replace(scenario, populations=kept)
