"""`quorate simulate`: a fleet over weeks or years in seconds, told as a story; and random fleets with random faults."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from quorate.cli.output import EXIT_FAILED, JsonFlag, Output
from quorate.cli.progress import progress
from quorate.cli.unwinding import unwound_by_signals
from quorate.clock import Clock, SystemClock, SystemEntropy
from quorate.errors import FileAccessError, InvalidSettingError, SimulationViolatedError
from quorate.sim.crew import CRASHED, Tried, swarm
from quorate.sim.page import page
from quorate.sim.play import play
from quorate.sim.recording import STATUSES, Recording
from quorate.sim.report import csv_text, day_text, moment_text, summary
from quorate.sim.scenario import Scenario
from quorate.sim.scenario_file import read_scenario, shipped
from quorate.sim.scenario_text import scenario_text
from quorate.sim.shrink import shrink
from quorate.sim.swarm import random_scenario
from quorate.sim.world import Result

__all__ = ["command"]

MILESTONES_SHOWN = 40
SHRINK_S = 60.0  # for each fleet that failed, after the swarm's own time
SHRUNK_MAX = 3  # more of them seldom say more


def _scenarios(incomplete: str) -> list[str]:
    return [name for name in shipped() if name.startswith(incomplete)]


def command(
    scenario: Annotated[
        str | None,
        typer.Argument(
            help="A scenario file, or the name of one that comes with Quorate; none: list them.",
            show_default=False,
            autocompletion=_scenarios,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Another run of the same scenario.", show_default="the scenario's")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the story as one HTML page with charts.", show_default="none")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write one row for each hour.", show_default="none")] = None,
    trace: Annotated[
        Path | None, typer.Option(help="Write one line for each thing that happens.", show_default="none")
    ] = None,
    signatures: Annotated[
        str | None, typer.Option(help="real, or quick for large fleets.", show_default="the scenario's")
    ] = None,
    swarm_seconds: Annotated[
        int | None,
        typer.Option(
            "--swarm", min=1, help="Play random fleets with random faults for this many seconds.", show_default="no"
        ),
    ] = None,
    swarm_seed: Annotated[
        int | None, typer.Option(min=0, help="Play random fleet N again, as --swarm did.", show_default="none")
    ] = None,
    processes: Annotated[
        int, typer.Option(min=0, max=256, help="Processes for --swarm; 0: one for each processor.")
    ] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Play a fleet in virtual time, with the code that ships: weeks in seconds.

    What goes wrong against the rules is shown with the command that plays it again, and the exit code is 1.

    Example: quorate simulate 25-to-23 --report story.html
    """
    structlog.configure(processors=[_drop])  # simulated hosts log what the story tells anyway
    out = Output(as_json)
    for path in (report, csv, trace):
        _check_place(path)
    if swarm_seconds is not None:
        with unwound_by_signals():
            _swarm(swarm_seconds, swarm_seed, processes or os.cpu_count() or 1, out)
        return
    if swarm_seed is not None:
        chosen = random_scenario(swarm_seed)
    elif scenario is None:
        _list(out)
        return
    else:
        chosen = read_scenario(_path(scenario))
    chosen = _bent(chosen, seed, signatures)
    with unwound_by_signals(), _progress(chosen) as told, _written(trace) as lines:
        result = play(chosen, told, lines)
    _write(report, lambda: page(result))
    _write(csv, lambda: csv_text(result))
    if as_json:
        out.show(summary(result))
    else:
        _tell(result, out)
    if result.violations:
        first = result.violations[0]
        raise SimulationViolatedError(rule=first.rule, detail=first.detail, replay=summary(result)["replay"])


def _list(out: Output) -> None:
    rows = [{"scenario": name, "title": read_scenario(path).title} for name, path in shipped().items()]
    out.rows(rows, {"scenario": "scenario", "title": "title"})


def _path(scenario: str) -> Path:
    known = shipped()
    if scenario in known:
        return known[scenario]
    if not scenario.endswith(".toml") and not Path(scenario).exists():
        names = ", ".join(known)
        raise InvalidSettingError(
            name="SCENARIO", reason=f"{scenario!r} is no scenario", allowed=f"A .toml file, or one of: {names}."
        )
    return Path(scenario)


def _bent(scenario: Scenario, seed: int | None, signatures: str | None) -> Scenario:
    if signatures not in (None, "real", "quick"):
        raise InvalidSettingError(name="--signatures", reason=f"{signatures!r} is neither", allowed="real or quick")
    changes: dict[str, Any] = {} if seed is None else {"seed": seed}
    if signatures is not None:
        changes["is_quick"] = signatures == "quick"
    return dataclasses.replace(scenario, **changes)


@contextmanager
def _progress(scenario: Scenario) -> Any:
    """A bar on stderr, or a line now and then where that is no terminal; gives what the world tells its samples to."""
    if not sys.stderr.isatty():
        with progress(scenario.title) as shown:

            def noted(passed_s: int, recording: Recording) -> None:
                shown.told = f"{day_text(passed_s)}, {recording.attempts:,} requests"

            yield noted
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(scenario.title, total=scenario.length_s, told="")

        def told(passed_s: int, recording: Recording) -> None:
            bar.update(task, completed=passed_s, told=f"{day_text(passed_s)}, {recording.attempts:,} requests")

        yield told


