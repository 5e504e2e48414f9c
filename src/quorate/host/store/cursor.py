"""Statements on the driver's own cursor, in a connection's transaction; its faults are said as SQLAlchemy says them.

SQLAlchemy's own way costs more for each statement than SQLite's work on a row: of a transaction for one answer half of
the 320 us (in memory).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

__all__ = ["AnyConnection", "rows_of", "run_many"]

AnyConnection = Connection | sqlite3.Connection
"""SQLAlchemy's; or the driver's own, in the transaction that every answer pays for (`Database.write`)."""

# The driver asks every such value of a statement for an adapter, and fails slowly where there is none (0.2-0.3 µs of
# a row's 5). These give the value itself, so what is stored is the same.
sqlite3.register_adapter(bytes, bytes)
sqlite3.register_adapter(bool, int)
sqlite3.register_adapter(type(None), {None: None}.get)


def run_many(connection: AnyConnection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """One statement for each row.

    Raises:
        DBAPIError: the driver's fault.
    """
    try:
        _cursor(connection).executemany(sql, rows)
    except sqlite3.Error as fault:
        raise DBAPIError(sql, None, fault) from fault


def rows_of(connection: AnyConnection, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of one query; raises as `run_many`."""
    try:
        found: list[tuple[Any, ...]] = _cursor(connection).execute(sql, parameters).fetchall()
    except sqlite3.Error as fault:
        raise DBAPIError(sql, None, fault) from fault
    return found


def _cursor(connection: AnyConnection) -> Any:
    return connection.cursor() if isinstance(connection, sqlite3.Connection) else connection.connection.cursor()
