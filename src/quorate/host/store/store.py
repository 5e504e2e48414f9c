"""A KMS host's records: the CMIDs it has heard, its event log, its counters and its settings.

`decide` is the heart: one transaction hears a batch of machines, counts, decides, writes the events, and is on disk
when it returns. Whoever answers only afterwards never tells a client something a crash could take back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import select

from quorate.core.certaintime import KNOWN_FOR_S, WITNESSES
from quorate.core.decision import Asked, Decided
from quorate.core.events import HostEvent
from quorate.core.messages import ActivationRequest, LicenseStatus
from quorate.core.policy import Threshold
from quorate.errors import CountInsufficientError
from quorate.host.store.batch import Batch
from quorate.host.store.chain import EventWriter
from quorate.host.store.claims import removes
from quorate.host.store.database import Database
from quorate.host.store.driver import AnyConnection
from quorate.host.store.entries import Arrived
from quorate.host.store.record import CountKey, cmid_bytes
from quorate.host.store.reports import Reports
from quorate.host.store.schema import settings
from quorate.host.store.statements import Statements
from quorate.host.store.transaction import write_settings

__all__ = ["BATCH_MAX", "Arrived", "Store"]

BATCH_MAX: Final = 256  # larger batches gain nothing more (reference, section 4) and make the first one wait


class Store:
    """The one writer of a host's database. `decide`, `record` and the settings' writers: one thread at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.reports = Reports(database)
        self._statements = Statements(database.dialect)
        self._events = EventWriter(database.dialect)
        self.on_newcomers: Callable[[list[str]], object] = _ignore
        """Told the addresses of machines that were heard for the first time, once they are on disk."""
        self.wants_witnesses = False
        self.on_witnesses: Callable[[list[str]], object] = _ignore
        """Told, while it is wanted, which of the machines that were accepted have been known for a while."""

    @classmethod
    def create(cls, path: Path, *, is_durable: bool = True) -> Store:
        """A new, empty store at `path`; raises as `Database.create`."""
        return cls(Database.create(path, is_durable=is_durable))

    @classmethod
    def open(cls, path: Path, *, is_durable: bool = True) -> Store:
        """The store at `path`, brought up to date; raises as `Database.open`."""
        return cls(Database.open(path, is_durable=is_durable))

    def close(self) -> None:
        """Let go of the file."""
        self.database.close()

    def decide(self, batch: Sequence[Arrived], now_s: int) -> list[Decided]:
        """One decision for each request, in order, all of them on disk when this returns.

        The same nonce again within the policy's clock tolerance gets the same decision again. Every request is one
        event and is counted in the request counters.

        Raises:
            ValueError: more than `BATCH_MAX` requests.
            StoreUnavailableError: nothing was written, nobody may be answered.
        """
        if len(batch) > BATCH_MAX:
            raise ValueError(f"a batch has at most {BATCH_MAX} requests, this one {len(batch)}")
        if not batch:
            return []

        def answer(connection: AnyConnection) -> tuple[Batch, list[Decided]]:
            work, decided = _decide(connection, self._statements, batch, now_s)
            _write(connection, self._statements, self._events, work)
            return work, decided

        work, decided = self.database.write(answer)
        if work.newcomers:
            self.on_newcomers([arrived.address for arrived in work.newcomers])
        if self.wants_witnesses:
            self.on_witnesses(work.witnesses(decided, KNOWN_FOR_S, WITNESSES))
        return decided

    def probe(self, asked: Asked, now_s: int) -> Decided:
        """What `decide` would say to this request, the machine counted in; writes nothing. From any thread.

        Raises:
            StoreUnavailableError: the database cannot be read.
        """
        with self.database.reading() as connection:
            _, decided = _decide(
                connection, self._statements, [Arrived(asked.request, "", asked)], now_s, is_probe=True
            )
        return decided[0]

    def knows(self, group: str, request: ActivationRequest) -> bool:
        """Whether this request's machine has a record in the group: under its CMID, or under the one before, where it
        proves that. From any thread; one look by key.

        Raises:
            StoreUnavailableError: the database cannot be read.
        """
        cmid, previous = cmid_bytes(request.cmid), request.previous_cmid
        keys = {(group, cmid)} if previous is None else {(group, cmid), (group, cmid_bytes(previous))}
        with self.database.reading() as connection:
            found = self._statements.records_of(connection, keys)
        return any(record.cmid == cmid or removes(request, record.lock) for record in found)

    def count(self, group: str, threshold: Threshold, now_s: int, window_s: int) -> int:
        """S16, S18: the activation count as an answer shows it, at most twice the threshold. From any thread.

        Raises:
            StoreUnavailableError: the database cannot be read.
        """
        with self.database.reading() as connection:
            return self._statements.count_of(connection, CountKey(group, threshold, window_s), now_s, 0).current

    def settings(self) -> dict[str, Any]:
        """All settings that were made. From any thread.

        Raises:
            StoreUnavailableError: the database cannot be read.
        """
        with self.database.reading() as connection:
            rows = connection.execute(select(settings.c.name, settings.c.value).order_by(settings.c.name))
            return {name: msgspec.json.decode(value) for name, value in rows}

    def set_setting(self, name: str, value: Any) -> None:
        """Keep a setting; `value` is anything JSON can say, at most 64 KiB of it.

        Raises:
            ValueError: larger than that.
            StoreUnavailableError: it was not kept.
        """
        self.change_settings({name: value})

    def clear_setting(self, name: str) -> None:
        """Back to the default; no error when it was not set.

        Raises:
            StoreUnavailableError: it was not cleared.
        """
        self.change_settings({name: None})

    def change_settings(self, changes: Mapping[str, Any]) -> None:
        """Keep several settings, None clears one: all or none, and no reader sees a part of them.

        Raises:
            ValueError: a value of more than 64 KiB.
            StoreUnavailableError: nothing was changed.
        """
        with self.database.writing() as connection:
            write_settings(connection, changes)

    def record(self, event: HostEvent) -> None:
        """One event that belongs to no request.

        Raises:
            StoreUnavailableError: it was not kept.
        """
        with self.database.writing() as connection:
            self._events.write(connection, [event])


def _ignore(_: list[str]) -> None:
    """Nobody wants to know."""


def _decide(
    connection: AnyConnection,
    statements: Statements,
    batch: Sequence[Arrived],
    now_s: int,
    *,
    is_probe: bool = False,
) -> tuple[Batch, list[Decided]]:
    """The decisions about the batch as the database stands, and what they change; writes nothing."""
    work = Batch(batch, now_s, is_probe=is_probe)
    known = statements.records_of(connection, work.keys)
    work.know(known)
    takers = work.takers()
    counts = {key: statements.count_of(connection, key, now_s, takers, known) for key in work.count_keys}
    return work, work.decide(counts)


def _write(connection: AnyConnection, statements: Statements, log: EventWriter, work: Batch) -> None:
    statements.remove_records.run(connection, work.removed())
    statements.write_records(connection, work.written())
    log.write(connection, [*work.events, *work.forks])
    statuses: dict[LicenseStatus, int] = {}
    failed = 0
    for event in work.events:
        statuses[event.status] = statuses.get(event.status, 0) + 1
        failed += event.code is not None and event.code != CountInsufficientError.code
    counted = {status.value: number for status, number in statuses.items()}
    counted["total"] = len(work.events)
    # As Microsoft counts: failed is what the host could not serve. Too small a count is an answer, and asking counted.
    counted["failed"] = failed
    statements.count_up.run(connection, [(name, n) for name, n in sorted(counted.items()) if n])
