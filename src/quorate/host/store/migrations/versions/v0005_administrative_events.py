"""Administrative events once more, in a table and a chain of their own: they outlive the requests around them.

Those that are there are chained as they stand, as `v0003` did with all of them. The rule is written out here once
more, as a step that was released never changes; a test holds both together.
"""

from __future__ import annotations

import hashlib
import struct

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Text

revision = "0005"
down_revision = "0004"

_STEP = 5_000  # events in memory at once
_ROWS = """
SELECT id, time_s, event_id, data FROM events
WHERE id > ? AND event_id NOT IN (12290, 12312, 12313) AND typeof(data) = 'blob' ORDER BY id LIMIT ?
"""


def upgrade() -> None:
    """Two tables, and the chain over all administrative events that are there."""
    op.create_table(
        "administrative_events",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        Column("time_s", BigInteger, nullable=False),
        Column("event_id", Integer, nullable=False),
        Column("data", LargeBinary, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("upto_bytes", BigInteger, nullable=False),
    )
    op.create_table(
        "administrative_marks",
        Column("number", BigInteger, primary_key=True, autoincrement=False),
        Column("token", Text, nullable=False),
    )
    connection = op.get_bind()
    found = connection.exec_driver_sql("SELECT name FROM event_log LIMIT 1").scalar()
    log = found if isinstance(found, bytes) else b""
    name = hashlib.sha256(b"quorate administrative events 1\0" + log).digest()[:16]
    digest, upto, last = hashlib.sha256(b"quorate event log 1\0" + name).digest(), 0, 0
    while True:
        rows = connection.exec_driver_sql(_ROWS, (last, _STEP)).all()
        if not rows:
            return
        chained = []
        for number, time_s, event_id, data in rows:
            upto += len(data) + 96
            digest = hashlib.sha256(digest + struct.pack(">QQ", number, upto) + data).digest()
            chained.append((number, time_s, event_id, data, digest, upto))
        connection.exec_driver_sql("INSERT INTO administrative_events VALUES (?, ?, ?, ?, ?, ?)", chained)
        last = rows[-1][0]
