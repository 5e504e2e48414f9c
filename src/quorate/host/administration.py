"""Everything `quorate host ...` does, once: the commands call it on the state folder, the HTTP API on a running host.

A running host and a command may work at the same time: files are replaced whole, and the store has its own locks. What
a command changes a running host notices within about a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from msgspec import UNSET

from quorate import __version__
from quorate.clock import Clock, Entropy
from quorate.core.count import is_in_window
from quorate.core.events import HostEvent
from quorate.core.policy import DAY_S, MachineClass
from quorate.core.trust import Anchor
from quorate.errors import ClockUnconfirmedError, QuorateError, StateExistsError
from quorate.files import make_private_folder
from quorate.host.audit import Actor
from quorate.host.config import Settings, StatePaths
from quorate.host.configuration import Configuration
from quorate.host.configuring import Configuring
from quorate.host.falling import counts_of
from quorate.host.forecast import DAYS, SILENT_ROWS, Forecast, ForecastWatch, forecast
from quorate.host.keyring import Credentials, HostKeyring
from quorate.host.metrics import GroupCount
from quorate.host.paperwork import Paperwork
from quorate.host.process import running_host
from quorate.host.publication.machine import Surroundings
from quorate.host.publication.publisher import DnsPublisher, DomainResult
from quorate.host.publication.settings import PublicationSettings
from quorate.host.publication.state import PublicationState, StoreMemory, change_state, state_in
from quorate.host.publication.wanted import services_of, wanted_publication
from quorate.host.renewal import ending
from quorate.host.store.certaintime import clock_fault
from quorate.host.store.reports import ClientRow
from quorate.host.store.store import Store
from quorate.host.tokens import TokenDesk
from quorate.host.views import (
    ClassCount,
    ClientView,
    DnsView,
    EnrolmentView,
    HostStatus,
    ProductView,
    client_view,
    event_view,
)

__all__ = ["Administration"]


class Administration(Configuring, Paperwork, TokenDesk):
    """One host's administration. Methods may be called from any thread.

    Args:
        configuration: what is said of settings beside the store; default: nothing.
    """

    def __init__(
        self, keyring: HostKeyring, store: Store, clock: Clock, configuration: Configuration | None = None
    ) -> None:
        super().__init__(keyring, store, clock, configuration)
        self.paths: StatePaths = keyring.paths
        self._ahead = ForecastWatch(lambda: self.forecast(silent_rows=0), clock)

    @classmethod
    def init(cls, paths: StatePaths, product_token: str, jwks: bytes, clock: Clock, entropy: Entropy) -> Administration:
        """A new host for a product (S1, first step): identity, store, administration token.

        Raises:
            StateExistsError: there is a host already; nothing was changed.
            MalformedError, UnknownPublisherError, BadSignatureError: the product file is not that publisher's.
            FilePermissionsError, FileAccessError: the folder cannot be used.
        """
        if paths.identity.exists():
            raise StateExistsError(role="KMS host", path=paths.root)
        Anchor.load(product_token, jwks)
        make_private_folder(paths.root)
        # The identity comes last: what an interrupted init leaves behind is no host, and the next init takes it over.
        store = Store.open(paths.database) if paths.database.exists() else Store.create(paths.database)
        try:
            made = cls(HostKeyring.create(paths, product_token, jwks, clock, entropy), store, clock)
            made.note(None, "init", f"host {made.keyring.host_id} made")
            return made
        except BaseException:
            store.close()
            raise

    @classmethod
    def open(
        cls, paths: StatePaths, clock: Clock, entropy: Entropy, configuration: Configuration | None = None
    ) -> Administration:
        """The host in a state folder. Close it (it is a context manager).

        Raises:
            StateMissingError: there is none.
            FilePermissionsError, SchemaNewerError, StoreUnavailableError
        """
        keyring = HostKeyring(paths, clock, entropy)
        return cls(keyring, Store.open(paths.database), clock, configuration)

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def __enter__(self) -> Administration:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # --- looking -----------------------------------------------------------------------------------------------

    def status(self) -> HostStatus:
        """The host at a glance.

        Raises:
            StoreUnavailableError, TrustError, FileAccessError: what cannot be read.
        """
        credentials, now_s, stored = self.keyring.credentials(), self._clock.now_s(), self._store.settings()
        settings = self.configuration.layers.settings(stored)
        certificate = credentials.certificate
        why_not, ahead = _why_not(credentials, now_s), self._ahead.latest()
        warnings = [each for each in (ending(credentials, now_s), clock_fault(stored, now_s)) if each is not None]
        key = self.keyring.product_key()
        groups = () if certificate is None else certificate.groups
        running = running_host(self.paths)
        if running is not None:  # what is really served, where this run was told otherwise than the settings say
            settings = replace(settings, **running.served())
        return HostStatus(
            host_id=credentials.host_id,
            version=__version__,
            running=running is not None,
            activated=why_not is None,
            code=None if why_not is None else why_not.code,
            message=None if why_not is None else why_not.message,
            notice=_joined("; ", *(each.message for each in warnings), ahead.warning),
            notice_hint=_joined(" ", *(each.hint for each in warnings), ahead.hint),
            customer=None if certificate is None else certificate.customer,
            product_groups=groups,
            certificate_serial=None if certificate is None else certificate.serial,
            certificate_issued_s=None if certificate is None else certificate.issued_s,
            certificate_expires_s=None if certificate is None else certificate.expires_s,
            product_key_last_five=None if key is None else key.last_five,
            keys_version=1 if credentials.belief is None else credentials.belief.trust.version,
            revocations=credentials.revocations_number,
            publisher_url=settings.publisher_url or None,
            products=tuple(
                ProductView(
                    id=product.product,
                    name=product.name,
                    group=product.group,
                    covered=product.group in groups,
                    editions=tuple(edition.id for edition in product.editions),
                )
                for product in credentials.products
            ),
            port=settings.port,
            address=settings.address,
            admin_port=settings.admin_port,
            admin_address=settings.admin_address,
            activation_interval_min=settings.activation_interval_min,
            renewal_interval_min=settings.renewal_interval_min,
            dns_publishing=settings.dns_publishing,
            dns=_dns_view(settings, state_in(stored), is_running=running is not None),
            priority=settings.priority.value,
            counts=self.counts(credentials, now_s),
            machines=self._machines(credentials, now_s),
            requests=self.requests(),
            state_dir=str(self.paths.root),
            database_bytes=_size(self.paths.database),
            time_s=now_s,
            enrolment=EnrolmentView.of(credentials.enrolment, now_s),
        )

    def dns(self) -> DnsView:
        """What came of DNS publication last, as a running host sees it.

        Raises:
            StoreUnavailableError
        """
        stored = self._store.settings()
        return _dns_view(self.configuration.layers.settings(stored), state_in(stored), is_running=True)

    def published(self) -> dict[str, bool]:
        """The same for metrics: each domain, and whether every record stands there."""
        shown: dict[str, bool] = {}
        for each in self.dns().domains:
            shown[each.domain] = shown.get(each.domain, True) and each.result == "published"
        return shown

    def publication(self, around: Surroundings, entropy: Entropy) -> tuple[PublicationSettings, DnsPublisher]:
        """What is to be published now, and who does it: for `quorate host dns`, whether this host runs or not."""
        running = running_host(self.paths)
        settings = self.settings()
        wanted = wanted_publication(
            settings,
            port=(running and running.port) or settings.port,
            services=services_of(self.keyring.credentials().products),
            around=around,
        )
        publisher = DnsPublisher(
            wanted,
            names=around.names,
            memory=StoreMemory(self._store),
            clock=self._clock,
            entropy=entropy,
            record_event=self.record,
            on_results=lambda results, next_s: change_state(self._store, lambda state: state.after(results, next_s)),
        )
        return wanted, publisher

    def note_publication(self, action: str, results: Sequence[DomainResult], by: Actor | None = None) -> None:
        """Event 12315 of a publication or withdrawal that somebody asked for (12293 and 12294 tell each domain's)."""
        verb = {"publish": "published in DNS", "withdraw": "withdrawn from DNS"}[action]
        done = [each.domain.rstrip(".") for each in results if each.error is None]
        failed = [f"{each.domain.rstrip('.')} ({each.error.code})" for each in results if each.error is not None]
        said = [f"{words}: {', '.join(found)}" for words, found in ((verb, done), (f"not {verb}", failed)) if found]
        self.note(by, f"dns-{action}", "; ".join(said) or f"nothing was {verb}: no domain to do it in")

    def counts(
        self, credentials: Credentials | None = None, now_s: int | None = None
    ) -> dict[str, dict[str, ClassCount]]:
        """By product group and class: the count toward that class's threshold, as an answer would show it."""
        at_s = self._clock.now_s() if now_s is None else now_s
        shown: dict[str, dict[str, ClassCount]] = {}
        for each in counts_of((credentials or self.keyring.credentials()).products):
            shown.setdefault(each.group, {})[each.machine_class.value] = ClassCount(
                current=self._store.count(each.group, each.threshold, at_s, each.window_s),
                threshold=each.threshold.minimum,
                counted=each.threshold.counts,
                soft_minimum=each.threshold.soft.minimum if each.threshold.soft else UNSET,
                soft_lasts_s=each.threshold.soft.lasts_s if each.threshold.soft else UNSET,
            )
        return shown

    def group_counts(self) -> list[GroupCount]:
        """The same for metrics."""
        return [
            GroupCount(group, machine_class, count.current, count.threshold)
            for group, classes in self.counts().items()
            for machine_class, count in classes.items()
        ]

    def forecast(self, days: int = DAYS, retire: int = 0, add: int = 0, *, silent_rows: int = SILENT_ROWS) -> Forecast:
        """When the count falls below which threshold if the silent machines stay silent; raises as `forecast`."""
        counts, interval_s = counts_of(self.keyring.credentials().products), self.settings().renewal_interval_min * 60
        now_s = self._clock.now_s()
        return forecast(self._store.reports, counts, interval_s, now_s, days, retire, add, silent_rows=silent_rows)

    def falling(self) -> str | None:
        """The forecast's warning, at most five minutes old; None while no count is going to fall."""
        return self._ahead.latest().warning

    def requests(self) -> dict[str, int]:
        """Requests handled since the host was made: `total`, `failed`, and one for each license status."""
        return self._store.reports.requests()

    def clients(
        self, search: str | None = None, limit: int = 1000, after: tuple[str, str] | None = None
    ) -> list[ClientView]:
        """One page of the inventory (`Reports.clients`); the next one begins after the last row's group and CMID."""
        windows_s, now_s = self._windows_s(), self._clock.now_s()
        return [_viewed(row, windows_s, now_s) for row in self._store.reports.clients(search, limit, after)]

    def iter_clients(self, search: str | None = None, after: tuple[str, str] | None = None) -> Iterator[ClientView]:
        """The whole inventory as it is read, or what follows this group and CMID: a few hundred rows in memory however
        many there are."""
        windows_s, now_s = self._windows_s(), self._clock.now_s()
        for row in self._store.reports.iter_clients(search, after):
            yield _viewed(row, windows_s, now_s)

    def events(
        self, event_id: int | None = None, after_id: int | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Events as JSON objects, oldest first: the newest `limit`, or the first `limit` after number `after_id`."""
        return [event_view(stored) for stored in self._store.reports.events(event_id, after_id, limit)]

    def iter_events(
        self, event_id: int | None = None, after_id: int | None = None, newest: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """The same as it is read, however many: all, those after number `after_id`, or the `newest` so many."""
        for stored in self._store.reports.iter_events(event_id, after_id, newest):
            yield event_view(stored)

    def clock_fault(self) -> ClockUnconfirmedError | None:
        """What is wrong with the host's clock, by what it has written down; None: it is confirmed.

        Raises:
            StoreUnavailableError
        """
        return clock_fault(self._store.settings(), self._clock.now_s())

    def record(self, event: HostEvent) -> None:
        """Keep an event of the host itself.

        Raises:
            StoreUnavailableError: it was not kept.
        """
        self._store.record(event)

    def now_s(self) -> int:
        """The host's time, for pages that say how long ago something was."""
        return self._clock.now_s()

    def _machines(self, credentials: Credentials, now_s: int) -> dict[str, dict[str, int]]:
        shown: dict[str, dict[str, int]] = {}
        for window_s in {product.policy.count_window_s for product in credentials.products}:
            totals = self._store.reports.totals(now_s, window_s)
            for product in credentials.products:
                if product.policy.count_window_s == window_s:
                    shown[product.group] = {
                        machine_class.value: totals.get((product.group, machine_class), 0)
                        for machine_class in MachineClass
                    }
        return shown

    def _windows_s(self) -> dict[str, int]:
        return {product.group: product.policy.count_window_s for product in self.keyring.credentials().products}


def _joined(between: str, *words: str | None) -> str | None:
    return between.join(each for each in words if each is not None) or None


def _why_not(credentials: Credentials, now_s: int) -> QuorateError | None:
    try:
        credentials.in_force(now_s)
    except QuorateError as fault:
        return fault
    return None


def _dns_view(settings: Settings, state: PublicationState, *, is_running: bool) -> DnsView:
    is_trying = is_running and settings.dns_publishing
    return DnsView(
        publishing=settings.dns_publishing, domains=state.results, next_s=state.next_s if is_trying else None
    )


def _viewed(row: ClientRow, windows_s: Mapping[str, int], now_s: int) -> ClientView:
    window_s = windows_s.get(row.group, 30 * DAY_S)
    return client_view(row, is_lapsed=not is_in_window(row.last_heard_s, now_s, window_s))


def _size(path: Path) -> int:
    return sum(each.stat().st_size for each in (path, path.with_name(path.name + "-wal")) if each.exists())
