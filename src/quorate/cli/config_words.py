"""`config check`, `show` and `example` of any role: what they say, and how."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from quorate.cli.output import EXIT_FAILED, Output
from quorate.core.configfile import Checked, FileSetting, Flaw, example_file

__all__ = ["SHOW_COLUMNS", "say_checked", "say_example", "say_no_file"]

MACHINE_FOLDER = Path("/etc/quorate")
SHOW_COLUMNS = {"name": "SETTING", "value": "VALUE", "source": "FROM", "where": "WHERE"}


def say_checked(
    output: Output, file: Path, checked: Checked, notes: Sequence[str] = (), variables: Sequence[Flaw] = ()
) -> None:
    """Every problem with its line, the nearest name and what is allowed; ends with 1 when there is one.

    Args:
        variables: what is wrong with the environment.
    """
    notes = [*notes, *_mode_notes(file)]
    problems = [_facts(flaw) for flaw in (*checked.flaws, *variables)]
    if output.as_json:
        facts: dict[str, Any] = {"file": str(file), "ok": not problems, "settings": sorted(checked.values)}
        output.show({**facts, "problems": problems, "notes": list(notes)})
    else:
        for flaw in checked.flaws:
            place = ":".join(str(part) for part in (file, flaw.line, flaw.column) if part is not None)
            print(f"{place}: {flaw}\n    {flaw.allowed}")
        _print_variables(variables)
        for note in notes:
            output.say(f"note: {note}")
        number, good = len(checked.flaws), len(checked.values)
        words = _problems(number) if number else f" is good: {good} setting{'' if good == 1 else 's'}"
        output.say(f"{file}{words}.")
        _say_variables(output, variables)
    if problems:
        raise typer.Exit(EXIT_FAILED)


def _facts(flaw: Flaw) -> dict[str, Any]:
    return {
        "line": flaw.line,
        "column": flaw.column,
        "name": flaw.name,
        "reason": flaw.reason,
        "allowed": flaw.allowed,
    }


def _problems(number: int) -> str:
    return ": 1 problem" if number == 1 else f": {number} problems"


def _print_variables(variables: Sequence[Flaw]) -> None:
    for flaw in variables:
        print(f"environment: {flaw}\n    {flaw.allowed}")


def _say_variables(output: Output, variables: Sequence[Flaw]) -> None:
    if variables:
        output.say(f"environment{_problems(len(variables))}.")


def _mode_notes(file: Path) -> Iterator[str]:
    """What its mode means for it: who may change it rules the host, and the service's user must read it."""
    mode = file.stat().st_mode
    if not stat.S_ISREG(mode):  # a pipe, as of `<(...)`, has no mode worth looking at
        return
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield f"others may change {file}: chmod go-w {file}"
    if file.absolute().parent == MACHINE_FOLDER and not mode & stat.S_IROTH:
        yield f"a service's own user cannot read {file}: chmod o+r {file}"


def say_no_file(output: Output, file: Path | None, example: str, variables: Sequence[Flaw] = ()) -> None:
    """That there is no file to check, which is no mistake; ends with 1 when something is wrong with the environment."""
    if output.as_json:
        facts: dict[str, Any] = {"file": None if file is None else str(file), "ok": not variables, "settings": []}
        problems = [_facts(flaw) for flaw in variables]
        output.show({**facts, "problems": problems, "notes": ["there is no such file"]})
    else:
        _print_variables(variables)
    where = "no configuration file belongs to this state folder; name one" if file is None else f"there is no {file}"
    output.say(f"{where}. A first one: `{example}`")
    if variables:
        if not output.as_json:
            _say_variables(output, variables)
        raise typer.Exit(EXIT_FAILED)


def say_example(output: Output, title: str, settings: Mapping[str, FileSetting]) -> None:
    """The whole commented file; with --json its settings, one object each."""
    if not output.as_json:
        print(example_file(title, settings), end="")
        return
    for each in settings.values():
        output.show(
            {
                "name": each.name,
                "default": each.default == "on" if each.is_switch else each.default,
                "allowed": each.allowed,
                "meaning": each.meaning,
                "variable": each.variable,
            }
        )
