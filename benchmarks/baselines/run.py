"""The baselines as processes: under gunicorn, with an empty and with a filled database."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from sqlalchemy import insert

from benchmarks.baselines.flask_app import Client, open_database
from benchmarks.measure import Server
from benchmarks.processes import Process, free_port
from benchmarks.questions import EDITION, cmid_of

__all__ = ["start"]

DAY_S = 86_400


def start(name: str, folder: Path, *, workers: int, stored: int, tuned: bool) -> Server:
    """One baseline, running."""
    database = folder / f"{name}.db"
    _fill(database, stored, tuned=tuned)
    port = free_port()
    process = Process(
        name,
        [
            *(sys.executable, "-m", "gunicorn", "--workers", str(workers), "--bind", f"127.0.0.1:{port}"),
            *("--log-level", "warning", "benchmarks.baselines.flask_app:from_environment()"),
        ],
        folder / f"{name}.log",
        {**os.environ, "QUORATE_BASELINE_DB": str(database), "QUORATE_BASELINE_TUNED": "1" if tuned else "0"},
    )
    process.wait_for(port)
    return Server(process, port, stored=stored)


def _fill(database: Path, stored: int, *, tuned: bool) -> None:
    engine = open_database(str(database), tuned=tuned)
    now = int(time.time())
    rows = [
        {
            "cmid": cmid_of(number),
            "edition": EDITION,
            "machine": f"pc-{number:07d}.corp.example",
            "first_seen": now - 7 * DAY_S,
            "last_seen": now - number * 7919 % (7 * DAY_S),
            "requests": 1,
        }
        for number in range(stored)
    ]
    if rows:
        with engine.begin() as connection:
            connection.execute(insert(Client), rows)
    engine.dispose()
