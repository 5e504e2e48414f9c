"""What a host's records say: machines, events, request counters, totals. Read-only, from any thread or process.

Every call is one short read on a connection of its own; it never makes the writer wait. Long lists come in pages.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, case, func, or_, select, tuple_, union_all

from quorate.core.events import EventDamaged, HostEvent
from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S, MachineClass
from quorate.errors import EventDamagedError
from quorate.host.store.database import Database
from quorate.host.store.lineage import Fork, fork_of
from quorate.host.store.record import Key, cmid_bytes
from quorate.host.store.schema import administrative_events, cmid_records, events, request_counters

__all__ = ["PAGE_MAX", "ClientRow", "LapseDay", "Reports", "StoredEvent", "decoded"]

PAGE_MAX = 10_000  # a page of the inventory is a few MB at most
_ROWS_AT_ONCE = 500  # of what is read through from end to end: a megabyte at most, and short reads

# All events that are kept: administrative ones also from before the oldest of the others.
_SHOWN = ("id", "event_id", "data")
_oldest = func.coalesce(select(func.min(events.c.id)).scalar_subquery(), 2**62)
_log = union_all(
    select(*(administrative_events.c[name] for name in _SHOWN)).where(administrative_events.c.id < _oldest),
    select(*(events.c[name] for name in _SHOWN)),
).subquery()

_event_decoder: msgspec.json.Decoder[HostEvent] = msgspec.json.Decoder(HostEvent)


@dataclass(frozen=True)
class ClientRow:
    """One machine of the inventory. `lease_expires_s` is None while it was never activated by this host; `is_soft`:
    its lease was given below the threshold (`core.soft`)."""

    group: str
    cmid: str
    machine: str
    machine_class: MachineClass
    edition: str
    status: LicenseStatus
    vm: bool
    address: str
    first_heard_s: int
    last_heard_s: int
    requests: int
    lease_expires_s: int | None
    fork: Fork | None = None
    is_soft: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Where the next page begins: `clients(after=rows[-1].key)`."""
        return self.group, self.cmid


@dataclass(frozen=True)
class StoredEvent:
    """One event with its number in the log; numbers only grow."""

    id: int
    event: HostEvent


@dataclass(frozen=True)
class LapseDay:
    """How many records of a group and class lapse on one day, unless their machines are heard again before.

    `day` counts UTC days since 1970. `is_prompt`: heard within the renewal interval; `is_silent`: not for longer than
    patience lasts; neither: late.
    """

    group: str
    machine_class: MachineClass
    day: int
    is_prompt: bool
    is_silent: bool
    number: int


