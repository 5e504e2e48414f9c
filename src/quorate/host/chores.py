"""When the store is swept: lapsed CMID records go (S18, S19) and old events are trimmed, a short step at a time, and
only what is old by the certain time (`core.certaintime`): a wrong clock removes nothing.

Every hour the event log gets a signed checkpoint; every day somebody looks whether a count is going to fall.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from quorate.clock import Clock
from quorate.core.certaintime import TOLERANCE_S
from quorate.core.checkpoint import CheckpointSigner
from quorate.core.documents import ProductFile
from quorate.core.policy import DAY_S
from quorate.host.config import Settings
from quorate.host.credentials import Credentials
from quorate.host.falling import FallingWatch, Start, on_a_thread
from quorate.host.store.certaintime import ClockWatch
from quorate.host.store.checkpoints import seal
from quorate.host.store.housekeeping import (
    Retention,
    date_back_step,
    sweep_step,
    trim_administrative_step,
    trim_events_step,
)
from quorate.host.store.record import Key
from quorate.host.store.store import Store

__all__ = ["StoreChores"]

MIB = 1024 * 1024
SWEEP_EVERY_S = 300.0  # a walk over a million records takes about half a second of disk in all
SEAL_EVERY_S = 3600.0  # so much of the log may be cut off unseen
ADMINISTRATIVE_S = 400 * DAY_S  # promised in docs/SECURITY.md: a year, and the month in which it is looked through
ADMINISTRATIVE_BYTES = 256 * MIB  # some 600,000 events: more than strangers can cause in that time (`gate`)
NO_BOUND = 2**53
OTHER_WINDOW_S = 30 * DAY_S  # for records of products that are no longer here


@dataclass(frozen=True)
class _Terms:
    windows_s: dict[str, int]
    events: Retention
    administrative: Retention


class StoreChores:
    """Walks the records every few minutes. `adopt` from any thread, `step` from the writer's only.

    Args:
        start: as `FallingWatch`.
    """

    def __init__(
        self, store: Store, clock: Clock, credentials: Credentials, settings: Settings, start: Start = on_a_thread
    ) -> None:
        self._store = store
        self._clock = clock
        self._signer = CheckpointSigner(credentials.host_id, credentials.signing_key)
        self._log = structlog.get_logger("quorate.host.chores")
        self.log_fault: str | None = None
        """What somebody's hand did to the event log, as far as it showed at a checkpoint; stays until the end."""
        self.on_inventory: Callable[[int], object] = _ignore
        """Told every few minutes how many records there are."""
        self.falling = FallingWatch(store, clock, start)
        self.time = ClockWatch(store, clock)
        self._cursor: Key | None = None
        self._is_trimming = self._is_filing = self._is_sweeping = self._is_dating = False
        self._due_s = self._seal_due_s = clock.monotonic_s()
        self.adopt(credentials.products, settings)

    def adopt(self, products: tuple[ProductFile, ...], settings: Settings) -> None:
        """Use these from the next step on."""
        self.falling.adopt(products, settings)
        windows_s: dict[str, int] = {}
        for product in products:
            known_s = windows_s.get(product.group, 0)
            windows_s[product.group] = max(known_s, product.policy.count_window_s)
        self._terms = _Terms(
            windows_s,
            Retention(settings.event_retention_s, settings.events_max, settings.events_max_mb * MIB),
            Retention(max(settings.event_retention_s, ADMINISTRATIVE_S), NO_BOUND, ADMINISTRATIVE_BYTES),
        )

    def step(self) -> bool:
        """One short step of a walk that is under way or due; whether another one follows at once.

        Raises:
            StoreUnavailableError: the walk goes on from here the next time.
        """
        self.time.step()
        if not (self._is_sweeping or self._is_trimming or self._is_filing):
            self.falling.step()
            if self._clock.monotonic_s() >= self._seal_due_s:
                self._seal()
                self._seal_due_s = self._clock.monotonic_s() + SEAL_EVERY_S
            if self._clock.monotonic_s() < self._due_s:
                return False
            self._is_sweeping = self._is_trimming = self._is_filing = True
            self._is_dating = self.time.is_confirmed()
            self.on_inventory(self._store.reports.inventory())
            self._due_s = self._clock.monotonic_s() + SWEEP_EVERY_S
        terms, at_s, database = self._terms, self.time.deletes_at_s(), self._store.database
        latest_s = max(at_s, self._clock.now_s()) + TOLERANCE_S
        if self._is_dating:
            self._is_dating = self.time.is_confirmed() and date_back_step(database, self._clock.now_s())
        elif self._is_sweeping:
            self._cursor = sweep_step(database, self._cursor, at_s, terms.windows_s, OTHER_WINDOW_S)
            self._is_sweeping = self._cursor is not None
        elif self._is_trimming:
            self._is_trimming = trim_events_step(database, at_s, terms.events, self._signer, latest_s=latest_s)
        else:
            kept = terms.administrative
            self._is_filing = trim_administrative_step(database, at_s, kept, self._signer, latest_s=latest_s)
        return self._is_sweeping or self._is_trimming or self._is_filing

    def finish(self) -> None:
        """The last act: a signed checkpoint of the event log where something came since the last one.

        Raises:
            StoreUnavailableError: no checkpoint was made.
        """
        try:
            self.falling.end()
        finally:
            self.time.keep()
            self._seal()

    def _seal(self) -> None:
        sealed = seal(self._store.database, self._signer, self._clock.now_s())
        if sealed is not None and (sealed.cut_from is not None or sealed.token is None):
            what = "has lost its name" if sealed.cut_from is None else f"has lost the events from {sealed.cut_from} on"
            self.log_fault = f"the event log {what}: quorate host events verify"
            self._log.error("event_log_broken", message=self.log_fault)


def _ignore(_: int) -> None:
    """Nobody wants to know."""
