"""What must never happen: checked in every simulation, in words of its own.

The watch keeps a second, naive book of what each database must hold: which CMIDs were heard when, and which lease was
given last. Every answer, every accepted lease, every restart and every look at a machine is held against it.

Safety: no lease below the threshold, but for what a soft one grants; none that the chain does not allow; no machine
counted twice, none forgotten; what was answered is on disk after a crash; nobody is Licensed beyond the expiry.
Liveness is in `sim.liveness`.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from msgspec import UNSET

from quorate.client.standing import Standing
from quorate.core.ids import link_of
from quorate.core.lease import Lease, Refusal
from quorate.core.messages import ActivationRequest, LicenseStatus
from quorate.core.policy import DAY_S, HOUR_S, MachineClass, Threshold
from quorate.core.trust import Anchor
from quorate.errors import InternalFaultError, QuorateError
from quorate.host.store.record import Key, cmid_bytes
from quorate.host.store.reports import PAGE_MAX
from quorate.host.store.store import Store
from quorate.host.writer import Outcome
from quorate.sim.book import Book, Given
from quorate.sim.clientrules import WRONG_CLOCK_RULE, ClientRules
from quorate.sim.host import EVENT_DAYS, SimHost
from quorate.sim.machine import SimMachine
from quorate.sim.ownership import Whose
from quorate.sim.papers import said_in

__all__ = ["WRONG_CLOCK_RULE", "Violation", "Watch", "lapsed_at_s"]

VIOLATIONS_MAX = 100
CLONES_MAX = 64
SECOND_LEASE_S = HOUR_S  # how long an answer may be underway


class _Spoken(msgspec.Struct):
    """What is looked at of an `Answer`."""

    answer: str


_spoken_decoder = msgspec.json.Decoder(_Spoken)


@dataclass(frozen=True)
class Violation:
    """A rule that was broken, when, and how it shows."""

    at_s: int
    rule: str
    detail: str


@dataclass(frozen=True)
class _AtStep:
    """What a database held when its host's clock was set wrong: records and events, and when they were."""

    records: dict[bytes, int]
    events: dict[int, int]


def lapsed_at_s(host: SimHost) -> int:
    """The time by which records have lapsed for good: a clock that is ahead only hides them."""
    now_s = host.clock.now_s()
    return min(now_s, now_s - host.clock.error_s())


