"""Requests decided one after another over the records that were read: what each gets, and what is to be written.

Pure: no database here. A batch gives exactly what batches of one would give, in the same order.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from quorate.core.count import ActivationCount, is_in_window
from quorate.core.decision import Asked, Decided, decide_by_count
from quorate.core.events import CmidForked, RequestHandled
from quorate.core.ids import link_of
from quorate.core.messages import ActivationRequest, encode
from quorate.core.policy import Threshold
from quorate.errors import BY_CODE, CmidSupersededError
from quorate.host.store.lineage import exchanged, fork_of, is_exchanged, tell

__all__ = ["Arrived", "Batch", "CountKey", "Key", "Record", "cmid_bytes", "counts_of", "keys_of"]


class Arrived(msgspec.Struct, frozen=True):
    """One request at the store's door.

    Attributes:
        address: where it came from, for the inventory and the event log.
        verdict: of `core.decision.refuse_unheard`: ready to be counted, or refused without being counted.
        group: the product group where it is known although the request is refused; shown in the event.
    """

    request: ActivationRequest
    address: str
    verdict: Asked | Decided
    group: str = ""


class Key(NamedTuple):
    """What a machine is counted under."""

    product_group: str
    cmid: bytes


class CountKey(NamedTuple):
    """One activation count: the machines of a group that count toward a threshold, heard within the window."""

    product_group: str
    threshold: Threshold
    window_s: int


class Record(NamedTuple):
    """A row of `cmid_records`, in the table's order."""

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


@dataclass(frozen=True)
class _Question:
    """All requests of one edition in a batch: what they are decided by, and which counts their machines change."""

    count: ActivationCount
    hearing: tuple[ActivationCount, ...]
    threshold: Threshold
    window_s: int
    tolerance_s: int
    validity_s: int


