"""Lineage: the links that have been exchanged, and what is known of a CMID that was cloned or rolled back."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, LargeBinary

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Two columns, empty for every record that is there; no row is rewritten."""
    op.add_column("cmid_records", Column("exchanged", LargeBinary))
    op.add_column("cmid_records", Column("fork", LargeBinary))