class Reports:
    """All readings of one host's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def clients(
        self, search: str | None = None, limit: int = 1000, after: tuple[str, str] | None = None
    ) -> list[ClientRow]:
        """A page of the inventory, by group and CMID; an empty one is the end.

        Args:
            search: a part of the machine's name, address, edition or group (any case), or the beginning of its CMID.
            limit: rows at most, 1 to `PAGE_MAX`.
            after: the `key` of the last row of the page before.
        """
        table = cmid_records.c
        statement = select(*(table[name] for name in _CLIENT_COLUMNS)).order_by(table.product_group, table.cmid)
        if after is not None:
            key = tuple_(table.product_group, table.cmid)
            statement = statement.where(key > tuple_(after[0], cmid_bytes(after[1])))
        if search:
            statement = statement.where(_matches(search))
        with self._database.reading() as connection:
            rows = connection.execute(statement.limit(_page(limit))).all()
        return [_client(row) for row in rows]

    def iter_clients(self, search: str | None = None, after: tuple[str, str] | None = None) -> Iterator[ClientRow]:
        """The whole inventory, or all that follows this `key`, by group and CMID, with a few hundred rows in memory
        however long it is.

        Each page is a read of its own that goes on behind the last key, so nothing is held open while the caller works:
        a machine that is heard for the first time meanwhile may be in it or not, every other is in it once.
        """
        while page := self.clients(search, _ROWS_AT_ONCE, after):
            yield from page
            after = page[-1].key

    def heard(self, limit: int, after: Key | None = None) -> list[tuple[str, bytes, int]]:
        """A page of what was heard when: group, CMID and time of every record, by group and CMID; an empty one is the
        end. What `clients` says at a fifth of its cost, for whoever compares all of it.

        Args:
            limit: as for `clients`.
            after: the group and CMID of the last row of the page before.
        """
        table = cmid_records.c
        statement = select(table.product_group, table.cmid, table.last_heard_s)
        statement = statement.order_by(table.product_group, table.cmid).limit(_page(limit))
        if after is not None:
            statement = statement.where(tuple_(table.product_group, table.cmid) > tuple_(*after))
        with self._database.reading() as connection:
            return [(group, cmid, heard_s) for group, cmid, heard_s in connection.execute(statement)]

    def events(self, event_id: int | None = None, after_id: int | None = None, limit: int = 100) -> list[StoredEvent]:
        """Events, oldest first: the newest `limit`, or the first `limit` that follow `after_id`.

        Args:
            event_id: only events of this id, such as 12290.
        """
        statement = select(_log.c.id, _log.c.data).limit(_page(limit))
        if event_id is not None:
            statement = statement.where(_log.c.event_id == event_id)
        if after_id is None:
            statement = statement.order_by(_log.c.id.desc())
        else:
            statement = statement.where(_log.c.id > after_id).order_by(_log.c.id)
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        found = [StoredEvent(number, decoded(number, data)) for number, data in rows]
        return found[::-1] if after_id is None else found

    def iter_events(
        self, event_id: int | None = None, after_id: int | None = None, newest: int | None = None
    ) -> Iterator[StoredEvent]:
        """Events, oldest first, with a few hundred of them in memory however many they are; read as `iter_clients`.

        Args:
            event_id: only events of this id, such as 12290.
            after_id: only those that follow this number.
            newest: only the newest so many, counted at the first read; what is written meanwhile follows them.
        """
        last = after_id if newest is None else max(self._before_newest(event_id, newest), after_id or 0)
        while page := self.events(event_id, last or 0, _ROWS_AT_ONCE):
            yield from page
            last = page[-1].id

    def _before_newest(self, event_id: int | None, number: int) -> int:
        """The event after which `number` more follow; 0 where there are no more."""
        if number < 1:
            raise ValueError("at least the newest one")
        statement = select(_log.c.id).order_by(_log.c.id.desc()).offset(number - 1).limit(1)
        if event_id is not None:
            statement = statement.where(_log.c.event_id == event_id)
        with self._database.reading() as connection:
            first = connection.execute(statement).scalar()
        return 0 if first is None else first - 1

    def requests(self) -> dict[str, int]:
        """Requests handled since the store was made: `total`, `failed`, and one for each license status."""
        counted = dict.fromkeys(["total", "failed", *(status.value for status in LicenseStatus)], 0)
        with self._database.reading() as connection:
            for name, n in connection.execute(select(request_counters.c.name, request_counters.c.n)):
                counted[name] = n
        return counted

    def inventory(self) -> int:
        """How many records there are, lapsed ones included (0.03 s a million, by the index)."""
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).select_from(cmid_records)).scalar() or 0

    def totals(self, now_s: int, window_s: int) -> dict[tuple[str, MachineClass], int]:
        """The exact number of machines inside the window, per group and class. Reads every record (0.1 s a million)."""
        table = cmid_records.c
        statement = (
            select(table.product_group, table.machine_class, func.count())
            .where(table.last_heard_s > now_s - window_s)
            .group_by(table.product_group, table.machine_class)
        )
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return {(group, MachineClass(machine_class)): number for group, machine_class, number in rows}

    def lapse_days(
        self, now_s: int, window_s: int, prompt_s: int, patience_s: int, last_day: int
    ) -> tuple[LapseDay, ...]:
        """The machines inside the window by the day on which their records lapse. Reads every record.

        Args:
            prompt_s, patience_s: heard at most so long ago is prompt; longer ago than that is silent.
            last_day: all that lapse later are shown on the day after it, so that the answer has a bound.
        """
        table = cmid_records.c
        lapses_s = table.last_heard_s + window_s
        statement = (
            select(
                table.product_group,
                table.machine_class,
                case((lapses_s >= (last_day + 1) * DAY_S, last_day + 1), else_=lapses_s // DAY_S).label("day"),
                (table.last_heard_s >= now_s - prompt_s).label("is_prompt"),
                (table.last_heard_s < now_s - patience_s).label("is_silent"),
                func.count(),
            )
            .where(table.last_heard_s > now_s - window_s)
            .group_by(table.product_group, table.machine_class, "day", "is_prompt", "is_silent")
            .order_by("day")
        )
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return tuple(
            LapseDay(group, MachineClass(machine_class), day, bool(is_prompt), bool(is_silent), number)
            for group, machine_class, day, is_prompt, is_silent, number in rows
        )

    def heard_between(
        self, group: str, classes: Iterable[MachineClass], after_s: int, before_s: int, limit: int
    ) -> list[ClientRow]:
        """Machines of these classes last heard after `after_s` and before `before_s`, longest silent first."""
        table = cmid_records.c
        statement = (
            select(*(table[name] for name in _CLIENT_COLUMNS))
            .where(table.product_group == group, table.machine_class.in_([each.value for each in classes]))
            .where(table.last_heard_s > after_s, table.last_heard_s < before_s)
            .order_by(table.last_heard_s, table.cmid)
        )
        with self._database.reading() as connection:
            rows = connection.execute(statement.limit(_page(limit))).all()
        return [_client(row) for row in rows]


def decoded(number: int, data: object) -> HostEvent:
    """The event; or one that says that somebody's hand was there, so that the others can still be read."""
    try:
        return _event_decoder.decode(data)  # type: ignore[arg-type]  # the column may hold anything by now
    except (msgspec.MsgspecError, TypeError):
        fault = EventDamagedError(number=number)
        return EventDamaged(time_s=0, code=fault.code, message=f"{fault.message}; quorate host events verify")


