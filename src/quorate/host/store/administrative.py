"""The part of `quorate host events verify` that walks along the administrative events: a chain of their own (ADR 0022).

Each of them is bound to the one before it in that chain; the checkpoints of the log say where it stood, the one mark
where it begins since retention has removed some; and as long as the log itself has an event, both have the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from quorate.core.checkpoint import EVENT_CHECKPOINT, EventCheckpoint, read_checkpoint
from quorate.core.eventaudit import EVENT_BYTES_MAX, Break, Finding
from quorate.core.eventchain import Link, administrative_log, begin
from quorate.core.events import REQUEST_EVENTS
from quorate.core.ids import b64url
from quorate.core.keys import VerifyKeys
from quorate.errors import MalformedError, TrustError

__all__ = ["AdministrativeWalk"]

ROWS_AT_ONCE: Final = 1000

# Whatever somebody's hand put into a column, it comes out short and of a type that can be compared.
_ROWS = """
SELECT id,
  CASE typeof(time_s) WHEN 'integer' THEN time_s END,
  CASE typeof(event_id) WHEN 'integer' THEN event_id END,
  CASE WHEN typeof(data) = 'blob' AND length(data) <= ? THEN data END,
  CASE typeof(digest) WHEN 'blob' THEN substr(digest, 1, 100) END,
  CASE typeof(upto_bytes) WHEN 'integer' THEN upto_bytes END
FROM administrative_events ORDER BY id
"""
_MARKS = "SELECT number, CAST(substr(token, 1, ?) AS BLOB) FROM administrative_marks ORDER BY number DESC LIMIT 1"
_REQUESTS = ", ".join(str(each.__struct_config__.tag) for each in REQUEST_EVENTS)
_DIFFERENT = f"""
SELECT of_log.id FROM events AS of_log LEFT JOIN administrative_events AS kept ON kept.id = of_log.id
WHERE of_log.event_id NOT IN ({_REQUESTS}) AND of_log.id > ? AND (kept.id IS NULL OR kept.data IS NOT of_log.data)
ORDER BY of_log.id LIMIT 1
"""  # noqa: S608  (numbers of ours)


class _Said(msgspec.Struct):
    time_s: int
    event_id: int


_said = msgspec.json.Decoder(_Said)


class AdministrativeWalk:
    """One walk, in the view of `connection`.

    Args:
        checkpoints: those of the log that were found good, this database's and any that were kept elsewhere.

    Attributes:
        checked: how many events were found good.
    """

    def __init__(
        self,
        connection: Connection,
        host_id: str,
        keys: VerifyKeys,
        log: bytes,
        checkpoints: Iterable[EventCheckpoint],
    ) -> None:
        self._connection = connection
        self._host_id = host_id
        self._keys = keys
        self._name = administrative_log(log)
        places = [each.administrative for each in checkpoints]
        self._vouched = {place.number: place.link for place in places if isinstance(place, msgspec.Struct)}
        self.checked = 0

    def along(self) -> Finding | None:
        """The first thing that is wrong."""
        start, finding = self._start()
        return finding or self._walk(start) or self._same_as_the_log(start)

    def _start(self) -> tuple[Link, Finding | None]:
        """What the first event follows: the mark of what retention has removed, or the beginning of the chain."""
        start = begin(self._name)
        found = self._connection.exec_driver_sql(_MARKS, (EVENT_CHECKPOINT.bytes_max + 1,)).first()
        if found is None:
            return start, None
        number, token = found
        try:
            mark = read_checkpoint((token or b"").decode("ascii", "replace"), self._keys)
        except (MalformedError, TrustError) as fault:
            return start, _of_the_mark(number, f"is not signed by this host: {fault.message}")
        if (mark.number, mark.host_id, mark.log) != (number, self._host_id, b64url(self._name)):
            return start, _of_the_mark(number, "belongs to another event, host or log")
        return mark.link, None

    def _walk(self, start: Link) -> Finding | None:
        place, left = start, {number: link for number, link in self._vouched.items() if number >= start.number}
        if left.pop(start.number, start) != start:
            return _finding(Break.REWRITTEN, start.number, "is not what a checkpoint vouches for")
        rows = self._connection.exec_driver_sql(_ROWS, (EVENT_BYTES_MAX,)).yield_per(ROWS_AT_ONCE)
        for number, time_s, event_id, data, digest, upto_bytes in rows:
            if number <= place.number:
                return _finding(Break.ADDED, number, "stands before those that are kept")
            if not isinstance(data, bytes):
                return _finding(Break.EDITED, number, "was changed: its content is none of a host's")
            place = place.on_to(number, data)
            if (digest, upto_bytes) != (place.digest, place.upto_bytes):
                return _finding(Break.EDITED, number, "is not what was written there, or one before it is gone")
            if not _is_true(data, time_s, event_id):
                return _finding(Break.EDITED, number, "was changed: a column differs from its content")
            if left.pop(number, place) != place:
                return _finding(Break.REWRITTEN, number, "or one before it was changed and the digests made anew")
            self.checked += 1
        if left:
            lost = min(left)
            kind = Break.TRUNCATED if lost > place.number else Break.MISSING
            return _finding(kind, lost, "is gone, and not by retention: a checkpoint vouches for it")
        return None

    def _same_as_the_log(self, start: Link) -> Finding | None:
        number = self._connection.exec_driver_sql(_DIFFERENT, (start.number,)).scalar()
        if number is None:
            return None
        return _finding(Break.MISSING, number, "of the log is not among those that are kept, or is another there")


def _is_true(data: bytes, time_s: Any, event_id: Any) -> bool:
    try:
        said = _said.decode(data)
    except msgspec.MsgspecError:
        return False
    return (said.time_s, said.event_id) == (time_s, event_id)


def _finding(kind: Break, number: int, what: str) -> Finding:
    return Finding(kind, number, f"administrative event {number} {what}")


def _of_the_mark(number: int, what: str) -> Finding:
    return Finding(Break.CHECKPOINT, number, f"the mark of the administrative events up to {number} {what}")
