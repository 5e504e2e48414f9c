"""The run: all servers are started first, then measured round-robin, so that a noisy minute falls on all alike."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.checks import client_status_us, kill_under_load, records_of, verify_samples
from benchmarks.floor import Floor, measure_floor
from benchmarks.measure import GeneratorProcess, Load, Measured, Server, measure
from benchmarks.premises import Host, Site
from benchmarks.processes import Process, free_port, machine_busy_s

__all__ = ["PARTS", "Plan", "Results", "run"]

PARTS = ("host", "filled", "rate", "echo", "floor", "baseline", "durable", "status")
"""What `--only` chooses from."""

IDLE_S = 0.3


@dataclass(frozen=True)
class Plan:
    """How much is measured: rounds, seconds of each load, rows of the filled stores, which parts."""

    parts: frozenset[str]
    rounds: int = 5
    seconds: float = 1.5
    stored: int = 1_000_000
    flask_stored: int = 100_000

    @classmethod
    def quick(cls, parts: frozenset[str]) -> Plan:
        """Everything small: shows that it works, not what it costs."""
        return cls(parts, rounds=1, seconds=0.5, stored=20_000, flask_stored=5_000)


class Results:
    """What the rounds gave."""

    def __init__(self) -> None:
        self.measured: dict[Load, list[Measured]] = {}
        self.floors: list[Floor] = []
        self.other_cpus: list[float] = []
        self.memory_mb: dict[str, float] = {}
        self.records: dict[str, int] = {}
        self.samples_verified = 0
        self.answered_before_kill: int | None = None
        self.lost: int | None = None
        self.client_status_us: float | None = None


@dataclass
class _Running:
    servers: dict[str, Server]
    loads: list[Load]
    site: Site | None
    hosts: dict[str, Host]


def run(plan: Plan, folder: Path, say: Callable[[str], None]) -> Results:
    """The whole benchmark below `folder`; `say` is told what happens."""
    results = Results()
    generator = GeneratorProcess()
    try:
        with _started(plan, folder, say) as running:
            _warm_up(running, generator)
            for number in range(plan.rounds):
                say(f"round {number + 1} of {plan.rounds}")
                _round(plan, folder, number, running, generator, results)
            _afterwards(plan, running, generator, results, say)
    finally:
        generator.close()
    return results


@contextlib.contextmanager
def _started(plan: Plan, folder: Path, say: Callable[[str], None]) -> Iterator[_Running]:
    servers: dict[str, Server] = {}
    site: Site | None = None
    hosts: dict[str, Host] = {}
    try:
        for part, module in (("echo", "echo"), ("floor", "tcp")):
            if part in plan.parts:
                servers[module] = _calibration(module, folder)
        if "baseline" in plan.parts:
            _start_baselines(plan, folder, servers, say)
        if plan.parts & {"host", "filled", "rate", "durable", "status"}:
            say("setting up a publisher and hosts")
            site = Site(folder)
            hosts["host"] = site.add_host("host", 0)
            if "filled" in plan.parts:
                say(f"filling a store with {plan.stored:,} machines")
                hosts["filled"] = site.add_host("filled", plan.stored)
        servers.update((name, host.server) for name, host in hosts.items())
        yield _Running(servers, _loads(plan, servers), site, hosts)
    finally:
        if site is not None:
            site.close()
        for server in servers.values():
            server.process.stop()


def _calibration(module: str, folder: Path) -> Server:
    port = free_port()
    command = [sys.executable, "-m", f"benchmarks.servers.{module}", str(port)]
    process = Process(module, command, folder / f"{module}.log")
    process.wait_for(port)
    return Server(process, port, recycles=True)


def _start_baselines(plan: Plan, folder: Path, servers: dict[str, Server], say: Callable[[str], None]) -> None:
    missing = [name for name in ("flask", "gunicorn", "jwt") if importlib.util.find_spec(name) is None]
    if missing:
        say(f"no baseline: {', '.join(missing)} not installed (uv sync --group bench)")
        return
    baselines = importlib.import_module("benchmarks.baselines.run")
    say("starting the baselines")
    for stored in (0, plan.flask_stored):
        for kind, workers in (("flask", 1), ("flask", 2), ("flask-tuned", 2)):
            name = f"{kind}-{workers}w-{'filled' if stored else 'empty'}"
            tuned = kind == "flask-tuned"
            servers[name] = baselines.start(name, folder, workers=workers, stored=stored, tuned=tuned)


def _loads(plan: Plan, servers: dict[str, Server]) -> list[Load]:
    """The lines of the table, in the order of a round."""
    loads = []
    for name in servers:
        if name in ("echo", "tcp"):
            loads.append(Load(f"{name} fresh", name, plan.seconds, 60_000))
            loads.append(Load(f"{name} keep-alive", name, plan.seconds, 300_000, keep_alive=True))
        elif name.startswith("flask"):
            loads.append(Load(f"{name} fresh", name, plan.seconds, 4_000, connections=16))
        elif name in plan.parts:
            loads.append(Load(f"{name} fresh", name, plan.seconds, 20_000))
            loads.append(Load(f"{name} keep-alive", name, plan.seconds, 30_000, keep_alive=True))
            if "rate" in plan.parts:
                loads.extend(Load(f"{name} {rate}/s", name, plan.seconds, rate, rate=rate) for rate in (1000, 3000))
    return loads


def _warm_up(running: _Running, generator: GeneratorProcess) -> None:
    """The first machines of an empty host are refused, a baseline's workers load slowly: none of that is measured."""
    for name, server in running.servers.items():
        load = Load("warm-up", name, 1.0, 300, connections=8)
        deadline = time.monotonic() + 20
        while measure(generator, server, load.job(server)).outcome.answered < 50:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} answers nothing: {server.process.output()}")


def _round(
    plan: Plan, folder: Path, number: int, running: _Running, generator: GeneratorProcess, results: Results
) -> None:
    busy = machine_busy_s()
    time.sleep(IDLE_S)  # what else this machine is doing while we ask nothing
    results.other_cpus.append((machine_busy_s() - busy) / IDLE_S)
    if "floor" in plan.parts:
        results.floors.append(measure_floor(folder, 200_000_000 + number * 1_000_000, seconds=plan.seconds / 3))
    for load in running.loads:
        server = running.servers[load.server]
        results.measured.setdefault(load, []).append(measure(generator, server, load.job(server)))
    for load in running.loads:
        if running.site is not None and load.server in running.hosts:
            samples = results.measured[load][-1].outcome.samples
            results.samples_verified += verify_samples(running.site, samples)


def _afterwards(
    plan: Plan, running: _Running, generator: GeneratorProcess, results: Results, say: Callable[[str], None]
) -> None:
    """What needs a host that has been in use; the kill comes last."""
    for name, host in running.hosts.items():
        results.memory_mb[name] = round(host.server.process.memory_mb(), 1)
        results.records[name] = records_of(host)
    if running.site is not None and "status" in plan.parts:
        say("asking a client for its status")
        results.client_status_us = client_status_us(running.site, running.hosts["host"], seconds=plan.seconds / 2)
    if "durable" in plan.parts:
        say("killing a host under load")
        results.answered_before_kill, results.lost = kill_under_load(running.hosts["host"], generator)
