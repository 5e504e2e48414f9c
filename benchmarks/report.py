"""The results as one JSON object, and as tables for people. The object's shape is in README.md beside this file."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.floor import Floor
from benchmarks.measure import Figures, summary
from benchmarks.suite import Plan, Results
from benchmarks.targets import Verdict, verdicts

__all__ = ["as_object", "as_text"]

OTHER_CPUS_QUIET = 0.15  # more than this, and rates and machine CPU say more about the neighbours


def as_object(plan: Plan, results: Results, folder: Path) -> dict[str, Any]:
    """Everything, ready for JSON."""
    lines = {load.name: summary(load, rounds) for load, rounds in results.measured.items()}
    floor = _floor(results.floors, lines)
    figures = _figures(lines, floor, results)
    words = {"stored": f"{plan.stored:,}", "flask_stored": f"{plan.flask_stored:,}"}
    return {
        "machine": _machine(results, folder),
        "plan": {
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "stored": plan.stored,
            "flask_stored": plan.flask_stored,
            "parts": sorted(plan.parts),
        },
        "lines": {name: msgspec.to_builtins(line) for name, line in lines.items()},
        "floor_us": floor,
        "memory_mb": results.memory_mb,
        "records_at_the_end": results.records,
        "samples_verified": results.samples_verified,
        "durability": None
        if results.lost is None
        else {"answered": results.answered_before_kill, "lost": results.lost},
        "client_status_us": results.client_status_us,
        "ratios": {name: value for name, value in figures.items() if "over" in name},
        "targets": [msgspec.to_builtins(verdict) for verdict in verdicts(figures, words)],
    }


def _machine(results: Results, folder: Path) -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "file_system": _file_system(folder),
        "other_cpus": round(statistics.median(results.other_cpus or [0.0]), 2),
    }


def _file_system(folder: Path) -> str:
    """The file system's type, as /proc/mounts names it."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text("utf-8", "replace").splitlines():
        _, mounted, name, *_ = line.split()
        inside = str(folder.resolve()) == mounted or str(folder.resolve()).startswith(mounted.rstrip("/") + "/")
        if inside and len(mounted) >= len(best):
            best, kind = mounted, name
    return kind


def _floor(floors: list[Floor], lines: dict[str, Figures]) -> dict[str, float] | None:
    tcp = lines.get("tcp fresh")
    if not floors or tcp is None:
        return None
    parts = {
        "parse": statistics.median(floor.parse_us for floor in floors),
        "row": statistics.median(floor.row_us for floor in floors),
        "sign": statistics.median(floor.sign_us for floor in floors),
        "tcp": tcp.kernel_us,
    }
    return {name: round(value, 1) for name, value in {**parts, "total": sum(parts.values())}.items()}


def _figures(lines: dict[str, Figures], floor: dict[str, float] | None, results: Results) -> dict[str, float | None]:
    """Every figure a target or a ratio is about; None where a part was not measured."""
    host, filled, echo = lines.get("host fresh"), lines.get("filled fresh"), lines.get("echo fresh")

    def flask(kind: str, state: str) -> float | None:
        rates = [line.answers_per_s for name, line in lines.items() if name.startswith(kind) and state in name]
        return max(rates, default=None)  # the better of one and two workers

    def rate(line: Figures | None) -> float | None:
        return None if line is None else line.answers_per_s

    def cpu(line: Figures | None) -> float | None:
        return None if line is None else line.cpu_us

    def p99(name: str) -> float | None:
        return lines[name].p99_ms if name in lines else None

    return {
        "answers_per_s": rate(host),
        "machine_us": None if host is None else host.machine_us,
        "over_echo": _over(cpu(host), cpu(echo)),
        "over_echo_keep_alive": _over(cpu(lines.get("host keep-alive")), cpu(lines.get("echo keep-alive"))),
        "over_floor": _over(cpu(host), None if floor is None else floor["total"]),
        "over_flask_empty": _over(rate(host), flask("flask-1w", "empty"), flask("flask-2w", "empty")),
        "over_flask_filled": _over(rate(filled), flask("flask-1w", "filled"), flask("flask-2w", "filled")),
        "over_flask_tuned_empty": _over(rate(host), flask("flask-tuned", "empty")),
        "over_flask_tuned_filled": _over(rate(filled), flask("flask-tuned", "filled")),
        "p99_1000_ms": p99("host 1000/s"),
        "p99_3000_ms": p99("host 3000/s"),
        "filled_over_empty": _over(cpu(filled), cpu(host)),
        "filled_over_empty_keep_alive": _over(cpu(lines.get("filled keep-alive")), cpu(lines.get("host keep-alive"))),
        "memory_empty_mb": results.memory_mb.get("host"),
        "memory_filled_mb": results.memory_mb.get("filled"),
        "lost": results.lost,
        "client_status_ms": None if results.client_status_us is None else results.client_status_us / 1000,
    }


