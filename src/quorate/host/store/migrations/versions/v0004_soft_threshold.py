"""The soft threshold: when a machine whose last lease was given below the threshold last got one at the threshold."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """One column. Empty is right for every record that is there: its lease was given at the threshold."""
    op.add_column("cmid_records", Column("lease_full_s", BigInteger))
