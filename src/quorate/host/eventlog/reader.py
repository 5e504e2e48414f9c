"""What a target has not had yet: events and checkpoints after the place it is at, in the order of the log."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from sqlalchemy import func, select

from quorate.core.ids import unb64url
from quorate.host.eventlog.formats import Exported, checkpoint, event
from quorate.host.store.database import Database
from quorate.host.store.event_writer import head_of
from quorate.host.store.reports import StoredEvent, decoded
from quorate.host.store.schema import event_checkpoints, events

__all__ = ["After", "head_number", "read_on"]


class After(NamedTuple):
    """Where a target is when it has taken what was read."""

    event: int
    checkpoint: int


class _Dated(msgspec.Struct):
    iat: int


def head_number(database: Database) -> int:
    """The number of the newest event, 0 of an empty log.

    Raises:
        StoreUnavailableError
    """
    with database.reading() as connection:
        return head_of(connection).number


def read_on(
    database: Database, after_event: int, after_checkpoint: int, limit: int
) -> tuple[list[Exported], After, tuple[int, int] | None]:
    """The next events, at most so many, and the checkpoints between them; the place after these.

    Returns:
        Also, where retention was faster than the target, the first and the last event that it will never get.

    Raises:
        StoreUnavailableError: it cannot be read.
    """
    table, made = events.c, event_checkpoints.c
    with database.reading() as connection:
        first, last = connection.execute(select(func.min(table.id), func.max(table.id))).one()
        if last is not None and last < after_event:  # the log was cut or begun anew: what is there is new
            after_event = after_checkpoint = 0
        statement = select(table.id, table.data, table.digest).where(table.id > after_event)
        rows = connection.execute(statement.order_by(table.id).limit(limit)).all()
        reached = rows[-1][0] if rows else after_event
        tokens = connection.execute(
            select(made.number, made.token)
            .where(made.number > after_checkpoint, made.number <= reached)
            .order_by(made.number)
            .limit(limit)
        ).all()
    if len(tokens) == limit:  # the rest of both comes the next time
        reached = tokens[-1][0]
        rows = [row for row in rows if row[0] <= reached]
    given = [event(StoredEvent(number, decoded(number, data)), _bytes(digest)) for number, data, digest in rows]
    given += [checkpoint(number, token, _made_s(token)) for number, token in tokens]
    given.sort(key=lambda each: each.number)  # stable: a checkpoint comes after the event it vouches for
    gone = (after_event + 1, first - 1) if rows and first > after_event + 1 else None
    return given, After(reached, tokens[-1][0] if tokens else after_checkpoint), gone


def _made_s(token: str) -> int:
    """When a checkpoint was made, as it says itself: for a line's time, no proof of anything."""
    try:
        return msgspec.json.decode(unb64url(token.split(".")[1]), type=_Dated).iat
    except (ValueError, IndexError, msgspec.MsgspecError):
        return 0


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""