_CLIENT_COLUMNS = (
    "product_group",
    "cmid",
    "machine",
    "machine_class",
    "edition",
    "status",
    "vm",
    "address",
    "first_heard_s",
    "last_heard_s",
    "requests",
    "lease_expires_s",
    "fork",
    "lease_full_s",
)


def _client(row: Any) -> ClientRow:
    group, cmid, machine, machine_class, edition, status, vm, address, *numbers, fork, full_s = row
    first_s, last_s, requests, expires_s = numbers
    return ClientRow(
        group,
        str(uuid.UUID(bytes=cmid)),
        machine,
        MachineClass(machine_class),
        edition,
        LicenseStatus(status),
        vm,
        address,
        first_s,
        last_s,
        requests,
        expires_s,
        None if fork is None else fork_of(fork),
        full_s is not None,
    )


def _matches(search: str) -> ColumnElement[bool]:
    table = cmid_records.c
    texts = (table.machine, table.address, table.edition, table.product_group)
    terms: list[ColumnElement[bool]] = [text.icontains(search, autoescape=True) for text in texts]
    digits = search.replace("-", "").lower()
    if len(digits) <= 32 and all(digit in "0123456789abcdef" for digit in digits):
        low, high = bytes.fromhex(digits.ljust(32, "0")), bytes.fromhex(digits.ljust(32, "f"))
        terms.append(table.cmid.between(low, high))
    return or_(*terms)


def _page(limit: int) -> int:
    if not 1 <= limit <= PAGE_MAX:
        raise ValueError(f"a page has 1 to {PAGE_MAX} rows")
    return limit
