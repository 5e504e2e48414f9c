"""`quorate publisher serve`, and `config`: activation online, and its configuration file."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
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
from quorate.cli.publisher.common import PassphraseFile, ask_passphrase, home_of
from quorate.clock import SystemClock, SystemEntropy
from quorate.core.configfile import Flaw, configuration_fault, wrong_variables
from quorate.errors import FileAccessError, InvalidSettingError, QuorateError
from quorate.publisher.activation_api import Desk, activation_application
from quorate.publisher.configfile import CHECK, EXAMPLE_TITLE, FILE_SETTINGS, config_path, read_config
from quorate.publisher.limiter import PER_MINUTE_DEFAULT, RateLimiter
from quorate.publisher.serve import PORT_DEFAULT, Listening, check_listening, listen, run_until_signalled
from quorate.publisher.vault import require_present

__all__ = ["config_app", "serve"]

_LOG = logging.getLogger("quorate.publisher")

config_app = typer.Typer(
    help="The configuration file of serve, publisher.toml.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: quorate publisher config check",
)


def serve(
    context: typer.Context,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, envvar="QUORATE_PUBLISHER_PORT", help="TCP port.")
    ] = PORT_DEFAULT,
    address: Annotated[
        str, typer.Option("--address", envvar="QUORATE_PUBLISHER_ADDRESS", help="IP address; :: is every one.")
    ] = "127.0.0.1",
    tls_cert: Annotated[
        Path | None,
        typer.Option("--tls-cert", envvar="QUORATE_TLS_CERT", help="Certificate and chain, PEM.", show_default=False),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option("--tls-key", envvar="QUORATE_TLS_KEY", help="Its private key, PEM, mode 600.", show_default=False),
    ] = None,
    insecure_http: Annotated[
        bool,
        typer.Option("--insecure-http", help="Serve without TLS on an address others reach: behind a TLS proxy."),
    ] = False,
    per_minute: Annotated[
        int, typer.Option("--requests-per-minute", min=1, max=100_000, help="What one source address may ask.")
    ] = PER_MINUTE_DEFAULT,
    passphrase_file: PassphraseFile = None,
    config: ConfigFile = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Activate hosts online until SIGTERM or Ctrl-C. The passphrase is asked for once.

    A host key is the only credential, by proof: it is never sent. Without TLS nobody could forge anything, but see
    which customers have which hosts; so TLS is wanted on every address but loopback. SIGHUP reads configuration and
    TLS files again.
    """
    output = Output(as_json)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for flaw in unknown_variables(os.environ, context, "publisher"):
        _LOG.warning("%s. %s", flaw, flaw.allowed)
    home = require_present(home_of(folder))
    file, is_named = config_path(config, home, os.environ)
    parameters = {name: name.replace("-", "_").removeprefix("requests_") for name in FILE_SETTINGS}
    given = {name: context.params[parameter] for name, parameter in parameters.items()}
    said = {
        name
        for name, parameter in parameters.items()
        if (source := context.get_parameter_source(parameter)) is not None and source.name != "DEFAULT"
    }
    chosen = _chosen(file, is_named, given, said)
    listening = listen(
        chosen["address"],
        chosen["port"],
        chosen["tls-cert"],
        chosen["tls-key"],
        insecure_http=chosen["insecure-http"],
    )
    with listening.socket:
        clock = SystemClock()
        desk = Desk(home, ask_passphrase(home, chosen["passphrase-file"]), clock, SystemEntropy())
        limiter = RateLimiter(chosen["requests-per-minute"], clock)

        def on_ready() -> None:
            output.facts({"publisher": desk.name, "url": listening.url, "port": listening.socket.getsockname()[1]})
            sys.stdout.flush()  # a program that waits for this line reads a pipe

        again = _Again(listening, chosen, limiter, lambda: _chosen(file, is_named, given, said))
        run_until_signalled(listening, activation_application(desk, limiter), on_ready, again.read)
        sys.stderr.flush()
        os._exit(0)  # all is answered and closed; why so: `run_until_signalled`


def _chosen(file: Path | None, is_named: bool, given: Mapping[str, Any], said: set[str]) -> dict[str, Any]:
    """What holds: what a flag or a variable said, else the file, else the default.

    Raises:
        ConfigurationInvalidError, FileAccessError: the file.
    """
    checked = read_config(file, is_named=is_named)
    if checked.flaws:
        raise configuration_fault(file, checked.flaws, f"{CHECK} {file}" if is_named else CHECK)
    return {
        name: checked.values[name].value if name in checked.values and name not in said else given[name]
        for name in FILE_SETTINGS
    }


