"""`quorate host events`: the event log shown, followed, verified, and vouched for."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from quorate.cli.hostopen import host_paths
from quorate.cli.output import JsonFlag, Output, StateDir
from quorate.cli.paging import page_rows, row_progress
from quorate.cli.progress import Progress, progress
from quorate.cli.streams import has_reader
from quorate.cli.table import Column
from quorate.clock import SystemClock, SystemEntropy
from quorate.core.trust import utc_text
from quorate.files import write_new
from quorate.host.administration import Administration
from quorate.host.eventlog import broken, checkpoint_event_log, verify_event_log
from quorate.host.store.verify import LogVerdict

__all__ = ["events_app"]

FOLLOW_EVERY_S = 1.0
EVENTS_SHOWN = 100  # without --limit

_COLUMNS = {
    "id": Column("NUMBER", 8, 5), "time": Column("TIME (UTC)", 19), "event_id": Column("EVENT", 5, 1),
    "level": Column("LEVEL", 7, 3), "code": Column("CODE", 20, 4), "machine": Column("MACHINE", 20, 2),
    "shown_count": Column("COUNT", 10, 6), "message": Column("MESSAGE", 60, 1, is_text=True),
}  # fmt: skip

_LABELS = {
    "result": "Event log", "events": "Events", "sealed": "Vouched for", "since": "Since then", "compared": "Compared",
}  # fmt: skip


def events_app(open_host: Callable[[Path | None], Administration]) -> typer.Typer:
    """The commands, to be added to `quorate host` as `events`; without a further word they show the log."""
    app = typer.Typer(
        invoke_without_command=True,
        rich_markup_mode=None,
        epilog="Example: quorate host events --id 12290 --follow",
    )

    @app.callback()
    def events(
        context: typer.Context,
        event_id: Annotated[int | None, typer.Option("--id", help="Only this event, such as 12290.")] = None,
        limit: Annotated[
            int | None,
            typer.Option("--limit", min=1, help="Show the newest N.", show_default="100; on a terminal one page"),
        ] = None,
        show_all: Annotated[bool, typer.Option("--all", help="Show all events that are kept.")] = False,
        follow: Annotated[
            bool,
            typer.Option("--follow", allow_from_autoenv=False, help="Go on with new events until Ctrl-C."),
        ] = False,
        folder: StateDir = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Show the event log, oldest first: 12290 request, 12291 failed start, 12293 and 12294 DNS publication.

        Further on: 12310 and 12311 papers, 12312 cloned and rolled-back machines, 12313 crowded sources, 12315 who
        changed what, 12316 who sent too many wrong tokens, 12317 export. `verify` tells whether the log was changed.
        """
        context.obj = (folder, as_json)  # what stands before `verify` or `checkpoint` holds for them too
        if context.invoked_subcommand is not None:
            return
        output = Output(as_json)
        newest = None if show_all else limit or (None if as_json else page_rows()) or EVENTS_SHOWN
        with open_host(folder) as host, row_progress("Listing events", is_told=not follow) as told:
            reader = _Reader(host, event_id, told)
            with contextlib.suppress(KeyboardInterrupt):  # the ordinary end of --follow
                rows = _endless(reader, newest) if follow else reader.newest(newest)
                output.rows(rows if as_json else map(_shown, rows), _COLUMNS)
            if newest is not None and not follow and limit is None and reader.number >= newest and page_rows():
                output.say(
                    f"note: these are the newest {newest}. More: --limit N; all: quorate host events --all | less -S"
                )

    app.command("verify", epilog="Example: quorate host events verify --checkpoint monday.checkpoint")(_verify)
    app.command("checkpoint", epilog="Example: quorate host events checkpoint -o monday.checkpoint")(_checkpoint)
    return app


