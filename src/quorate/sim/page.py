"""One HTML page that tells what happened, for people who have never heard of volume activation.

It holds everything: words, tables, charts, and the charting script itself. It loads nothing and can be sent by mail.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import jinja2

from quorate.core.policy import DAY_S, MachineClass
from quorate.core.words import counted
from quorate.errors import InvalidSettingError
from quorate.errors.installing import pip_install
from quorate.sim.recording import STATUSES
from quorate.sim.report import day_text, hours, moment_text, replay_command
from quorate.sim.words import plain
from quorate.sim.world import Result

__all__ = ["page"]

_COLOURS = {
    "unlicensed": "#9aa0a6",
    "initial_grace": "#f2c14e",
    "licensed": "#2e8b57",
    "additional_grace": "#f08a4b",
    "notification": "#c0392b",
}
_STATUS_WORDS = {
    "unlicensed": "not set up",
    "initial_grace": "first grace period (works)",
    "licensed": "licensed",
    "additional_grace": "second grace period (works)",
    "notification": "reminds its user",
}
_REFUSAL_COLOURS = ["#c0392b", "#8e44ad", "#d35400", "#7f8c8d", "#2c3e50", "#16a085", "#b9770e"]
_LINES = ["#1f5fa8", "#8e44ad", "#16a085", "#d35400"]
CHANGES_SHOWN_MAX = 2000


def page(result: Result) -> str:
    """The whole page.

    Raises:
        InvalidSettingError: plotly is not installed.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(resources.files("quorate.sim") / "templates")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    scenario, recording = result.scenario, result.recording
    policy = scenario.policy
    return environment.get_template("report.html").render(
        scenario=scenario,
        chapters=[
            {
                "when": moment_text(result, scenario.start_s + each.at_s),
                "number": number,
                "title": each.title,
                "text": each.text,
            }
            for number, each in enumerate(scenario.chapters, start=1)
        ],
        facts=_facts(result),
        answers=sorted(recording.answers.items()),
        faults=sorted(recording.faults.items()),
        events=sorted(
            {**recording.client_errors, **{f"12290 {k}": n for k, n in recording.host_errors.items()}}.items()
        ),
        milestones=[{"when": moment_text(result, each.at_s), "text": each.text} for each in recording.milestones[:500]],
        hours=hours(result),
        changes=[
            {
                "when": moment_text(result, each.at_s),
                "machine": each.machine,
                "before": each.before.value.replace("_", " "),
                "after": each.after.value.replace("_", " "),
                "reason": each.reason,
            }
            for each in recording.changes[:CHANGES_SHOWN_MAX]
        ],
        changes_more=max(0, len(recording.changes) - CHANGES_SHOWN_MAX) + recording.changes_left_out,
        violations=[{"when": moment_text(result, each.at_s), **_violation(each)} for each in result.violations],
        has_servers=any(each.kind.machine_class is MachineClass.SERVER for each in scenario.populations),
        renewal=_words(scenario.hosts[0].renewal_interval_min),
        retry=_words(scenario.hosts[0].activation_interval_min),
        client_threshold=policy.thresholds.client.minimum,
        server_threshold=policy.thresholds.server.minimum,
        validity_days=policy.activation_validity_s // DAY_S,
        window_days=policy.count_window_s // DAY_S,
        grace_days=policy.initial_grace_s // DAY_S,
        length=day_text(scenario.length_s),
        replay=replay_command(result),
        trace_hash=result.trace_hash,
        signatures="quick proofs in the place of signatures" if scenario.is_quick else "real Ed25519 signatures",
        charts=json.dumps(_charts(result)).replace("<", "\\u003c"),
        # The script's own text; it holds no closing tag, which the page would end at.
        plotly=_plotly_script(),
    )


def _words(minutes: int) -> str:
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes % size == 0:
            return unit if minutes == size else f"{minutes // size} {unit}s"
    return counted(minutes, "minute")


