"""The first tables: CMID records, events, request counters, settings."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "cmid_records",
        Column("product_group", Text, primary_key=True),
        Column("cmid", LargeBinary, primary_key=True),
        Column("machine_class", Text, nullable=False),
        Column("edition", Text, nullable=False),
        Column("machine", Text, nullable=False),
        Column("vm", Boolean(create_constraint=False), nullable=False),
        Column("status", Text, nullable=False),
        Column("address", Text, nullable=False),
        Column("first_heard_s", BigInteger, nullable=False),
        Column("last_heard_s", BigInteger, nullable=False),
        Column("requests", BigInteger, nullable=False),
        Column("link", LargeBinary),
        Column("lease_edition", Text),
        Column("lease_issued_s", BigInteger),
        Column("lease_expires_s", BigInteger),
        Column("lease_count", Integer),
    )
    op.create_index("cmid_records_by_class", "cmid_records", ["product_group", "machine_class", "cmid"])
    op.create_table(
        "events",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        Column("time_s", BigInteger, nullable=False),
        Column("event_id", Integer, nullable=False),
        Column("code", Text),
        Column("cmid", LargeBinary),
        Column("data", LargeBinary, nullable=False),
    )
    op.create_table(
        "request_counters",
        Column("name", Text, primary_key=True),
        Column("n", BigInteger, nullable=False),
    )
    op.create_table(
        "settings",
        Column("name", Text, primary_key=True),
        Column("value", Text, nullable=False),
    )
