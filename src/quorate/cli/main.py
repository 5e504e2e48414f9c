"""`quorate`: one command, one group for each actor. Each group's module is imported only when it is asked for, so that
`quorate client status` starts fast and needs nothing of a host's libraries."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from quorate import __version__
from quorate.cli.output import exit_code, report
from quorate.errors import QuorateError
from quorate.errors.installing import pip_install

__all__ = ["ROOMS", "application", "installed_rooms", "parser_of", "run"]

ROOMS = {  # command: (module, extra that brings its libraries)
    "publisher": ("quorate.cli.publisher", "publisher"),
    "host": ("quorate.cli.host", "host"),
    "client": ("quorate.cli.client", "cli"),
    "doctor": ("quorate.cli.doctor", "cli"),
    "demo": ("quorate.cli.demo", "all"),
    "simulate": ("quorate.cli.simulate", "all"),
}

_COMPLETION = "_QUORATE_COMPLETE"  # set by the shell when it asks what could come next

HELP = """Volume activation for the software you ship.

One KMS host on the customer's network activates anonymous clients once enough of them exist; every lease chains back
to the publisher's signature. Try it: `quorate demo`.
"""


def application(rooms: Sequence[str]) -> typer.Typer:
    """The command line with the named groups.

    A module in `quorate.cli` offers `app` (a group) or `command` (a single command).
    """
    app = typer.Typer(
        name="quorate",
        help=HELP,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,  # they would show local variables, and with them passphrases
        context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "QUORATE"},
    )
    app.callback()(_root)
    for room in rooms:
        module = importlib.import_module(ROOMS[room][0])
        if hasattr(module, "app"):
            app.add_typer(module.app, name=room)
        else:
            app.command(room)(module.command)
    return app


def parser_of(app: typer.Typer) -> Any:
    """What reads the command line. A flag that does something instead of setting something takes no variable: an image
    that has one for a version does not ask every command for it."""
    parser = typer.main.get_command(app)
    _take_variables_from_acts(parser, None)
    return parser


def _take_variables_from_acts(parser: Any, parent: Any) -> None:
    """`--version`, `--help`, the two of completion: what is eager, or has a value that no command is given. Of the
    others a command says so itself, with `allow_from_autoenv=False`."""
    context = parser.context_class(parser, parent=parent, **parser.context_settings)
    for each in parser.get_params(context):
        if each.param_type_name == "option" and (each.is_eager or not each.expose_value):
            each.allow_from_autoenv = False
    for below in getattr(parser, "commands", {}).values():
        _take_variables_from_acts(below, context)


def installed_rooms() -> list[str]:
    """The groups whose libraries are here: `quorate --help` of a client's machine shows what works there."""
    found = []
    for room, (module, _) in ROOMS.items():
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as missing:
            if missing.name is not None and missing.name.startswith("quorate"):
                raise
        else:
            found.append(room)
    return found


def run() -> None:
    """The entry point: errors become one message, one hint and an exit code."""
    if sys.argv[1:2] == ["help"]:  # as git has it: `quorate help host backup`
        sys.argv[1:] = [*sys.argv[2:], "--help"]
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
        sys.stderr.write(f"error: {missing.name} is not installed\nhint: {pip_install(extra)}\n")
        sys.exit(1)
    try:
        command = parser_of(app)
        if arguments:
            command(prog_name="quorate")
        print("\n".join(importlib.import_module("quorate.cli.firstrun").first_lines(os.environ)))
        command(["--help"], prog_name="quorate")
    except QuorateError as error:
        report(error, "--json" in arguments)
        sys.exit(exit_code(error))


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
    parser_of(app)(prog_name="quorate")


def _nothing() -> None:
    pass


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False, "-V", "--version", help="Print the version and end.", is_eager=True, callback=_show_version
    ),
) -> None:
    pass
