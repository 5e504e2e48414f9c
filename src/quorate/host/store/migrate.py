"""Brings a database up to date with Alembic.

Loaded only where there is something to do (`host/store/database.py`): with it come a template language and its
syntax colouring, 11 MB in every host and a tenth of a second in every command, for what happens once in a version.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

__all__ = ["migrate"]


def migrate(connection: Connection, scripts: Path) -> None:
    """All pending steps, in the transaction of `connection`."""
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
