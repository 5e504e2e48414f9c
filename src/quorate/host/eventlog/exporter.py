"""Hands the log on, for as long as the host runs: from a remembered place, in order, at least once.

It reads what is committed, never what is about to be, and no answer ever waits for it. What a target takes is
remembered in the database; a target that is away gets all of it when it is back, as far as the log still keeps it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from quorate.clock import Clock
from quorate.core.events import ExportChanged, HostEvent
from quorate.errors import EventExportError, QuorateError
from quorate.host.eventlog.formats import Exported
from quorate.host.eventlog.reader import head_number, read_on
from quorate.host.eventlog.targets import Target
from quorate.host.store.store import Store

__all__ = ["Exporter", "Place"]

AT_ONCE: Final = 1000  # events in memory; some 600 KB
LOOK_S: Final = 1.0
RETRY_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)  # after so many failures in a row; then once a minute
EVENT_EVERY_S: Final = 600.0  # a target that comes and goes fills no log
DRAIN_ROUNDS: Final = 20  # at a stop: what came in the last seconds, not a backlog


class Place(msgspec.Struct, frozen=True):
    """How far a target is: the last event, and the last checkpoint, that it has taken."""

    event: int
    checkpoint: int


class Exporter:
    """One target's thread.

    Args:
        name: as people know the target; the place is remembered under it.
        record_event: takes event 12317, from this thread.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Target],
        store: Store,
        clock: Clock,
        record_event: Callable[[HostEvent], object],
    ) -> None:
        self.name = name
        self._target = make()
        self._store = store
        self._clock = clock
        self._record = record_event
        self._log = structlog.get_logger("quorate.host.export")
        self._stopping = threading.Event()
        self._is_abandoned = self._is_dropped = False
        self._failures = 0
        self._told_s: float | None = None
        self._is_told_failing = False
        self._place: Place | None = None
        self.fault: str | None = None
        """Why it does not go on just now; None while it does."""
        self._thread = threading.Thread(target=self._run, name="quorate-export", daemon=True)

    def start(self) -> None:
        """Begin; where this target was not known before, with the newest event."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Let it hand on what was written last, and end; `join` waits for it."""
        self._stopping.set()

    def drop(self) -> None:
        """As `ask_to_stop`, and the place is forgotten: should the target be wanted again, it begins anew."""
        self._is_dropped = True
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; whether it came in time. From here on it leaves the store alone."""
        self._thread.join(timeout_s)
        self._is_abandoned = True
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    @property
    def _key(self) -> str:
        return f"export-place:{self.name}"

    # --- in the thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                goes_on = self._round()
                pause_s = RETRY_S[min(self._failures, len(RETRY_S)) - 1] if self._failures else LOOK_S
                if not goes_on:
                    self._stopping.wait(pause_s)
            for _ in range(DRAIN_ROUNDS):
                if not self._round():
                    break
            if self._is_dropped:
                self._store.clear_setting(self._key)
        except QuorateError:
            self._log.warning("export_place_not_forgotten", target=self.name)
        finally:
            self._target.close()

    def _round(self) -> bool:
        """One step; whether the next follows at once. Never raises: clients are served, whatever becomes of this."""
        if self._is_abandoned:
            return False
        try:
            return self._step()
        except QuorateError as fault:  # the store: the writer tells it as well
            self._failed(fault.message)
        except OSError as fault:
            self._failed(fault.strerror or str(fault) or type(fault).__name__)
        except Exception:  # noqa: BLE001  (as above)
            self._log.exception("export_failed", target=self.name)
            self._failed("a mistake of ours, see the log")
        return False

    def _step(self) -> bool:
        place = self._place = self._place or self._remembered()
        given, after, gone = read_on(self._store.database, place.event, place.checkpoint, AT_ONCE)
        if gone is not None:
            self._log.warning("events_not_exported", target=self.name, first=gone[0], last=gone[1])
            self._note(f"events {gone[0]} to {gone[1]} were removed before they could be handed on")
        if given:
            self._target.send(given)
        if (after.event, after.checkpoint) != (place.event, place.checkpoint):
            self._place = Place(after.event, after.checkpoint)
            self._store.set_setting(self._key, msgspec.to_builtins(self._place))
        self._works()
        return _events_in(given) == AT_ONCE

    def _remembered(self) -> Place:
        stored = self._store.settings().get(self._key)
        if stored is not None:
            try:
                return msgspec.convert(stored, Place)
            except msgspec.ValidationError:
                self._log.warning("export_place_unknown", target=self.name)
        newest = head_number(self._store.database)
        before = max(newest - 1, 0)  # the newest goes out at once: whoever has set a target sees whether it works
        place = Place(before, before)
        self._store.set_setting(self._key, msgspec.to_builtins(place))
        return place

    def _failed(self, reason: str) -> None:
        self._target.close()
        self._failures += 1
        number = (self._place.event if self._place else 0) + 1
        error = EventExportError(target=self.name, reason=reason, number=number)
        if self.fault is None:
            self._log.error("export_failed", target=self.name, reason=reason, hint=error.hint)
        self.fault = error.message
        if not self._is_told_failing and self._may_tell():
            self._is_told_failing = True
            self._note(error.message, error.code)

    def _works(self) -> None:
        if self.fault is not None:
            self._log.info("export_works_again", target=self.name)
        self.fault, self._failures = None, 0
        if self._is_told_failing and self._may_tell():
            self._is_told_failing = False
            self._note("events are handed on again")

    def _may_tell(self) -> bool:
        now_s = self._clock.monotonic_s()
        if self._told_s is not None and now_s - self._told_s < EVENT_EVERY_S:
            return False
        self._told_s = now_s
        return True

    def _note(self, message: str, code: str | None = None) -> None:
        if not self._is_abandoned:
            self._record(ExportChanged(time_s=self._clock.now_s(), code=code, target=self.name, message=message))


def _events_in(given: list[Exported]) -> int:
    return sum("id" in each.view for each in given)
