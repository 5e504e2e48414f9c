"""The virtual clock: a heap of appointments, kept in the order of their time, and nothing in between.

At one moment first the world changes, then machines wake, then hosts answer what has come, then answers arrive, then
somebody looks. What stands in the same place keeps the order in which it was appointed. So a run is a function of its
seed.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Any

__all__ = ["Phase", "Timeline"]

LOOKS_EVERY = 256  # appointments between two looks at whether to go on: some hundredths of a second


class Phase(IntEnum):
    """The order within one moment."""

    CHANGE = 0
    WAKE = 1
    HOST = 2
    ANSWER = 3
    LOOK = 4


_PHASES = len(Phase)


class Timeline:
    """Time passes by going from one appointment to the next.

    Args:
        start_s: when it begins.
        tick_s: the grain of this world. Appointments are moved to the next full tick, so that a large fleet's requests
            of some minutes are one batch; what lasts less than a tick takes no time.
    """

    def __init__(self, start_s: int, tick_s: int = 1) -> None:
        self.start_s = start_s
        self.now_s = start_s
        self.tick_s = tick_s
        self.kept = 0
        self._moments: list[int] = []  # a heap: time and phase in one number
        self._appointed: dict[int, deque[tuple[Callable[..., None], tuple[Any, ...]]]] = {}  # what is for each of them

    def at(self, time_s: int, phase: Phase, action: Callable[..., None], *arguments: Any) -> None:
        """Do it then; at once when the time is over."""
        when_s = time_s if time_s > self.now_s else self.now_s
        if self.tick_s > 1:
            when_s = self.start_s + -(-(when_s - self.start_s) // self.tick_s) * self.tick_s
        moment = when_s * _PHASES + phase
        appointed = self._appointed.get(moment)
        if appointed is None:
            appointed = self._appointed[moment] = deque()
            heapq.heappush(self._moments, moment)
        appointed.append((action, arguments))

    def after(self, delay_s: int, phase: Phase, action: Callable[..., None], *arguments: Any) -> None:
        """Do it after a delay, which is shortened to full ticks."""
        self.at(self.now_s + delay_s - delay_s % self.tick_s, phase, action, *arguments)

    def run(self, until_s: int, is_over: Callable[[], bool] | None = None) -> bool:
        """Keep every appointment up to `until_s`, that moment included; whether that moment was reached.

        Args:
            is_over: asked every `LOOKS_EVERY` appointments; what is still to come is left when it says so.
        """
        moments = self._moments
        end = (until_s + 1) * _PHASES
        while moments and (moment := moments[0]) < end:  # bounded by time: who comes back at once is our own mistake
            self.now_s = moment // _PHASES
            appointed = self._appointed[moment]
            action, arguments = appointed.popleft()
            if not appointed:
                del self._appointed[moment]
                heapq.heappop(moments)
            self.kept += 1
            action(*arguments)  # which may appoint something for now that comes before the rest of this phase
            if is_over is not None and not self.kept % LOOKS_EVERY and is_over():
                return False
        self.now_s = until_s
        return True
