"""The statements that every answer needs, made once.

SQLAlchemy compiles them and the driver runs them, on plain rows (`host/store/driver.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    Delete,
    Dialect,
    Insert,
    Integer,
    Select,
    Text,
    Update,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from quorate.core.count import ActivationCount
from quorate.host.store.driver import AnyConnection, rows_of, run_many
from quorate.host.store.record import CountKey, Key, Record
from quorate.host.store.schema import cmid_records, request_counters

__all__ = ["Compiled", "CompiledList", "Statements", "heard_cmids"]


_row = literal_column("cmid_records.rowid", Integer)


def heard_cmids(classes: int) -> Select[Any]:
    """The CMIDs of one activation count over so many classes, at most `rows_max` of them.

    Walks the index by class and stops: as lapsed records are removed all the time (`housekeeping`), this touches about
    `rows_max` records however large the fleet is. (A host that was off for longer than the window reads past the
    lapsed ones until the first walk is done: about a second a batch at a million of them.)
    """
    return (
        select(cmid_records.c.cmid)
        .where(
            cmid_records.c.product_group == bindparam("group"),
            cmid_records.c.machine_class.in_([bindparam(f"class_{n}", type_=Text) for n in range(classes)]),
            cmid_records.c.last_heard_s > bindparam("lapsed_s"),
        )
        .limit(bindparam("rows_max", type_=Integer))
        .offset(0)
    )


def _number_heard(classes: int) -> Select[Any]:
    return select(func.count()).select_from(heard_cmids(classes).subquery())


def _records_of_cmids(cmids: int) -> Select[Any]:
    return select(cmid_records, _row).where(
        cmid_records.c.product_group == bindparam("group"),
        cmid_records.c.cmid.in_([bindparam(f"cmid_{n}") for n in range(cmids)]),
    )


class Compiled:
    """One statement for many rows; each row is a tuple in the order of `columns`."""

    def __init__(self, statement: Insert | Update | Delete, columns: Sequence[str], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(columns))
        if compiled.positiontup != list(columns):
            raise AssertionError(f"{columns} are bound in another order")
        self._sql = str(compiled)

    def run(self, connection: AnyConnection, rows: Sequence[tuple[Any, ...]]) -> None:
        """The statement once for each row; no rows, no statement."""
        if rows:
            run_many(connection, self._sql, rows)


class CompiledList:
    """One query over a list of values; compiled once for each length of the list, by powers of two."""

    def __init__(self, query: Callable[[int], Select[Any]], dialect: Dialect) -> None:
        self._query = query
        self._dialect = dialect
        self._sql: dict[int, str] = {}

    def run(
        self, connection: AnyConnection, before: tuple[Any, ...], values: Sequence[Any], after: tuple[Any, ...] = ()
    ) -> list[tuple[Any, ...]]:
        """The query with its values in the order in which they stand in it. `values` is not empty."""
        length = 1 << (len(values) - 1).bit_length()
        sql = self._sql.get(length)
        if sql is None:
            sql = self._sql[length] = str(self._query(length).compile(dialect=self._dialect))
        filled = (*values, *[values[-1]] * (length - len(values)))  # a value twice in a list changes nothing
        return rows_of(connection, sql, (*before, *filled, *after))


class Statements:
    """What `Store.decide` reads and writes, for the database at hand."""

    def __init__(self, dialect: Dialect) -> None:
        self._number_heard = CompiledList(_number_heard, dialect)
        self._records_of_cmids = CompiledList(_records_of_cmids, dialect)
        *columns, row = Record._fields
        record = insert(cmid_records)
        # The class is not set: its index would be rewritten with every renewal, changed or not (at a million records
        # 23 µs a row instead of 14). A machine of another class is removed and inserted (`Batch.removed`).
        kept = ("product_group", "cmid", "machine_class")
        self._upsert_records = Compiled(
            record.on_conflict_do_update(
                index_elements=[cmid_records.c.product_group, cmid_records.c.cmid],
                set_={name: record.excluded[name] for name in columns if name not in kept},
            ),
            columns,
            dialect,
        )
        # By the number of its row a record is written over for 2.3 µs, by its key for 3.2: that is looked up again.
        self._renew_records = Compiled(
            update(cmid_records).where(_row == bindparam(row)), [*columns[len(kept) :], row], dialect
        )
        self._kept = len(kept)
        self.remove_records = Compiled(
            delete(cmid_records).where(
                cmid_records.c.product_group == bindparam("of_product_group"),
                cmid_records.c.cmid == bindparam("of_cmid"),
            ),
            ["of_product_group", "of_cmid"],
            dialect,
        )
        counter = insert(request_counters)
        self.count_up = Compiled(
            counter.on_conflict_do_update(
                index_elements=[request_counters.c.name], set_={"n": request_counters.c.n + counter.excluded.n}
            ),
            ["name", "n"],
            dialect,
        )

    def count_of(
        self, connection: AnyConnection, key: CountKey, now_s: int, takers: int, known: Iterable[Record] = ()
    ) -> ActivationCount:
        """The count as it stands; right up to what is shown while at most so many requests take machines away.

        Args:
            known: the records that exist of all machines that the count will hear of. The others are only counted:
                to read the names of fifty takes a transaction for one answer 10 us.
        """
        rows_max = ActivationCount.rows_max(key.threshold, takers)
        classes, lapsed_s = [machine_class.value for machine_class in key.threshold.counts], now_s - key.window_s
        [(found,)] = self._number_heard.run(connection, (key.product_group,), classes, (lapsed_s, rows_max, 0))
        heard = [
            record.cmid
            for record in known
            if record.product_group == key.product_group
            and record.machine_class in classes
            and record.last_heard_s > lapsed_s
        ]
        return ActivationCount(key.threshold, heard, takers, max(0, found - len(heard)))

    def write_records(self, connection: AnyConnection, records: Sequence[Record]) -> None:
        """These records in the place of those of their keys; raises as `run_many`."""
        kept = self._kept
        self._renew_records.run(connection, [record[kept:] for record in records if record.row is not None])
        self._upsert_records.run(connection, [record[:-1] for record in records if record.row is None])

    def records_of(self, connection: AnyConnection, keys: set[Key]) -> list[Record]:
        """The records of these keys that exist."""
        found: list[Record] = []
        for group in {group for group, _ in keys}:
            cmids = [cmid for its_group, cmid in keys if its_group == group]
            found.extend(map(Record._make, self._records_of_cmids.run(connection, (group,), cmids)))
        return found
