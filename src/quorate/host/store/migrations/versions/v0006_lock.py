"""The lock of a record: what a question must prove before it changes anything that is another machine's."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, LargeBinary

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Two columns. A record that is there has no lock; it takes one from its machine's next question."""
    op.add_column("cmid_records", Column("lock", LargeBinary))
    op.add_column("cmid_records", Column("proven_s", BigInteger))
