"""Telling in the event log that a count is going to fall below its threshold: event 12314, once for each change.

A running host looks once a day. Reading a million records takes a second or more, so it is done on a thread and a
connection of its own, and only what came of it is written, between two batches. What was told last is kept beside the
event, in the same transaction: a restart repeats nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import msgspec
import structlog

from quorate.clock import Clock
from quorate.core.documents import ProductFile
from quorate.core.events import CountFalling
from quorate.core.policy import DAY_S, MachineClass
from quorate.errors import CountInsufficientError, CountWillFallError, QuorateError
from quorate.host.forecast.forecast import (
    CountOf,
    Forecast,
    ThresholdForecast,
    forecast,
    soft_words,
)
from quorate.host.settings.settings import Settings
from quorate.host.store.store import Store
from quorate.host.store.transaction import Transaction, transaction

__all__ = ["TOLD_ROW", "FallingWatch", "Start", "counts_of", "falling", "news", "on_a_thread", "remembered"]

EVERY_S: Final = float(DAY_S)  # a forecast in days; a second of CPU at a million records
AGAIN_S: Final = 3600.0  # after the records could not be read
MOVED_DAYS: Final = 2  # a day that moves by no more is no news: laptops come and go
END_S: Final = 5.0  # what a stop waits for a look that is under way
TOLD_ROW: Final = "forecast-told"


def counts_of(products: Iterable[ProductFile]) -> list[CountOf]:
    """One count for each group and class that has an edition; of several products' thresholds the highest."""
    found: dict[tuple[str, MachineClass], CountOf] = {}
    for product in products:
        for machine_class in sorted({edition.machine_class for edition in product.editions}):
            threshold = product.policy.thresholds.of(machine_class)
            known = found.get((product.group, machine_class))
            if known is None or known.threshold.minimum < threshold.minimum:
                found[product.group, machine_class] = CountOf(
                    group=product.group,
                    machine_class=machine_class,
                    threshold=threshold,
                    window_s=product.policy.count_window_s,
                )
    return list(found.values())


def falling(shown: Forecast) -> tuple[CountWillFallError, ...]:
    """One warning, with what to do, for each count that falls below its threshold within the days looked at."""
    found = (_warning(each, classes) for each, classes in _counts(shown))
    return tuple(warning for warning in found if warning is not None)


def news(shown: Forecast, told: Mapping[str, str]) -> list[CountFalling]:
    """The events that are due: a count will fall, its day has moved by more than `MOVED_DAYS`, it has fallen, or all is
    well again.

    Args:
        told: by group and class what was told last, as `remembered` makes it.
    """
    found = []
    for each, classes in _counts(shown):
        event = _event(each, classes, told.get(_key(each.group, classes), ""), shown.time_s)
        if event is not None:
            found.append(event)
    return found


def remembered(told: Mapping[str, str], events: Iterable[CountFalling]) -> dict[str, str]:
    """What was told, after these events: the day, `fallen`, or nothing once all is well."""
    now = {**told}
    for event in events:
        key = _key(event.group, event.machine_classes)
        if event.code == CountInsufficientError.code:
            now[key] = _FALLEN
        elif event.falls_on is not None:
            now[key] = event.falls_on
        else:
            now.pop(key, None)
    return now


_FALLEN: Final = "fallen"


def _key(group: str, classes: Iterable[str]) -> str:
    return " ".join((group, *classes))


def _counts(shown: Forecast) -> Iterable[tuple[ThresholdForecast, tuple[str, ...]]]:
    """Each count once, with the classes whose threshold it is: most often clients and ephemerals share one."""
    found: dict[tuple[Any, ...], list[ThresholdForecast]] = {}
    for each in shown.thresholds:
        found.setdefault((each.group, each.counted, each.threshold, each.window_s), []).append(each)
    return [(alike[0], tuple(each.machine_class.value for each in alike)) for alike in found.values()]


def _warning(each: ThresholdForecast, classes: tuple[str, ...]) -> CountWillFallError | None:
    ahead = each.if_silent_stay_silent
    if ahead.falls_on is None or ahead.falls_in_days is None:
        return None
    return CountWillFallError(
        group=each.group,
        machines=_machines(classes),
        count=each.count,
        threshold=each.threshold,
        day=ahead.falls_on,
        days=ahead.falls_in_days,
        lapsing=_lapsing(each, ahead.falls_on),
        short=ahead.short,
    )


def _lapsing(each: ThresholdForecast, day: str) -> int:
    return sum(lapse.records for lapse in each.if_silent_stay_silent.lapses if lapse.day <= day)


def _machines(classes: tuple[str, ...]) -> str:
    return " and ".join(f"{each}s" for each in classes)


