"""How commands speak: data to stdout (tables for people, one JSON object with `--json`), words to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from quorate.cli.streams import has_reader, is_listening, report_is_written
from quorate.cli.table import Column, Table, plain
from quorate.errors import (
    AccessDeniedError,
    InvalidSettingError,
    QuorateError,
    RefusedError,
    StoreUnavailableError,
)

__all__ = ["ConfigFile", "JsonFlag", "Output", "StateDir", "exit_code", "json_line", "report"]

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object (lists: one per line) on stdout.")]


def _may_enter(context: typer.Context, folder: Path | None) -> Path | None:
    """The operating system decides who administers what is in a folder; it is told in our words, not in typer's."""
    if folder is None or context.resilient_parsing:
        return folder
    try:
        os.scandir(folder).close()
    except PermissionError:
        raise AccessDeniedError(path=folder, owner=_owner(folder), command=context.command_path) from None
    except OSError:  # not there yet, or no folder: the command says so
        return folder
    return folder


def _owner(folder: Path) -> str:
    """Whose it is, or that in which it is hidden."""
    for each in (folder, *folder.absolute().parents):
        with contextlib.suppress(OSError, KeyError, NotImplementedError):  # the last: there are no owners (Windows)
            return each.owner()
    return "another user"


StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        readable=False,
        callback=_may_enter,
        envvar="QUORATE_STATE_DIR",
        help="Folder of this machine's state.",
        show_default="/var/lib/quorate/ROLE as root, else the user's data folder",
    ),
]

EXIT_FAILED, EXIT_MISUSED, EXIT_REFUSED = 1, 2, 3
_LOOK_EVERY = 500  # rows of a table between two looks whether anybody still reads
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="QUORATE_CONFIG",
        help="Configuration file.",
        metavar="FILE",
        show_default="ROLE.toml in /etc/quorate as root, else in ~/.config/quorate",
    ),
]


class Output:
    """One command's voice."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._words = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, words: str) -> None:
        """A sentence to the person; never data."""
        self._words.print(words, markup=False)

    def facts(self, facts: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> None:
        """What was done, in one object; where it cannot be written, it is done all the same (`streams.ended`)."""
        report_is_written()
        self.show(facts, labels)

    def show(self, facts: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> None:
        """One object that was asked for: as JSON, or as `label: value` lines (`labels` chooses and names what people
        see)."""
        if self.as_json:
            print(json_line(facts), flush=True)
            return
        shown = labels if labels is not None else {name: name.replace("_", " ") for name in facts}
        width = max((len(label) for label in shown.values()), default=0)
        for name, label in shown.items():
            if name in facts:
                print(f"{label + ':':<{width + 1}} {plain(facts[name])}")

    def rows(self, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str | Column]) -> None:
        """A list, each row written as it is read: one JSON object per line, or a table with the given columns. It ends
        with the last row or the last reader, whichever is first."""
        if self.as_json:
            for row in rows:
                print(json_line(row), flush=True)
                if not is_listening():
                    return
            return
        table = Table(columns, sys.stdout)
        for number, line in enumerate(table.lines(rows)):
            print(line)
            if not is_listening() or (number % _LOOK_EVERY == 0 and not has_reader()):
                return
        if table.left_out:
            self.say(f"note: this terminal is too narrow for {', '.join(table.left_out)}; --json has all of it")


def json_line(value: Any) -> str:
    """One line; with `\\u` escapes where stdout's encoding does not have every letter."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("_", "-")
    return json.dumps(value, ensure_ascii=not encoding.startswith("utf"))


def report(error: QuorateError, as_json: bool) -> None:
    """An error, told once: `error:` and `hint:` on stderr; with `--json` also as an object on stdout."""
    if as_json:
        told = {"error": error.code, "hresult": error.hresult_text, "message": error.message, "hint": error.hint}
        print(json_line(told), flush=True)
    sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n")


def exit_code(error: QuorateError) -> int:
    """3 when a host refused, 2 for a value that is not allowed, 1 when something failed: also this host's own store,
    which no other machine told us of."""
    if isinstance(error, InvalidSettingError):
        return EXIT_MISUSED
    is_own_store = isinstance(error, StoreUnavailableError) and bool(error.values)
    return EXIT_REFUSED if isinstance(error, RefusedError) and not is_own_store else EXIT_FAILED
