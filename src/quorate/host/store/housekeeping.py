"""Removing what no longer counts, in steps short enough that no client waits for them.

How old something is, is judged by the certain time (`core.certaintime`), never by the clock alone.

S18, S19: a lapsed CMID record has stopped counting by itself; it is removed so that the count's reads stay short and
the file small. A step walks some thousand keys: keys are read first, then deleted by key (`DELETE .. WHERE key IN
(SELECT .. LIMIT)` would read the whole table each time; reference, section 6). Call the steps from the writer's
thread, between batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, bindparam, delete, func, select, tuple_, update

from quorate.core.certaintime import TOLERANCE_S
from quorate.core.checkpoint import CheckpointSigner
from quorate.core.count import is_in_window
from quorate.core.eventchain import EVENT_OVERHEAD
from quorate.host.store.checkpoints import mark_administrative_removal, mark_removal
from quorate.host.store.database import Database
from quorate.host.store.record import Key
from quorate.host.store.schema import administrative_events, cmid_records, events

__all__ = ["Retention", "date_back_step", "sweep_step", "trim_administrative_step", "trim_events_step"]

STEP_KEYS: Final = 4000  # looked at in one step
STEP_REMOVALS: Final = 200  # removed in one step: each is a few random pages of the log
STEP_EVENTS: Final = 4000  # trimmed in one step

_AS_READ = (
    cmid_records.c.product_group == bindparam("of_group"),
    cmid_records.c.cmid == bindparam("of_cmid"),
    cmid_records.c.last_heard_s == bindparam("heard_s"),  # not if it was heard since it was read
)
_REMOVE = delete(cmid_records).where(*_AS_READ)
_DATE_BACK = update(cmid_records).where(*_AS_READ)


def sweep_step(
    database: Database, cursor: Key | None, at_s: int, window_s: Mapping[str, int], other_window_s: int
) -> Key | None:
    """Remove the lapsed records among the next few thousand keys.

    Args:
        cursor: what the step before returned; None begins at the first key.
        at_s: the time by which they have lapsed (`CertainTime.deletes_at_s`).
        window_s: per product group the longest count window of its products.
        other_window_s: for records of groups that are not in `window_s`: products no longer served.

    Returns:
        Where the next step begins, or None when the walk is done.

    Raises:
        StoreUnavailableError: nothing was removed; the same step can be tried again.
    """
    table = cmid_records.c
    key = tuple_(table.product_group, table.cmid)
    ahead = select(table.product_group, table.cmid, table.last_heard_s).order_by(table.product_group, table.cmid)
    if cursor is not None:
        ahead = ahead.where(key > tuple_(*cursor))
    old_s = at_s - min((*window_s.values(), other_window_s))  # nobody heard since has lapsed, whatever the group
    lapsed: list[dict[str, Any]] = []
    with database.reading() as connection:
        end = connection.execute(ahead.offset(STEP_KEYS - 1).limit(1)).first()
        old = ahead.where(table.last_heard_s <= old_s)
        if end is not None:
            old = old.where(key <= tuple_(end.product_group, end.cmid))
        for group, cmid, heard_s in connection.execute(old).yield_per(STEP_REMOVALS):
            if not is_in_window(heard_s, at_s, window_s.get(group, other_window_s)):
                lapsed.append({"of_group": group, "of_cmid": cmid, "heard_s": heard_s})
                if len(lapsed) == STEP_REMOVALS:
                    break
    if lapsed:
        with database.writing() as connection:
            connection.execute(_REMOVE, lapsed)
    if len(lapsed) == STEP_REMOVALS:
        return lapsed[-1]["of_group"], lapsed[-1]["of_cmid"]
    return None if end is None else (end.product_group, end.cmid)


def date_back_step(database: Database, now_s: int) -> bool:
    """Let the records that say they were heard in the future be heard now: a clock was ahead when they were. They would
    count until that future has lapsed. Only by a clock that is confirmed, as one that is behind makes all records such.

    Returns:
        Whether there may be more.

    Raises:
        StoreUnavailableError: nothing was changed.
    """
    table, latest_s = cmid_records.c, now_s + TOLERANCE_S
    ahead = select(table.product_group, table.cmid, table.last_heard_s).where(table.last_heard_s > latest_s)
    with database.reading() as connection:
        rows = connection.execute(ahead.limit(STEP_REMOVALS)).all()
    if rows:
        found = [{"of_group": group, "of_cmid": cmid, "heard_s": heard_s} for group, cmid, heard_s in rows]
        with database.writing() as connection:
            connection.execute(_DATE_BACK.values(last_heard_s=now_s), found)
    return len(rows) == STEP_REMOVALS


@dataclass(frozen=True)
class Retention:
    """How much of the event log is kept: nothing older than so long, at most so many events, at most so many bytes."""

    age_max_s: int
    number_max: int
    bytes_max: int


def trim_events_step(
    database: Database, at_s: int, kept: Retention, signer: CheckpointSigner, *, latest_s: int = 2**53
) -> bool:
    """Remove some of the oldest events: those that `kept` has no room for. Administrative ones stay in their own table.

    The newest event always stays, so that numbers are never given twice. A signed checkpoint takes the place of what
    is removed, in the same transaction.

    Args:
        at_s: the time by which they are old (`CertainTime.deletes_at_s`).
        latest_s: an event that says to be later was written while the clock was ahead. It is as old as what follows it.

    Returns:
        Whether there is more to trim.

    Raises:
        StoreUnavailableError: nothing was removed.
    """
    found = _old(database, events, at_s, latest_s, kept)
    if found is None:
        return False
    with database.writing() as connection:
        mark_removal(connection, signer, found.keep_from, at_s)
        connection.execute(delete(events).where(events.c.id < found.keep_from))
    return found.may_go_on


def trim_administrative_step(
    database: Database, at_s: int, kept: Retention, signer: CheckpointSigner, *, latest_s: int = 2**53
) -> bool:
    """The same with the administrative events, which have a retention of their own."""
    found = _old(database, administrative_events, at_s, latest_s, kept)
    if found is None:
        return False
    with database.writing() as connection:
        mark_administrative_removal(connection, signer, found.keep_from, at_s)
        connection.execute(delete(administrative_events).where(administrative_events.c.id < found.keep_from))
    return found.may_go_on


class _Old(NamedTuple):
    """All events before `keep_from` are to be removed now; whether there may be more then."""

    keep_from: int
    may_go_on: bool


def _old(database: Database, table: Table, at_s: int, latest_s: int, kept: Retention) -> _Old | None:
    """Which of the oldest events in this table go in one step; None where none does."""
    number, time_s = table.c.id, table.c.time_s
    with database.reading() as connection:
        in_order = select(number, time_s).order_by(number)
        oldest = connection.execute(select(func.min(number))).scalar()
        if oldest is None:
            return None
        newest = connection.execute(select(number, table.c.upto_bytes).order_by(number.desc()).limit(1)).one()
        end = min(oldest + STEP_EVENTS, newest.id)  # this number stays in this step, and all after it
        before_bytes = table.c.upto_bytes - func.length(table.c.data) - EVENT_OVERHEAD
        has_room = before_bytes >= _size(newest.upto_bytes) - kept.bytes_max
        by_size = connection.execute(select(number).where(number < end, has_room).order_by(number).limit(1)).scalar()
        young = in_order.where(number < end, time_s > at_s - kept.age_max_s)
        by_age = connection.execute(young.limit(1)).first()
        if by_age is not None and by_age[0] == oldest and _size(by_age[1]) > latest_s:
            after = connection.execute(in_order.where(time_s <= latest_s).limit(1)).first()
            is_old = after is not None and after[1] <= at_s - kept.age_max_s
            by_age = after if is_old else by_age
    keep_from = max(
        end if by_size is None else by_size,
        end if by_age is None else by_age[0],
        newest.id - kept.number_max + 1,  # numbers have no gaps where there is such a bound
    )
    keep_from = min(end, keep_from)
    return None if keep_from <= oldest else _Old(keep_from, keep_from == end < newest.id)


def _size(found: object) -> int:
    """A number, whatever a hand has put into its column."""
    return found if isinstance(found, int) else 0
