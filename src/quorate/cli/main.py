"""`quorate`: one command, one group for each actor. Each group's module is imported only when it is asked for, so that
`quorate client status` starts fast and needs nothing of a host's libraries."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping

from quorate.cli.application import ROOMS, application, installed_rooms
from quorate.cli.common.output import exit_code, report
from quorate.errors import QuorateError

__all__ = ["run"]

_COMPLETION = "_QUORATE_COMPLETE"  # set by the shell when it asks what could come next


def run() -> None:
    """The entry point: errors become one message, one hint and an exit code."""
    arguments = sys.argv[1:]
    if _COMPLETION in os.environ:
        _complete(os.environ)
        return
    asked = next((word for word in arguments if not word.startswith("-")), None)
    try:
        app = application([asked] if asked in ROOMS else installed_rooms())
    except ModuleNotFoundError as missing:
        if missing.name is not None and missing.name.startswith("quorate"):
            raise
        extra = ROOMS[asked][1] if asked in ROOMS else "all"
        sys.stderr.write(f"error: {missing.name} is not installed\nhint: pip install 'quorate[{extra}]'\n")
        sys.exit(1)
    try:
        if arguments:
            app(prog_name="quorate")
        print("\n".join(importlib.import_module("quorate.cli.first_run").first_lines(os.environ)))
        app(["--help"], prog_name="quorate")
    except QuorateError as error:
        report(error, "--json" in arguments)
        sys.exit(exit_code(error))
    except BrokenPipeError:  # `quorate host clients | head`
        sys.exit(1)


def _complete(environ: Mapping[str, str]) -> None:
    """Tell the shell what may come next. Only the group that stands on the line is loaded: people wait for a key."""
    words = (environ.get("COMP_WORDS") or environ.get("_TYPER_COMPLETE_ARGS") or "").split()[1:]
    asked = next((word for word in words if not word.startswith("-")), None)
    try:
        app = application([asked] if asked in ROOMS else [])
    except ModuleNotFoundError:  # a group that is not installed completes nothing
        return
    for room in ROOMS:
        if asked not in ROOMS:
            app.command(room)(_nothing)
    app(prog_name="quorate")


def _nothing() -> None:
    pass
