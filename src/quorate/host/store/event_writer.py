"""Events are written here and nowhere else: each gets its place in the chain, in the transaction that it belongs to.

The head is read from the database within that transaction, which holds the write lock: another process may have
written since the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Dialect, insert

from quorate.core.eventchain import Link, begin, follow
from quorate.core.events import HostEvent
from quorate.core.messages import encode
from quorate.host.store.batch import cmid_bytes
from quorate.host.store.cursor import AnyConnection, rows_of
from quorate.host.store.schema import events
from quorate.host.store.statements import Compiled

__all__ = ["EventWriter", "head_of", "log_of"]

_COLUMNS = ("id", "time_s", "event_id", "code", "cmid", "data", "digest", "upto_bytes")
_NUMBERS_MAX: Final = 2**53
_HEAD = "SELECT id, digest, upto_bytes FROM events WHERE id BETWEEN 0 AND ? ORDER BY id DESC LIMIT 1"
_LOG = "SELECT name FROM event_log LIMIT 1"


class EventWriter:
    """Writes events, for the database at hand."""

    def __init__(self, dialect: Dialect) -> None:
        self._insert = Compiled(insert(events), _COLUMNS, dialect)

    def write(self, connection: AnyConnection, happened: Sequence[HostEvent]) -> None:
        """These events, in order, at the end of the log. One read and one statement however many they are."""
        if not happened:
            return
        written = [encode(event) for event in happened]
        places = follow(head_of(connection), written)
        self._insert.run(
            connection,
            [
                (number, *_columns(event), data, digest, upto_bytes)
                for event, data, (number, digest, upto_bytes) in zip(happened, written, places, strict=True)
            ],
        )


def head_of(connection: AnyConnection) -> Link:
    """The newest event's place; of an empty log what its first event will follow.

    A row that somebody's hand has spoiled must not stop a host: what follows it is chained to what can be used of it,
    and `verify` names it.
    """
    found = rows_of(connection, _HEAD, (_NUMBERS_MAX,))
    if not found:
        return begin(log_of(connection))
    [(number, digest, upto_bytes)] = found
    is_size = isinstance(upto_bytes, int) and 0 <= upto_bytes < _NUMBERS_MAX
    return Link(number, digest if isinstance(digest, bytes) else b"", upto_bytes if is_size else 0)


def log_of(connection: AnyConnection) -> bytes:
    """The log's name; empty where somebody removed it, which `quorate host events verify` tells."""
    found = rows_of(connection, _LOG)
    return found[0][0] if found and isinstance(found[0][0], bytes) else b""


def _columns(event: HostEvent) -> tuple[Any, ...]:
    """What the event's JSON says, once more: for searching. `verify` holds them to it."""
    cmid: str | None = getattr(event, "cmid", None)
    return event.time_s, event.__struct_config__.tag, event.code, None if cmid is None else cmid_bytes(cmid)