def _plotly_script() -> str:
    try:
        text = (resources.files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    except ModuleNotFoundError:
        raise InvalidSettingError(name="--report", reason="the page needs plotly", allowed=pip_install("sim")) from None
    return text.replace("</script", "<\\/script")


def _violation(violation: Any) -> dict[str, str]:
    return {"rule": violation.rule, "detail": violation.detail}


def _facts(result: Result) -> list[dict[str, str]]:
    recording, scenario = result.recording, result.scenario
    threshold = scenario.policy.thresholds.client.minimum
    licensed = [sample.statuses[STATUSES.index(status)] for sample in recording.samples for status in STATUSES[2:3]]
    refused = sum(number for code, number in recording.answers.items() if code != "ACTIVATED")
    busiest = max(recording.samples, key=lambda sample: sample.requests)
    lowest = min((min(c for c, _ in sample.counts.values()) for sample in recording.samples[24:]), default=0)
    return [
        {"name": "simulated time", "value": day_text(scenario.length_s)},
        {"name": "machines at the end", "value": str(recording.samples[-1].machines)},
        {"name": "licensed at the end", "value": str(licensed[-1])},
        {"name": "activation threshold", "value": str(threshold)},
        {"name": "lowest count after day 1", "value": str(lowest)},
        {"name": "times machines asked", "value": f"{recording.attempts:,}"},
        {"name": "answered no", "value": f"{refused:,}"},
        {"name": "busiest hour", "value": f"{busiest.requests:,} requests"},
    ]


def _charts(result: Result) -> list[dict[str, Any]]:
    samples = result.recording.samples
    times = [datetime.fromtimestamp(each.at_s, UTC).strftime("%Y-%m-%d %H:%M") for each in samples]
    marks = [
        {
            "x": datetime.fromtimestamp(result.scenario.start_s + each.at_s, UTC).strftime("%Y-%m-%d %H:%M"),
            "text": str(number),
            "title": each.title,
        }
        for number, each in enumerate(result.scenario.chapters, start=1)
    ]
    charts: list[dict[str, Any]] = [
        {"id": "count", "data": _count_traces(result, times), "y": "machines counted"},
        {"id": "status", "data": _status_traces(result, times), "y": "machines"},
        {"id": "traffic", "data": _traffic_traces(result, times), "y": "requests"},
    ]
    for chart in charts:
        chart |= {"marks": marks, "top": 1.12 * _highest(chart["data"], is_stacked=chart["id"] != "count") or 1}
    return charts


def _highest(traces: Any, *, is_stacked: bool) -> float:
    columns = zip(*(trace["y"] for trace in traces), strict=False)
    if is_stacked:
        return float(max(sum(column) for column in columns))
    return float(max(max(trace["y"]) for trace in traces))


def _count_traces(result: Result, times: list[str]) -> list[dict[str, Any]]:
    samples, policy = result.recording.samples, result.scenario.policy
    kinds = {each.kind.machine_class.value for each in result.scenario.populations}
    traces: list[dict[str, Any]] = []
    for number, name in enumerate(samples[-1].counts):
        for place, kind in enumerate(("client", "server")):
            if (kind == "server" and "server" not in kinds) or (kind == "client" and kinds == {"server"}):
                continue
            traces.append(
                {
                    "x": times,
                    "y": [sample.counts[name][place] for sample in samples],
                    "name": f"counted by {name}" + (" (servers)" if kind == "server" else ""),
                    "line": {"color": _LINES[(number * 2 + place) % len(_LINES)], "shape": "hv", "width": 2},
                }
            )
    minima = [policy.thresholds.client.minimum] if kinds != {"server"} else []
    minima += [policy.thresholds.server.minimum] if "server" in kinds else []
    traces += [
        {
            "x": [times[0], times[-1]],
            "y": [minimum, minimum],
            "name": f"threshold {minimum}",
            "mode": "lines",
            "line": {"color": "#c0392b", "dash": "dash", "width": 2},
        }
        for minimum in minima
    ]
    return traces


def _status_traces(result: Result, times: list[str]) -> list[dict[str, Any]]:
    samples = result.recording.samples
    order = ["licensed", "initial_grace", "additional_grace", "notification", "unlicensed"]
    places = {status.value: place for place, status in enumerate(STATUSES)}
    return [
        {
            "x": times,
            "y": [sample.statuses[places[name]] for sample in samples],
            "name": _STATUS_WORDS[name],
            "stackgroup": "all",
            "line": {"width": 0, "shape": "hv"},
            "fillcolor": _COLOURS[name],
            "marker": {"color": _COLOURS[name]},
        }
        for name in order
        if any(sample.statuses[places[name]] for sample in samples)
    ]


def _traffic_traces(result: Result, times: list[str]) -> list[dict[str, Any]]:
    samples = result.recording.samples
    traces: list[dict[str, Any]] = [
        {
            "x": times,
            "y": [sample.leases for sample in samples],
            "name": "yes",
            "type": "bar",
            "marker": {"color": _COLOURS["licensed"]},
        }
    ]
    for number, code in enumerate(sorted({code for sample in samples for code in sample.refusals})):
        colour = _REFUSAL_COLOURS[number % len(_REFUSAL_COLOURS)]
        y = [sample.refusals.get(code, 0) for sample in samples]
        traces.append({"x": times, "y": y, "name": f"no: {plain(code)}", "type": "bar", "marker": {"color": colour}})
    for number, code in enumerate(sorted({code for sample in samples for code in sample.unanswered})):
        if any(code in sample.refusals for sample in samples):
            continue
        colour = _REFUSAL_COLOURS[(number + 3) % len(_REFUSAL_COLOURS)]
        y = [sample.unanswered.get(code, 0) for sample in samples]
        traces.append(
            {"x": times, "y": y, "name": f"no answer: {plain(code)}", "type": "bar", "marker": {"color": colour}}
        )
    return traces
