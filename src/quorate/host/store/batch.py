"""Requests decided one after another over the records that were read: what each gets, and what is to be written.

Pure: no database here. A batch gives exactly what batches of one would give, in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from quorate.core.count import ActivationCount
from quorate.core.decision import Asked, Decided, decide_by_count
from quorate.core.events import RequestHandled
from quorate.core.ids import link_of, unb64url
from quorate.core.messages import ActivationRequest
from quorate.core.policy import Threshold
from quorate.errors import BY_CODE

__all__ = ["Arrived", "Batch", "CountKey", "Key", "Record", "cmid_bytes", "count_key", "keys_of"]


@dataclass(frozen=True)
class Arrived:
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


class Batch:
    """One batch, decided in memory.

    Args:
        records: the records of all `keys_of` the batch that exist.
        counts: for each `count_key` of the batch, the count as it stood before it.
    """

    def __init__(self, records: Iterable[Record], counts: dict[CountKey, ActivationCount], now_s: int) -> None:
        self._records: dict[Key, Record] = {Key(record.product_group, record.cmid): record for record in records}
        self._counts = counts
        self._now_s = now_s
        self.changed: set[Key] = set()
        self.events: list[RequestHandled] = []

    def decide(self, arrived: Arrived) -> Decided:
        """The decision about the next request; its effects are added to `changed` and `events`."""
        verdict = arrived.verdict
        if isinstance(verdict, Decided):
            self.events.append(_event(arrived, verdict, arrived.group, self._now_s))
            return verdict
        key = Key(verdict.product.group, cmid_bytes(arrived.request.cmid))
        self._forget_previous(arrived.request, key)
        for of, count in self._counts.items():
            if of.product_group == key.product_group:
                count.hear(key.cmid, verdict.edition.machine_class, _previous(arrived.request))
        before = self._records.get(key)
        link = unb64url(link_of(arrived.request.cmid, arrived.request.nonce))
        decided = self._said_before(verdict, before, link)
        if decided is None:
            decided = decide_by_count(verdict, self._counts[count_key(verdict)].current, self._now_s)
        self._records[key] = self._record(arrived, verdict, key, before, decided, link)
        self.changed.add(key)
        self.events.append(_event(arrived, decided, key.product_group, self._now_s))
        return decided

    def written(self) -> list[Record]:
        """The records to write, in the order of their keys: two hosts on one database lock in one order."""
        return [self._records[key] for key in sorted(self.changed) if key in self._records]

    def removed(self) -> list[Key]:
        """The keys of the records to delete."""
        return [key for key in sorted(self.changed) if key not in self._records]

    def _forget_previous(self, request: ActivationRequest, key: Key) -> None:
        """After a rearm the machine is known under its new CMID alone."""
        previous = _previous(request)
        if previous is not None and previous != key.cmid:
            old = Key(key.product_group, previous)
            if self._records.pop(old, None) is not None:
                self.changed.add(old)

    def _said_before(self, asked: Asked, before: Record | None, link: bytes) -> Decided | None:
        """The decision of the last lease, when this is the same question again: its answer was lost on the way.

        The same edition only, or a client's lease could be turned into a server's; and never below today's threshold.
        """
        if before is None or before.link != link or before.lease_edition != asked.edition.id:
            return None
        if before.lease_issued_s is None or before.lease_count is None:
            return None
        policy = asked.product.policy
        threshold = policy.thresholds.of(asked.edition.machine_class).minimum
        if abs(self._now_s - before.lease_issued_s) >= policy.clock_tolerance_s or before.lease_count < threshold:
            return None
        return Decided(None, before.lease_count, threshold, before.lease_issued_s)

    def _record(
        self, arrived: Arrived, asked: Asked, key: Key, before: Record | None, decided: Decided, link: bytes
    ) -> Record:
        request, machine_class = arrived.request, asked.edition.machine_class
        record = Record(
            key.product_group,
            key.cmid,
            machine_class.value,
            request.edition,
            request.machine,
            request.vm,
            request.status.value,
            arrived.address,
            self._now_s if before is None else before.first_heard_s,
            self._now_s,
            1 if before is None else before.requests + 1,
        )
        if decided.code is None:
            expires_s = decided.decided_s + asked.product.policy.validity_s(machine_class)
            return Record(*record[:11], link, request.edition, decided.decided_s, expires_s, decided.count)
        return record if before is None else Record(*record[:11], *before[11:])


def cmid_bytes(cmid: str) -> bytes:
    """The 16 bytes of a CMID's text."""
    return bytes.fromhex(cmid.replace("-", ""))


def count_key(asked: Asked) -> CountKey:
    """The count this request is decided by."""
    policy = asked.product.policy
    return CountKey(asked.product.group, policy.thresholds.of(asked.edition.machine_class), policy.count_window_s)


def keys_of(batch: Iterable[Arrived]) -> set[Key]:
    """The keys of all records that the batch may touch."""
    keys = set()
    for arrived in batch:
        if isinstance(arrived.verdict, Asked):
            group = arrived.verdict.product.group
            keys.add(Key(group, cmid_bytes(arrived.request.cmid)))
            previous = _previous(arrived.request)
            if previous is not None:
                keys.add(Key(group, previous))
    return keys


def _previous(request: ActivationRequest) -> bytes | None:
    return None if request.previous_cmid is None else cmid_bytes(request.previous_cmid)


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
    )
