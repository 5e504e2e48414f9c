"""Keeps the host's SRV record in every domain: at start, every 24 hours, and when something in it changes.

Each domain is tried on its own, its result is an event (12294 it stands, 12293 it does not, with the cause), and no
failure ever stops the service. What was published is remembered before it is sent, so that a value that has changed
since (a new port, a new name, a domain taken off the list) is removed even after a crash in between.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from quorate.clock import Clock, Entropy
from quorate.core.events import HostEvent, PublicationFailed, PublicationSucceeded
from quorate.core.policy import DAY_S
from quorate.errors import (
    DnsServerFailureError,
    DnsUpdatesNotOfferedError,
    InternalFaultError,
    MalformedError,
    QuorateError,
)
from quorate.host.publication.gss import negotiate
from quorate.host.publication.locate import Names, Primary
from quorate.host.publication.record import SrvRecord, decode_records, encode_records
from quorate.host.publication.settings import PublicationSettings, TsigKey
from quorate.host.publication.signature import Signature
from quorate.host.publication.update import apply_change

__all__ = ["REFRESH_S", "DnsPublisher", "DomainResult", "Memory"]

REFRESH_S = DAY_S  # as Microsoft's hosts do; a name server that scavenges waits 7 days by default
RETRY_FIRST_S = 300  # after a failure, then doubled up to REFRESH_S: at boot the network may come later than we do
REMEMBERED_PER_NAME = 8
UNSPECIFIED = 0x80004005  # E_FAIL: Windows' own number for a failure that has none


class Memory(Protocol):
    """A text that outlives the process: a row of the host's settings table, which a command may change as well."""

    def get(self) -> str | None:
        """What is remembered."""
        ...

    def change(self, edit: Callable[[str | None], str]) -> None:
        """Replace it by what `edit` makes of it, with nobody in between; on disk when this returns."""
        ...


@dataclass(frozen=True)
class DomainResult:
    """What came of one record in one domain.

    Attributes:
        record: the value that was to be published, or the last one that was to be withdrawn.
        server, zone: empty when no server was found.
        error: why it failed; None when it is done.
        note: what was unusual about a success.
    """

    action: Literal["publish", "withdraw"]
    domain: str
    record: SrvRecord | None
    time_s: int
    server: str = ""
    zone: str = ""
    is_verified: bool = False
    note: str = ""
    error: QuorateError | None = None


