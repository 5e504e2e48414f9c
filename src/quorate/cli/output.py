"""How commands speak: data to stdout (tables for people, one JSON object with `--json`), words to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from quorate.errors import AccessDeniedError, QuorateError, RefusedError, StoreUnavailableError, written_out

__all__ = ["ConfigFile", "JsonFlag", "Output", "StateDir", "exit_code", "report"]

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

EXIT_FAILED, EXIT_REFUSED = 1, 3
PIPE_WIDTH = 1000
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
        # Into a pipe or a file a row is one line, however long: `quorate host clients | grep PC7`.
        self._data = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)

    def say(self, words: str) -> None:
        """A sentence to the person; never data."""
        self._words.print(words, markup=False)

    def facts(self, facts: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> None:
        """One object: as JSON, or as `label: value` lines (`labels` chooses and names what people see)."""
        if self.as_json:
            print(json.dumps(facts, ensure_ascii=False), flush=True)
            return
        shown = labels if labels is not None else {name: name.replace("_", " ") for name in facts}
        width = max((len(label) for label in shown.values()), default=0)
        for name, label in shown.items():
            if name in facts:
                print(f"{label + ':':<{width + 1}} {_plain(facts[name])}")

    def rows(self, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
        """A list: one JSON object per line, or a table with the given columns."""
        if self.as_json:
            for row in rows:
                print(json.dumps(row, ensure_ascii=False), flush=True)
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in columns.values():
            table.add_column(title, overflow="fold")
        for row in rows:
            # As `Text`: a machine that calls itself "[red]" must not be read as markup.
            table.add_row(*(Text(_plain(row.get(name))) for name in columns))
        self._data.print(table)


def report(error: QuorateError, as_json: bool) -> None:
    """An error, told once: `error:` and `hint:` on stderr; with `--json` also as an object on stdout."""
    if as_json:
        print(
            json.dumps(
                {"error": error.code, "hresult": error.hresult_text, "message": error.message, "hint": error.hint}
            )
        )
    sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n")


def exit_code(error: QuorateError) -> int:
    """3 when a host refused, 1 when something failed: also this host's own store, which no other machine told us of."""
    is_own_store = isinstance(error, StoreUnavailableError) and bool(error.values)
    return EXIT_REFUSED if isinstance(error, RefusedError) and not is_own_store else EXIT_FAILED


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_plain(each) for each in value)
    return written_out(str(value))
