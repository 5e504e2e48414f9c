"""`quorate client config`: the configuration file of clients, checked, explained, and begun."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from quorate.cli.common.config_report import (
    SHOW_COLUMNS,
    say_checked,
    say_example,
    say_no_file,
)
from quorate.cli.common.output import (
    ConfigFile,
    JsonFlag,
    Output,
    StateDir,
)
from quorate.cli.common.variables import unknown_variables
from quorate.client.settings.environment import Settings
from quorate.client.settings.file import EXAMPLE_TITLE, FILE_SETTINGS, read_config
from quorate.client.transport.exchange import Transport, TransportSettings
from quorate.core.configfile import Flaw, wrong_variables
from quorate.errors import FileAccessError

__all__ = ["config_app", "strict_settings"]

config_app = typer.Typer(
    help="The configuration file, client.toml.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: quorate client config show",
)


def strict_settings(config: Path | None, folder: Path | None) -> Settings:
    """The settings of this process, for commands that ask a host: a mistake in the file is raised.

    Raises:
        ConfigurationInvalidError, FileAccessError: the file.
        InvalidSettingError: a variable.
    """
    settings = Settings.from_environment(config=config, folder=folder)
    if settings.fault is not None:
        raise settings.fault
    return settings


@config_app.command(epilog="Example: quorate client config check client.toml")
def check(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="The file.", metavar="[FILE]", show_default="this machine's, or yours")
    ] = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Say everything that is wrong with a file: line, nearest name, what is allowed. Exit 1: something is.

    So are variables: settings' with a value that cannot be one, and those named QUORATE_... that nothing reads.
    """
    output, wrong = Output(as_json), tuple(wrong_variables(os.environ, FILE_SETTINGS))
    variables = (*wrong, *unknown_variables(os.environ, context, "client"))
    usable = {name: text for name, text in os.environ.items() if name not in {each.name for each in wrong}}
    own = Settings.from_environment(usable, config=file, folder=folder)
    if own.file is None:
        say_no_file(output, None, "quorate client config example > client.toml", variables)
        return
    _, checked, fault = read_config([own.file], is_named=True)
    if isinstance(fault, FileAccessError):
        raise fault
    ca_file = checked.values.get("ca-file")
    if ca_file is not None and ca_file.value is not None:
        try:
            Transport(_https_with(ca_file.value))
        except FileAccessError as unreadable:
            flaw = Flaw(ca_file.line, "ca-file", unreadable.message, unreadable.hint, ca_file.column)
            checked = checked.with_flaws(iter([flaw]))
    notes = [
        f"{own.file}:{value.line}: {name} is not used: {own.said[name].where} says otherwise"
        for name, value in checked.values.items()
        if own.said[name].where == FILE_SETTINGS[name].variable
    ]
    say_checked(output, own.file, checked, notes, variables)


@config_app.command(epilog="Example: quorate client config show --json")
def show(config: ConfigFile = None, folder: StateDir = None, as_json: JsonFlag = False) -> None:
    """Show every setting, its value, and who says so: default, file, or environment. What is wrong is left out."""
    output = Output(as_json)
    settings = Settings.from_environment(config=config, folder=folder)
    output.rows([_row(settings, name) for name in FILE_SETTINGS], SHOW_COLUMNS)
    if settings.fault is not None:
        output.say(f"warning: {settings.fault.message}\nhint: {settings.fault.hint}")
    elif not as_json:
        output.say("No configuration file is read." if settings.file is None else f"Configuration: {settings.file}")


@config_app.command(epilog="Example: quorate client config example > client.toml")
def example(as_json: JsonFlag = False) -> None:
    """Print a file with every setting, its meaning, what is allowed and its default; all of it is comment."""
    say_example(Output(as_json), EXAMPLE_TITLE, FILE_SETTINGS)


def _row(settings: Settings, name: str) -> dict[str, Any]:
    setting, said = FILE_SETTINGS[name], settings.said.get(name)
    value = said.value if said is not None else setting.default == "on" if setting.is_switch else setting.default
    where = None if said is None else said.where
    source = "default" if said is None else "environment" if where == setting.variable else "file"
    shown = value if isinstance(value, bool) else "" if value is None else str(value)
    return {"name": name, "value": shown, "source": source, "where": where}


def _https_with(ca_file: Path) -> TransportSettings:
    return TransportSettings(is_https=True, ca_file=ca_file)
