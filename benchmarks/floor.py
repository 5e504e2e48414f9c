"""The floor: what no host in this language can do without. Parse, one row of a synced batch, one signature, TCP.

The first three are timed here, in this process, with the very parts the host uses; the fourth is the kernel's time in
`benchmarks.servers.tcp`, measured under the same load as the host. All are CPU, not elapsed time.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.questions import EDITION, question
from benchmarks.stored import INSERT, machine_row
from quorate.core.documents import SigningKey, TokenSigner
from quorate.core.ids import link_of
from quorate.core.lease import LEASE, Intervals, Lease
from quorate.core.messages import decode_request
from quorate.host.store.database import Database

__all__ = ["Floor", "measure_floor"]

BATCH = 64
HOST_ID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Floor:
    """Microseconds of CPU."""

    parse_us: float
    row_us: float
    sign_us: float


def measure_floor(folder: Path, first: int, *, seconds: float) -> Floor:
    """Each part for about `seconds`; `folder` is on the disk the host writes to, `first` a machine not used before."""
    now_s = int(time.time())
    body = question(0, now_s, renews=False).body
    key = SigningKey.from_seed(b"quorate-benchmark-signing-key-00")
    lease = _lease(now_s)
    signer = TokenSigner(LEASE, key)
    return Floor(
        parse_us=_cpu_us(lambda: decode_request(body), seconds),
        row_us=_row_us(folder, first, now_s, seconds),
        sign_us=_cpu_us(lambda: signer.sign(lease), seconds),
    )


def _cpu_us(work: Callable[[], object], seconds: float) -> float:
    begin, end = time.process_time(), time.perf_counter() + seconds
    done = 0
    while time.perf_counter() < end:
        for _ in range(100):
            work()
        done += 100
    return (time.process_time() - begin) / done * 1e6


def _row_us(folder: Path, first: int, now_s: int, seconds: float) -> float:
    """A row of a transaction of 64, synced to disk, in the host's own schema by plain SQL."""
    path = folder / "floor.db"
    if not path.exists():
        Database.create(path).close()
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=4000"):
        connection.execute(f"PRAGMA {pragma}")
    batches = [
        [machine_row(first + BATCH * n + m, now_s)[:-1] for m in range(BATCH)]
        for n in range(max(4, int(seconds * 1000)))
    ]
    begin, end, done = time.process_time(), time.perf_counter() + seconds, 0
    for rows in batches:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, rows)
        connection.execute("COMMIT")
        done += BATCH
        if time.perf_counter() > end:
            break
    spent = time.process_time() - begin
    connection.close()
    return spent / done * 1e6


def _lease(now_s: int) -> Lease:
    asked = question(0, now_s, renews=False)
    request = decode_request(asked.body)
    return Lease(
        host_id=HOST_ID,
        issued_s=now_s,
        expires_s=now_s + 180 * 86_400,
        cmid=request.cmid,
        edition=EDITION,
        nonce=request.nonce,
        link=link_of(request.cmid, request.nonce),
        count=50,
        threshold=25,
        intervals=Intervals(),
        renew_from_s=now_s + 574_560,
        renew_until_s=now_s + 604_800,
    )
