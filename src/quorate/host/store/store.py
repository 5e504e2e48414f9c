"""A KMS host's records: the CMIDs it has heard, its event log, its counters and its settings.

`decide` is the heart: one transaction hears a batch of machines, counts, decides, writes the events, and is on disk
when it returns. Whoever answers only afterwards never tells a client something a crash could take back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Select, bindparam, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from quorate.core.count import ActivationCount, shown_max
from quorate.core.decision import Asked, Decided
from quorate.core.events import HostEvent, RequestHandled
from quorate.core.messages import encode
from quorate.core.policy import Threshold
from quorate.host.store.batch import Arrived, Batch, CountKey, Key, Record, cmid_bytes, count_key, keys_of
from quorate.host.store.database import Database
from quorate.host.store.reports import Reports
from quorate.host.store.schema import cmid_records, events, request_counters, settings

__all__ = ["BATCH_MAX", "Arrived", "Store", "heard_cmids"]

BATCH_MAX: Final = 256  # larger batches gain nothing more (reference, section 4) and make the first one wait
SETTING_BYTES_MAX: Final = 65_536


class Store:
    """The one writer of a host's database. `decide`, `record` and the settings' writers: one thread at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.reports = Reports(database)

    @classmethod
    def create(cls, path: Path) -> Store:
        """A new, empty store at `path`; raises as `Database.create`."""
        return cls(Database.create(path))

    @classmethod
    def open(cls, path: Path) -> Store:
        """The store at `path`, brought up to date; raises as `Database.open`."""
        return cls(Database.open(path))

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
        with self.database.writing() as connection:
            work = _read(connection, batch, now_s)
            decided = [work.decide(arrived) for arrived in batch]
            _write(connection, work)
        return decided

    def probe(self, asked: Asked, now_s: int) -> Decided:
        """What `decide` would say to this request, the machine counted in; writes nothing. From any thread.

        Raises:
            StoreUnavailableError: the database cannot be read.
        """
        arrived = Arrived(asked.request, "", asked)
        with self.database.reading() as connection:
            return _read(connection, [arrived], now_s).decide(arrived)

    def count(self, group: str, threshold: Threshold, now_s: int, window_s: int) -> int:
        """S16, S18: the activation count as an answer shows it, at most twice the threshold. From any thread.

        Raises:
            StoreUnavailableError: the database cannot be read.
        """
        counted = heard_cmids(CountKey(group, threshold, window_s), now_s, shown_max(threshold)).subquery()
        with self.database.reading() as connection:
            return connection.execute(select(func.count()).select_from(counted)).scalar_one()

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
        text = encode(value).decode()
        if len(text) > SETTING_BYTES_MAX:
            raise ValueError(f"a setting has at most {SETTING_BYTES_MAX} bytes")
        statement = insert(settings).values(name=name, value=text)
        statement = statement.on_conflict_do_update(index_elements=["name"], set_={"value": statement.excluded.value})
        with self.database.writing() as connection:
            connection.execute(statement)

    def clear_setting(self, name: str) -> None:
        """Back to the default; no error when it was not set.

        Raises:
            StoreUnavailableError: it was not cleared.
        """
        with self.database.writing() as connection:
            connection.execute(delete(settings).where(settings.c.name == name))

    def record(self, event: HostEvent) -> None:
        """One event that belongs to no request.

        Raises:
            StoreUnavailableError: it was not kept.
        """
        with self.database.writing() as connection:
            connection.execute(events.insert(), [_event_row(event)])


def heard_cmids(key: CountKey, now_s: int, rows_max: int) -> Select[bytes]:
    """The CMIDs that one count consists of, at most `rows_max` of them.

    Reads the index by class and stops there: as lapsed records are removed all the time (`housekeeping`), this
    touches about `rows_max` records however large the fleet is.
    """
    return (
        select(cmid_records.c.cmid)
        .where(
            cmid_records.c.product_group == key.product_group,
            cmid_records.c.machine_class.in_([machine_class.value for machine_class in key.threshold.counts]),
            cmid_records.c.last_heard_s > now_s - key.window_s,
        )
        .limit(rows_max)
    )


def _read(connection: Connection, batch: Sequence[Arrived], now_s: int) -> Batch:
    """The batch with all it has to know: the records it may touch, and the counts."""
    counts = {}
    for key in {count_key(arrived.verdict) for arrived in batch if isinstance(arrived.verdict, Asked)}:
        rows_max = ActivationCount.rows_max(key.threshold, len(batch))
        heard = connection.execute(heard_cmids(key, now_s, rows_max)).scalars().all()
        counts[key] = ActivationCount(key.threshold, heard, len(batch))
    return Batch(_records(connection, keys_of(batch)), counts, now_s)


def _records(connection: Connection, keys: Collection[Key]) -> list[Record]:
    found: list[Record] = []
    for group in {key.product_group for key in keys}:
        rows = connection.execute(
            _RECORDS_OF_CMIDS, {"group": group, "cmids": [key.cmid for key in keys if key.product_group == group]}
        )
        found.extend(Record._make(row) for row in rows)
    return found


def _write(connection: Connection, work: Batch) -> None:
    removed, written = work.removed(), work.written()
    if removed:
        connection.execute(_REMOVE, [{"of_group": key.product_group, "of_cmid": key.cmid} for key in removed])
    if written:
        connection.execute(_UPSERT, [record._asdict() for record in written])
    connection.execute(events.insert(), [_event_row(event) for event in work.events])
    counted = Counter[str](event.status.value for event in work.events)
    counted["total"] = len(work.events)
    counted["failed"] = sum(event.code is not None for event in work.events)
    connection.execute(_COUNT_UP, [{"name": name, "n": n} for name, n in sorted(counted.items()) if n])


def _event_row(event: HostEvent) -> dict[str, Any]:
    return {
        "time_s": event.time_s,
        "event_id": event.__struct_config__.tag,
        "code": event.code,
        "cmid": cmid_bytes(event.cmid) if isinstance(event, RequestHandled) else None,
        "data": encode(event),
    }


_RECORDS_OF_CMIDS = select(cmid_records).where(
    cmid_records.c.product_group == bindparam("group"),
    cmid_records.c.cmid.in_(bindparam("cmids", expanding=True)),
)
_REMOVE = delete(cmid_records).where(
    cmid_records.c.product_group == bindparam("of_group"), cmid_records.c.cmid == bindparam("of_cmid")
)
_insert_record = insert(cmid_records)
_UPSERT = _insert_record.on_conflict_do_update(
    index_elements=[cmid_records.c.product_group, cmid_records.c.cmid],
    set_={column.name: _insert_record.excluded[column.name] for column in cmid_records.c if not column.primary_key},
)
_insert_counter = insert(request_counters)
_COUNT_UP = _insert_counter.on_conflict_do_update(
    index_elements=[request_counters.c.name], set_={"n": request_counters.c.n + _insert_counter.excluded.n}
)
