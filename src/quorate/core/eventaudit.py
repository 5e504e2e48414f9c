"""Whether an event log is as it was written: the rules of `quorate host events verify`, fed one row after another.

It names the first event that is not what it was. What lies after that cannot be told apart any more: every later
digest stands on this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from quorate.core.checkpoint import EventCheckpoint
from quorate.core.eventchain import Link, begin
from quorate.core.trust import utc_text

__all__ = ["EVENT_BYTES_MAX", "Audit", "Break", "Finding", "Row", "beginning", "explained", "rewritten"]

EVENT_BYTES_MAX: Final = 65_536  # no event has a tenth of it; a row that is larger was not written by a host


class Break(StrEnum):
    """What was done to the log."""

    EDITED = "edited"
    ADDED = "added"
    MISSING = "missing"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    REWRITTEN = "rewritten"
    CHECKPOINT = "checkpoint"
    REPLACED = "replaced"


class Finding(NamedTuple):
    """The first thing that is wrong. `number`: the event it begins with, None where it is no event's."""

    kind: Break
    number: int | None
    message: str


class Row(NamedTuple):
    """One row of the table, in its order; `code` as bytes. Somebody's hand may have put anything into any column but
    `number`."""

    number: int
    time_s: Any
    event_id: Any
    code: Any
    cmid: Any
    data: Any
    digest: Any
    upto_bytes: Any


class _Said(msgspec.Struct):
    """What the columns repeat of an event's JSON."""

    time_s: int
    event_id: int
    code: str | None = None
    cmid: str | None = None


_said = msgspec.json.Decoder(_Said)


def beginning(log: bytes, first: int, checkpoints: Mapping[int, EventCheckpoint]) -> tuple[Link, Finding | None]:
    """What the first row is to follow, and what is wrong about where the log begins.

    Args:
        first: the number of the first row.
        checkpoints: all of this database, read and found good, by the event they vouch for.
    """
    start = begin(log)._replace(number=max(first - 1, 0))  # nothing was ever removed, or all of it before an upgrade
    if first < 1:
        return start, Finding(Break.ADDED, first, f"event {first} was added by hand: numbers begin with 1")
    if not checkpoints:
        return start, None
    kept_from = max(checkpoint.kept_from for checkpoint in checkpoints.values())
    if first > kept_from:
        return start, Finding(
            Break.MISSING,
            kept_from,
            f"{_events(kept_from, first - 1)} gone, and not by retention: no checkpoint says so",
        )
    if first < kept_from:
        return start, Finding(
            Break.ADDED, first, f"event {first} stands before event {kept_from}, with which the kept log begins"
        )
    mark = checkpoints.get(first - 1)
    return (start if mark is None else mark.link), None


class Audit:
    """One walk along the log.

    Args:
        start: what the first row is to follow (`beginning`).
        checkpoints: by the event they vouch for; this database's own and any that were kept elsewhere.
    """

    def __init__(self, start: Link, checkpoints: Mapping[int, EventCheckpoint]) -> None:
        self.place = start
        self._checkpoints = checkpoints
        self._agreed = start.number
        self.walked = 0

    def step(self, row: Row) -> Finding | None:
        """The next row, by number; what is wrong with it."""
        expected = self.place.number + 1
        if row.number != expected:
            return Finding(Break.MISSING, expected, f"{_events(expected, row.number - 1)} missing")
        if not isinstance(row.data, bytes) or len(row.data) > EVENT_BYTES_MAX:
            return Finding(Break.EDITED, expected, f"event {expected} was changed: no host wrote its content")
        place = self.place.then(row.data)
        if not row.digest:
            return Finding(Break.ADDED, expected, f"event {expected} was added by hand: it has no digest")
        if (row.digest, row.upto_bytes) != (place.digest, place.upto_bytes):
            return Finding(Break.EDITED, expected, f"event {expected} is not what was written there")
        column = _untrue_column(row)
        if column is not None:
            return Finding(
                Break.EDITED, expected, f"event {expected} was changed: its column {column} differs from its content"
            )
        checkpoint = self._checkpoints.get(expected)
        if checkpoint is not None:
            if checkpoint.link != place:
                return rewritten(checkpoint, self._agreed + 1)
            self._agreed = expected
        self.place = place
        self.walked += 1
        return None

    def end(self) -> Finding | None:
        """After the last row: whether more was there once."""
        last, furthest = self.place.number, max(self._checkpoints, default=0)
        if furthest > last:
            made = utc_text(self._checkpoints[furthest].issued_s)
            message = f"{_events(last + 1, furthest)} gone from the end: a checkpoint of {made} vouches for them"
            return Finding(Break.TRUNCATED, last + 1, message)
        return None

    def belongs_here(self, here: Row, other: Row) -> bool:
        """Whether the content of `other` is what was written where the walk has stopped, at `here`: then two were
        exchanged, and not changed."""
        if other.number == here.number or not isinstance(other.data, bytes):
            return False
        place = self.place.then(other.data)
        return place.digest in (here.digest, other.digest)


def explained(found: Finding, standing_at: int) -> Finding:
    """The finding, now that its content was found at another number."""
    return Finding(
        Break.REORDERED,
        found.number,
        f"the order was changed: what was written as event {found.number} stands as event {standing_at}",
    )


def rewritten(checkpoint: EventCheckpoint, since: int) -> Finding:
    """What is found where the chain is whole and a checkpoint contradicts it; up to `since` - 1 one agreed."""
    between = f"one of events {since} to {checkpoint.number}" if since < checkpoint.number else f"event {since}"
    message = (
        f"{between} was changed and the digests made anew: the checkpoint of {utc_text(checkpoint.issued_s)} "
        f"vouches for another event {checkpoint.number}"
    )
    return Finding(Break.REWRITTEN, since, message)


def _untrue_column(row: Row) -> str | None:
    try:
        said = _said.decode(row.data)
        cmid = None if said.cmid is None else bytes.fromhex(said.cmid.replace("-", ""))
    except (msgspec.MsgspecError, ValueError):
        return "data"
    code = None if said.code is None else said.code.encode()
    if (row.time_s, row.event_id, row.code, row.cmid) == (said.time_s, said.event_id, code, cmid):
        return None
    there = {"time_s": said.time_s, "event_id": said.event_id, "code": code, "cmid": cmid}
    return next(name for name, value in there.items() if getattr(row, name) != value)


def _events(first: int, last: int) -> str:
    return f"event {first} is" if first == last else f"events {first} to {last} are"
