"""`config check`, `show` and `example` of any role: what they say, and how."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from quorate.cli.output import EXIT_FAILED, Output
from quorate.core.configfile import Checked, FileSetting, example_file

__all__ = ["SHOW_COLUMNS", "say_checked", "say_example", "say_no_file"]

MACHINE_FOLDER = Path("/etc/quorate")
SHOW_COLUMNS = {"name": "SETTING", "value": "VALUE", "source": "FROM", "where": "WHERE"}


def say_checked(output: Output, file: Path, checked: Checked, notes: Sequence[str] = ()) -> None:
    """Every problem with its line, the nearest name and what is allowed; ends with 1 when there is one."""
    notes = [*notes, *_mode_notes(file)]
    problems = [
        {"line": flaw.line, "column": flaw.column, "name": flaw.name, "reason": flaw.reason, "allowed": flaw.allowed}
        for flaw in checked.flaws
    ]
    if output.as_json:
        facts: dict[str, Any] = {"file": str(file), "ok": not problems, "settings": sorted(checked.values)}
        output.facts({**facts, "problems": problems, "notes": list(notes)})
    else:
        for flaw in checked.flaws:
            place = ":".join(str(part) for part in (file, flaw.line, flaw.column) if part is not None)
            print(f"{place}: {flaw}\n    {flaw.allowed}")
        for note in notes:
            output.say(f"note: {note}")
        number = len(problems)
        good = len(checked.values)
        words = "1 problem" if number == 1 else f"{number} problems"
        output.say(f"{file}: {words}." if number else f"{file} is good: {good} setting{'' if good == 1 else 's'}.")
    if problems:
        raise typer.Exit(EXIT_FAILED)


def _mode_notes(file: Path) -> Iterator[str]:
    """What its mode means for it: who may change it rules the host, and the service's user must read it."""
    mode = file.stat().st_mode
    if not stat.S_ISREG(mode):  # a pipe, as of `<(...)`, has no mode worth looking at
        return
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield f"others may change {file}: chmod go-w {file}"
    if file.absolute().parent == MACHINE_FOLDER and not mode & stat.S_IROTH:
        yield f"a service's own user cannot read {file}: chmod o+r {file}"


def say_no_file(output: Output, file: Path | None, example: str) -> None:
    """That there is nothing to check, which is no mistake."""
    if output.as_json:
        shown = None if file is None else str(file)
        output.facts({"file": shown, "ok": True, "settings": [], "problems": [], "notes": ["there is no such file"]})
    where = "no configuration file belongs to this state folder; name one" if file is None else f"there is no {file}"
    output.say(f"{where}. A first one: `{example}`")


def say_example(output: Output, title: str, settings: Mapping[str, FileSetting]) -> None:
    """The whole commented file; with --json its settings, one object each."""
    if not output.as_json:
        print(example_file(title, settings), end="")
        return
    for each in settings.values():
        output.facts(
            {
                "name": each.name,
                "default": each.default == "on" if each.is_switch else each.default,
                "allowed": each.allowed,
                "meaning": each.meaning,
                "variable": each.variable,
            }
        )
