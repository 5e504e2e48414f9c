"""A result as data: one JSON object, rows for CSV, the story in words. `sim.page` draws the same for a browser."""

from __future__ import annotations

import csv
import io
import itertools
import shlex
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S, HOUR_S, MINUTE_S
from quorate.core.words import counted
from quorate.sim.recording import STATUSES, Sample
from quorate.sim.words import becomes, meaning
from quorate.sim.world import Result

__all__ = ["csv_text", "day_text", "hours", "moment_text", "replay_command", "series", "summary"]

HOURS_MAX = 5000
NEAR = 1.2  # a count is near the threshold that has less than a fifth to spare


def summary(result: Result) -> dict[str, Any]:
    """All there is to say, as one JSON object; times are seconds since 1970 UTC."""
    scenario, recording = result.scenario, result.recording
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "seed": scenario.seed,
        "trace_hash": result.trace_hash,
        "start_s": scenario.start_s,
        "length_s": scenario.length_s,
        "signatures": "quick" if scenario.is_quick else "real",
        "thresholds": {
            "client": scenario.policy.thresholds.client.minimum,
            "server": scenario.policy.thresholds.server.minimum,
        },
        "attempts": recording.attempts,
        "appointments": result.appointments,
        "answers": dict(sorted(recording.answers.items())),
        "unanswered": dict(sorted(recording.faults.items())),
        "client_events": dict(sorted(recording.client_events.items())),
        "client_errors": dict(sorted(recording.client_errors.items())),
        "host_errors": dict(sorted(recording.host_errors.items())),
        "statuses_at_end": {status.value: recording.statuses[status] for status in STATUSES},
        "milestones": [{"time_s": each.at_s, "kind": each.kind, "text": each.text} for each in recording.milestones],
        "changes": [
            {
                "time_s": each.at_s,
                "machine": each.machine,
                "from": each.before.value,
                "to": each.after.value,
                "reason": each.reason,
            }
            for each in recording.changes
        ],
        "changes_left_out": recording.changes_left_out,
        "violations": [{"time_s": each.at_s, "rule": each.rule, "detail": each.detail} for each in result.violations],
        "replay": replay_command(result),
    }


def replay_command(result: Result) -> str:
    """What plays exactly this again."""
    scenario = result.scenario
    if not scenario.source:
        return f"quorate simulate --swarm-seed {scenario.seed}"
    quick = " --signatures quick" if scenario.is_quick else ""
    return f"quorate simulate {shlex.quote(scenario.source)} --seed {scenario.seed}{quick}"


def series(result: Result) -> Iterator[dict[str, Any]]:
    """The samples, one flat row each; requests and refusals since the row before."""
    codes = sorted({code for sample in result.recording.samples for code in sample.refusals})
    faults = sorted({code for sample in result.recording.samples for code in sample.unanswered})
    for sample in result.recording.samples:
        row: dict[str, Any] = {
            "time": datetime.fromtimestamp(sample.at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "time_s": sample.at_s,
            "machines": sample.machines,
            "running": sample.running,
        }
        row |= {status.value: number for status, number in zip(STATUSES, sample.statuses, strict=True)}
        for name, (client, server) in sample.counts.items():
            row[f"count_client_{name}"], row[f"count_server_{name}"] = client, server
        row |= {"requests": sample.requests, "leases": sample.leases}
        row |= {f"refused_{code}": sample.refusals.get(code, 0) for code in codes}
        row |= {f"unanswered_{code}": sample.unanswered.get(code, 0) for code in faults}
        yield row


def csv_text(result: Result) -> str:
    """`series` as CSV with a heading."""
    rows = list(series(result))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def hours(result: Result) -> list[dict[str, str]]:
    """The story, hour by hour: every hour in which something happened, in words. Equal hours are told once."""
    told: list[dict[str, str]] = []
    words_before = ""
    for sample, lines in _with_lines(result):
        words = "; ".join([*lines, _traffic(sample)]) if lines or sample.requests or sample.unanswered else ""
        calm = _calm(sample)
        if words and (lines or calm != words_before):
            told.append({"when": moment_text(result, sample.at_s), "what": words})
        if words or calm == "quiet":
            words_before = calm if words else words_before
        if len(told) >= HOURS_MAX:
            break
    return told


def _with_lines(result: Result) -> Iterator[tuple[Sample, list[str]]]:
    """Each sample with the milestones and changes of the time before it."""
    events: list[tuple[int, str]] = [(each.at_s, each.text) for each in result.recording.milestones]
    events += [*_gathered(result), *_falls(result)]
    events.sort(key=lambda each: each[0])
    place = 0
    for sample in result.recording.samples:
        lines = []
        while place < len(events) and events[place][0] <= sample.at_s:
            lines.append(events[place][1])
            place += 1
        yield sample, lines


def _gathered(result: Result) -> Iterable[tuple[int, str]]:
    """Changes of one hour of the same kind in one line."""
    sample_s, start_s = result.scenario.sample_s, result.scenario.start_s
    found: dict[tuple[int, LicenseStatus], list[str]] = {}
    for each in result.recording.changes:
        hour_s = start_s + -(-(each.at_s - start_s) // sample_s) * sample_s
        found.setdefault((hour_s, each.after), []).append(each.machine)
    for (hour_s, after), machines in found.items():
        yield hour_s, becomes(after, machines)


def _falls(result: Result) -> Iterable[tuple[int, str]]:
    """Each time the count falls while it is near the threshold, or below it."""
    threshold = result.scenario.policy.thresholds.client.minimum
    for before, after in itertools.pairwise(result.recording.samples):
        for name, (count, _) in after.counts.items():
            if count < before.counts[name][0] and count < NEAR * threshold:
                yield after.at_s, f"{name} counts {counted(count, 'machine')}, {threshold} are needed"


def _traffic(sample: Sample) -> str:
    parts = [f"{sample.leases} activated or renewed"] if sample.leases else []
    parts += [f"{number} refused: {meaning(code)}" for code, number in sample.refusals.items()]
    parts += [f"{number} without an answer: {meaning(code)}" for code, number in sample.unanswered.items()]
    return ", ".join(parts) or "no requests"


def _calm(sample: Sample) -> str:
    """What kind of hour it was, so that equal ones are told once."""
    kinds = ["leases"] if sample.leases else []
    return "+".join([*kinds, *sample.refusals, *sample.unanswered]) or "quiet"


def moment_text(result: Result, at_s: int) -> str:
    """`day 41, Sat 2027-02-13 23:36`."""
    day = (at_s - result.scenario.start_s) // DAY_S + 1
    return f"day {day}, " + datetime.fromtimestamp(at_s, UTC).strftime("%a %Y-%m-%d %H:%M")


def day_text(seconds: int) -> str:
    """A span in words: `41 d 23 h`."""
    days, rest = divmod(seconds, DAY_S)
    parts = [(days, "d"), (rest // HOUR_S, "h"), (rest % HOUR_S // MINUTE_S, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or f"{seconds} s"
