"""One transaction of administration: settings are changed and the event that says so is written, both or neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from quorate.core.events import HostEvent
from quorate.core.messages import encode
from quorate.host.store.database import Database
from quorate.host.store.event_writer import EventWriter
from quorate.host.store.schema import settings

__all__ = ["Transaction", "transaction", "write_settings"]

SETTING_BYTES_MAX: Final = 65_536


class Transaction:
    """What may be done within it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def settings(self) -> dict[str, Any]:
        """All settings that were made, as they are at this moment: nobody else changes them before the end."""
        rows = self._connection.execute(select(settings.c.name, settings.c.value))
        return {name: msgspec.json.decode(value) for name, value in rows}

    def change_settings(self, changes: Mapping[str, Any]) -> None:
        """Keep several settings, None clears one; ValueError: a value of more than 64 KiB."""
        write_settings(self._connection, changes)

    def record(self, event: HostEvent) -> None:
        """Write an event."""
        EventWriter(self._connection.dialect).write(self._connection, [event])


@contextmanager
def transaction(database: Database) -> Iterator[Transaction]:
    """On disk when the block ends, and nothing of it when the block raises. Keep it short: clients wait meanwhile.

    Raises:
        StoreUnavailableError: it could not be begun or committed.
    """
    with database.writing() as connection:
        yield Transaction(connection)


def write_settings(connection: Connection, changes: Mapping[str, Any]) -> None:
    """Rows of the settings table, replaced, or removed where the value is None.

    Raises:
        ValueError: a value of more than 64 KiB.
    """
    texts = {name: None if value is None else encode(value).decode() for name, value in changes.items()}
    if any(text is not None and len(text) > SETTING_BYTES_MAX for text in texts.values()):
        raise ValueError(f"a setting has at most {SETTING_BYTES_MAX} bytes")
    keep = insert(settings)
    keep = keep.on_conflict_do_update(index_elements=["name"], set_={"value": keep.excluded.value})
    for name, text in texts.items():
        if text is None:
            connection.execute(delete(settings).where(settings.c.name == name))
        else:
            connection.execute(keep, {"name": name, "value": text})
