"""The walk behind `quorate host events verify`: the whole log in one consistent view, some rows in memory at a time.

The host may run meanwhile, and is not held up: what it writes comes after the view. A million events take a few
seconds; for so long SQLite's log file cannot be begun anew, and grows by what is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from quorate.core.checkpoint import EVENT_CHECKPOINT, EventCheckpoint, read_checkpoint
from quorate.core.eventaudit import EVENT_BYTES_MAX, Audit, Break, Finding, Row, beginning, explained, rewritten
from quorate.core.eventchain import LOG_BYTES, begin
from quorate.core.ids import b64url
from quorate.core.keys import VerifyKeys
from quorate.errors import MalformedError, TrustError
from quorate.host.store.administrative import AdministrativeWalk
from quorate.host.store.chain import log_of
from quorate.host.store.checkpoints import CHECKPOINTS_MAX
from quorate.host.store.database import Database

__all__ = ["LogVerdict", "verify_log"]

ROWS_AT_ONCE: Final = 1000
TOKENS_MAX: Final = 2 * CHECKPOINTS_MAX  # a host keeps half as many

# Whatever somebody's hand put into a column, it comes out short and of a type that can be compared.
_ROWS = """
SELECT id,
  CASE typeof(time_s) WHEN 'integer' THEN time_s END,
  CASE typeof(event_id) WHEN 'integer' THEN event_id END,
  CASE typeof(code) WHEN 'null' THEN NULL WHEN 'text' THEN CAST(substr(code, 1, 100) AS BLOB) ELSE 0 END,
  CASE typeof(cmid) WHEN 'null' THEN NULL WHEN 'blob' THEN substr(cmid, 1, 100) ELSE 0 END,
  CASE WHEN typeof(data) = 'blob' AND length(data) <= ? THEN data END,
  CASE typeof(digest) WHEN 'blob' THEN substr(digest, 1, 100) ELSE 1 END,
  CASE typeof(upto_bytes) WHEN 'integer' THEN upto_bytes END
