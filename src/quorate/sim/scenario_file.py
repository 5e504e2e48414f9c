"""Scenario files: TOML, read strictly; each mistake names the place, what is wrong, and the nearest right word."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from msgspec import UNSET, UnsetType

from quorate.core.filekinds import FileKind, given_as
from quorate.core.policy import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    PROFILES,
    MachineClass,
    Policy,
    SoftThreshold,
    Threshold,
    Thresholds,
)
from quorate.errors import MalformedError
from quorate.files import read_given
from quorate.publisher.source import Source, Table
from quorate.sim.scenario import (
    MACHINES_MAX,
    REPEATS_MAX,
    START_S,
    Chapter,
    Happening,
    HostPlan,
    Hours,
    Kind,
    Population,
    Scenario,
    What,
    Wire,
)

__all__ = ["read_scenario", "shipped"]

FILE_BYTES_MAX = 256 * 1024
PROSE_MAX = 4000
_SHIPPED = Path(str(resources.files("quorate.sim") / "scenarios"))
LENGTH_MAX_S = 20 * 366 * DAY_S
_UNITS_S = {"s": 1, "m": MINUTE_S, "h": HOUR_S, "d": DAY_S, "w": 7 * DAY_S}
_TOP = (
    *("title", "about", "length", "seed", "start", "tick", "sweep", "signatures", "faults_end"),
    *("policy", "network", "host", "population", "event", "chapter"),
)
_POLICY = (
    *("profile", "client", "server", "soft", "soft_for"),
    *("activation", "count_window", "initial_grace", "additional_grace"),
)
_POPULATION = (
    *("name", "kind", "machines", "join", "join_over", "stay", "daily", "hours", "drift_ppm"),
    *("reset_daily", "image"),
)
_EVENT = ("at", "what", "population", "machines", "host", "for", "by", "identity", "every", "times")


def shipped() -> dict[str, Path]:
    """The scenarios that come with Quorate, by name."""
    return {path.stem: path for path in sorted(_SHIPPED.glob("*.toml"))}


def read_scenario(path: Path) -> Scenario:
    """The scenario in a file.

    Raises:
        FileAccessError: it cannot be read.
        InvalidSourceError: it does not say what it must.
    """
    source = Source(path)
    top = Table(source, "", _load(source), _TOP)
    hosts = tuple(_host(each) for each in top.tables("host", ("name", "database", *_INTERVALS), 16))
    populations = tuple(_population(each) for each in top.tables("population", _POPULATION, 64))
    length_s = _span(top, "length", "30d", high_s=LENGTH_MAX_S, low_s=HOUR_S)
    tick_s = _span(top, "tick", "1s", 1, high_s=HOUR_S, low_s=1)
    if HOUR_S % tick_s:
        raise top.error("tick", "does not divide an hour", "Write 1s, 10s, 60s, 5m, 10m or 1h.")
    happenings = [
        each for table in _optional(top, "event", _EVENT, 1000) for each in _happenings(table, hosts, populations)
    ]
    scenario = Scenario(
        name=path.stem,
        title=top.text("title", "Our fleet"),
        about=top.prose("about", PROSE_MAX),
        length_s=length_s,
        hosts=hosts,
        populations=populations,
        happenings=tuple(sorted(happenings, key=lambda each: each.at_s)),
        wire=_wire(top.table("network", ("loss_permille", "duplicate_permille", "delay_max"))),
        policy=_policy(top.table("policy", _POLICY)),
        chapters=tuple(_chapter(each) for each in _optional(top, "chapter", ("at", "title", "text"), 64)),
        seed=top.integer("seed", 0, 2**63 - 1, 1),
        start_s=_start(top),
        tick_s=tick_s,
        sweep_s=_span(top, "sweep", "1d", DAY_S, low_s=HOUR_S, high_s=30 * DAY_S),
        is_quick=top.choice("signatures", ("real", "quick"), "real") == "quick",
        source=path.stem if path.parent == _SHIPPED else str(path),
        faults_end_s=_span(top, "faults_end", "20d", high_s=length_s) if top.has("faults_end") else None,
    )
    names = [each.name for each in hosts] + [each.name for each in populations]
    if len(set(names)) != len(names):
        raise source.error("a name stands twice", "Give each host and each population a name of its own.")
    if scenario.machines_max > MACHINES_MAX:
        raise source.error(f"it has {scenario.machines_max} machines", f"At most {MACHINES_MAX} are allowed.")
    return scenario


_INTERVALS = ("activation_interval", "renewal_interval")


def _load(source: Source) -> dict[str, Any]:
    try:
        data = read_given(source.path, FILE_BYTES_MAX)
    except MalformedError:
        raise source.error(f"it has more than {FILE_BYTES_MAX} bytes", "A scenario is a few hundred lines.") from None
    data = given_as(data, FileKind.SCENARIO, source.path)
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as fault:
        raise source.error(f"it is not TOML: {fault}", "Texts stand in quotes. See https://toml.io.") from None


def _optional(top: Table, key: str, known: tuple[str, ...], items_max: int) -> list[Table]:
    return top.tables(key, known, items_max) if top.has(key) else []


def _host(table: Table) -> HostPlan:
    name = table.slug("name", "kms1")
    return HostPlan(
        name=name,
        database=table.slug("database", name) if table.has("database") else name,
        activation_interval_min=_span(table, "activation_interval", "2h", 2 * HOUR_S, high_s=30 * DAY_S) // MINUTE_S,
        renewal_interval_min=_span(table, "renewal_interval", "7d", 7 * DAY_S, high_s=30 * DAY_S) // MINUTE_S,
    )


def _population(table: Table) -> Population:
    return Population(
        name=table.slug("name", "office"),
        kind=Kind(table.choice("kind", [each.value for each in Kind])),
        machines=table.integer("machines", 1, MACHINES_MAX, 25),
        join_s=_span(table, "join", "0s", 0),
        join_over_s=_span(table, "join_over", "1h", HOUR_S),
        stay_s=_span(table, "stay", "90d", low_s=1) if table.has("stay") else None,
        daily=_yes(table, "daily"),
        hours=Hours(table.choice("hours", [each.value for each in Hours], Hours.ALWAYS.value)),
        drift_ppm=table.integer("drift_ppm", 0, 100_000, 0),
        reset_daily=_yes(table, "reset_daily"),
        image=table.choice("image", ("clean", "with-cmid"), "clean"),
    )


def _happenings(table: Table, hosts: tuple[HostPlan, ...], populations: tuple[Population, ...]) -> list[Happening]:
    what = What(table.choice("what", [each.value for each in What]))
    population = table.choice("population", [each.name for each in populations]) if table.has("population") else None
    host = table.choice("host", [each.name for each in hosts], hosts[0].name) if what.is_of_a_host else None
    if host is None and table.has("host"):
        raise table.error("host", f"has no meaning for {what.value}", "Take the line out.")
    if population is not None and what.is_of_a_host:
        raise table.error("population", f"has no meaning for {what.value}", "Take the line out.")
    happening = Happening(
        at_s=_span(table, "at", "10d"),
        what=what,
        population=population,
        machines=table.integer("machines", 1, MACHINES_MAX, 1) if table.has("machines") else 0,
        host=host,
        for_s=_span(table, "for", "2h", 0),
        by_s=_span(table, "by", "-3h", 0, low_s=-LENGTH_MAX_S),
        identity=table.choice("identity", ("own", "copied"), "own"),
    )
    if what in (What.CLOCK_STEP, What.HOST_CLOCK_STEP) and happening.by_s == 0:
        raise table.error("by", "is missing", 'Write how far the clock jumps: by = "-3h".')
    every_s = _span(table, "every", "1d", 0)
    times = table.integer("times", 1, REPEATS_MAX, 1)
    return [dataclasses.replace(happening, at_s=happening.at_s + every_s * n) for n in range(times)]


def _chapter(table: Table) -> Chapter:
    return Chapter(_span(table, "at", "10d"), table.text("title", "Two machines leave"), table.prose("text", PROSE_MAX))


def _wire(table: Table) -> Wire:
    return Wire(
        loss_permille=table.integer("loss_permille", 0, 1000, 0),
        duplicate_permille=table.integer("duplicate_permille", 0, 1000, 0),
        delay_max_s=_span(table, "delay_max", "2s", 0, high_s=DAY_S),
    )


def _policy(table: Table) -> Policy:
    policy = PROFILES[table.choice("profile", tuple(PROFILES), "windows-7")]
    known = policy.thresholds
    minimum = {name: table.integer(name, 1, 10_000, getattr(known, name).minimum) for name in ("client", "server")}
    soft = _soft(table, minimum["client"])
    thresholds = Thresholds(
        server=Threshold(minimum["server"], known.of(MachineClass.SERVER).counts),
        client=Threshold(minimum["client"], known.of(MachineClass.CLIENT).counts, soft),
        ephemeral=Threshold(minimum["client"], known.of(MachineClass.EPHEMERAL).counts, soft),
    )
    return Policy(
        profile=policy.profile,
        thresholds=thresholds,
        activation_validity_s=_span(table, "activation", "180d", policy.activation_validity_s, low_s=HOUR_S),
        count_window_s=_span(table, "count_window", "30d", policy.count_window_s, low_s=HOUR_S),
        initial_grace_s=_span(table, "initial_grace", "30d", policy.initial_grace_s),
        additional_grace_s=_span(table, "additional_grace", "30d", policy.additional_grace_s),
    )


def _soft(table: Table, minimum: int) -> SoftThreshold | UnsetType:
    """What activated clients need to go on renewing, and for how long; without it: nothing below the threshold."""
    if not table.has("soft"):
        if table.has("soft_for"):
            raise table.error("soft_for", "has no meaning without soft", "Add soft = 20, or take the line out.")
        return UNSET
    soft = table.integer("soft", 1, 10_000, 20)
    if soft >= minimum:
        raise table.error("soft", f"is {soft}, which is not below client, {minimum}", "Write a lower number.")
    return SoftThreshold(soft, _span(table, "soft_for", "30d", 30 * DAY_S, low_s=HOUR_S))


def _start(top: Table) -> int:
    if not top.has("start"):
        return START_S
    text = top.text("start", "2027-01-04")
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise top.error("start", f'has "{text[:40]}", which is no day', 'Write it as start = "2027-01-04".') from None


def _span(
    table: Table, key: str, example: str, default: int | None = None, *, high_s: int = LENGTH_MAX_S, low_s: int = 0
) -> int:
    """A span of time such as `90s`, `15m`, `2h`, `30d`, `26w`; parts may be joined: `30d 2h`.

    `default`: what a missing one means; None: it must be there.
    """
    if default is not None and not table.has(key):
        return default
    text = table.text(key, example)
    fix = f'Write a number with s, m, h, d or w: {key} = "{example}". Parts may be joined: "30d 2h".'
    if not re.fullmatch(r"-?\d{1,10}[smhdw]( ?\d{1,9}[smhdw])*", text):
        raise table.error(key, f'has "{text[:40]}", which is no span of time', fix)
    seconds = sum(int(number) * _UNITS_S[unit] for number, unit in re.findall(r"(\d+)([smhdw])", text))
    seconds = -seconds if text.startswith("-") else seconds
    if not low_s <= seconds <= high_s:
        raise table.error(key, f"has {text}, which is too {'short' if seconds < low_s else 'long'}", fix)
    return seconds


def _yes(table: Table, key: str) -> bool:
    return table.choice(key, ("no", "yes"), "no") == "yes"
