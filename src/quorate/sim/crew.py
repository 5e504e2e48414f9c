"""Playing random scenarios in several processes, until the time is over.

A random fleet may be long. One that has not ended a few seconds after the time is over, or takes minutes, is left where
it is and told as not finished; what it broke until then is broken all the same.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path

import structlog

from quorate.clock import Clock, SystemClock
from quorate.sim.invariants import Violation
from quorate.sim.play import play
from quorate.sim.swarm import random_scenario

__all__ = ["EACH_S_MAX", "LAST_S", "Tried", "swarm", "try_seed"]

EACH_S_MAX = 300.0  # for one fleet: most take some seconds, and an hour is for many of them
LAST_S = 5.0  # fleets under way when the time is over may end within it
ENDS_S = 5.0  # a process that does not end by itself within it is killed
CRASHED = "world-ended"
"""The rule that is broken when the world itself falls down: a mistake of ours, in the simulator or in what it runs."""


@dataclass(frozen=True)
class Tried:
    """One random scenario that was played. `events`: appointments kept; `is_finished`: up to its end."""

    seed: int
    attempts: int
    events: int
    trace_hash: str
    violations: tuple[Violation, ...]
    is_finished: bool


def try_seed(seed: int, is_over: Callable[[], bool] | None = None) -> Tried:
    """Play random scenario `seed`; `is_over` as `World.run`."""
    structlog.configure(processors=[_drop])  # hosts that lose their disks have much to say
    result = play(random_scenario(seed), is_over=is_over)
    return Tried(
        seed,
        result.recording.attempts,
        result.appointments,
        result.trace_hash,
        result.violations,
        result.is_finished,
    )


def swarm(first_seed: int, seconds: float, processes: int, clock: Clock) -> Generator[Tried, None, None]:
    """Random scenarios, one seed after the other, on so many processes, until `seconds` have passed; as they end.

    It ends `LAST_S` later at most. Close it to end it at once.
    """
    until_s = clock.monotonic_s() + seconds
    seed = first_seed
    with (
        tempfile.TemporaryDirectory(prefix="quorate-swarm-") as folder,
        _crew(Path(folder), until_s, processes) as crew,
    ):
        while True:  # bounded by the time: nobody begins after it, and the leash ends those who have begun
            for hand in crew:
                if hand.seed is None and clock.monotonic_s() < until_s:
                    hand.begin(seed)
                    seed += 1
            busy = {hand.results: hand for hand in crew if hand.seed is not None}
            if not busy:
                return
            ready = wait(list(busy))
            yield from sorted(
                (hand.tried() for pipe, hand in busy.items() if pipe in ready), key=lambda each: each.seed
            )


@dataclass(frozen=True)
class _Leash:
    """When a process must leave its fleet: the time is over (monotonic clocks are the same in all processes of a
    machine), the sign is gone, or whoever started it is gone."""

    sign: Path
    parent: int
    until_s: float

    def is_over(self, clock: Clock, until_s: float) -> bool:
        return clock.monotonic_s() >= until_s or os.getppid() != self.parent or not self.sign.exists()


class _Hand:
    """One process, and the fleet it plays now."""

    def __init__(self, leash: _Leash) -> None:
        self._leash = leash
        self.seed: int | None = None
        self._start()

    def _start(self) -> None:
        context = get_context("spawn")
        self.results, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, self._leash), daemon=True)
        with _ctrl_c_ignored():  # it is for the process that people started, which then ends the others
            self._process.start()
        theirs.close()  # so that the end of the process is the end of the pipe

    def begin(self, seed: int) -> None:
        """Hand it a fleet."""
        self.seed = seed
        with suppress(OSError):  # it was killed: `tried` finds that out
            self.results.send(seed)

    def tried(self) -> Tried:
        """What came of the fleet; waits for it."""
        seed, self.seed = self.seed, None
        assert seed is not None, "begin() comes first"  # noqa: S101  (our own mistake only)
        try:
            tried: Tried = self.results.recv()
        except (EOFError, OSError):  # killed, for its memory or by hand: another one takes its place
            self.end()
            detail = f"its process ended with {self._process.exitcode}"
            self._start()
            return _crashed(seed, detail)
        return tried

    def end(self) -> None:
        """Let it go; it leaves its fleet when the sign is gone."""
        self.results.close()
        self._process.join(ENDS_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


@contextmanager
def _crew(folder: Path, until_s: float, processes: int) -> Iterator[list[_Hand]]:
    leash = _Leash(folder / "running", os.getpid(), until_s + LAST_S)
    leash.sign.touch()
    crew = [_Hand(leash) for _ in range(processes)]
    try:
        yield crew
    finally:
        leash.sign.unlink()
        for hand in crew:
            hand.end()


@contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(results: Connection, leash: _Leash) -> None:
    """A process of the crew: fleet after fleet, until the pipe ends."""
    clock = SystemClock()
    with suppress(EOFError, OSError):
        while True:  # as long as there is somebody who asks
            seed = results.recv()
            until_s = min(leash.until_s, clock.monotonic_s() + EACH_S_MAX)
            try:
                tried = try_seed(seed, partial(leash.is_over, clock, until_s))
            except Exception as fault:  # noqa: BLE001  (whatever it is, it is told with its seed)
                tried = _crashed(seed, f"{type(fault).__name__}: {fault}")
            results.send(tried)


def _crashed(seed: int, detail: str) -> Tried:
    return Tried(seed, 0, 0, "", (Violation(0, CRASHED, detail),), is_finished=False)


def _drop(_logger: object, _name: str, _values: object) -> str:
    raise structlog.DropEvent