FROM events ORDER BY id
"""
_TOKENS = "SELECT number, CAST(substr(token, 1, ?) AS BLOB) FROM event_checkpoints ORDER BY number LIMIT ?"


@dataclass(frozen=True)
class LogVerdict:
    """What the walk found.

    Attributes:
        log: the log's name, as checkpoints have it.
        first, last: the events that are kept; None where there is none.
        checked: how many of them were found good before the walk ended.
        checkpoints: how many of this host's were found good.
        sealed_to, sealed_s: the last event that one of them vouches for, and when it was made; None without any.
        finding: the first thing that is wrong; None: the log is whole.
        administrative: how many administrative events were found good, those older than `first` included.
        not_compared: checkpoints kept elsewhere that vouch for events which retention has removed since.
    """

    log: str
    first: int | None
    last: int | None
    checked: int
    checkpoints: int
    sealed_to: int | None
    sealed_s: int | None
    finding: Finding | None
    administrative: int = 0
    not_compared: tuple[int, ...] = ()


def verify_log(
    database: Database, host_id: str, keys: VerifyKeys, elsewhere: Sequence[EventCheckpoint] = ()
) -> LogVerdict:
    """Walk along the whole log.

    Args:
        keys: the host's own.
        elsewhere: checkpoints that were kept elsewhere, their signatures checked.

    Raises:
        StoreUnavailableError: it cannot be read.
    """
    with database.reading() as connection:
        log = log_of(connection)
        own, finding = _own_checkpoints(connection, host_id, keys, log)
        beside = AdministrativeWalk(connection, host_id, keys, log, [*own.values(), *elsewhere])
        first, last = connection.exec_driver_sql("SELECT min(id), max(id) FROM events").one()
        walk = _Walk(log, own, elsewhere)
        finding = (
            _named(log)
            or _of_this_log(elsewhere, host_id, log)
            or finding
            or walk.along(connection, first)
            or beside.along()
        )
    newest = own.get(max(own, default=-1))
    return LogVerdict(
        log=b64url(log),
        first=first,
        last=last,
        checked=walk.checked,
        checkpoints=len(own),
        sealed_to=None if newest is None else newest.number,
        sealed_s=None if newest is None else newest.issued_s,
        finding=finding,
        administrative=beside.checked,
        not_compared=walk.not_compared,
    )


class _Walk:
    def __init__(self, log: bytes, own: Mapping[int, EventCheckpoint], elsewhere: Sequence[EventCheckpoint]) -> None:
        self._log = log
        self._own = own
        self._elsewhere = elsewhere
        self.checked = 0
        self.not_compared: tuple[int, ...] = ()

    def along(self, connection: Connection, first: int | None) -> Finding | None:
        start, finding = (begin(self._log), None) if first is None else beginning(self._log, first, self._own)
        if finding is not None:
            return finding
        self.not_compared = tuple(each.number for each in self._elsewhere if each.number < start.number)
        vouched = {**self._own, **{each.number: each for each in self._elsewhere}}
        at_start = vouched.get(start.number)
        if at_start is not None and at_start.link != start:
            return rewritten(at_start, start.number)
        audit = Audit(start, vouched)
        for row in _rows(connection):
            finding = audit.step(row)
            self.checked = audit.walked
            if finding is not None:
                return self._closer(connection, audit, row, finding)
        return audit.end()

    def _closer(self, connection: Connection, audit: Audit, here: Row, finding: Finding) -> Finding:
        """The finding, or what explains it better: its content stands at another number, or the mark of what retention
        removed last is gone, and with it what the first event followed."""
        if finding.kind is not Break.EDITED:
            return finding
        for other in _rows(connection):
            if audit.belongs_here(here, other):
                return explained(finding, other.number)
        before = here.number - 1
        if audit.walked == 0 and before > 0 and before not in self._own:
            return _bad(before, f"is gone, with which the kept log begins; or event {here.number} was changed")
        return finding


def _rows(connection: Connection) -> Iterator[Row]:
    for row in connection.exec_driver_sql(_ROWS, (EVENT_BYTES_MAX,)).yield_per(ROWS_AT_ONCE):
        yield Row._make(row)


def _own_checkpoints(
    connection: Connection, host_id: str, keys: VerifyKeys, log: bytes
) -> tuple[dict[int, EventCheckpoint], Finding | None]:
    """This database's checkpoints by number, and the first that is not good."""
    good: dict[int, EventCheckpoint] = {}
    for number, token in connection.exec_driver_sql(_TOKENS, (EVENT_CHECKPOINT.bytes_max + 1, TOKENS_MAX)):
        try:
            checkpoint = read_checkpoint((token or b"").decode("ascii", "replace"), keys)
        except (MalformedError, TrustError) as fault:
            return good, _bad(number, f"is not signed by this host: {fault.message}")
        if (checkpoint.number, checkpoint.host_id, checkpoint.log) != (number, host_id, b64url(log)):
            return good, _bad(number, "belongs to another event, host or log")
        good[number] = checkpoint
    return good, None


def _bad(number: int, what: str) -> Finding:
    return Finding(Break.CHECKPOINT, number, f"the checkpoint of event {number} {what}")


def _named(log: bytes) -> Finding | None:
    if len(log) == LOG_BYTES:
        return None
    return Finding(Break.REPLACED, None, "the log has lost its name: the table event_log was changed")


def _of_this_log(elsewhere: Sequence[EventCheckpoint], host_id: str, log: bytes) -> Finding | None:
    for checkpoint in elsewhere:
        if checkpoint.host_id != host_id:
            return _bad(checkpoint.number, f"is one of host {checkpoint.host_id}, this is {host_id}")
        if checkpoint.log != b64url(log):
            message = f"this is another log than that of the checkpoint of event {checkpoint.number}: the database was "
            return Finding(Break.REPLACED, None, message + "replaced")
    return None
