"""One load on one server: what was answered, and what it cost the server, the machine and the generator."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO

import msgspec

from benchmarks.load import Job, Outcome
from benchmarks.processes import Process, machine_busy_s

__all__ = ["Figures", "GeneratorProcess", "Load", "Measured", "Server", "measure", "summary"]


@dataclass
class Server:
    """A server under measurement and the machines that ask it: stored ones are renewed, each once, then new ones.

    `recycles`: a calibration server, which may be sent the same request twice.
    """

    process: Process
    port: int
    stored: int = 0
    recycles: bool = False
    next_stored: int = 0
    next_new: int = field(default=100_000_000)

    def machines(self, n: int) -> tuple[int, bool]:
        """The first of `n` machines that have not asked yet in this run, and whether the store knows them."""
        if self.next_stored + n <= self.stored:
            self.next_stored += n
            return self.next_stored - n, True
        self.next_new += n
        return self.next_new - n, False


@dataclass(frozen=True)
class Load:
    """One line of the table. `most_per_s`: a rate no server of this kind reaches; it bounds the number of requests."""

    name: str
    server: str
    seconds: float
    most_per_s: int
    connections: int = 64
    rate: int | None = None
    keep_alive: bool = False

    def job(self, server: Server, *, name_answered: bool = False) -> Job:
        """The load as the generator takes it."""
        requests_max = int((self.rate or self.most_per_s) * self.seconds) + 1
        distinct = min(2000, requests_max) if server.recycles else 0
        first, renews = (0, False) if server.recycles else server.machines(requests_max)
        return Job(
            port=server.port,
            seconds=self.seconds,
            requests_max=requests_max,
            distinct=distinct,
            connections=self.connections,
            rate=self.rate,
            keep_alive=self.keep_alive,
            first=first,
            renews=renews,
            name_answered=name_answered,
        )


class GeneratorProcess:
    """The load generator's process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.load"]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def prepare(self, job: Job) -> None:
        """Build the requests; returns when they are ready to be sent."""
        self._write(msgspec.json.encode(job) + b"\n")
        self._read()

    def go(self) -> None:
        """Begin."""
        self._write(b"\n")

    def outcome(self) -> Outcome:
        """Wait for the end."""
        return msgspec.json.decode(self._read(), type=Outcome)

    def close(self) -> None:
        """End it."""
        self._pipe(self._child.stdin).close()
        self._child.wait(30)
        self._pipe(self._child.stdout).close()

    def _write(self, line: bytes) -> None:
        pipe = self._pipe(self._child.stdin)
        pipe.write(line)
        pipe.flush()

    def _read(self) -> bytes:
        line = self._pipe(self._child.stdout).readline()
        if not line:
            raise RuntimeError("the load generator ended")
        return line

    def _pipe(self, pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe


@dataclass(frozen=True)
class Measured:
    """One load, once."""

    outcome: Outcome
    user_s: float
    system_s: float
    machine_s: float


def measure(generator: GeneratorProcess, server: Server, job: Job) -> Measured:
    """Run `job` on `server`."""
    generator.prepare(job)
    cpu, machine = server.process.cpu(), machine_busy_s()
    generator.go()
    outcome = generator.outcome()
    spent = server.process.cpu() - cpu
    return Measured(outcome, spent.user_s, spent.system_s, machine_busy_s() - machine)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the table: medians over the rounds; times in microseconds of CPU per answer.

    `machine_us` is all the machine was busy with, less the load generator.
    """

    server: str
    connections: int
    rate: int | None
    keep_alive: bool
    answers_per_s: float
    answers_per_s_range: tuple[float, float]
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_us: float
    cpu_us_best: float
    kernel_us: float
    machine_us: float
    generator_us: float
    answered: int
    errors: dict[str, int]
    rounds: int


def summary(load: Load, rounds: Sequence[Measured]) -> Figures:
    """The medians; errors and answers are summed, and the greatest latency is the greatest of all."""
    answered = [each for each in rounds if each.outcome.answered]
    errors: Counter[str] = Counter()
    for each in rounds:
        errors.update(each.outcome.errors)

    def median(of: Callable[[Measured], float]) -> float:
        return round(statistics.median([of(each) for each in answered] or [0.0]), 3)

    def per_answer(of: Callable[[Measured], float]) -> float:
        return median(lambda each: of(each) / each.outcome.answered * 1e6)

    rates = [each.outcome.answered / each.outcome.seconds for each in answered] or [0.0]
    costs = [(each.user_s + each.system_s) / each.outcome.answered * 1e6 for each in answered] or [0.0]
    return Figures(
        server=load.server,
        connections=load.connections,
        rate=load.rate,
        keep_alive=load.keep_alive,
        answers_per_s=round(statistics.median(rates), 1),
        answers_per_s_range=(round(min(rates), 1), round(max(rates), 1)),
        p50_ms=median(lambda each: each.outcome.p50_ms),
        p99_ms=median(lambda each: each.outcome.p99_ms),
        max_ms=round(max((each.outcome.max_ms for each in answered), default=0.0), 3),
        cpu_us=per_answer(lambda each: each.user_s + each.system_s),
        cpu_us_best=round(min(costs), 3),
        kernel_us=per_answer(lambda each: each.system_s),
        machine_us=per_answer(lambda each: each.machine_s - each.outcome.cpu_s),
        generator_us=per_answer(lambda each: each.outcome.cpu_s),
        answered=sum(each.outcome.answered for each in rounds),
        errors=dict(errors),
        rounds=len(rounds),
    )