class Batch:
    """One batch, decided in memory.

    Args:
        requests: the batch, in order.
        records: the records of all `keys_of` the batch that exist.
        now_s: when all of it is decided.
    """

    def __init__(self, requests: Sequence[Arrived], records: Iterable[Record], now_s: int) -> None:
        self._requests = requests
        self._records: dict[Key, Record] = {Key(record.product_group, record.cmid): record for record in records}
        self._classes = {key: record.machine_class for key, record in self._records.items()}  # as they are on disk
        self._now_s = now_s
        self._questions: dict[tuple[int, int], _Question] = {}
        self.changed: set[Key] = set()
        self.events: list[RequestHandled] = []
        self.forks: list[CmidForked] = []
        self.newcomers: list[Arrived] = []

    def takers(self) -> int:
        """How many requests may take machines away from a count: after a rearm, or when a class changes.

        Usually none; so a count need not read two rows more for each request of the batch
        (`ActivationCount.rows_max`).
        """
        takers, seen = 0, set()
        for asked in _asked(self._requests):
            key = Key(asked.product.group, cmid_bytes(asked.request.cmid))
            on_disk = self._classes.get(key, asked.edition.machine_class)
            takers += asked.request.previous_cmid is not None or key in seen or on_disk != asked.edition.machine_class
            seen.add(key)
        return takers

    def decide(self, counts: Mapping[CountKey, ActivationCount]) -> list[Decided]:
        """One decision for each request, in order; `changed`, `events`, `forks` and `newcomers` are what it did.

        Args:
            counts: for each of `counts_of` the batch, the count as it stands, ready to hear all `takers`.
        """
        questions: dict[tuple[int, int], _Question] = {}
        for asked in _asked(self._requests):
            name = id(asked.product), id(asked.edition)  # the batch keeps both alive; comparing them would cost more
            if name not in questions:
                questions[name] = _question(asked, counts)
        self._questions = questions
        return [self._decide(arrived) for arrived in self._requests]

    def written(self) -> list[Record]:
        """The records to write, in the order of their keys: neighbours are written together."""
        return [self._records[key] for key in sorted(self.changed) if key in self._records]

    def removed(self) -> list[Key]:
        """The keys of the records to delete before those of `written` are inserted: gone, or of another class now."""
        return [key for key in sorted(self.changed) if self._is_gone(key)]

    def _decide(self, arrived: Arrived) -> Decided:
        asked = arrived.verdict
        if isinstance(asked, Decided):
            self.events.append(_event(arrived, asked, arrived.group, self._now_s))
            return asked
        question = self._questions[id(asked.product), id(asked.edition)]
        key = Key(asked.product.group, cmid_bytes(asked.request.cmid))
        before, link = self._known(key, question.window_s), _link(asked.request)
        presented = _presented(asked.request)
        fork = None if before is None else before.fork
        if before is not None and is_exchanged(before.exchanged, before.link, presented, link):
            told, fork = self._forked(arrived, key, before, link, question)
            if told is not None:
                return told
        previous = _previous(asked.request)
        if before is None and (previous is None or Key(key.product_group, previous) not in self._records):
            self.newcomers.append(arrived)
        if previous is not None and previous != key.cmid:
            self._forget(Key(key.product_group, previous))
        for count in question.hearing:
            count.hear(key.cmid, asked.edition.machine_class, previous)
        decided = self._said_before(question, asked, before, link)
        if decided is None:
            is_soft = question.threshold.soft is not UNSET
            full_s = self._full_s(asked.request, before, presented, link) if is_soft else None
            decided = decide_by_count(asked, question.count.current, self._now_s, full_s)
        lease: tuple[Any, ...]
        links = None if before is None else before.exchanged
        full_s = decided.full_s
        if decided.code is None:
            expires_s = decided.decided_s + question.validity_s
            lease = (link, asked.request.edition, decided.decided_s, expires_s, decided.count)
            links = exchanged(links, None if before is None else before.link, presented, link)
        elif before is None:
            lease = _NO_LEASE
        else:
            lease, full_s = tuple(before)[_LEASE], before.lease_full_s
        self._records[key] = self._heard(arrived, asked, key, before, (*lease, links, fork, full_s))
        self.changed.add(key)
        self.events.append(_event(arrived, decided, key.product_group, self._now_s))
        return decided

    def _full_s(
        self, request: ActivationRequest, before: Record | None, presented: bytes | None, link: bytes
    ) -> int | None:
        """When the machine that asks was last activated at the full threshold, if it is activated: it shows the lease
        that its record tells of (or asks for that one again), of this edition, and that lease runs. None for a new
        machine, a lapsed one, one with a new CMID, a copy, and one whose lease another host gave."""
        if before is None or before.link not in (presented, link) or before.lease_edition != request.edition:
            return None
        issued_s, expires_s = before.lease_issued_s, before.lease_expires_s
        if issued_s is None or expires_s is None or not issued_s <= self._now_s < expires_s:
            return None
        return issued_s if before.lease_full_s is None else before.lease_full_s

    def _forked(
        self, arrived: Arrived, key: Key, before: Record, link: bytes, question: _Question
    ) -> tuple[Decided | None, bytes | None]:
        """An exchanged link: what a copy is told, or None where it is answered like any other; the fork to keep."""
        request, now_s = arrived.request, self._now_s
        fork = fork_of(before.fork)
        is_clone = (request.machine, arrived.address) != (before.machine, before.address)
        told = tell(fork, link, now_s, question.tolerance_s) if is_clone else None
        event = _fork_event(arrived, key, before, is_clone, now_s)
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
        decided = Decided("CMID_SUPERSEDED", question.count.current, question.threshold.minimum, now_s)
        # The record is that of the machine that went on; only that it was asked for by another is kept.
        self._records[key] = before._replace(fork=written, requests=before.requests + 1)
        self.changed.add(key)
        self.events.append(_event(arrived, decided, key.product_group, now_s))
        return decided, written

    def _said_before(self, question: _Question, asked: Asked, before: Record | None, link: bytes) -> Decided | None:
        """The decision of the last lease, when this is the same question again: its answer was lost on the way.

        The same edition only, or a client's lease could be turned into a server's; and never below today's threshold.
        """
        if before is None or before.link != link or before.lease_edition != asked.request.edition:
            return None
        if before.lease_issued_s is None or before.lease_count is None:
            return None
        if abs(self._now_s - before.lease_issued_s) >= question.tolerance_s:
            return None
        again = decide_by_count(asked, before.lease_count, before.lease_issued_s, before.lease_full_s)
        return again if again.code is None else None

    def _heard(self, arrived: Arrived, asked: Asked, key: Key, before: Record | None, kept: tuple[Any, ...]) -> Record:
        request = asked.request
        return Record(
            key.product_group,
            key.cmid,
            asked.edition.machine_class.value,
            request.edition,
            request.machine,
            request.vm,
            request.status.value,
            arrived.address,
            self._now_s if before is None else before.first_heard_s,
            self._now_s,
            1 if before is None else before.requests + 1,
            *kept,
        )

    def _known(self, key: Key, window_s: int) -> Record | None:
        """S18: a lapsed record is discarded, whether housekeeping has come by or not: the machine is a new one."""
        record = self._records.get(key)
        return record if record is not None and is_in_window(record.last_heard_s, self._now_s, window_s) else None

    def _forget(self, key: Key) -> None:
        """After a rearm the machine is known under its new CMID alone."""
        if self._records.pop(key, None) is not None:
            self.changed.add(key)

    def _is_gone(self, key: Key) -> bool:
        if key not in self._classes:
            return False
        return key not in self._records or self._records[key].machine_class != self._classes[key]


