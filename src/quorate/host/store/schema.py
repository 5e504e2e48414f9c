"""The tables of a KMS host. Migrations make them (`migrations/versions`); a test holds both to the same shape.

Times are seconds since 1970 UTC. CMIDs and links are their 16 bytes, half the size of their text.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

__all__ = [
    "administrative_events",
    "administrative_marks",
    "cmid_records",
    "event_checkpoints",
    "event_log",
    "events",
    "metadata",
    "request_counters",
    "settings",
]

metadata = MetaData()

cmid_records = Table(
    "cmid_records",
    metadata,
    # S16: one row for each CMID and product group; the last request's edition and class win.
    Column("product_group", Text, primary_key=True),
    Column("cmid", LargeBinary, primary_key=True),
    Column("machine_class", Text, nullable=False),
    Column("edition", Text, nullable=False),
    Column("machine", Text, nullable=False),
    Column("vm", Boolean(create_constraint=False), nullable=False),
    Column("status", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("first_heard_s", BigInteger, nullable=False),
    Column("last_heard_s", BigInteger, nullable=False),  # S17; no index: it would triple the cost of a renewal
    Column("requests", BigInteger, nullable=False),
    # The last lease given: enough to say it again to the same nonce, and to tell a clone by its superseded link.
    Column("link", LargeBinary),
    Column("lease_edition", Text),
    Column("lease_issued_s", BigInteger),
    Column("lease_expires_s", BigInteger),
    Column("lease_count", Integer),
    # `lineage`: links that were exchanged for newer ones; a JSON `Fork` where the CMID was cloned or rolled back.
    Column("exchanged", LargeBinary),
    Column("fork", LargeBinary),
    # Null where the last lease was given at the full threshold; where it was not (`core.soft`), when the last one was.
    Column("lease_full_s", BigInteger),
    # `claims`: what the next question must prove to be the record's own, and when one did last. Null: none has yet.
    Column("lock", LargeBinary),
    Column("proven_s", BigInteger),
)

# The count reads the machines of a few classes: some classes may be rare in a large fleet.
Index("cmid_records_by_class", cmid_records.c.product_group, cmid_records.c.machine_class, cmid_records.c.cmid)

events = Table(
    "events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("time_s", BigInteger, nullable=False),
    Column("event_id", Integer, nullable=False),
    Column("code", Text),  # null when it went well
    Column("cmid", LargeBinary),
    Column("data", LargeBinary, nullable=False),  # JSON of a `core.events` struct
    # `core.eventchain`: its digest, and the size of all events up to it. The columns above repeat what `data` says.
    Column("digest", LargeBinary, nullable=False, server_default=text("x''")),
    Column("upto_bytes", BigInteger, nullable=False, server_default=text("0")),
)

# Every administrative event once more, in a chain of their own: they outlive the requests around them (ADR 0022).
administrative_events = Table(
    "administrative_events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),  # as in `events`
    Column("time_s", BigInteger, nullable=False),
    Column("event_id", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("upto_bytes", BigInteger, nullable=False),
)

administrative_marks = Table(
    "administrative_marks",
    metadata,
    # One row: the last administrative event that was removed for its age, as a `core.checkpoint` of that chain.
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("token", Text, nullable=False),
)

event_log = Table(
    "event_log",
    metadata,
    Column("name", LargeBinary, primary_key=True),  # one row of 16 bytes of chance, made with the database
)

event_checkpoints = Table(
    "event_checkpoints",
    metadata,
    # The last event that it vouches for; 0: of an empty log. The token is a `core.checkpoint`.
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("token", Text, nullable=False),
)

request_counters = Table(
    "request_counters",
    metadata,
    Column("name", Text, primary_key=True),  # total, failed, and one for each license status
    Column("n", BigInteger, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON
)
