"""Variables of the environment that are named `QUORATE_...` and that nothing reads: most often a spelling mistake.

What is read is gathered from where it is declared: the settings of every role, the options of every command, and what
a command asks the environment for by itself. Why a server only warns: docs/adr/0014-configuration.md.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from quorate.cli.main import ROOMS, application, installed_rooms, parser_of
from quorate.core.configfile import FLAWS_MAX, VARIABLE_PREFIX, FileSetting, Flaw, said_variables, unknown_variable
from quorate.errors import UnknownVariableError
from quorate.publisher.config import (
    NEW_ROOT_PASSPHRASE_VARIABLE,
    PASSPHRASE_VARIABLE,
    ROOT_PASSPHRASE_VARIABLE,
)

__all__ = [
    "ADMIN_TOKEN_VARIABLE",
    "BACKUP_PASSPHRASE_VARIABLE",
    "known_variables",
    "option_variables",
    "unknown_variable_error",
    "unknown_variables",
]

ADMIN_TOKEN_VARIABLE = "QUORATE_ADMIN_TOKEN"  # noqa: S105 - the variable's name, not its content
BACKUP_PASSPHRASE_VARIABLE = "QUORATE_BACKUP_PASSPHRASE"  # noqa: S105 - likewise
_WITHOUT_OPTION = {
    ADMIN_TOKEN_VARIABLE,
    BACKUP_PASSPHRASE_VARIABLE,
    PASSPHRASE_VARIABLE,
    ROOT_PASSPHRASE_VARIABLE,
    NEW_ROOT_PASSPHRASE_VARIABLE,
}
_SETTINGS = {  # role: the module with its FILE_SETTINGS
    "host": "quorate.host.configuration",
    "client": "quorate.client.configfile",
    "publisher": "quorate.publisher.configfile",
}


def unknown_variables(environ: Mapping[str, str], context: typer.Context, role: str) -> tuple[Flaw, ...]:
    """Every variable that nothing reads, in order of names, with the nearest that something does.

    Variables of a command whose libraries are not installed here (`QUORATE_HOST_...` on a client's machine) are not
    judged.

    Args:
        context: of the command that asks.
        role: host, client or publisher: whose settings are the likelier ones.
    """
    own = {each.variable for each in _settings(role).values()}
    left = said_variables(environ) - own - _WITHOUT_OPTION
    command = context.find_root().command
    left -= {each for names in _options("quorate", command) for each in names}
    left -= set(_acts("quorate", command))
    if not left:  # as nearly always: the other commands need not be loaded for it
        return ()
    rooms = installed_rooms()
    known = known_variables(rooms)
    foreign = tuple(f"{VARIABLE_PREFIX}{room.upper()}_" for room in ROOMS if room not in rooms)
    acts = set(_acts("quorate", parser_of(application(rooms))))
    found = sorted(name for name in left - set(known) - acts if not name.startswith(foreign))
    told = [name for name, is_told in known.items() if is_told]
    return tuple(unknown_variable(name, told, own, f"quorate {role} config example") for name in found[:FLAWS_MAX])


def unknown_variable_error(flaw: Flaw) -> UnknownVariableError:
    """The same as an error, for who warns."""
    return UnknownVariableError(name=flaw.name, reason=flaw.reason, fix=flaw.allowed)


def known_variables(rooms: Sequence[str]) -> dict[str, bool]:
    """Every variable that something reads, as far as these groups of commands are concerned; and whether the reference
    tells it: where an option has one of its own, that of its place works as well, and nobody needs to know."""
    found: dict[str, bool] = {}
    for names in _options("quorate", parser_of(application(rooms))):
        found |= {name: place == 0 or found.get(name, False) for place, name in enumerate(names)}
    found |= dict.fromkeys((each.variable for role in _SETTINGS for each in _settings(role).values()), True)
    return found | dict.fromkeys(_WITHOUT_OPTION, True)


def option_variables(path: str, option: Any) -> list[str]:
    """The variables that set an option of a command: first its own, if it has one, then that of its place.

    Args:
        path: `quorate host run`.
    """
    own = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
    if getattr(option, "allow_from_autoenv", True) and option.name is not None:
        own.append(f"{path}_{option.name}".upper().replace(" ", "_").replace("-", "_"))
    return own


def _options(path: str, parser: Any) -> Iterator[list[str]]:
    yield from (option_variables(path, each) for each in parser.params if each.param_type_name == "option")
    for name, below in getattr(parser, "commands", {}).items():
        yield from _options(f"{path} {name}", below)


def _acts(path: str, parser: Any) -> Iterator[str]:
    """The variables that flags which act would have. Nothing reads them, and whoever has one there for another
    purpose, such as a version, is not told that it is misspelt."""
    yield from (f"{path} {name}".upper().replace(" ", "_").replace("-", "_") for name in _act_names(parser))
    for name, below in getattr(parser, "commands", {}).items():
        yield from _acts(f"{path} {name}", below)


def _act_names(parser: Any) -> Iterator[str]:
    yield "help"
    for each in parser.params:
        if each.param_type_name == "option" and each.name is not None and not each.allow_from_autoenv:
            yield each.name


def _settings(role: str) -> Mapping[str, FileSetting]:
    """None where the role's libraries are not installed."""
    try:
        settings: Mapping[str, FileSetting] = importlib.import_module(_SETTINGS[role]).FILE_SETTINGS
    except ModuleNotFoundError as missing:
        if missing.name is not None and missing.name.startswith("quorate"):
            raise
        return {}
    return settings