def _event(each: ThresholdForecast, classes: tuple[str, ...], told: str, now_s: int) -> CountFalling | None:
    ahead, warning = each.if_silent_stay_silent, _warning(each, classes)
    where = f"the threshold of {each.threshold} for {_machines(classes)}"
    fault: QuorateError | None = warning
    if warning is not None:
        if told not in ("", _FALLEN) and _days_between(told, ahead.falls_on or "") <= MOVED_DAYS:
            return None
        message, hint = warning.message, warning.hint + _softly(each)
    elif not told or (told == _FALLEN and not each.is_met):
        return None
    elif each.is_met:
        message, hint = f"{each.group}: the count of {each.count} no longer falls below {where}", ""
    else:
        fault = CountInsufficientError(count=each.count, threshold=each.threshold, window_days=each.window_s // DAY_S)
        message = f"{each.group}: the count has fallen to {each.count}, below {where}"
        hint = "Machines are refused until more are heard; `quorate host forecast` lists the silent ones." + _softly(
            each
        )
    return CountFalling(
        time_s=now_s,
        code=None if fault is None else fault.code,
        hresult=0 if fault is None else fault.hresult or 0,
        group=each.group,
        machine_classes=classes,
        threshold=each.threshold,
        count=each.count,
        falls_on=ahead.falls_on,
        falls_in_days=ahead.falls_in_days,
        lapsing=0 if ahead.falls_on is None else _lapsing(each, ahead.falls_on),
        lowest=ahead.lowest,
        message=message,
        hint=hint,
    )


def _softly(each: ThresholdForecast) -> str:
    return "" if each.soft_minimum is None else f" By the publisher's soft threshold, {soft_words(each)}."


def _days_between(one: str, other: str) -> int:
    return abs((date.fromisoformat(one) - date.fromisoformat(other)).days)


Start = Callable[[Callable[[], None]], threading.Thread | None]
"""How work is begun; the thread that does it, None when it is done."""


@dataclass(frozen=True)
class _Terms:
    counts: list[CountOf]
    renewal_interval_s: int


class FallingWatch:
    """`step` from the writer's thread only, `adopt` from any.

    Args:
        start: begins work that takes seconds, and returns at once (`on_a_thread`); a world without threads does it.
    """

    def __init__(self, store: Store, clock: Clock, start: Start) -> None:
        self._store = store
        self._clock = clock
        self._start = start
        self._log = structlog.get_logger("quorate.host.forecast")
        self._terms = _Terms([], 0)
        self._thread: threading.Thread | None = None
        self._found: Forecast | None = None
        self._due_s = clock.monotonic_s()
        self.on_news: Callable[[CountFalling], object] = _ignore
        """Told each event, once it is on disk."""

    def adopt(self, products: tuple[ProductFile, ...], settings: Settings) -> None:
        """Look at these from the next time on."""
        self._terms = _Terms(counts_of(products), settings.renewal_interval_min * 60)

    def step(self) -> None:
        """Write down what the last look found, and begin one when it is due; short in any case.

        Raises:
            StoreUnavailableError: nothing was written; the next step tries again.
        """
        self._write_down()  # first: then there is never more than one look, under way or to be told
        if self._clock.monotonic_s() >= self._due_s and (self._thread is None or not self._thread.is_alive()):
            self._due_s = self._clock.monotonic_s() + EVERY_S
            self._thread = self._start(self._look)
            if self._thread is None:  # it is done already
                self._write_down()

    def end(self) -> None:
        """Wait for a look that is under way, for `END_S` at most, and write down what it found: the database is closed
        next. Raises as `step`."""
        if self._thread is not None:
            self._thread.join(END_S)
        self._write_down()

    def _write_down(self) -> None:
        found = self._found
        if found is not None:
            self._tell(found)
            self._found = None  # only now: a store that fails keeps it waiting

    def _look(self) -> None:
        terms, now_s = self._terms, self._clock.now_s()
        try:
            self._found = forecast(self._store.reports, terms.counts, terms.renewal_interval_s, now_s, silent_rows=0)
        except QuorateError as fault:  # a store in trouble; the writer tells that
            self._due_s = min(self._due_s, self._clock.monotonic_s() + AGAIN_S)
            self._log.warning("no_forecast", code=fault.code, message=fault.message)
        except Exception:  # noqa: BLE001  (a host serves its clients, whatever becomes of the forecast)
            self._log.exception("no_forecast")

    def _tell(self, found: Forecast) -> None:
        if not news(found, _told(self._store.settings())):
            return
        with transaction(self._store.database) as within:
            events = self._write(found, within)
        for event in events:
            say = self._log.info if event.code is None else self._log.warning
            say("count_forecast", code=event.code, message=event.message, hint=event.hint)
            self.on_news(event)

    def _write(self, found: Forecast, within: Transaction) -> list[CountFalling]:
        told = _told(within.settings())
        events = news(found, told)
        for event in events:
            within.record(event)
        within.change_settings({TOLD_ROW: remembered(told, events) or None})
        return events


def _ignore(_: CountFalling) -> None:
    """Nobody wants to know."""


def on_a_thread(work: Callable[[], None]) -> threading.Thread:
    """Begin it on a thread of its own, which a process does not wait for at its end."""
    thread = threading.Thread(target=work, name="quorate-forecast", daemon=True)
    thread.start()
    return thread


def _told(stored: Mapping[str, Any]) -> dict[str, str]:
    """What a newer version wrote, or a hand spoiled, is nothing: the worst that follows is one event more."""
    try:
        told = msgspec.convert(stored.get(TOLD_ROW) or {}, dict[str, str])
        for day in told.values():
            if day != _FALLEN:
                date.fromisoformat(day)
    except (msgspec.ValidationError, ValueError):
        return {}
    return told