def _check_place(path: Path | None) -> None:
    """That a file can be written there is found out before hours of playing, not after. What is there stays."""
    if path is None or (path.exists() and not path.is_file() and not path.is_dir()):  # a pipe's reader would see an end
        return
    is_new = not os.path.lexists(path)
    try:
        path.open("ab").close()
        if is_new:
            path.unlink()
    except OSError as fault:
        raise FileAccessError(path=path, reason=fault.strerror or str(fault)) from None


def _written(path: Path | None) -> Any:
    if path is None:
        return nullcontext()
    try:
        return path.open("w", encoding="utf-8")
    except OSError as fault:
        raise FileAccessError(path=path, reason=fault.strerror or str(fault)) from None


def _write(path: Path | None, text: Callable[[], str]) -> None:
    if path is not None:
        try:
            with _written(path) as file:
                file.write(text())
        except OSError as fault:  # a disk that is full
            raise FileAccessError(path=path, reason=fault.strerror or str(fault)) from None


def _tell(result: Result, out: Output) -> None:
    recording = result.recording
    out.say(
        f"{result.scenario.title}: {day_text(result.scenario.length_s)}, {recording.attempts:,} requests of clients"
    )
    out.rows(
        [
            {"when": moment_text(result, each.at_s), "what": each.text}
            for each in recording.milestones[:MILESTONES_SHOWN]
        ],
        {"when": "when", "what": "what"},
    )
    if len(recording.milestones) > MILESTONES_SHOWN:
        out.say(f"({len(recording.milestones) - MILESTONES_SHOWN} more in --json and --report)")
    at_end = {status.value.replace("_", " "): recording.statuses[status] for status in STATUSES}
    out.show(
        {
            "at the end": ", ".join(f"{number} {name}" for name, number in at_end.items() if number) or "no machines",
            "answers": ", ".join(f"{code} {number:,}" for code, number in sorted(recording.answers.items())),
            "no answer": ", ".join(f"{code} {number:,}" for code, number in sorted(recording.faults.items())) or "-",
            "trace": result.trace_hash,
        }
    )


def _swarm(seconds: int, first_seed: int | None, processes: int, out: Output) -> None:
    clock = SystemClock()
    seed = first_seed if first_seed is not None else int.from_bytes(SystemEntropy().token(4), "big")
    out.say(f"Random fleets from seed {seed} on, on {processes} processes, for {seconds} s ...")
    attempts = events = finished = 0
    unfinished: list[int] = []
    failed: list[Tried] = []
    began_s = clock.monotonic_s()
    columns = (TextColumn("Random fleets"), BarColumn(), TextColumn("{task.fields[told]}"), TimeElapsedColumn())
    with (
        contextlib.suppress(KeyboardInterrupt),  # Ctrl-C: what was played until then is told
        Progress(*columns, console=Console(stderr=True), transient=True) as bar,
        contextlib.closing(swarm(seed, seconds, processes, clock)) as fleets,
    ):
        task = bar.add_task("", total=seconds, told="")
        for tried in fleets:
            attempts, events = attempts + tried.attempts, events + tried.events
            finished += tried.is_finished
            if not tried.is_finished:
                unfinished.append(tried.seed)
            if tried.violations:
                failed.append(tried)
                first = tried.violations[0]
                out.say(f"seed {tried.seed} broke {first.rule}: {first.detail}")
                out.say(f"replay: quorate simulate --swarm-seed {tried.seed}")
            told = f"{finished} fleets, {attempts:,} requests, {len(failed)} failed"
            bar.update(task, completed=clock.monotonic_s() - began_s, told=told)
    out.show(
        {
            "first_seed": seed,
            "scenarios": finished,
            "unfinished_seeds": sorted(unfinished),
            "attempts": attempts,
            "events": events,
            "seconds": round(clock.monotonic_s() - began_s, 1),
            "failed_seeds": sorted(each.seed for each in failed),
        }
    )
    if failed:
        with contextlib.suppress(KeyboardInterrupt):
            _make_smaller([each for each in failed if each.violations[0].rule != CRASHED][:SHRUNK_MAX], clock, out)
        raise typer.Exit(EXIT_FAILED)


def _make_smaller(failed: Sequence[Tried], clock: Clock, out: Output) -> None:
    for tried in failed:
        out.say(f"making seed {tried.seed} smaller, for {SHRINK_S:.0f} s at most ...")
        is_over = partial(_is_past, clock, clock.monotonic_s() + SHRINK_S)
        rule = tried.violations[0].rule
        small = shrink(random_scenario(tried.seed), rule, partial(play, is_over=is_over), is_over)
        path = Path(f"swarm-{tried.seed}.toml")
        _write(path, partial(scenario_text, small))
        out.say(f"made smaller: quorate simulate {path} ({len(small.happenings)} events)")


def _is_past(clock: Clock, until_s: float) -> bool:
    return clock.monotonic_s() >= until_s


def _drop(_logger: object, _name: str, _values: object) -> str:
    raise structlog.DropEvent
