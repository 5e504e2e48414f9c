"""The certain time of one host (`core.certaintime`), as it runs: kept in its database, confirmed by its machines.

Where a database has none yet, its newest event is the last that is certain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog

from quorate.clock import Clock
from quorate.core.certaintime import TOLERANCE_S, CertainTime
from quorate.core.events import ClockUnconfirmed
from quorate.core.policy import DAY_S, HOUR_S
from quorate.core.trust import utc_text
from quorate.errors import ClockUnconfirmedError
from quorate.host.store.store import Store
from quorate.host.store.transaction import transaction

__all__ = ["CERTAIN_ROW", "ClockWatch", "clock_fault"]

CERTAIN_ROW: Final = "certain-time"
KEEP_EVERY_S: Final = 300.0  # so much of the time that a host ran is not certain any more after a crash
_NEWEST: Final = 100  # events looked at where no certain time is kept


class _Kept(msgspec.Struct, frozen=True):
    time: CertainTime
    is_told: bool = False


class ClockWatch:
    """Follows the clock of a running host. Its thread is the writer's.

    Attributes:
        fault: what is wrong with the clock, in a sentence; None while it is confirmed. From any thread.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._log = structlog.get_logger("quorate.host.clock")
        stored, now_s = _kept_in(store.settings()), clock.now_s()
        kept = _Kept(CertainTime(_newest_event_s(store, now_s))) if stored is None else stored
        self._time, self._since_s = kept.time.resumed(now_s), clock.monotonic_s()
        self._is_told = kept.is_told
        self._keep_due_s = self._since_s
        self.fault: str | None = None
        store.on_witnesses = self._heard
        self._looked(now_s)

    def step(self) -> None:
        """Look at the clock; write down what has changed. Short.

        Raises:
            StoreUnavailableError: nothing was written; the next step tries again.
        """
        now_s = self._look()
        is_doubtful = self._time.is_doubtful(now_s)
        if is_doubtful is not self._is_told:
            self._tell(now_s, is_doubtful)
        elif self._clock.monotonic_s() >= self._keep_due_s:
            self.keep()

    def keep(self) -> None:
        """Write down what is certain now; raises as `step`."""
        self._look()
        self._store.set_setting(CERTAIN_ROW, _Kept(self._time, self._is_told))
        self._keep_due_s = self._clock.monotonic_s() + KEEP_EVERY_S

    def deletes_at_s(self) -> int:
        """The time by which something may be old enough to be deleted."""
        now_s = self._look()
        return self._time.deletes_at_s(now_s)

    def is_confirmed(self) -> bool:
        """Whether the clock agrees with what is certain, within the clock tolerance."""
        now_s = self._look()
        return abs(now_s - self._time.certain_s) <= TOLERANCE_S

    def _look(self) -> int:
        now_s, at_s = self._clock.now_s(), self._clock.monotonic_s()
        passed_s = int(max(at_s - self._since_s, 0))
        self._time = self._time.ran(passed_s, now_s)
        self._since_s = min(self._since_s + passed_s, at_s)  # what is less than a second counts the next time
        self._looked(now_s)
        return now_s

    def _heard(self, machines: list[str]) -> None:
        now_s = self._look()
        self._time = self._time.heard(machines, now_s)
        self._looked(now_s)

    def _looked(self, now_s: int) -> None:
        self._store.wants_witnesses = self._time.needs_witnesses(now_s)
        is_doubtful = self._time.is_doubtful(now_s)
        self.fault = _fault_of(self._time, now_s).message if is_doubtful else None

    def _tell(self, now_s: int, is_doubtful: bool) -> None:
        """Event 12319, once for each change, and what is certain with it."""
        fault = _fault_of(self._time, now_s) if is_doubtful else None
        message = f"the clock is confirmed: {utc_text(now_s)}" if fault is None else fault.message
        with transaction(self._store.database) as within:
            within.record(
                ClockUnconfirmed(
                    time_s=now_s,
                    code=None if fault is None else fault.code,
                    certain_s=self._time.certain_s,
                    message=message,
                )
            )
            within.change_settings({CERTAIN_ROW: _Kept(self._time, is_doubtful)})
        self._is_told = is_doubtful
        if fault is None:
            self._log.info("clock_confirmed", message=message)
        else:
            self._log.warning("clock_unconfirmed", code=fault.code, message=message, hint=fault.hint)


def clock_fault(stored: Mapping[str, Any], now_s: int) -> ClockUnconfirmedError | None:
    """What is wrong with the clock, for commands: from the settings that a running host has written."""
    kept = _kept_in(stored)
    if kept is None:
        return None
    time = kept.time.resumed(now_s)
    return _fault_of(time, now_s) if time.is_doubtful(now_s) else None


def _fault_of(time: CertainTime, now_s: int) -> ClockUnconfirmedError:
    away_s = now_s - time.certain_s
    days, hours = abs(away_s) // DAY_S, abs(away_s) // HOUR_S
    return ClockUnconfirmedError(
        now=utc_text(now_s),
        far=f"{days} days" if days > 1 else f"{hours} hours",
        way="ahead of" if away_s > 0 else "behind",
        certain=utc_text(time.certain_s),
    )


def _kept_in(stored: Mapping[str, Any]) -> _Kept | None:
    """What a newer version wrote, or a hand spoiled, is nothing."""
    try:
        return msgspec.convert(stored[CERTAIN_ROW], _Kept)
    except (KeyError, msgspec.ValidationError):
        return None


def _newest_event_s(store: Store, now_s: int) -> int:
    return max((stored.event.time_s for stored in store.reports.events(limit=_NEWEST)), default=now_s)
