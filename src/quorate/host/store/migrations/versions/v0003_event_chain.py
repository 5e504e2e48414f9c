"""Every event gets its place in the chain (`core.eventchain`), and signed checkpoints of the log a table of their own.

The events that are there are chained as they stand: what was changed before cannot be told, what is changed from now
on can. The rule is written out here once more, as a step that was released never changes; a test holds both together.
A million events take about ten seconds, once.
"""

from __future__ import annotations

import hashlib
import struct

from alembic import op
from sqlalchemy import BigInteger, Column, LargeBinary, Text, text

revision = "0003"
down_revision = "0002"

_STEP = 5_000  # events in memory at once


def upgrade() -> None:
    """Two columns and two tables, a name for the log, and the chain over all events that are there."""
    op.add_column("events", Column("digest", LargeBinary, nullable=False, server_default=text("x''")))
    op.add_column("events", Column("upto_bytes", BigInteger, nullable=False, server_default=text("0")))
    op.create_table(
        "event_checkpoints",
        Column("number", BigInteger, primary_key=True, autoincrement=False),
        Column("token", Text, nullable=False),
    )
    op.create_table("event_log", Column("name", LargeBinary, primary_key=True))
    op.execute("INSERT INTO event_log (name) VALUES (randomblob(16))")
    connection = op.get_bind()
    name = connection.exec_driver_sql("SELECT name FROM event_log").scalar_one()
    digest, upto, last = hashlib.sha256(b"quorate event log 1\0" + name).digest(), 0, -1
    while True:
        rows = connection.exec_driver_sql(
            "SELECT id, data FROM events WHERE id > ? ORDER BY id LIMIT ?", (last, _STEP)
        ).all()
        if not rows:
            return
        chained = []
        for number, data in rows:
            upto += len(data) + 96
            digest = hashlib.sha256(digest + struct.pack(">QQ", number, upto) + data).digest()
            chained.append((digest, upto, number))
        connection.exec_driver_sql("UPDATE events SET digest = ?, upto_bytes = ? WHERE id = ?", chained)
        last = rows[-1][0]
