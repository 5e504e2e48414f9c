"""Requests decided one after another over the records that were read: what each gets, and what is to be written.

Pure: no database here. A batch gives exactly what batches of one would give, in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from quorate.core.count import ActivationCount, is_in_window
from quorate.core.decision import Asked, Decided, decide_by_count
from quorate.core.events import CmidForked, RequestHandled
from quorate.core.ids import link_bytes, unb64url
from quorate.core.messages import encode
from quorate.core.policy import Threshold
from quorate.errors import CmidSupersededError
from quorate.host.store.entries import Arrived, fork_event, handled_event
from quorate.host.store.lineage import exchanged, fork_of, is_exchanged, tell

__all__ = ["Arrived", "Batch", "CountKey", "Key", "Record", "cmid_bytes"]

Key = tuple[str, bytes]
"""What a machine is counted under: its product group and its CMID."""


class CountKey(NamedTuple):
    """One activation count: the machines of a group that count toward a threshold, heard within the window."""

    product_group: str
    threshold: Threshold
    window_s: int


class Record(NamedTuple):
    """A row of `cmid_records`, in the table's order, and its number there."""

    product_group: str
    cmid: bytes
    machine_class: str
    edition: str
    machine: str
    vm: bool
    status: str
    address: str
    first_heard_s: int
    last_heard_s: int
    requests: int
    link: bytes | None = None
    lease_edition: str | None = None
    lease_issued_s: int | None = None
    lease_expires_s: int | None = None
    lease_count: int | None = None
    exchanged: bytes | None = None
    fork: bytes | None = None
    lease_full_s: int | None = None
    # SQLite's own number of the row, in this transaction; None where there is none to write over.
    row: int | None = None


class _Question(msgspec.Struct, frozen=True):
    """What all requests of one edition in a batch have in common."""

    own: CountKey
    machine_class: str


class _Counted(msgspec.Struct, frozen=True):
    """A request that is counted, in the terms of the records; made once, as every step of a batch needs it."""

    arrived: Arrived
    asked: Asked
    question: _Question
    key: Key
    previous: Key | None
    link: bytes
    presented: bytes | None


