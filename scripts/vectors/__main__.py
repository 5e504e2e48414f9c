"""Writes spec/vectors.

python -m scripts.vectors            write every vector again, and remove those that are none any more
python -m scripts.vectors --check    say which are out of date, and end with 1
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from scripts.vectors import (
    answers,
    bounds,
    certificates,
    computations,
    documents,
    enrolment,
    headers,
    keys,
    leases,
    members,
    problems,
    proof,
    requests,
    services,
    soft,
    succession,
    texts,
)

__all__ = ["COMMAND", "FOLDER", "files", "stale"]

COMMAND: Final = "python -m scripts.vectors"
FOLDER: Final = Path(__file__).resolve().parents[2] / "spec" / "vectors"
ROOMS = (
    documents,
    members,
    bounds,
    headers,
    keys,
    answers,
    certificates,
    leases,
    soft,
    succession,
    texts,
    requests,
    proof,
    enrolment,
    services,
    computations,
    problems,
)


def files() -> dict[str, str]:
    """Every vector's text by its path below spec/vectors."""
    made: dict[str, str] = {}
    for room in ROOMS:
        for vector in room.vectors():
            path = f"{vector.name}.json"
            if path in made:
                raise ValueError(f"two vectors are called {vector.name}")
            made[path] = vector.text()
    return made


def stale(folder: Path = FOLDER) -> list[str]:
    """Paths below `folder` that are missing, different, or no vector any more."""
    made = files()
    there = {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*.json")}
    return sorted(path for path in made.keys() | there.keys() if made.get(path) != there.get(path))


def main() -> int:
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write spec/vectors.")
    parser.add_argument("--check", action="store_true", help="only say which files are out of date")
    wanted = files()
    old = stale()
    if parser.parse_args().check:
        sys.stderr.writelines(f"{path} is out of date: {COMMAND}\n" for path in old)
        return 1 if old else 0
    for path in old:
        file = FOLDER / path
        if path not in wanted:
            file.unlink()
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(wanted[path], encoding="utf-8")
    sys.stderr.write(f"{len(wanted)} vectors, {len(old)} of them written or removed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
