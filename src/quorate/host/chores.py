"""When the store is swept: lapsed CMID records go (S18, S19) and old events are trimmed, a short step at a time."""

from __future__ import annotations

from dataclasses import dataclass

from quorate.clock import Clock
from quorate.core.documents import ProductFile
from quorate.core.policy import DAY_S
from quorate.host.config import Settings
from quorate.host.store.batch import Key
from quorate.host.store.housekeeping import sweep_step, trim_events_step
from quorate.host.store.store import Store

__all__ = ["StoreChores"]

SWEEP_EVERY_S = 300.0  # a walk over a million records takes about half a second of disk in all
OTHER_WINDOW_S = 30 * DAY_S  # for records of products that are no longer here


@dataclass(frozen=True)
class _Terms:
    windows_s: dict[str, int]
    event_age_max_s: int
    events_max: int


class StoreChores:
    """Walks the records every few minutes. `adopt` from any thread, `step` from the writer's only."""

    def __init__(self, store: Store, clock: Clock, products: tuple[ProductFile, ...], settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self._cursor: Key | None = None
        self._is_trimming = self._is_sweeping = False
        self._due_s = clock.monotonic_s()
        self.adopt(products, settings)

    def adopt(self, products: tuple[ProductFile, ...], settings: Settings) -> None:
        """Use these from the next step on."""
        windows_s: dict[str, int] = {}
        for product in products:
            known_s = windows_s.get(product.group, 0)
            windows_s[product.group] = max(known_s, product.policy.count_window_s)
        self._terms = _Terms(windows_s, settings.event_retention_s, settings.events_max)

    def step(self) -> bool:
        """One short step of a walk that is under way or due; whether another one follows at once.

        Raises:
            StoreUnavailableError: the walk goes on from here the next time.
        """
        if not self._is_sweeping and not self._is_trimming:
            if self._clock.monotonic_s() < self._due_s:
                return False
            self._is_sweeping = self._is_trimming = True
            self._due_s = self._clock.monotonic_s() + SWEEP_EVERY_S
        terms, now_s = self._terms, self._clock.now_s()
        if self._is_sweeping:
            database = self._store.database
            self._cursor = sweep_step(database, self._cursor, now_s, terms.windows_s, OTHER_WINDOW_S)
            self._is_sweeping = self._cursor is not None
        else:
            self._is_trimming = trim_events_step(self._store.database, now_s, terms.event_age_max_s, terms.events_max)
        return self._is_sweeping or self._is_trimming
