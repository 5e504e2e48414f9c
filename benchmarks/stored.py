"""Filled stores: a million machines put straight into the tables, as if they had asked during the last week."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import insert
from sqlalchemy.dialects import sqlite

from benchmarks.questions import EDITION, cmid_of, first_nonce
from quorate.core.ids import link_of, unb64url
from quorate.host.store.record import Record, cmid_bytes
from quorate.host.store.schema import cmid_records

__all__ = ["GROUP", "INSERT", "fill_host", "machine_row"]

GROUP: Final = "bench"
WEEK_S, LEASE_S = 7 * 86_400, 180 * 86_400
STEP = 50_000  # rows of one transaction

INSERT: Final = str(insert(cmid_records).compile(dialect=sqlite.dialect(paramstyle="qmark")))
"""One record, its columns in the order of the table, which is that of `Record` without its `row`."""


def machine_row(number: int, now_s: int) -> Record:
    """The record of machine `number`, last heard at some time of the last week and given a lease then."""
    cmid = cmid_of(number)
    heard_s = now_s - 3600 - number * 7919 % (WEEK_S - 7200)
    return Record(
        product_group=GROUP,
        cmid=cmid_bytes(cmid),
        machine_class="client",
        edition=EDITION,
        machine=f"pc-{number:07d}.corp.example",
        vm=False,
        status="licensed",
        address=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        first_heard_s=heard_s - WEEK_S,
        last_heard_s=heard_s,
        requests=2,
        link=unb64url(link_of(cmid, first_nonce(number))),
        lease_edition=EDITION,
        lease_issued_s=heard_s,
        lease_expires_s=heard_s + LEASE_S,
        lease_count=50,
    )


def fill_host(database: Path, machines: int, now_s: int) -> None:
    """Machines 0 .. `machines` - 1 into the store of a host that is not running."""
    order = sorted(range(machines), key=cmid_of)  # as the table is: random insertion would take many times as long
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=OFF")  # the host opens it anew with its own
        for begin in range(0, machines, STEP):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(INSERT, (machine_row(number, now_s)[:-1] for number in order[begin : begin + STEP]))
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
