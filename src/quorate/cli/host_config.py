"""`quorate host config`: the configuration file of a KMS host, checked, explained, and begun."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from quorate.cli.config_words import SHOW_COLUMNS, say_checked, say_example, say_no_file
from quorate.cli.hostopen import host_configuration, host_paths, open_host, products_of
from quorate.cli.output import ConfigFile, JsonFlag, Output, StateDir
from quorate.cli.variables import unknown_variables
from quorate.clock import SystemClock
from quorate.core.configfile import CONFIG_BYTES_MAX, Checked
from quorate.core.documents import ProductFile
from quorate.core.filekinds import FileKind, given_as
from quorate.errors import QuorateError
from quorate.files import read_given
from quorate.host.administration import Administration
from quorate.host.config import RULES
from quorate.host.configuration import EXAMPLE_TITLE, FILE_SETTINGS, Configuration, check_config, wrong_variables
from quorate.host.layers import SET, Layers
from quorate.host.process import running_host

__all__ = ["config_app"]

config_app = typer.Typer(
    help="The configuration file, host.toml.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: quorate host config show",
)


@config_app.command(epilog="Example: quorate host config check host.toml")
def check(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="The file.", metavar="[FILE]", show_default="the host's own")
    ] = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Say everything that is wrong with a file: line, nearest name, what is allowed. Exit 1: something is.

    So are variables: settings' with a value that cannot be one, and those named QUORATE_... that nothing reads.
    Changes nothing. The publisher's bounds for the intervals are those of the products this host serves.
    """
    output, paths = Output(as_json), host_paths(folder)
    own, host = host_configuration(paths), _host(folder)
    with host or nullcontext():
        products: tuple[ProductFile, ...] = () if host is None else products_of(host.keyring)
        variables = (*wrong_variables(os.environ, products), *unknown_variables(os.environ, context, "host"))
        path = file if file is not None else own.file
        if path is None or (file is None and not own.is_named and not path.exists()):
            say_no_file(output, path, "quorate host config example > host.toml", variables)
            return
        checked = check_config(
            given_as(read_given(path, CONFIG_BYTES_MAX), FileKind.CONFIGURATION, path), products, SystemClock().now_s()
        )
        is_own = own.file is not None and path.absolute() == own.file
        notes = list(_overruled(host, path, checked)) if host is not None and is_own else []
    say_checked(output, path, checked, notes, variables)


@config_app.command(epilog="Example: quorate host config show --json")
def show(config: ConfigFile = None, folder: StateDir = None, as_json: JsonFlag = False) -> None:
    """Show every setting, its value, and who says so: default, file, `host set`, environment, or flag.

    Of a host that runs: as it runs. Of another: as one would that is started here and now.
    """
    output, paths = Output(as_json), host_paths(folder)
    with open_host(folder) as host:
        running = running_host(paths)
        if running is None and config is not None:
            host.configuration = host_configuration(paths, config)
            host.configuration.reread(products_of(host.keyring))
        values, origins = host.shown_settings(), host.origins()
        rows = [
            {"name": name, "value": values[name], "source": origins[name].source.value, "where": origins[name].where}
            for name in RULES
        ]
        output.rows(rows, SHOW_COLUMNS)
        if running is not None and host.configuration.file is not None:
            file = Configuration(host.configuration.file)
            fault = file.look(products_of(host.keyring))
            if fault is not None:
                output.say(f"warning: the file is not as the host read it: {fault.message}\nhint: {fault.hint}")
            elif _said(file.layers) != _said(host.configuration.layers):
                output.say(f"note: {file.file} has changed since the host read it. Use it: kill -HUP {running.pid}")


@config_app.command(epilog="Example: quorate host config example > host.toml")
def example(as_json: JsonFlag = False) -> None:
    """Print a file with every setting, its meaning, what is allowed and its default; all of it is comment."""
    say_example(Output(as_json), EXAMPLE_TITLE, FILE_SETTINGS)


def _host(folder: Path | None) -> Administration | None:
    """The host, where there is one and it can be opened: a file can be checked without."""
    try:
        return open_host(folder, is_quiet=True)
    except QuorateError:
        return None


def _overruled(host: Administration, path: Path, checked: Checked) -> Iterator[str]:
    """What the file says in vain."""
    origins = host.origins()
    for name, value in checked.values.items():
        if origins[name].where == SET:
            yield (
                f"{path}:{value.line}: {name} is not used: `{SET}` says {host.shown_settings()[name]}. "
                f"`{SET} {name} default` lets the file hold."
            )
        elif host.configuration.layers.stronger(name) is not None:
            yield f"{path}:{value.line}: {name} is not used: {origins[name].where} says {host.shown_settings()[name]}"


def _said(layers: Layers) -> dict[str, str | int]:
    return {name: said.value for name, said in layers.file.items()}