class Batch:
    """One batch, decided in memory: `know` the records of all its `keys`, then `decide` by all its `count_keys`.

    Args:
        requests: the batch, in order.
        now_s: when all of it is decided.
    """

    def __init__(self, requests: Sequence[Arrived], now_s: int) -> None:
        self._requests = requests
        self._now_s = now_s
        self._questions: dict[tuple[int, int], _Question] = {}
        # Each request in the order of `requests`: to be counted, or refused already.
        self._counted: list[_Counted | Decided] = [self._in_bytes(arrived) for arrived in requests]
        self._on_disk: dict[Key, Record] = {}
        self._records: dict[Key, Record] = {}
        self._counts: Mapping[CountKey, ActivationCount] = {}
        self.changed: set[Key] = set()
        self.events: list[RequestHandled] = []
        self.forks: list[CmidForked] = []
        self.newcomers: list[Arrived] = []

    @property
    def keys(self) -> set[Key]:
        """The keys of all records that the batch may touch."""
        counted = [each for each in self._counted if isinstance(each, _Counted)]
        return {each.key for each in counted} | {each.previous for each in counted if each.previous is not None}

    @property
    def count_keys(self) -> set[CountKey]:
        """The counts that decide the batch."""
        return {question.own for question in self._questions.values()}

    def know(self, records: Iterable[Record]) -> None:
        """The records of all `keys` that exist, as they are on disk."""
        self._on_disk = {record[:2]: record for record in records}
        self._records = self._on_disk.copy()

    def takers(self) -> int:
        """How many requests may take machines away from a count: after a rearm, or when a class changes.

        Usually none; so a count need not read two rows more for each request of the batch
        (`ActivationCount.rows_max`).
        """
        takers, seen = 0, set()
        for each in self._counted:
            if isinstance(each, _Counted):
                on_disk = self._on_disk.get(each.key)
                takers += (
                    each.previous is not None
                    or each.key in seen
                    or (on_disk is not None and on_disk.machine_class != each.question.machine_class)
                )
                seen.add(each.key)
        return takers

    def decide(self, counts: Mapping[CountKey, ActivationCount]) -> list[Decided]:
        """One decision for each request, in order; `changed`, `events`, `forks` and `newcomers` are what it did.

        Args:
            counts: for each of `count_keys` the count as it stands, ready to hear all `takers`.
        """
        self._counts = counts
        return [
            self._decide(each) if isinstance(each, _Counted) else self._refused(arrived, each)
            for arrived, each in zip(self._requests, self._counted, strict=True)
        ]

    def written(self) -> list[Record]:
        """The records to write, in the order of their keys: neighbours are written together."""
        return [self._records[key] for key in sorted(self.changed) if key in self._records]

    def removed(self) -> list[Key]:
        """The keys of the records to delete before those of `written` are inserted: gone, or of another class now."""
        on_disk, records = self._on_disk, self._records
        return sorted(
            key
            for key in self.changed
            if key in on_disk and (key not in records or records[key].machine_class != on_disk[key].machine_class)
        )

    def witnesses(self, decided: Sequence[Decided], known_for_s: int, number_max: int) -> list[str]:
        """Machines that were accepted, so that their clocks agree with the host's, and whose records were not made just
        now: lapsed ones too, as they are what a wrong clock lapses. At most so many, by the hex of their CMIDs."""
        found: dict[str, None] = {}
        for each, said in zip(self._counted, decided, strict=True):
            if isinstance(each, _Counted) and said.code != CmidSupersededError.code:
                record = self._on_disk.get(each.key)
                if record is not None and abs(self._now_s - record.first_heard_s) >= known_for_s:
                    found[each.key[1].hex()] = None
            if len(found) >= number_max:
                break
        return list(found)

    def _in_bytes(self, arrived: Arrived) -> _Counted | Decided:
        asked = arrived.verdict
        if isinstance(asked, Decided):
            return asked
        name = id(asked.product), id(asked.edition)  # the batch keeps both alive; comparing them would cost more
        question = self._questions.get(name)
        if question is None:
            question = self._questions[name] = _question(asked)
        request, group = asked.request, question.own.product_group
        return _Counted(
            arrived,
            asked,
            question,
            (group, cmid_bytes(request.cmid)),
            None if request.previous_cmid is None else (group, cmid_bytes(request.previous_cmid)),
            link_bytes(request.cmid, request.nonce),
            None if request.link is None else unb64url(request.link),
        )

    def _refused(self, arrived: Arrived, decided: Decided) -> Decided:
        self.events.append(handled_event(arrived, decided, arrived.group, self._now_s))
        return decided

    def _decide(self, counted: _Counted) -> Decided:
        arrived, asked, question, key = counted.arrived, counted.asked, counted.question, counted.key
        before, fork = self._known(counted), None
        if before is not None:
            fork = before.fork
            if is_exchanged(before.exchanged, before.link, counted.presented, counted.link):
                told, fork = self._forked(counted, before)
                if told is not None:
                    return told
        previous = counted.previous
        if before is None and (previous is None or previous not in self._records):
            self.newcomers.append(arrived)
        if previous is not None and previous != key:
            self._forget(previous)
        self._hear(counted)
        decided = None if before is None else self._said_before(counted, before)
        if decided is None:
            full_s = self._full_s(counted, before) if question.own.threshold.soft is not UNSET else None
            decided = decide_by_count(asked, self._counts[question.own].current, self._now_s, full_s)
        self._records[key] = self._record(counted, before, decided, fork)
        self.changed.add(key)
        self.events.append(handled_event(arrived, decided, question.own.product_group, self._now_s))
        return decided

    def _hear(self, counted: _Counted) -> None:
        """The machine is counted, wherever machines of its group are."""
        (group, cmid), machine_class = counted.key, counted.asked.edition.machine_class
        previous = None if counted.previous is None else counted.previous[1]
        for key, count in self._counts.items():
            if key.product_group == group:
                count.hear(cmid, machine_class, previous)

    def _full_s(self, counted: _Counted, before: Record | None) -> int | None:
        """When the machine that asks was last activated at the full threshold, if it is activated: it shows the lease
        that its record tells of (or asks for that one again), of this edition, and that lease runs. None for a new
        machine, a lapsed one, one with a new CMID, a copy, and one whose lease another host gave."""
        if before is None or before.link not in (counted.presented, counted.link):
            return None
        if before.lease_edition != counted.asked.request.edition:
            return None
        issued_s, expires_s = before.lease_issued_s, before.lease_expires_s
        if issued_s is None or expires_s is None or not issued_s <= self._now_s < expires_s:
            return None
        return issued_s if before.lease_full_s is None else before.lease_full_s

    def _forked(self, counted: _Counted, before: Record) -> tuple[Decided | None, bytes | None]:
        """An exchanged link: what a copy is told, or None where it is answered like any other; the fork to keep."""
        arrived, own, now_s = counted.arrived, counted.question.own, self._now_s
        fork, request = fork_of(before.fork), arrived.request
        is_clone = (request.machine, arrived.address) != (before.machine, before.address)
        tolerance_s = counted.asked.product.policy.clock_tolerance_s
        told = tell(fork, counted.link, now_s, tolerance_s) if is_clone else None
        event = fork_event(arrived, own.product_group, before.machine, before.address, now_s, is_clone=is_clone)
        if told is None or told != fork.told:  # not once more for the same question
            self.forks.append(event)
        kept = msgspec.structs.replace(
            fork,
            known_machine=event.known_machine,
            known_address=event.known_address,
            machine=event.machine,
            address=event.address,
            cloned_s=now_s if is_clone else fork.cloned_s,
            rolled_back_s=fork.rolled_back_s if is_clone else now_s,
            told=fork.told if told is None else told,
        )
        written = encode(kept)
        if told is None:
            return None, written
        decided = Decided("CMID_SUPERSEDED", self._counts[own].current, own.threshold.minimum, now_s)
        # The record is that of the machine that went on; only that it was asked for by another is kept.
        self._records[counted.key] = before._replace(fork=written, requests=before.requests + 1)
        self.changed.add(counted.key)
        self.events.append(handled_event(arrived, decided, own.product_group, now_s))
        return decided, written

    def _said_before(self, counted: _Counted, before: Record) -> Decided | None:
        """The decision of the last lease, when this is the same question again: its answer was lost on the way.

        The same edition only, or a client's lease could be turned into a server's; and never below today's threshold.
        """
        asked = counted.asked
        if before.link != counted.link or before.lease_edition != asked.request.edition:
            return None
        if before.lease_issued_s is None or before.lease_count is None:
            return None
        if abs(self._now_s - before.lease_issued_s) >= asked.product.policy.clock_tolerance_s:
            return None
        again = decide_by_count(asked, before.lease_count, before.lease_issued_s, before.lease_full_s)
        return again if again.code is None else None

    def _record(self, counted: _Counted, before: Record | None, decided: Decided, fork: bytes | None) -> Record:
        """What is known of the machine now: heard, and with the lease that it got, or the one that it had before."""
        request, (group, cmid) = counted.asked.request, counted.key
        first_s, requests, links, current, row = self._now_s, 1, None, None, None
        lease: tuple[Any, ...] = _NO_LEASE
        full_s = decided.full_s
        if before is not None:
            first_s, requests = before.first_heard_s, before.requests + 1
            links, current = before.exchanged, before.link
            if before.machine_class == counted.question.machine_class:  # or it is removed (`removed`)
                row = before.row
        if decided.code is None:
            asked = counted.asked
            expires_s = decided.decided_s + asked.product.policy.validity_s(asked.edition.machine_class)
            lease = (counted.link, request.edition, decided.decided_s, expires_s, decided.count)
            links = exchanged(links, current, counted.presented, counted.link)
        elif before is not None:
            lease, full_s = tuple(before)[_LEASE], before.lease_full_s
        return Record._make(
            (
                group,
                cmid,
                counted.question.machine_class,
                request.edition,
                request.machine,
                request.vm,
                request.status.value,
                counted.arrived.address,
                first_s,
                self._now_s,
                requests,
                *lease,
                links,
                fork,
                full_s,
                row,
            )
        )

    def _known(self, counted: _Counted) -> Record | None:
        """S18: a lapsed record is discarded, whether housekeeping has come by or not: the machine is a new one."""
        record = self._records.get(counted.key)
        if record is None or not is_in_window(record.last_heard_s, self._now_s, counted.question.own.window_s):
            return None
        return record

    def _forget(self, key: Key) -> None:
        """After a rearm the machine is known under its new CMID alone."""
        if self._records.pop(key, None) is not None:
            self.changed.add(key)


_NO_LEASE = (None, None, None, None, None)
_LEASE = slice(Record._fields.index("link"), Record._fields.index("lease_count") + 1)


def cmid_bytes(cmid: str) -> bytes:
    """The 16 bytes of a CMID's text."""
    return bytes.fromhex(cmid.replace("-", ""))


def _question(asked: Asked) -> _Question:
    policy, machine_class = asked.product.policy, asked.edition.machine_class
    own = CountKey(asked.product.group, policy.thresholds.of(machine_class), policy.count_window_s)
    return _Question(own, machine_class.value)
