"""Requests decided one after another over the records that were read: what each gets, and what is to be written.

Pure: no database here. A batch gives exactly what batches of one would give, in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from quorate.core.count import ActivationCount, is_in_window
from quorate.core.decision import Asked, Decided, decide_by_count
from quorate.core.events import CmidForked, RequestHandled
from quorate.core.ids import link_bytes, unb64url
from quorate.core.messages import LicenseStatus, encode
from quorate.core.policy import MachineClass
from quorate.errors import CmidSupersededError
from quorate.host.store.claims import Claim, claim_of, is_stale, lock_of, removes
from quorate.host.store.entries import Arrived, fork_event, handled_event
from quorate.host.store.lineage import exchanged, fork_of, is_exchanged, tell
from quorate.host.store.record import CountKey, Key, Record, cmid_bytes

__all__ = ["Batch"]


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
        is_probe: nothing of it will be written, and nobody has to prove anything.
    """

    def __init__(self, requests: Sequence[Arrived], now_s: int, *, is_probe: bool = False) -> None:
        self._requests = requests
        self._is_probe = is_probe
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
        now: lapsed ones too, as they are what a wrong clock lapses. A CMID alone is no witness: anybody may know it. At
        most so many, by the hex of their CMIDs."""
        found: dict[str, None] = {}
        for each, said in zip(self._counted, decided, strict=True):
            if isinstance(each, _Counted) and said.code != CmidSupersededError.code:
                record = self._on_disk.get(each.key)
                is_known = record is not None and abs(self._now_s - record.first_heard_s) >= known_for_s
                if record is not None and is_known and self._proof(each, record) in (Claim.OWN, Claim.UNLOCKED):
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
        before, fork, claim = self._known(counted), None, Claim.OWN
        if before is not None:
            fork, claim = before.fork, self._claim(counted, before)
            if claim is Claim.OTHER or (
                claim is not Claim.OWN and is_exchanged(before.exchanged, before.link, counted.presented, counted.link)
            ):
                told, fork = self._forked(counted, before, is_clone=claim is Claim.OTHER)
                if told is not None:
                    return told
        previous = self._replaced(counted, claim)
        if before is None and previous is None:
            self.newcomers.append(arrived)
        if previous is not None:
            self._forget(previous)
        kept = None if claim in (Claim.OWN, Claim.UNLOCKED) else before  # the record of who proved itself
        self._hear(counted, previous, asked.edition.machine_class if kept is None else MachineClass(kept.machine_class))
        decided = None if before is None else self._said_before(counted, before)
        if decided is None:
            is_soft = question.own.threshold.soft is not UNSET and claim is not Claim.OTHER
            full_s = self._full_s(counted, before) if is_soft else None
            decided = decide_by_count(asked, self._counts[question.own].current, self._now_s, full_s)
        if kept is None:
            self._records[key] = self._record(counted, before, decided, fork, claim)
        else:
            heard_s = self._now_s if claim is Claim.ASIDE else kept.last_heard_s
            self._records[key] = kept._replace(last_heard_s=heard_s, requests=kept.requests + 1, fork=fork)
        self.changed.add(key)
        self.events.append(handled_event(arrived, decided, question.own.product_group, self._now_s))
        return decided

    def _claim(self, counted: _Counted, before: Record) -> Claim:
        if before.lock is None:
            return Claim.UNLOCKED
        if self._is_probe:
            return Claim.ASIDE
        claim = self._proof(counted, before)
        if claim is not Claim.OWN and is_stale(before.proven_s, self._now_s, counted.question.own.window_s):
            return Claim.OWN
        return claim

    def _proof(self, counted: _Counted, before: Record) -> Claim:
        request = counted.arrived.request
        is_same_machine = request.machine == before.machine
        return claim_of(
            request,
            counted.link,
            before.lock,
            is_same_machine=is_same_machine,
            is_same_place=is_same_machine and counted.arrived.address == before.address,
            is_same_edition=request.edition == before.edition,
        )

    def _replaced(self, counted: _Counted, claim: Claim) -> Key | None:
        """The record that this request proves to be its own machine's, from before a rearm."""
        previous = counted.previous
        if previous is None or previous == counted.key or claim not in (Claim.OWN, Claim.UNLOCKED):
            return None
        record = self._records.get(previous)
        return None if record is None or not removes(counted.arrived.request, record.lock) else previous

    def _hear(self, counted: _Counted, previous: Key | None, machine_class: MachineClass) -> None:
        """The machine is counted, wherever machines of its group are."""
        group, cmid = counted.key
        gone = None if previous is None else previous[1]
        for key, count in self._counts.items():
            if key.product_group == group:
                count.hear(cmid, machine_class, gone)

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

    def _forked(self, counted: _Counted, before: Record, *, is_clone: bool) -> tuple[Decided | None, bytes | None]:
        """An exchanged link, or another machine: what a copy is told, or None where it is answered like any other; the
        fork to keep."""
        arrived, own, now_s = counted.arrived, counted.question.own, self._now_s
        fork, request = fork_of(before.fork), arrived.request
        is_clone = is_clone or (request.machine, arrived.address) != (before.machine, before.address)
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

    def _record(
        self, counted: _Counted, before: Record | None, decided: Decided, fork: bytes | None, claim: Claim
    ) -> Record:
        """What is known of the machine now: heard, and with the lease that it got, or the one that it had before."""
        request, (group, cmid) = counted.asked.request, counted.key
        first_s, requests, links, current, row = self._now_s, 1, None, None, None
        lease: tuple[Any, ...] = _NO_LEASE
        full_s = decided.full_s
        lock = lock_of(request, counted.link) if claim is Claim.OWN or self._may_lock(counted, before) else None
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
                (LicenseStatus.LICENSED if decided.code is None else request.status).value,  # once it has the answer
                counted.arrived.address,
                first_s,
                self._now_s,
                requests,
                *lease,
                links,
                fork,
                full_s,
                lock,
                None if lock is None else self._now_s,
                row,
            )
        )

    def _may_lock(self, counted: _Counted, before: Record | None) -> bool:
        """Whether a record from before there were locks takes one: of its own machine, as far as can be told."""
        return (
            before is not None
            and (counted.arrived.request.machine, counted.arrived.address) == (before.machine, before.address)
            and (before.link is None or before.link in (counted.presented, counted.link))
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


def _question(asked: Asked) -> _Question:
    policy, machine_class = asked.product.policy, asked.edition.machine_class
    own = CountKey(asked.product.group, policy.thresholds.of(machine_class), policy.count_window_s)
    return _Question(own, machine_class.value)
