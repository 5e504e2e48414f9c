"""On which day the count would fall below a threshold, if the machines that have gone silent stay silent.

Pure: the store counts its records by the day on which they lapse (`Reports.lapse_days`), and all the rest follows from
these numbers. S18 and S19 decide when a record lapses; whether a machine has gone for good nobody can know, so that is
the one assumption, and it is said.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from quorate.clock import Clock
from quorate.core.policy import DAY_S, MachineClass, Threshold
from quorate.core.trust import utc_text
from quorate.core.words import counted
from quorate.host.store.reports import ClientRow, LapseDay, Reports

__all__ = [
    "DAYS",
    "DAYS_MAX",
    "MACHINES_MAX",
    "SILENT_ROWS",
    "CountOf",
    "Forecast",
    "ForecastWatch",
    "Lapse",
    "Outlook",
    "SilentMachine",
    "ThresholdForecast",
    "forecast",
    "outlook",
    "patience_s",
    "soft_words",
]

DAYS: Final = 60  # two count windows: whoever is silent today has lapsed by then
DAYS_MAX: Final = 366
MACHINES_MAX: Final = 1_000_000  # for what-if: no fleet is larger
SILENT_ROWS: Final = 20
MARGIN_S: Final = 3 * DAY_S  # a weekend: a PC that was off when its renewal was due is back on Monday
REMEMBERED_S: Final = 300.0  # /readyz is asked every few seconds; a forecast in days does not change that fast


class _View(msgspec.Struct, frozen=True, kw_only=True):
    pass


class CountOf(_View, frozen=True, kw_only=True):
    """A count that matters: toward the threshold of this class, within this window."""

    group: str
    machine_class: MachineClass
    threshold: Threshold
    window_s: int


class Lapse(_View, frozen=True, kw_only=True):
    """A day (UTC) on which records lapse, and the count at its end."""

    day: str
    records: int
    count: int


class Outlook(_View, frozen=True, kw_only=True):
    """What becomes of one count.

    `count`: at the beginning. `falls_on`: the day (UTC) at whose end the count is below the threshold for the first
    time; None when it is already below, or does not fall within the days looked at. `lowest`, `short`: the count on
    the last of these days, and how many machines it is then short.
    """

    count: int
    falls_on: str | None
    falls_in_days: int | None
    lowest: int
    short: int
    lapses: tuple[Lapse, ...]


class ThresholdForecast(_View, frozen=True, kw_only=True, rename={"machine_class": "class"}):
    """The forecast of one threshold. `count` is exact, however large.

    `prompt`, `late`, `silent` make up the count: heard within the renewal interval, a little later, not for longer than
    `silent_after_s`. `confidence`: prompt as a share of the count (0 to 1; None of an empty one).
    `soft_minimum`, `soft_lasts_s`: of the publisher's soft threshold; None without one.
    """

    group: str
    machine_class: MachineClass
    counted: tuple[MachineClass, ...]
    threshold: int
    window_s: int
    silent_after_s: int
    count: int
    is_met: bool
    prompt: int
    late: int
    silent: int
    confidence: float | None
    if_silent_stay_silent: Outlook
    what_if: Outlook | None
    soft_minimum: int | None = None
    soft_lasts_s: int | None = None


class SilentMachine(_View, frozen=True, kw_only=True, rename={"machine_class": "class"}):
    """One machine that has not been heard for too long, and the day (UTC) on which its record lapses."""

    machine: str
    cmid: str
    group: str
    machine_class: MachineClass
    address: str
    last_heard_s: int
    lapses_s: int
    lapses_on: str


class Forecast(_View, frozen=True, kw_only=True):
    """All of it. `silent_machines`: of each group the first to lapse, at most `SILENT_ROWS`.

    `notes`: what makes this forecast weak. `warning`, `hint`: None when no count is going to fall.
    """

    time_s: int
    days: int
    renewal_interval_min: int
    silent_means: str
    retire: int
    add: int
    thresholds: tuple[ThresholdForecast, ...]
    silent_machines: tuple[SilentMachine, ...]
    notes: tuple[str, ...]
    warning: str | None
    hint: str | None


def patience_s(renewal_interval_s: int, window_s: int) -> int:
    """For how long a machine may not be heard before it is called silent: the renewal interval and a margin.

    The margin is three days, and at most half of what the window leaves: silence must be seen before the record
    lapses. An interval as long as the window leaves nothing, and no machine is ever silent before it is gone.
    """
    return renewal_interval_s + min(MARGIN_S, max(0, window_s - renewal_interval_s) // 2)


def outlook(
    rows: Sequence[LapseDay], threshold: Threshold, now_s: int, days: int, retire: int = 0, add: int = 0
) -> Outlook:
    """What becomes of a count when silent machines stay silent and all others go on renewing.

    Args:
        rows: the records of one group.
        retire: so many of the machines that are still heard are never heard again, the longest unheard first.
        add: so many new machines are heard today, and from then on.
    """
    counted = [row for row in rows if row.machine_class in threshold.counts]
    lapsing, left = Counter[int](), retire
    for row in sorted(counted, key=lambda row: row.day):
        gone = row.number if row.is_silent else min(left, row.number)
        left -= 0 if row.is_silent else gone
        lapsing[row.day] += gone
    start = count = sum(row.number for row in counted) + add
    today, lapses, falls = now_s // DAY_S, list[Lapse](), list[int]()
    for day in range(today, today + days + 1):
        if lapsing[day]:
            count -= lapsing[day]
            lapses.append(Lapse(day=_date(day), records=lapsing[day], count=count))
            if count < threshold.minimum <= start and not falls:
                falls.append(day)
    return Outlook(
        count=start,
        falls_on=_date(falls[0]) if falls else None,
        falls_in_days=falls[0] - today if falls else None,
        lowest=count,
        short=max(0, threshold.minimum - count),
        lapses=tuple(lapses),
    )


def forecast(
    reports: Reports,
    counts: Sequence[CountOf],
    renewal_interval_s: int,
    now_s: int,
    days: int = DAYS,
    retire: int = 0,
    add: int = 0,
    *,
    silent_rows: int = SILENT_ROWS,
) -> Forecast:
    """The forecast of these counts; reads every record once for each window, and once more for the silent machines.

    Raises:
        ValueError: `days` is not 1 to `DAYS_MAX`; `retire` or `add` not 0 to `MACHINES_MAX`.
        StoreUnavailableError: the records cannot be read.
    """
    if not (1 <= days <= DAYS_MAX and 0 <= retire <= MACHINES_MAX and 0 <= add <= MACHINES_MAX):
        raise ValueError(f"days are 1 to {DAYS_MAX}, machines 0 to {MACHINES_MAX}")
    rows: dict[int, tuple[LapseDay, ...]] = {}
    for window_s in {each.window_s for each in counts}:
        waits_s = patience_s(renewal_interval_s, window_s)
        rows[window_s] = reports.lapse_days(now_s, window_s, renewal_interval_s, waits_s, now_s // DAY_S + days)
    shown = tuple(_of(each, rows[each.window_s], renewal_interval_s, now_s, days, retire, add) for each in counts)
    warning = _warning(shown)
    return Forecast(
        time_s=now_s,
        days=days,
        renewal_interval_min=renewal_interval_s // 60,
        silent_means=_silent_means(shown, renewal_interval_s),
        retire=retire,
        add=add,
        thresholds=shown,
        silent_machines=tuple(_silent(reports, shown, now_s, silent_rows)) if silent_rows else (),
        notes=tuple(_notes(counts, renewal_interval_s)),
        warning=warning,
        hint=None if warning is None else "`quorate host forecast` lists the silent machines and the days.",
    )


class ForecastWatch:
    """The warning for those who ask often: made anew every five minutes at most. From any thread."""

    def __init__(self, make: Callable[[], Forecast], clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Forecast | None = None
        self._until_s = 0.0

    def latest(self) -> Forecast:
        """The forecast, five minutes old at most or being made by another thread; raises what making it raises."""
        known = self._known
        if not self._lock.acquire(blocking=known is None):  # never is there a queue behind a long reading
            assert known is not None, "it waits for the first one"  # noqa: S101  (our own mistake only)
            return known
        try:
            if self._known is None or self._clock.monotonic_s() >= self._until_s:
                self._known = self._make()
                self._until_s = self._clock.monotonic_s() + REMEMBERED_S
            return self._known
        finally:
            self._lock.release()


def _of(
    count: CountOf, rows: Sequence[LapseDay], renewal_s: int, now_s: int, days: int, retire: int, add: int
) -> ThresholdForecast:
    group = [row for row in rows if row.group == count.group]
    counted = [row for row in group if row.machine_class in count.threshold.counts]
    total = sum(row.number for row in counted)
    prompt = sum(row.number for row in counted if row.is_prompt)
    silent = sum(row.number for row in counted if row.is_silent)
    bent = outlook(group, count.threshold, now_s, days, retire, add) if retire or add else None
    return ThresholdForecast(
        group=count.group,
        machine_class=count.machine_class,
        counted=count.threshold.counts,
        threshold=count.threshold.minimum,
        window_s=count.window_s,
        silent_after_s=patience_s(renewal_s, count.window_s),
        count=total,
        is_met=total >= count.threshold.minimum,
        prompt=prompt,
        late=total - prompt - silent,
        silent=silent,
        confidence=round(prompt / total, 3) if total else None,
        if_silent_stay_silent=outlook(group, count.threshold, now_s, days),
        what_if=bent,
        soft_minimum=count.threshold.soft.minimum if count.threshold.soft else None,
        soft_lasts_s=count.threshold.soft.lasts_s if count.threshold.soft else None,
    )


def _silent(reports: Reports, shown: Iterable[ThresholdForecast], now_s: int, limit: int) -> Iterable[SilentMachine]:
    classes: dict[tuple[str, int, int], set[MachineClass]] = {}
    for each in shown:
        if each.silent:
            classes.setdefault((each.group, each.window_s, each.silent_after_s), set()).update(each.counted)
    for (group, window_s, waits_s), machine_classes in sorted(classes.items()):
        for row in reports.heard_between(group, sorted(machine_classes), now_s - window_s, now_s - waits_s, limit):
            yield _silent_machine(row, window_s)


def _silent_machine(row: ClientRow, window_s: int) -> SilentMachine:
    lapses_s = row.last_heard_s + window_s
    return SilentMachine(
        machine=row.machine,
        cmid=row.cmid,
        group=row.group,
        machine_class=row.machine_class,
        address=row.address,
        last_heard_s=row.last_heard_s,
        lapses_s=lapses_s,
        lapses_on=_date(lapses_s // DAY_S),
    )


def _warning(shown: Iterable[ThresholdForecast]) -> str | None:
    said = []
    for each in shown:
        ahead = each.if_silent_stay_silent
        if ahead.falls_on is not None:
            said.append(
                f"{each.group}, threshold of {each.machine_class.value}s: the count falls below {each.threshold} on "
                f"{ahead.falls_on}, in {counted(ahead.falls_in_days or 0, 'day')}, and comes down to {ahead.lowest} "
                f"if the silent stay silent ({each.silent} of {counted(each.count, 'machine')})"
                + (f"; {soft_words(each)}" if each.soft_minimum is not None else "")
            )
    return "; ".join(said) or None


def soft_words(each: ThresholdForecast) -> str:
    """What a soft threshold changes, where there is one."""
    return (
        f"activated machines go on renewing down to {each.soft_minimum}, for {_span(each.soft_lasts_s or 0)} after "
        f"their last renewal at {each.threshold}"
    )


def _silent_means(shown: Iterable[ThresholdForecast], renewal_s: int) -> str:
    waits = sorted({each.silent_after_s for each in shown})
    spans = " or ".join(_span(each) for each in waits) or _span(renewal_s)
    return f"not heard for more than {spans}: the renewal interval ({_span(renewal_s)}) and a margin"


def _notes(counts: Iterable[CountOf], renewal_s: int) -> Iterable[str]:
    for window_s in sorted({each.window_s for each in counts}):
        if renewal_s >= window_s:
            yield (
                f"the renewal interval ({_span(renewal_s)}) is not shorter than the count window ({_span(window_s)}): "
                "records lapse between two renewals, and silence cannot be seen before; "
                "`quorate host set renewal-interval 10080` mends it"
            )


def _span(seconds: int) -> str:
    return f"{seconds / DAY_S:.4g} days" if seconds != DAY_S else "1 day"


def _date(day: int) -> str:
    return utc_text(day * DAY_S)[:10]
