"""`quorate host forecast`: on which day the count falls below a threshold, if the silent machines stay silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from quorate.cli.output import JsonFlag, Output, StateDir
from quorate.core.trust import utc_text
from quorate.core.words import counted
from quorate.host.administration import Administration
from quorate.host.forecast import DAYS, DAYS_MAX, MACHINES_MAX, Forecast, Outlook, ThresholdForecast, soft_words

__all__ = ["forecast_command", "forecast_lines"]

LAPSES_SHOWN = 10  # days; all of them are in the JSON
_COLUMNS = {
    "machine": "MACHINE", "class": "CLASS", "group": "GROUP", "last_heard": "LAST HEARD (UTC)",
    "lapses_on": "LAPSES ON", "address": "ADDRESS",
}  # fmt: skip


def forecast_command(open_host: Callable[[Path | None], Administration]) -> Callable[..., None]:
    """The command, to be added to `quorate host` as `forecast`."""

    def forecast(
        days: Annotated[int, typer.Option("--days", min=1, max=DAYS_MAX, help="How many days to look ahead.")] = DAYS,
        retire: Annotated[
            int,
            typer.Option(
                "--retire",
                min=0,
                max=MACHINES_MAX,
                help="What if this many machines, still heard from, left today?",
            ),
        ] = 0,
        add: Annotated[
            int, typer.Option("--add", min=0, max=MACHINES_MAX, help="What if this many new machines came today?")
        ] = 0,
        folder: StateDir = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Tell on which day the count falls below a threshold, if the machines that have gone silent stay silent."""
        output = Output(as_json)
        with open_host(folder) as host:
            shown = host.forecast(days, retire, add)
        if as_json:
            output.show(msgspec.to_builtins(shown))
            return
        for line in forecast_lines(shown):
            print(line)
        if shown.silent_machines:
            print("\nSilent machines, the first to lapse first")
            output.rows(map(_row, msgspec.to_builtins(shown.silent_machines)), _COLUMNS)
        for note in shown.notes:
            output.say(f"note: {note}")

    return forecast


def forecast_lines(shown: Forecast) -> Iterator[str]:
    """All but the list of machines, line by line."""
    yield f"Forecast of {utc_text(shown.time_s)} for {counted(shown.days, 'day')}"
    yield f"Silent: {shown.silent_means}."
    for each in shown.thresholds:
        yield ""
        yield from _threshold(each, shown)


def _threshold(each: ThresholdForecast, shown: Forecast) -> Iterator[str]:
    counted = " and ".join(f"{name.value}s" for name in each.counted)
    yield f"{each.group} {each.machine_class.value}: {each.count} of {each.threshold} (counting {counted})"
    ahead = each.if_silent_stay_silent
    yield f"    if the silent stay silent ({_machines(each.silent, '')}): {_verdict(ahead, each)}"
    if each.soft_minimum is not None and ahead.lowest < each.threshold:
        yield f"    soft threshold: {soft_words(each)}"
    for lapse in ahead.lapses[:LAPSES_SHOWN]:
        yield f"        {lapse.day}: {lapse.records} fewer, count {lapse.count}"
    if len(ahead.lapses) > LAPSES_SHOWN:
        yield f"        and {len(ahead.lapses) - LAPSES_SHOWN} more days (--json has all)"
    if each.what_if is not None:
        changes = [f"{_machines(shown.retire, 'more ')} never asked again"] if shown.retire else []
        changes += [f"{_machines(shown.add, 'new ')} came today"] if shown.add else []
        yield f"    and if {' and '.join(changes)}: {_verdict(each.what_if, each)}"
    if each.confidence is not None:
        yield (
            f"    confidence {each.confidence:.0%}: {each.prompt} of {each.count} were heard within one renewal "
            f"interval, {each.late} are late, {each.silent} silent"
        )


def _verdict(ahead: Outlook, each: ThresholdForecast) -> str:
    short = f"{ahead.lowest} in the end, {_machines(ahead.short, '')} short"
    if ahead.falls_on is not None:
        return f"BELOW {each.threshold} ON {ahead.falls_on}, in {counted(ahead.falls_in_days or 0, 'day')}; {short}"
    if ahead.count < each.threshold:
        return f"below {each.threshold} already; {short}"
    return f"stays at or above {each.threshold}; {ahead.lowest} in the end"


def _machines(number: int, kind: str) -> str:
    return f"{number} {kind}{'machine' if number == 1 else 'machines'}"


def _row(machine: dict[str, Any]) -> dict[str, Any]:
    return {**machine, "last_heard": utc_text(machine["last_heard_s"])[:16]}
