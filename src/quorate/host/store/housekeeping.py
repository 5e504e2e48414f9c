"""Removing what no longer counts, in steps short enough that no client waits for them.

S18, S19: a lapsed CMID record has stopped counting by itself; it is removed so that the count's reads stay short and
the file small. A step walks some thousand keys: keys are read first, then deleted by key (`DELETE .. WHERE key IN
(SELECT .. LIMIT)` would read the whole table each time; reference, section 6). Call the steps from the writer's
thread, between batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, func, select, tuple_

from quorate.core.checkpoint import CheckpointSigner
from quorate.core.count import is_in_window
from quorate.core.eventchain import EVENT_OVERHEAD
from quorate.host.store.batch import Key
from quorate.host.store.checkpoints import mark_removal
from quorate.host.store.database import Database
from quorate.host.store.event_writer import head_of
from quorate.host.store.schema import cmid_records, events

__all__ = ["Retention", "sweep_step", "trim_events_step"]

STEP_KEYS: Final = 4000  # looked at in one step
STEP_REMOVALS: Final = 200  # removed in one step: each is a few random pages of the log
STEP_EVENTS: Final = 4000  # trimmed in one step

_REMOVE = delete(cmid_records).where(
    cmid_records.c.product_group == bindparam("of_group"),
    cmid_records.c.cmid == bindparam("of_cmid"),
    cmid_records.c.last_heard_s == bindparam("heard_s"),  # not if it was heard since it was read
)


def sweep_step(
    database: Database, cursor: Key | None, now_s: int, window_s: Mapping[str, int], other_window_s: int
) -> Key | None:
    """Remove the lapsed records among the next few thousand keys.

    Args:
        cursor: what the step before returned; None begins at the first key.
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
    old_s = now_s - min((*window_s.values(), other_window_s))  # nobody heard since has lapsed, whatever the group
    lapsed: list[dict[str, Any]] = []
    with database.reading() as connection:
        end = connection.execute(ahead.offset(STEP_KEYS - 1).limit(1)).first()
        old = ahead.where(table.last_heard_s <= old_s)
        if end is not None:
            old = old.where(key <= tuple_(end.product_group, end.cmid))
        for group, cmid, heard_s in connection.execute(old).yield_per(STEP_REMOVALS):
            if not is_in_window(heard_s, now_s, window_s.get(group, other_window_s)):
                lapsed.append({"of_group": group, "of_cmid": cmid, "heard_s": heard_s})
                if len(lapsed) == STEP_REMOVALS:
                    break
    if lapsed:
        with database.writing() as connection:
            connection.execute(_REMOVE, lapsed)
    if len(lapsed) == STEP_REMOVALS:
        return lapsed[-1]["of_group"], lapsed[-1]["of_cmid"]
    return None if end is None else (end.product_group, end.cmid)


@dataclass(frozen=True)
class Retention:
    """How much of the event log is kept: nothing older than so long, at most so many events, at most so many bytes."""

    age_max_s: int
    number_max: int
    bytes_max: int


def trim_events_step(database: Database, now_s: int, kept: Retention, signer: CheckpointSigner) -> bool:
    """Remove some of the oldest events: those that `kept` has no room for.

    The newest event always stays, so that numbers are never given twice. A signed checkpoint takes the place of what
    is removed, in the same transaction.

    Returns:
        Whether there is more to trim.

    Raises:
        StoreUnavailableError: nothing was removed.
    """
    with database.reading() as connection:
        oldest = connection.execute(select(func.min(events.c.id))).scalar()
        if oldest is None:
            return False
        newest, _, upto_bytes = head_of(connection)
        end = min(oldest + STEP_EVENTS, newest)  # this id stays, and all after it
        before_bytes = events.c.upto_bytes - func.length(events.c.data) - EVENT_OVERHEAD
        is_good = and_(events.c.time_s > now_s - kept.age_max_s, before_bytes >= upto_bytes - kept.bytes_max)
        good = select(events.c.id).where(events.c.id < end, is_good).order_by(events.c.id).limit(1)
        first_good = connection.execute(good).scalar()
    keep_from = min(end, max(end if first_good is None else first_good, newest - kept.number_max + 1))
    if keep_from <= oldest:
        return False
    with database.writing() as connection:
        mark_removal(connection, signer, keep_from, now_s)
        connection.execute(delete(events).where(events.c.id < keep_from))
    return bool(keep_from == end < newest)
