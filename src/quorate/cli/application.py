"""The command line: one group for each actor, each imported only when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import typer

from quorate import __version__

__all__ = ["HELP", "ROOMS", "application", "installed_rooms"]


ROOMS = {  # command: (module, extra that brings its libraries)
    "publisher": ("quorate.cli.publisher.commands", "publisher"),
    "host": ("quorate.cli.host.commands", "host"),
    "client": ("quorate.cli.client.commands", "cli"),
    "doctor": ("quorate.cli.doctor.command", "cli"),
    "demo": ("quorate.cli.demo.command", "all"),
    "simulate": ("quorate.cli.simulate", "all"),
}


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


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version and end.", is_eager=True, callback=_show_version
    ),
) -> None:
    pass