class Watch:
    """All checkers of one simulation."""

    def __init__(self, anchor: Anchor, databases: Iterable[str]) -> None:
        self._anchor = anchor
        self._policy = anchor.product.policy
        self._classes = {edition.id: edition.machine_class for edition in anchor.product.editions}
        self.books = {name: Book(self._policy) for name in databases}
        self._at_step: dict[str, _AtStep] = {}
        self._rearmed: set[str] = set()
        self._before: dict[str, list[Given]] = {}  # not in the books any more, and perhaps still underway
        self.clients = ClientRules(self._policy)
        self.violations: list[Violation] = []

    def broken(self, at_s: int, rule: str, detail: str) -> None:
        """Note a violation."""
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(Violation(at_s, rule, detail))

    # --- at the host -----------------------------------------------------------------------------------------------

    def answered(
        self, host: SimHost, request: ActivationRequest, address: str, outcome: Outcome
    ) -> Lease | Refusal | QuorateError:
        """Hold one outcome against the book; what was said, in claims."""
        now_s = host.clock.now_s()
        if isinstance(outcome, QuorateError):
            if isinstance(outcome, InternalFaultError):
                self.broken(now_s, "no-internal-fault", f"{host.plan.name} could not answer {request.machine}")
            return outcome
        said = said_in(_spoken_decoder.decode(outcome).answer)
        tolerance_s = self._policy.clock_tolerance_s
        is_skewed = abs(request.time_s - now_s) > tolerance_s
        code = said.code if isinstance(said, Refusal) else None
        if code == "CLOCK_SKEW":
            if not is_skewed:
                self.broken(now_s, "clock-skew", f"{request.machine} was refused although the clocks agree")
            return said
        if code == "CMID_SUPERSEDED":
            self._superseded(self.books[host.plan.database], request, address, now_s)
            return said
        if is_skewed:
            self.broken(now_s, "clock-skew", f"{request.machine} was answered {request.time_s - now_s} s off")
        self._count(host, request, address, said, now_s)
        return said

    def _count(
        self, host: SimHost, request: ActivationRequest, address: str, said: Lease | Refusal, now_s: int
    ) -> None:
        book, machine_class = self.books[host.plan.database], self._classes[request.edition]
        threshold = self._policy.thresholds.of(machine_class)
        book.lapse(lapsed_at_s(host))
        is_hidden = book.is_hidden(request.cmid, now_s)
        given = None if is_hidden else book.given.get(request.cmid)
        claim = book.whose(request, address, now_s)
        book.asked(request, address, machine_class, claim, now_s, is_new=is_hidden)
        if request.previous_cmid is not None and request.previous_cmid not in book.heard:
            self._rearmed.add(request.previous_cmid)
        is_ahead = host.clock.error_s() > 0
        count = book.count_at(threshold.counts, now_s) if is_ahead else book.count(threshold.counts)
        shown = min(count, 2 * threshold.minimum)
        is_again = (
            given is not None
            and given.nonce == request.nonce
            and given.edition == request.edition
            and abs(now_s - given.issued_s) < self._policy.clock_tolerance_s
        )
        if is_again and given is not None:
            is_same = isinstance(said, Lease) and (said.issued_s, said.count) == (given.issued_s, given.count)
            if not is_same:
                self.broken(now_s, "same-question-same-answer", f"{request.machine}: {given} became {said}")
            return
        if said.count != shown:
            self.broken(now_s, "counted-once", f"{request.machine} was told {said.count}, there are {shown}")
        is_enough = count >= threshold.minimum
        is_soft = not is_enough and claim is not Whose.OTHER
        full_s = _renewed_softly(threshold, count, given, request, now_s) if is_soft else None
        if isinstance(said, Lease):
            if said.full_s != (UNSET if is_enough else full_s):  # None, where nothing is granted, is neither
                self.broken(
                    now_s, "no-lease-below-threshold", f"{request.machine}: {count} of {threshold.minimum}, {said}"
                )
            if given is not None and now_s - given.issued_s < SECOND_LEASE_S:  # of clones that ask at the same time
                self._remember(request.cmid, given)
            edition = sys.intern(request.edition)  # one text for the whole fleet
            given_s = now_s if is_enough or full_s is None else full_s
            newest = Given(request.nonce, edition, said.issued_s, said.expires_s, said.count, given_s)
            if claim is Whose.OWN:
                book.given[request.cmid] = newest
            else:  # the record is not this question's to change
                self._remember(request.cmid, newest)
        elif is_enough or full_s is not None:
            self.broken(now_s, "lease-at-threshold", f"{request.machine} was refused at {count}")

    def _superseded(self, book: Book, request: ActivationRequest, address: str, now_s: int) -> None:
        """Another machine is told to take another CMID; whose record it is, is none, and who holds the newest lease."""
        if book.whose(request, address, now_s) is Whose.OTHER:
            return
        given = book.given.get(request.cmid)
        if given is None or request.link in (None, link_of(request.cmid, given.nonce)):
            self.broken(now_s, "superseded", f"{request.machine} holds the newest lease and was called a copy")

    def audit(self, host: SimHost) -> None:
        """After a restart, and at the end: what was answered is there, and nothing is there twice."""
        now_s, book = host.clock.now_s(), self.books[host.plan.database]
        self.swept(host)
        book.lapse(lapsed_at_s(host))
        found, known = dict(_rows(host.store)), set()
        for text, (heard_s, _) in book.heard.items():
            cmid = cmid_bytes(text)
            known.add(cmid)
            on_disk_s = found.get(cmid)
            if on_disk_s is None:
                self.broken(now_s, "answered-is-on-disk", f"{host.plan.name} has forgotten {text}")
            elif on_disk_s != heard_s:
                self.broken(now_s, "answered-is-on-disk", f"{text} was heard at {heard_s}, on disk {on_disk_s}")
        for cmid, heard_s in found.items():
            if cmid not in known and now_s - heard_s < self._policy.count_window_s:
                text = str(uuid.UUID(bytes=cmid))
                self.broken(now_s, "counted-once", f"{host.plan.name} knows {text}, which nobody has")

    # --- a host's clock --------------------------------------------------------------------------------------------

    def clock_steps(self, host: SimHost) -> None:
        """The host's clock is about to be set wrong: remember what there is."""
        events = host.store.reports.events(after_id=0, limit=PAGE_MAX)
        self._at_step[host.plan.name] = _AtStep(
            dict(_rows(host.store)), {each.id: each.event.time_s for each in events}
        )

    def clock_is_right(self, host: SimHost) -> None:
        """It is right again: nothing is gone but what is old by the true time, and what a rearm replaced."""
        now_s, before = host.clock.now_s(), self._at_step.pop(host.plan.name, None)
        if before is None:
            return
        found, rearmed = dict(_rows(host.store)), {cmid_bytes(each) for each in self._rearmed}
        for cmid, heard_s in before.records.items():
            if cmid not in found and cmid not in rearmed and now_s - heard_s < self._policy.count_window_s:
                text = str(uuid.UUID(bytes=cmid))
                self.broken(now_s, WRONG_CLOCK_RULE, f"{host.plan.name} has deleted {text}, heard at {heard_s}")
        kept = {each.id for each in host.store.reports.events(after_id=0, limit=PAGE_MAX)}
        for number, time_s in before.events.items():
            if number < min(kept, default=0) and now_s - time_s < EVENT_DAYS * DAY_S:
                self.broken(now_s, WRONG_CLOCK_RULE, f"{host.plan.name} has deleted event {number} of {time_s}")

    def swept(self, host: SimHost) -> None:
        """After housekeeping: what was heard in the future, by a clock that was ahead, may say otherwise now."""
        now_s, book = host.clock.now_s(), self.books[host.plan.database]
        latest_s = now_s + self._policy.clock_tolerance_s
        ahead = [cmid for cmid, (heard_s, _) in book.heard.items() if heard_s > latest_s]
        if ahead and not host.clock.error_s():
            found = dict(_rows(host.store))
            for cmid in ahead:
                dated_s = found.get(cmid_bytes(cmid))
                if dated_s is not None and dated_s <= now_s:
                    book.date_back(cmid, dated_s)

    def lost(self, database: str) -> None:
        """The records are gone with their disk: an empty book. An answer may have been underway at that moment."""
        for cmid, given in self.books[database].given.items():
            self._remember(cmid, given)
        self.books[database] = Book(self._policy)

    def _remember(self, cmid: str, given: Given) -> None:
        self._before[cmid] = [*self._before.get(cmid, [])[-CLONES_MAX:], given]

    # --- at the client ---------------------------------------------------------------------------------------------

    def believed(self, machine: SimMachine, said: Lease | Refusal) -> None:
        """A client accepted an answer: a host must have given it, and the policy allow it."""
        self.clients.believed(machine, said)
        if not isinstance(said, Lease):
            return
        machine_class = self._classes[said.edition]
        now_s = machine.clock.now_s()
        if not self._was_given(said):
            self.broken(now_s, "chain", f"{machine.name} believed a lease that no host has given: {said}")
        if said.expires_s - said.issued_s > self._policy.validity_s(machine_class):
            self.broken(now_s, "chain", f"{machine.name} believed a lease that is too long: {said}")
        threshold = self._policy.thresholds.of(machine_class)
        lowest = threshold.minimum if threshold.soft is UNSET or said.full_s is UNSET else threshold.soft.minimum
        if said.count < lowest:
            self.broken(now_s, "no-lease-below-threshold", f"{machine.name} believed {said}")
        machine.lease_expires_s = said.expires_s

    def _was_given(self, said: Lease) -> bool:
        mine = said.nonce, said.issued_s, said.expires_s
        for book in self.books.values():
            given = book.given.get(said.cmid)
            if given is not None and (given.nonce, given.issued_s, given.expires_s) == mine:
                return True
        before = self._before.get(said.cmid, ())
        return any((each.nonce, each.issued_s, each.expires_s) == mine for each in before)

    def looked(self, machine: SimMachine, standing: Standing, *, is_thorough: bool) -> tuple[LicenseStatus, int | None]:
        """What a machine's application sees: nobody is Licensed beyond the expiry, nor at a time that is over.

        Returns:
            The status, and when it ends by itself, by the machine's clock.
        """
        now_s = machine.clock.now_s()
        if is_thorough:
            told = standing.status(now_s, self._anchor)
            status, expires_s, is_usable = told.status, told.expires_s, told.usable
        else:  # the same without the words
            life = standing.life_at(now_s, self._policy)
            status, expires_s = life.status, life.deadline_s
            is_usable = standing.is_usable(now_s, self._policy)
        if status is LicenseStatus.LICENSED and is_usable:
            lease = standing.lease
            if lease is None or now_s >= lease.expires_s:
                self.broken(now_s, "licensed-until-expiry", f"{machine.name} is Licensed beyond its lease")
            elif machine.lease_expires_s is not None and lease.expires_s > machine.lease_expires_s:
                self.broken(now_s, "licensed-until-expiry", f"{machine.name} holds a longer lease than it was given")
        for rule, detail in self.clients.looked(machine, standing, status, is_usable=is_usable):
            self.broken(now_s, rule, detail)
        return status, expires_s

    def class_of(self, edition: str) -> MachineClass:
        """What machines of that edition are counted as."""
        return self._classes[edition]


def _renewed_softly(
    threshold: Threshold, count: int, given: Given | None, request: ActivationRequest, now_s: int
) -> int | None:
    """Who holds the lease that was given last renews it by the soft threshold: since when; None for everybody else."""
    soft = threshold.soft
    if soft is UNSET or given is None or given.edition != request.edition:
        return None
    is_holder = given.nonce == request.nonce or request.link == link_of(request.cmid, given.nonce)
    is_running = given.issued_s <= now_s < given.expires_s
    is_in_time = 0 <= now_s - given.full_s < soft.lasts_s
    return given.full_s if is_holder and is_running and is_in_time and count >= soft.minimum else None


def _rows(store: Store) -> Iterable[tuple[bytes, int]]:
    after: Key | None = None
    while page := store.reports.heard(PAGE_MAX, after):
        yield from ((cmid, heard_s) for _, cmid, heard_s in page)
        after = page[-1][:2]
