"""The checkpoints a database keeps of its own event log: made every hour, at a stop, and before events are removed.

One is never replaced: where the log was cut and has grown again, the older checkpoint of the same number still says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from quorate.core.checkpoint import CheckpointSigner
from quorate.core.eventchain import DIGEST_BYTES, LOG_BYTES, Link, administrative_log
from quorate.host.store.chain import administrative_head_of, head_of, log_of
from quorate.host.store.database import Database
from quorate.host.store.schema import administrative_events, administrative_marks, event_checkpoints, events

__all__ = ["CHECKPOINTS_MAX", "Sealed", "mark_administrative_removal", "mark_removal", "seal"]

CHECKPOINTS_MAX: Final = 10_000  # over a year of hours, 7 MB; each costs `verify` a signature check
_THINNED: Final = 100  # removed at once where there are more


@dataclass(frozen=True)
class Sealed:
    """What came of it.

    Attributes:
        token: the checkpoint; None where the log has no name any more.
        number: the last event it vouches for.
        cut_from: the log once went on further: the first number that is gone. Only somebody's hand does that.
    """

    token: str | None
    number: int
    cut_from: int | None = None


def seal(database: Database, signer: CheckpointSigner, now_s: int, *, is_asked: bool = False) -> Sealed | None:
    """Vouch for the log as it stands; None where the newest checkpoint already says it all and none `is_asked` for.

    Raises:
        StoreUnavailableError: nothing was kept.
    """
    if not is_asked:
        with database.reading() as connection:
            if _newest(connection) == head_of(connection).number:
                return None
    with database.writing() as connection:
        head, log, newest = head_of(connection), log_of(connection), _newest(connection)
        first = connection.execute(select(func.min(events.c.id))).scalar()
        token = _keep(connection, signer, log, head, head.number + 1 if first is None else first, now_s)
        _thin(connection)
    return Sealed(token, head.number, head.number + 1 if newest > head.number else None)


def mark_removal(connection: Connection, signer: CheckpointSigner, keep_from: int, now_s: int) -> None:
    """In the transaction that removes all events before `keep_from`: say so, signed. Checkpoints before it go too.

    A log that somebody's hand has spoiled gets no mark, and still loses its old events.
    """
    last = select(events.c.id, events.c.digest, events.c.upto_bytes).where(events.c.id == keep_from - 1)
    row = connection.execute(last).first()
    if row is not None and isinstance(row[1], bytes) and len(row[1]) == DIGEST_BYTES:
        # What stands there for this number was an hour's: it does not say that the events up to it have been removed.
        connection.execute(delete(event_checkpoints).where(event_checkpoints.c.number == keep_from - 1))
        _keep(connection, signer, log_of(connection), Link._make(row), keep_from, now_s)
        connection.execute(delete(event_checkpoints).where(event_checkpoints.c.number < keep_from - 1))


def _keep(
    connection: Connection, signer: CheckpointSigner, log: bytes, link: Link, kept_from: int, now_s: int
) -> str | None:
    if len(log) != LOG_BYTES or len(link.digest) != DIGEST_BYTES:
        return None
    token = signer.sign(log, link, kept_from, now_s, _vouched(administrative_head_of(connection)))
    row = {"number": link.number, "token": token}
    connection.execute(insert(event_checkpoints).on_conflict_do_nothing(), row)
    return token


def mark_administrative_removal(connection: Connection, signer: CheckpointSigner, keep_from: int, now_s: int) -> None:
    """The same in the transaction that removes administrative events: the one mark says with which these begin."""
    table = administrative_events.c
    last = select(table.id, table.digest, table.upto_bytes).where(table.id < keep_from).order_by(table.id.desc())
    row, log = connection.execute(last.limit(1)).first(), log_of(connection)
    if row is None or len(log) != LOG_BYTES or not isinstance(row[1], bytes) or len(row[1]) != DIGEST_BYTES:
        return  # as above: a spoiled one gets no mark
    connection.execute(delete(administrative_marks))
    token = signer.sign(administrative_log(log), Link._make(row), keep_from, now_s)
    connection.execute(insert(administrative_marks), {"number": row[0], "token": token})


def _vouched(link: Link) -> Link | None:
    """The place, if it is one: a hand may have been there."""
    return link if len(link.digest) == DIGEST_BYTES else None


def _thin(connection: Connection) -> None:
    """The oldest go, but for the very first: the kept log may begin there."""
    number = event_checkpoints.c.number
    if (connection.execute(select(func.count()).select_from(event_checkpoints)).scalar() or 0) > CHECKPOINTS_MAX:
        oldest = select(number).order_by(number).offset(1).limit(_THINNED)
        connection.execute(delete(event_checkpoints).where(number.in_(oldest)))


def _newest(connection: Connection) -> int:
    """The highest number that any checkpoint vouches for; -1 where there is none."""
    found = connection.execute(select(func.max(event_checkpoints.c.number))).scalar()
    return -1 if found is None else found