class _Again:
    """What SIGHUP does: limits at once, another certificate by another server, the rest at the next start."""

    def __init__(
        self, listening: Listening, chosen: dict[str, Any], limiter: RateLimiter, choose: Callable[[], dict[str, Any]]
    ) -> None:
        self._listening = listening
        self._first = chosen
        self._limiter = limiter
        self._choose = choose
        self._stamp = _stamp(listening)

    def read(self) -> Listening | None:
        """The same socket with another certificate; None where that is as before, or what is new cannot be used."""
        try:
            chosen = self._choose()
            cert, key = chosen["tls-cert"], chosen["tls-key"]
            check_listening(self._first["address"], cert, key, insecure_http=chosen["insecure-http"])
        except QuorateError as fault:
            _LOG.error("%s; what was read before stays in use. %s", fault.message, fault.hint)
            return None
        if any(chosen[name] != self._first[name] for name in ("address", "port", "passphrase-file")):
            _LOG.warning("address, port and passphrase are taken at the next start")
        self._limiter.adopt(chosen["requests-per-minute"])
        now = replace(self._listening, tls_cert=cert, tls_key=key)
        before, self._stamp = self._stamp, _stamp(now)
        _LOG.info("configuration and TLS files read again")
        return None if self._stamp == before else now


def _stamp(listening: Listening) -> list[tuple[Any, ...]]:
    """Changes whenever the certificate or its key does."""
    stamps: list[tuple[Any, ...]] = []
    for path in (listening.tls_cert, listening.tls_key):
        if path is None:
            stamps.append(())
            continue
        try:
            found = path.stat()
        except OSError:  # gone since it was looked at: the next look will tell
            stamps.append((path,))
        else:
            stamps.append((path, found.st_mtime_ns, found.st_ino))
    return stamps


# --- the file --------------------------------------------------------------------------------------------------------


@config_app.command(epilog="Example: quorate publisher config check publisher.toml")
def check(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="The file.", metavar="[FILE]", show_default="this publisher's own")
    ] = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Say everything that is wrong with a file: line, nearest name, what is allowed. Exit 1: something is.

    So are variables: settings' with a value that cannot be one, and those named QUORATE_... that nothing reads.
    """
    output = Output(as_json)
    variables = (*wrong_variables(os.environ, FILE_SETTINGS), *unknown_variables(os.environ, context, "publisher"))
    path, is_named = config_path(file, home_of(folder), os.environ)
    if path is None or (not is_named and not path.exists()):
        say_no_file(output, path, "quorate publisher config example > publisher.toml", variables)
        return
    checked = read_config(path, is_named=True)
    values = {name: each.value for name, each in checked.values.items()}
    try:
        check_listening(
            values.get("address", "127.0.0.1"),
            values.get("tls-cert"),
            values.get("tls-key"),
            insecure_http=values.get("insecure-http", False),
        )
    except QuorateError as fault:
        option = str(fault.values.get("name", "tls-key")).removeprefix("--")
        said = checked.values.get(option)
        line, column = (None, None) if said is None else (said.line, said.column)
        reason = str(fault.values["reason"]) if isinstance(fault, InvalidSettingError) else fault.message
        checked = checked.with_flaws(iter([Flaw(line, option, reason, fault.hint, column)]))
    secret = checked.values.get("passphrase-file")
    if secret is not None and secret.value is not None and not secret.value.is_file():
        missing = FileAccessError(path=secret.value, reason="there is no such file")
        flaw = Flaw(secret.line, "passphrase-file", missing.message, missing.hint, secret.column)
        checked = checked.with_flaws(iter([flaw]))
    say_checked(output, path, checked, variables=variables)


@config_app.command(epilog="Example: quorate publisher config show --json")
def show(config: ConfigFile = None, folder: StateDir = None, as_json: JsonFlag = False) -> None:
    """Show every setting, its value, and who says so: default, file, or environment; `serve` may have flags as well."""
    output = Output(as_json)
    path, is_named = config_path(config, home_of(folder), os.environ)
    checked = read_config(path, is_named=is_named)
    rows = []
    for name, setting in FILE_SETTINGS.items():
        row: dict[str, Any] = {"name": name, "value": setting.default, "source": "default", "where": None}
        if setting.is_switch:
            row["value"] = setting.default == "on"
        if name in checked.values:
            value = checked.values[name]
            shown = str(value.value) if isinstance(value.value, Path) else value.value
            row |= {"value": shown, "source": "file", "where": f"{path}:{value.line}"}
        if os.environ.get(setting.variable):
            row |= {"value": os.environ[setting.variable], "source": "environment", "where": setting.variable}
        rows.append(row)
    output.rows(rows, SHOW_COLUMNS)
    if checked.flaws:
        fault = configuration_fault(path, checked.flaws, CHECK)
        output.say(f"warning: {fault.message}\nhint: {fault.hint}")


@config_app.command(epilog="Example: quorate publisher config example > publisher.toml")
def example(as_json: JsonFlag = False) -> None:
    """Print a file with every setting, its meaning, what is allowed and its default; all of it is comment."""
    say_example(Output(as_json), EXAMPLE_TITLE, FILE_SETTINGS)