def _over(value: float | None, *others: float | None) -> float | None:
    """`value` over the greatest of `others`."""
    greatest = max((other for other in others if other), default=None)
    return None if value is None or greatest is None else round(value / greatest, 2)


# --- for people ----------------------------------------------------------------------------------------------------

_HEAD = ("load", "answers/s", "p50 ms", "p99 ms", "max ms", "CPU us", "kernel", "machine", "errors")


def as_text(report: dict[str, Any]) -> str:
    """The tables."""
    machine, plan = report["machine"], report["plan"]
    title = (
        f"{machine['cpus']} CPUs, Python {machine['python']}, Linux {machine['kernel']}; medians of {plan['rounds']} "
        f"interleaved rounds of {plan['seconds']} s\nCPU: microseconds per answer, of the server's processes "
        "(kernel: the part in it); machine: of all this machine did, less the load generator"
    )
    rows = [_line(name, line) for name, line in report["lines"].items()]
    parts = [title, _table(_HEAD, rows), _facts(report), _verdicts(report["targets"])]
    if machine["other_cpus"] > OTHER_CPUS_QUIET:
        parts.append(
            f"note: {machine['other_cpus']} CPUs were busy with other work; rates, latencies and machine CPU are worse "
            "than alone, CPU us and ratios by less (batches stay smaller); measure again on a quiet machine"
        )
    return "\n\n".join(part for part in parts if part)


def _line(name: str, line: dict[str, Any]) -> tuple[str, ...]:
    return (
        name,
        f"{line['answers_per_s']:,.0f}",
        f"{line['p50_ms']:.2f}",
        f"{line['p99_ms']:.2f}",
        f"{line['max_ms']:.1f}",
        f"{line['cpu_us']:.1f}",
        f"{line['kernel_us']:.1f}",
        f"{line['machine_us']:.1f}",
        ", ".join(f"{kind}: {n}" for kind, n in line["errors"].items()) or "-",
    )


def _facts(report: dict[str, Any]) -> str:
    facts = []
    if report["floor_us"]:
        floor = report["floor_us"]
        shown = " + ".join(f"{name} {value:.1f}" for name, value in floor.items() if name != "total")
        facts.append(f"floor: {shown} = {floor['total']:.1f} us")
    if report["memory_mb"]:
        shown = ", ".join(
            f"{name} {value} MB ({report['records_at_the_end'].get(name, 0):,} records)"
            for name, value in report["memory_mb"].items()
        )
        facts.append(f"memory (PSS) at the end: {shown}")
    if report["durability"]:
        kill = report["durability"]
        facts.append(f"kill -9 under load: {kill['answered']:,} answered, {kill['lost']} lost")
    if report["client_status_us"] is not None:
        facts.append(f"Client.status(): {report['client_status_us']:.0f} us")
    if report["samples_verified"]:
        facts.append(f"answers checked by the client's own rules: {report['samples_verified']}")
    ratios = {name.replace("_", " "): value for name, value in report["ratios"].items() if value is not None}
    if ratios:
        facts.append("ratios: " + ", ".join(f"{name} {value:.2f}" for name, value in ratios.items()))
    return "\n".join(facts)


def _verdicts(targets: list[dict[str, Any]]) -> str:
    rows = []
    for target in targets:
        verdict = Verdict(**target)
        if verdict.value is None:
            continue
        rows.append(
            (
                "met" if verdict.met else "NOT MET",
                verdict.title,
                f"{verdict.value:,.2f} {verdict.unit}".strip(),
                f"{verdict.target:,g} {verdict.unit}".strip(),
                "-" if verdict.ratio is None else f"{verdict.ratio:.2f}",
            )
        )
    return _table(("", "target", "measured", "asked", "ratio"), rows) if rows else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    rows = [head, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    texts = {head[0], "target"}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if head[column] in texts or head[column] == "errors" else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