class DnsPublisher:
    """One host's DNS publication. Safe to call from several threads; one change runs at a time.

    Args:
        settings: what to publish; exchange them with `apply`.
        names: how to find and ask name servers.
        memory: remembers what was published.
        record_event: takes each event.
        on_results: takes all results of one round, and when the next round is (seconds since 1970; None: not known).
    """

    def __init__(
        self,
        settings: PublicationSettings,
        *,
        names: Names,
        memory: Memory,
        clock: Clock,
        entropy: Entropy,
        record_event: Callable[[HostEvent], object],
        on_results: Callable[[tuple[DomainResult, ...], int | None], object] = lambda results, next_s: None,
    ) -> None:
        self._settings = settings
        self._names = names
        self._memory = memory
        self._clock = clock
        self._entropy = entropy
        self._record_event = record_event
        self._on_results = on_results
        self._changing = threading.Lock()
        self._wake = threading.Event()
        self._is_stopping = False
        self._due_s = clock.monotonic_s()
        self._retry_s = RETRY_FIRST_S
        self._results: tuple[DomainResult, ...] = ()

    @property
    def results(self) -> tuple[DomainResult, ...]:
        """The last result of each domain, for `host status`."""
        return self._results

    def apply(self, settings: PublicationSettings) -> None:
        """Take new settings; what they change is published by `run` at once."""
        if settings != self._settings:
            self._settings = settings
            self._due_s, self._retry_s = self._clock.monotonic_s(), RETRY_FIRST_S
            self._wake.set()

    def run(self, latest: Callable[[], PublicationSettings] | None = None) -> None:
        """Publish when it is due, until `stop`; then withdraw if the setting says so. The body of a thread.

        Args:
            latest: what is to be published now, asked whenever this wakes; it may take its time.
        """
        while not self._is_stopping:
            if latest is not None:
                self.apply(latest())
            self.publish_if_due()
            left_s = self._due_s - self._clock.monotonic_s() if self._settings.enabled else REFRESH_S
            self._clock.wait(self._wake, max(left_s, 1.0))
            self._wake.clear()
        if latest is not None:
            self.apply(latest())  # a setting that was made just before the stop counts
        if self._settings.enabled and self._settings.withdraw_on_stop:
            self.withdraw()

    def wake(self) -> None:
        """Let `run` ask for the latest settings now. Returns at once."""
        self._wake.set()

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._is_stopping

    def stop(self) -> None:
        """End `run`. Returns at once."""
        self._is_stopping = True
        self._wake.set()

    def publish_if_due(self) -> tuple[DomainResult, ...]:
        """Publish, if publishing is on (S28) and a day has passed, or something changed, or a retry is due."""
        if self._is_stopping or not self._settings.enabled or self._clock.monotonic_s() < self._due_s:
            return ()
        settings = self._settings
        results = self._publish()
        if settings is not self._settings:
            wait_s = 0  # changed meanwhile: it stays due
        elif any(each.error is not None for each in results):
            wait_s, self._retry_s = self._retry_s, min(2 * self._retry_s, REFRESH_S)
        else:
            wait_s, self._retry_s = REFRESH_S, RETRY_FIRST_S
        if wait_s:
            self._due_s = self._clock.monotonic_s() + wait_s
        self._on_results(results, self._now() + wait_s)
        return results

    def publish(self) -> tuple[DomainResult, ...]:
        """Make every record stand now, one result for each; whether publishing is on or not."""
        results = self._publish()
        self._on_results(results, None)
        return results

    def withdraw(self) -> tuple[DomainResult, ...]:
        """Take away every record that is published or was, one result for each name. Other hosts' records stay."""
        with self._changing:
            settings = self._settings
            with contextlib.suppress(QuorateError):  # without a name of our own there is what is remembered
                self._remember(*(record for _, record in settings.records()))
            self._results = results = tuple(self._withdraw_names(settings, lambda _: True, {}))
        self._on_results(results, None)
        return results

    def _publish(self) -> tuple[DomainResult, ...]:
        with self._changing:
            settings = self._settings
            signatures: dict[str, Signature] = {}
            try:
                wanted = settings.records()
            except QuorateError as error:
                self._results = (self._told(DomainResult("publish", settings.target, None, self._now(), error=error)),)
                return self._results
            results = [self._told(self._publish_one(settings, d.name, r, signatures)) for d, r in wanted]
            kept = {record.name for _, record in wanted}
            results += self._withdraw_names(settings, lambda name: name not in kept, signatures)
            self._results = tuple(results)
            return self._results

    def _publish_one(
        self, settings: PublicationSettings, domain: str, record: SrvRecord, signatures: dict[str, Signature]
    ) -> DomainResult:
        def act() -> tuple[Primary, str, bool]:
            note = self._check_target(record)
            old = [each for each in self._remembered() if each.name == record.name and not each.same_value(record)]
            self._remember(record)
            primary, change_note, is_verified = self._change(settings, signatures, record, old)
            self._forget(old)
            return primary, "; ".join(filter(None, (note, change_note))), is_verified

        return self._guarded("publish", domain, record, act)

    def _withdraw_names(
        self, settings: PublicationSettings, is_meant: Callable[[str], bool], signatures: dict[str, Signature]
    ) -> list[DomainResult]:
        try:
            remembered = self._remembered()
        except Exception as fault:  # noqa: BLE001  # see _guarded
            return [self._told(DomainResult("withdraw", settings.target, None, self._now(), error=_named(fault)))]
        results = []
        for name in dict.fromkeys(each.name for each in remembered if is_meant(each.name)):
            ours = [each for each in remembered if each.name == name]

            def act(ours: list[SrvRecord] = ours) -> tuple[Primary, str, bool]:
                done = self._change(settings, signatures, None, ours)
                self._forget(ours)
                return done

            domain = name.split(".", 2)[2]
            results.append(self._told(self._guarded("withdraw", domain, ours[-1], act)))
        return results

    def _guarded(
        self,
        action: Literal["publish", "withdraw"],
        domain: str,
        record: SrvRecord,
        act: Callable[[], tuple[Primary, str, bool]],
    ) -> DomainResult:
        try:
            primary, note, is_verified = act()
        except Exception as fault:  # noqa: BLE001  # neither a name server's odd bytes nor a full disk stop the service
            return DomainResult(action, domain, record, self._now(), error=_named(fault))
        return DomainResult(action, domain, record, self._now(), primary.server, primary.zone, is_verified, note)

    def _change(
        self,
        settings: PublicationSettings,
        signatures: dict[str, Signature],
        add: SrvRecord | None,
        remove: Sequence[SrvRecord],
    ) -> tuple[Primary, str, bool]:
        primary = self._names.locate(add.name if add is not None else remove[0].name, settings.server)
        signature = self._signature(settings, primary, signatures)
        try:
            change = apply_change(self._names, primary, signature, self._clock, add=add, remove=remove)
        except DnsUpdatesNotOfferedError:
            if signature.key is not None or settings.machine_keytab is None or not settings.machine_keytab.exists():
                raise
            # What Windows does as well: first without a signature, then as the computer that we are.
            signature = self._negotiated(settings.machine_keytab, primary, signatures)
            change = apply_change(self._names, primary, signature, self._clock, add=add, remove=remove)
        return primary, change.note, change.is_verified

    def _signature(
        self, settings: PublicationSettings, primary: Primary, signatures: dict[str, Signature]
    ) -> Signature:
        if settings.tsig_key is not None:
            return Signature("TSIG", settings.tsig_key.name, settings.tsig_key.key)
        if settings.tsig_key_file is not None:
            key = TsigKey.read(settings.tsig_key_file)
            return Signature("TSIG", key.name, key.key)
        if settings.keytab is not None:
            return self._negotiated(settings.keytab, primary, signatures)
        return Signature()

    def _negotiated(self, keytab: Path, primary: Primary, signatures: dict[str, Signature]) -> Signature:
        if primary.service_host not in signatures:
            signatures[primary.service_host] = negotiate(
                keytab, primary, self._names, clock=self._clock, entropy=self._entropy
            )
        return signatures[primary.service_host]

    def _check_target(self, record: SrvRecord) -> str:
        try:
            self._names.check_target(record.target)
        except DnsServerFailureError as unknown:
            return f"the address of {record.target.rstrip('.')} could not be checked ({unknown.message})"
        return ""

    def _told(self, result: DomainResult) -> DomainResult:
        event = _event(result)
        if event is not None:
            # A log that cannot be written now is the store's trouble, and told by it; publishing goes on.
            with contextlib.suppress(QuorateError, OSError):
                self._record_event(event)
        return result

    def _remembered(self) -> list[SrvRecord]:
        return _decoded(self._memory.get())

    def _remember(self, *records: SrvRecord) -> None:
        def edit(text: str | None) -> str:
            known = _decoded(text)
            for record in records:
                same_name = [each for each in known if each.name == record.name and not each.same_value(record)]
                others = [each for each in known if each.name != record.name]
                known = [*others, *same_name[1 - REMEMBERED_PER_NAME :], record]
            return encode_records(tuple(known))

        self._change_memory(edit)

    def _forget(self, records: Sequence[SrvRecord]) -> None:
        gone = {(each.name, each.value) for each in records}

        def edit(text: str | None) -> str:
            return encode_records(tuple(each for each in _decoded(text) if (each.name, each.value) not in gone))

        self._change_memory(edit)

    def _change_memory(self, edit: Callable[[str | None], str]) -> None:
        text = self._memory.get()
        if edit(text) != (text or "[]"):  # most rounds change nothing and need not wait for the disk
            self._memory.change(edit)

    def _now(self) -> int:
        return self._clock.now_s()


def _decoded(text: str | None) -> list[SrvRecord]:
    try:
        return list(decode_records(text)) if text else []
    except MalformedError:
        return []  # spoilt by hand, or by a newer version: publishing goes on, old values wait for `dns check`


def _named(fault: Exception) -> QuorateError:
    if isinstance(fault, QuorateError):
        return fault
    error = InternalFaultError()
    error.message = f"{error.message}: {type(fault).__name__}: {fault}"
    return error


def _event(result: DomainResult) -> HostEvent | None:
    domain = result.domain.rstrip(".")
    if result.error is None:
        is_published = result.action == "publish"
        return PublicationSucceeded(time_s=result.time_s, domain=domain) if is_published else None
    line = f" Record: {result.record.line}" if result.record is not None else ""
    return PublicationFailed(
        time_s=result.time_s,
        code=result.error.code,
        hresult=result.error.hresult or UNSPECIFIED,
        domain=domain,
        message=f"{result.action}: {result.error.message}. {result.error.hint}{line}",
    )
