"""What `quorate client discover` shows: the hosts in the order of an attempt, and with `--explain` every step."""

from __future__ import annotations

import sys
from typing import Any

import typer

from quorate.cli.output import Output, exit_code
from quorate.client.discovery.survey import Discovery, Greeted

__all__ = ["show_discovery"]


def show_discovery(output: Output, discovery: Discovery, *, is_explained: bool) -> None:
    """One object for scripts, a table for people; ends with the exit code of the error when nobody would do."""
    error = discovery.error
    if output.as_json:
        output.show(
            {
                "service": discovery.service,
                "hosts": [each.json() for each in discovery.hosts],
                "steps": [step.json() for step in discovery.steps],
                "code": None if error is None else error.code,
                "message": None if error is None else error.message,
                "hint": None if error is None else error.hint,
            }
        )
    else:
        if is_explained:
            for number, step in enumerate(discovery.steps, 1):
                print(f"{number:3}. {step.text}")
            print()
        if discovery.hosts:
            output.rows([_row(each) for each in discovery.hosts], _COLUMNS)
    if error is not None:
        sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n")
        raise typer.Exit(exit_code(error))


_COLUMNS = {"host": "KMS host", "origin": "found", "address": "address", "answer": "answer"}


def _row(greeted: Greeted) -> dict[str, Any]:
    if greeted.error is None:
        version = "" if greeted.description is None else f" (version {greeted.description.version})"
        answer = f"ok{version}"
    else:
        answer = f"{greeted.error.code}: {greeted.error.message}"
    return {
        "host": str(greeted.found.target),
        "origin": greeted.origin,
        "address": list(greeted.addresses) or "-",
        "answer": answer,
    }
