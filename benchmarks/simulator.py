"""`python -m benchmarks.simulator`: what a year of a fleet costs in the simulator, in CPU seconds of one process.

python -m benchmarks.simulator                 # all three, some minutes
python -m benchmarks.simulator --quick --json  # shows that it works
python -m benchmarks.simulator --only signed

Everything is the code that ships (host service, writer, store on SQLite, client life cycle, search for hosts), with all
checkers on. The stub signer replaces two things, for answers only: Ed25519 by a checksum, and the reading of
`core.trust` by one that makes the same checks (`quorate.sim.papers`). Product files and host certificates are signed
and verified for real. Wall time is shown beside, and says as much about the neighbours.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import structlog

from quorate.core.policy import DAY_S, HOUR_S
from quorate.sim.play import play
from quorate.sim.scenario import Happening, HostPlan, Kind, Population, Scenario, What, Wire

__all__ = ["CASES", "main"]

WAIT_S = 3600  # for one case, on a machine that is shared


@dataclass(frozen=True)
class Case:
    """One fleet, and what is asked of it: CPU seconds at most, or megabytes."""

    title: str
    machines: int
    days: int
    is_quick: bool
    cpu_s_max: float | None = None
    memory_mb_max: float | None = None


CASES = {
    "year": Case("10,000 machines, a year, stub signer", 10_000, 365, True, cpu_s_max=60),
    "signed": Case("1,000 machines, a year, Ed25519", 1_000, 365, False, cpu_s_max=30),
    "large": Case("100,000 machines, 9 days, stub signer", 100_000, 9, True, memory_mb_max=500),
}


def main(arguments: list[str] | None = None) -> int:
    """Run; 1 when a rule was broken or a case did not end, never because something was slow."""
    options = _options().parse_args(arguments)
    if options.case:
        print(json.dumps(_measure(CASES[options.case], options.quick)))
        return 0
    found = []
    for name in options.only or CASES:
        print(f"{CASES[name].title} ...", file=sys.stderr, flush=True)
        found.append(_in_a_process(name, options.quick))
    print(json.dumps({"cases": found}) if options.json else _text(found))
    return 1 if any(each["violations"] for each in found) else 0


def fleet(case: Case, *, is_small: bool) -> Scenario:
    """The default policy, and something that goes wrong every week: machines die, are cloned, installed anew, have
    wrong clocks; hosts crash, networks and DNS fail; one message in 200 is lost."""
    machines, days = (case.machines // 50, min(case.days, 15)) if is_small else (case.machines, case.days)
    servers = max(machines // 20, 5)
    return Scenario(
        name="benchmark",
        title=case.title,
        about="",
        length_s=days * DAY_S,
        hosts=(HostPlan("kms1", "shared"), HostPlan("kms2", "shared")),
        populations=(
            Population("servers", Kind.SERVER, servers, join_over_s=DAY_S, drift_ppm=20),
            Population("pcs", Kind.PC, machines - servers, join_over_s=2 * DAY_S, drift_ppm=50),
        ),
        happenings=tuple(each for week in range(days // 7) for each in _troubles(week, machines)),
        wire=Wire(loss_permille=5, duplicate_permille=1, delay_max_s=2),
        tick_s=HOUR_S,
        sweep_s=7 * DAY_S,
        is_quick=case.is_quick,
    )


def _troubles(week: int, machines: int) -> list[Happening]:
    monday_s, some = week * 7 * DAY_S, max(1, machines // 1000)
    outage = (
        Happening(monday_s + DAY_S, What.NETWORK_DOWN, for_s=6 * HOUR_S),
        Happening(monday_s + DAY_S, What.HOST_CRASH, host="kms1", for_s=HOUR_S),
        Happening(monday_s + DAY_S, What.DNS_DARK, for_s=3 * HOUR_S),
        Happening(monday_s + DAY_S, What.HOST_STOP, host="kms2", for_s=DAY_S),
    )[week % 4]
    return [
        outage,
        Happening(monday_s + 2 * DAY_S, What.CLONE, "pcs", 1),
        Happening(monday_s + 3 * DAY_S, What.REIMAGE, "pcs", some),
        Happening(monday_s + 4 * DAY_S, What.CRASH, "pcs", 5 * some),
        Happening(monday_s + 5 * DAY_S, What.CLOCK_STEP, "pcs", some, by_s=5 * HOUR_S, for_s=DAY_S),
    ]


def _in_a_process(name: str, is_quick: bool) -> dict[str, Any]:
    """Each case begins with a memory of its own."""
    command = [sys.executable, "-m", "benchmarks.simulator", "--case", name, *(["--quick"] if is_quick else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measure(case: Case, is_small: bool) -> dict[str, Any]:
    structlog.configure(processors=[_drop])  # hosts log what goes wrong, which is what we made
    scenario = fleet(case, is_small=is_small)
    wall_s, cpu_s = time.monotonic(), time.process_time()
    result = play(scenario)
    wall_s, cpu_s = time.monotonic() - wall_s, time.process_time() - cpu_s
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    met = [
        value <= most
        for value, most in ((cpu_s, case.cpu_s_max), (memory_mb, case.memory_mb_max))
        if most is not None and not is_small
    ]
    return {
        "title": case.title,
        "machines": scenario.machines_max,
        "days": scenario.length_s // DAY_S,
        "signatures": "quick" if case.is_quick else "real",
        "cpu_s": round(cpu_s, 1),
        "wall_s": round(wall_s, 1),
        "requests": result.recording.attempts,
        "events": result.appointments,
        "requests_per_cpu_s": round(result.recording.attempts / cpu_s),
        "events_per_cpu_s": round(result.appointments / cpu_s),
        "memory_mb": round(memory_mb),
        "violations": len(result.violations),
        "trace_hash": result.trace_hash,
        "cpu_s_max": case.cpu_s_max,
        "memory_mb_max": case.memory_mb_max,
        "met": all(met) if met else None,
    }


def _text(found: list[dict[str, Any]]) -> str:
    lines = []
    for each in found:
        asked = [
            None if each["cpu_s_max"] is None else f"{each['cpu_s_max']:g} s",
            None if each["memory_mb_max"] is None else f"{each['memory_mb_max']:g} MB",
        ]
        verdict = {True: "met", False: "NOT MET", None: "not measured (--quick)"}[each["met"]]
        lines += [
            f"{each['title']}: {each['machines']:,} machines, {each['days']} days",
            f"  {each['cpu_s']:,.1f} s of CPU ({each['wall_s']:,.1f} s by the clock), {each['memory_mb']:,} MB at most",
            f"  {each['requests']:,} requests, {each['requests_per_cpu_s']:,} for each second of CPU; "
            f"{each['events']:,} events, {each['events_per_cpu_s']:,}",
            f"  asked: {' and '.join(one for one in asked if one)}: {verdict}; {each['violations']} rules broken",
        ]
    return "\n".join(lines)


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.simulator", description=(__doc__ or "").split("\n\n", 1)[0]
    )
    options.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    options.add_argument("--quick", action="store_true", help="a fiftieth of each fleet for two weeks")
    options.add_argument("--only", nargs="+", choices=CASES, metavar="CASE", help=f"only these: {', '.join(CASES)}")
    options.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    return options


def _drop(_logger: object, _name: str, _values: object) -> str:
    raise structlog.DropEvent


if __name__ == "__main__":
    sys.exit(main())
