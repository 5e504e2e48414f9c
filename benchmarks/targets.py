"""The targets: what issue 2 asks for (the column *first*), as ratios that hold on any machine or figures of one.

A figure that was not measured has no verdict. Nothing here makes the run fail: a slow minute is no bug.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

__all__ = ["TARGETS", "Target", "Verdict", "verdicts"]


class Target(msgspec.Struct, frozen=True):
    """`figure` must be at least (`is_floor`) or at most `bound`."""

    figure: str
    title: str
    bound: float
    unit: str
    is_floor: bool = False


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`ratio` is the figure over its target; `met` is None when it was not measured."""

    figure: str
    title: str
    unit: str
    target: float
    value: float | None
    ratio: float | None
    met: bool | None


TARGETS = (
    Target("answers_per_s", "answers/s, fresh connections, 64 at once", 5000, "/s", is_floor=True),
    Target("machine_us", "machine CPU per answer, fresh, saturated", 200, "us"),
    Target("over_echo", "host CPU over raw uvloop echo, fresh", 5.0, "x"),
    Target("over_floor", "host CPU over the floor, fresh", 3.5, "x"),
    Target("over_flask_empty", "answers/s over Flask, both empty", 12, "x", is_floor=True),
    Target("over_flask_filled", "answers/s with {stored} over Flask with {flask_stored}", 25, "x", is_floor=True),
    Target("p99_1000_ms", "p99 at 1,000/s, fresh", 10, "ms"),
    Target("p99_3000_ms", "p99 at 3,000/s, fresh", 20, "ms"),
    Target("filled_over_empty", "CPU per answer with {stored} records over empty", 1.2, "x"),
    Target("memory_empty_mb", "memory, started empty", 120, "MB"),
    Target("memory_filled_mb", "memory with {stored} records", 250, "MB"),
    Target("lost", "answered but lost after kill -9", 0, ""),
    Target("client_status_ms", "Client.status()", 1.0, "ms"),
)


def verdicts(figures: Mapping[str, float | None], words: Mapping[str, str]) -> list[Verdict]:
    """Every target beside what was measured; `words` fill the titles."""
    return [_verdict(target, figures.get(target.figure), words) for target in TARGETS]


def _verdict(target: Target, value: float | None, words: Mapping[str, str]) -> Verdict:
    met = None if value is None else (value >= target.bound if target.is_floor else value <= target.bound)
    return Verdict(
        figure=target.figure,
        title=target.title.format_map(words),
        unit=target.unit,
        target=target.bound,
        value=None if value is None else round(value, 3),
        ratio=None if value is None or not target.bound else round(value / target.bound, 3),
        met=met,
    )