_NO_LEASE = (None, None, None, None, None)
_LEASE = slice(Record._fields.index("link"), Record._fields.index("lease_count") + 1)


def cmid_bytes(cmid: str) -> bytes:
    """The 16 bytes of a CMID's text."""
    return bytes.fromhex(cmid.replace("-", ""))


def counts_of(batch: Iterable[Arrived]) -> set[CountKey]:
    """The counts that decide the batch."""
    kinds = {(id(asked.product), id(asked.edition)): asked for asked in _asked(batch)}
    return {_count_key(asked) for asked in kinds.values()}


def keys_of(batch: Iterable[Arrived]) -> set[Key]:
    """The keys of all records that the batch may touch."""
    keys = set()
    for asked in _asked(batch):
        keys.add(Key(asked.product.group, cmid_bytes(asked.request.cmid)))
        previous = _previous(asked.request)
        if previous is not None:
            keys.add(Key(asked.product.group, previous))
    return keys


def _asked(batch: Iterable[Arrived]) -> Iterator[Asked]:
    return (arrived.verdict for arrived in batch if isinstance(arrived.verdict, Asked))


def _count_key(asked: Asked) -> CountKey:
    policy = asked.product.policy
    return CountKey(asked.product.group, policy.thresholds.of(asked.edition.machine_class), policy.count_window_s)


def _question(asked: Asked, counts: Mapping[CountKey, ActivationCount]) -> _Question:
    policy, own = asked.product.policy, _count_key(asked)
    return _Question(
        count=counts[own],
        hearing=tuple(count for key, count in counts.items() if key.product_group == own.product_group),
        threshold=own.threshold,
        window_s=own.window_s,
        tolerance_s=policy.clock_tolerance_s,
        validity_s=policy.validity_s(asked.edition.machine_class),
    )


def _previous(request: ActivationRequest) -> bytes | None:
    return None if request.previous_cmid is None else cmid_bytes(request.previous_cmid)


def _link(request: ActivationRequest) -> bytes:
    return base64.urlsafe_b64decode(link_of(request.cmid, request.nonce) + "==")


def _presented(request: ActivationRequest) -> bytes | None:
    return None if request.link is None else base64.urlsafe_b64decode(request.link + "==")


def _fork_event(arrived: Arrived, key: Key, before: Record, is_clone: bool, now_s: int) -> CmidForked:
    request = arrived.request
    asking, known = f"{request.machine} ({arrived.address})", f"{before.machine} ({before.address})"
    message = (
        f"{asking} was copied from {known}, or the other way round: both came with one CMID"
        if is_clone
        else f"{asking} came back with an older state, as after a snapshot was restored"
    )
    return CmidForked(
        time_s=now_s,
        code=CmidSupersededError.code if is_clone else None,
        group=key.product_group,
        cmid=request.cmid,
        machine=request.machine,
        address=arrived.address,
        known_machine=before.machine,
        known_address=before.address,
        message=message,
    )


def _event(arrived: Arrived, decided: Decided, group: str, now_s: int) -> RequestHandled:
    request = arrived.request
    return RequestHandled(
        time_s=now_s,
        code=decided.code,
        hresult=0 if decided.code is None else BY_CODE[decided.code].hresult or 0,
        group=group,
        threshold=decided.threshold,
        count=decided.count,
        machine=request.machine,
        cmid=request.cmid,
        client_time_s=request.time_s,
        vm=request.vm,
        status=request.status,
        expires_in_min=request.expires_in_min,
        edition=request.edition,
        address=arrived.address,
        soft_until_s=_soft_until_s(arrived.verdict, decided),
    )


def _soft_until_s(verdict: Asked | Decided, decided: Decided) -> int | UnsetType:
    """As the event tells it: until when the machine renews below the threshold, where it just did."""
    if decided.full_s is None or isinstance(verdict, Decided):
        return UNSET
    soft = verdict.product.policy.thresholds.of(verdict.edition.machine_class).soft
    return UNSET if soft is UNSET else decided.full_s + soft.lasts_s
