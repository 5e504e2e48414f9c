"""Events are written here and nowhere else: each gets its place in the chain, in the transaction that it belongs to.

The head is read from the database within that transaction, which holds the write lock: another process may have
written since the last one. Administrative events get a second place, in the chain of these alone: it stays whole when
the requests around them are removed (ADR 0022).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Dialect, insert

from quorate.core.eventchain import Link, administrative_log, begin, follow
from quorate.core.events import REQUEST_EVENTS, HostEvent
from quorate.core.messages import encode
from quorate.host.store.driver import AnyConnection, rows_of
from quorate.host.store.record import cmid_bytes
from quorate.host.store.schema import administrative_events, events
from quorate.host.store.statements import Compiled

__all__ = ["EventWriter", "administrative_head_of", "head_of", "log_of"]

_COLUMNS = ("id", "time_s", "event_id", "code", "cmid", "data", "digest", "upto_bytes")
_ADMINISTRATIVE_COLUMNS = ("id", "time_s", "event_id", "data", "digest", "upto_bytes")
_NUMBERS_MAX: Final = 2**53
_HEAD = "SELECT id, digest, upto_bytes FROM events WHERE id BETWEEN 0 AND ? ORDER BY id DESC LIMIT 1"
_ADMINISTRATIVE_HEAD = (
    "SELECT id, digest, upto_bytes FROM administrative_events WHERE id BETWEEN 0 AND ? ORDER BY id DESC LIMIT 1"
)
_LOG = "SELECT name FROM event_log LIMIT 1"


class EventWriter:
    """Writes events, for the database at hand."""

    def __init__(self, dialect: Dialect) -> None:
        self._insert = Compiled(insert(events), _COLUMNS, dialect)
        # Over whatever somebody's hand has put at a number that is only given now.
        again = insert(administrative_events).prefix_with("OR REPLACE")
        self._insert_administrative = Compiled(again, _ADMINISTRATIVE_COLUMNS, dialect)

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
        kept = [at for at, event in enumerate(happened) if not isinstance(event, REQUEST_EVENTS)]
        if kept:
            self._write_administrative(connection, [(places[at][0], happened[at], written[at]) for at in kept])

    def _write_administrative(self, connection: AnyConnection, kept: Sequence[tuple[int, HostEvent, bytes]]) -> None:
        place, rows = administrative_head_of(connection), []
        for number, event, data in kept:
            place = place.on_to(number, data)
            time_s, event_id, *_ = _columns(event)
            rows.append((number, time_s, event_id, data, place.digest, place.upto_bytes))
        self._insert_administrative.run(connection, rows)


def head_of(connection: AnyConnection) -> Link:
    """The newest event's place; of an empty log what its first event will follow.

    A row that somebody's hand has spoiled must not stop a host: what follows it is chained to what can be used of it,
    and `verify` names it.
    """
    found = rows_of(connection, _HEAD, (_NUMBERS_MAX,))
    return _usable(found) if found else begin(log_of(connection))


def administrative_head_of(connection: AnyConnection) -> Link:
    """The same of the administrative events alone; their numbers are those of the log, with gaps."""
    found = rows_of(connection, _ADMINISTRATIVE_HEAD, (_NUMBERS_MAX,))
    return _usable(found) if found else begin(administrative_log(log_of(connection)))


def _usable(found: list[tuple[Any, ...]]) -> Link:
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