class _Reader:
    """Reads events on from where it was: so many it has read, and `last` is the last one in the log; 0 before."""

    def __init__(self, host: Administration, event_id: int | None, told: Progress) -> None:
        self._host, self._event_id, self._told = host, event_id, told
        self.number = self.last = 0

    def newest(self, number: int | None) -> Iterator[dict[str, Any]]:
        """The newest so many, oldest first; None: all."""
        yield from self._noted(self._host.iter_events(self._event_id, newest=number))

    def since(self) -> Iterator[dict[str, Any]]:
        """Those that were not there before."""
        yield from self._noted(self._host.iter_events(self._event_id, after_id=self.last))

    def skip_to_end(self) -> None:
        """Where none of this id was found, those that come now are meant."""
        if not self.last:
            self.last = max((row["id"] for row in self._host.events(None, None, 1)), default=0)

    def _noted(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            self.number, self.last = self.number + 1, row["id"]
            if self.number % 1000 == 0:
                self._told.told = f"{self.number:,} events"
            yield row


def _endless(reader: _Reader, newest: int | None) -> Iterator[dict[str, Any]]:
    """Until nobody reads any more, which is looked at while nothing happens as well."""
    never = threading.Event()
    yield from reader.newest(newest)
    reader.skip_to_end()
    while has_reader():
        SystemClock().wait(never, FOLLOW_EVERY_S)
        yield from reader.since()


def _verify(
    context: typer.Context,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint", metavar="FILE", help="Compare with a checkpoint that was kept elsewhere; may be repeated."
        ),
    ] = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell whether the event log is as the host wrote it: no event edited, added, removed, or out of its order.

    Exit code 1 when it is not, with the first event that is wrong. The host may run meanwhile.
    """
    folder, as_json = _before(context, folder), as_json or context.obj[1]
    output = Output(as_json)
    with progress("Verifying the event log"):
        verdict, elsewhere = verify_event_log(host_paths(folder), SystemClock(), SystemEntropy(), checkpoint or ())
    error = None if verdict.finding is None else broken(verdict.finding)
    compared = [each.number for each in elsewhere if each.number not in verdict.not_compared]
    facts = {
        "whole": verdict.finding is None,
        "log": verdict.log,
        "first": verdict.first,
        "last": verdict.last,
        "checked": verdict.checked,
        "checkpoints": verdict.checkpoints,
        "sealed_to": verdict.sealed_to,
        "sealed_s": verdict.sealed_s,
        "compared": compared,
        "not_compared": list(verdict.not_compared),
        "finding": None
        if verdict.finding is None or error is None
        else {**verdict.finding._asdict(), "hint": error.hint},
    }
    output.show(facts if as_json else _words(verdict, compared), None if as_json else _LABELS)
    for number in verdict.not_compared:
        output.say(
            f"note: the checkpoint of event {number} is older than the events that are kept: nothing to compare it with"
        )
    if error is not None:
        sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n")
        raise typer.Exit(1)


def _checkpoint(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where to write it; a new file.", show_default=False)
    ],
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Vouch for the event log as it stands now: a signed file to keep on another machine.

    `quorate host events verify --checkpoint FILE` tells later whether anything up to it was changed or cut off.
    """
    folder, as_json = _before(context, folder), as_json or context.obj[1]
    output = Output(as_json)
    token, made = checkpoint_event_log(host_paths(folder), SystemClock(), SystemEntropy())
    write_new(out, token.encode("ascii") + b"\n")
    output.facts(
        {
            "checkpoint": str(out),
            "number": made.number,
            "kept_from": made.kept_from,
            "digest": made.digest,
            "log": made.log,
            "host_id": made.host_id,
            "made_s": made.issued_s,
        },
        {"checkpoint": "Checkpoint", "number": "Vouches for all up to event", "host_id": "Host id"},
    )
    output.say("Keep it where nobody who can write on this machine can write: it proves nothing otherwise.")


def _before(context: typer.Context, folder: Path | None) -> Path | None:
    """The folder: `--state-dir` before the command's word is stronger than the variable, and weaker than after it."""
    parent = context.parent
    if parent is not None and _is_typed(parent.get_parameter_source("folder")):
        return folder if _is_typed(context.get_parameter_source("folder")) else context.obj[0]
    return folder


def _is_typed(source: Enum | None) -> bool:
    return source is not None and source.name == "COMMANDLINE"


def _words(verdict: LogVerdict, compared: list[int]) -> dict[str, Any]:
    words: dict[str, Any] = {"result": "whole" if verdict.finding is None else "NOT what this host wrote"}
    if verdict.first is None or verdict.last is None:
        words["events"] = "none yet"
    else:
        words["events"] = f"{verdict.first} to {verdict.last}, {verdict.checked} found good"
    if verdict.sealed_to is None or verdict.sealed_s is None:
        words["sealed"] = "nothing yet: there is no checkpoint; a running host makes one every hour"
    else:
        words["sealed"] = (
            f"up to event {verdict.sealed_to} by a checkpoint of {utc_text(verdict.sealed_s)}; "
            f"checkpoints kept: {verdict.checkpoints}"
        )
        if verdict.last is not None and verdict.last > verdict.sealed_to:
            words["since"] = f"{verdict.last - verdict.sealed_to} events, for which the next checkpoint will vouch"
    if compared:
        words["compared"] = "with the checkpoint of event " + ", ".join(map(str, compared))
    return words


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    count = f"{row['count']} of {row['threshold']}" if row.get("threshold") else None
    if "actor" in row:
        row = {**row, "message": f"{row['actor']} ({row['source']}): {row['message']}"}
    elif "failures" in row:
        row = {**row, "message": f"{row['failures']} wrong tokens from {row['source']}: locked for {row['locked_s']} s"}
    elif "target" in row:
        row = {**row, "message": f"{row['target']}: {row['message']}"}
    return {**row, "time": utc_text(row["time_s"]).removesuffix(" UTC"), "shown_count": count}
