"""`python -m benchmarks`: the whole benchmark, about five minutes; `--quick` only shows that it works.

python -m benchmarks --json > figures.json
python -m benchmarks --only host echo floor --rounds 3
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.report import as_object, as_text
from benchmarks.suite import PARTS, Plan, run
from quorate.errors import QuorateError

__all__ = ["main"]

ROUNDS_MAX, SECONDS_MAX = 50, 60.0
FOLDER = "/var/tmp"  # noqa: S108  (a folder of our own is made in it; /tmp is often memory, where a sync is free)


def main(arguments: list[str] | None = None) -> int:
    """Run; 1 when something did not work, never because something was slow."""
    options = _options().parse_args(arguments)
    parts = frozenset(options.only or PARTS)
    plan = Plan.quick(parts) if options.quick else Plan(parts)
    if options.rounds:
        plan = replace(plan, rounds=options.rounds)
    if options.seconds:
        plan = replace(plan, seconds=options.seconds)
    folder = Path(tempfile.mkdtemp(prefix="quorate-benchmark-", dir=options.dir))
    try:
        results = run(plan, folder, lambda words: print(words, file=sys.stderr, flush=True))
        report = as_object(plan, results, folder)
    except (QuorateError, RuntimeError, OSError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(report) if options.json else as_text(report))
    return 0


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n\n", 1)[0])
    options.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    options.add_argument(
        "--quick", action="store_true", help="everything small: shows that it works, in under a minute"
    )
    options.add_argument("--rounds", type=_rounds, help="rounds of all measurements (default 5)")
    options.add_argument("--seconds", type=_seconds, help="length of each measurement (default 1.5)")
    options.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"only these: {', '.join(PARTS)}")
    options.add_argument("--dir", default=FOLDER, help="where the databases go: a real disk (default %(default)s)")
    return options


def _rounds(text: str) -> int:
    rounds = int(text)
    if not 1 <= rounds <= ROUNDS_MAX:
        raise argparse.ArgumentTypeError(f"1..{ROUNDS_MAX}")
    return rounds


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"0.1..{SECONDS_MAX:g}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
