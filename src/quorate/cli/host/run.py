"""`quorate host run`: a KMS host in this process, with what was said for this run alone."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import structlog
import typer
import uvloop

from quorate.cli.common.output import (
    ConfigFile,
    JsonFlag,
    Output,
    StateDir,
)
from quorate.cli.common.variables import unknown_variable_error, unknown_variables
from quorate.cli.host.log import LogFormat, configure_log
from quorate.cli.host.open import host_configuration, host_paths
from quorate.cli.host.status import shown_address
from quorate.cli.host.under_systemd import handed_by_systemd
from quorate.clock import SystemClock, SystemEntropy
from quorate.host.server.server import HostServer
from quorate.host.server.signals import run_until_signalled
from quorate.host.settings.precedence import Said
from quorate.host.settings.settings import RULES, shown_value

__all__ = ["run"]


def run(
    context: typer.Context,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65_535, help="Clients' port, this time.", show_default="1688")
    ] = None,
    admin_port: Annotated[
        int | None,
        typer.Option("--admin-port", min=0, max=65_535, help="Administration's port, this time.", show_default="1689"),
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", help="Listen for clients on this address only.", show_default="all")
    ] = None,
    dns: Annotated[
        bool | None,
        typer.Option("--dns/--no-dns", help="Publish in DNS, this time.", show_default="the setting dns-publishing"),
    ] = None,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="Log lines on stderr: text, json, or text on a terminal only.")
    ] = LogFormat.AUTO,
    config: ConfigFile = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Run the KMS host until SIGTERM or Ctrl-C: clients on port 1688, administration on 127.0.0.1:1689.

    SIGHUP reads configuration, certificates and product files again. Every setting has a variable of its own, such as
    QUORATE_HOST_RENEWAL_INTERVAL: docs/reference/configuration.md.
    """
    output = Output(as_json)
    configure_log(log_format, sys.stderr)
    for flaw in unknown_variables(os.environ, context, "host"):
        fault = unknown_variable_error(flaw)
        log = structlog.get_logger("quorate.host")
        log.warning("unknown_variable", code=fault.code, message=fault.message, hint=fault.hint)
    flags = _flags(context, port=port, admin_port=admin_port, address=address, dns=dns)
    clock = SystemClock()
    around = handed_by_systemd(os.environ, os.getpid(), clock)
    paths = host_paths(folder)
    configuration = host_configuration(paths, config, flags)
    server = HostServer(paths.root, clock, SystemEntropy(), configuration=configuration, **around)

    def on_ready() -> None:
        facts = {
            "port": server.port,
            "address": server.address,
            "admin_port": server.admin_port,
            "admin_address": server.admin_address,
            "clients": f"TCP port {server.port}, {shown_address(server.address)}",
            "administration": server.admin_url,
        }
        output.facts(facts, {"clients": "Clients", "administration": "Administration"})
        sys.stdout.flush()  # a program that waits for this line reads a pipe

    loop_factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    run_until_signalled(server, on_ready, loop_factory)


_SETTINGS = {"port": "port", "admin_port": "admin-port", "address": "address", "dns": "dns-publishing"}


def _flags(context: typer.Context, **given: Any) -> dict[str, Said]:
    """This run's own values by setting, and whether the flag or its variable says each; raises InvalidSettingError."""
    flags = {}
    for name, value in given.items():
        if value is not None:
            setting, option = _SETTINGS[name], f"--{name.replace('_', '-')}"
            typed = RULES[setting].typed(value) if isinstance(value, str) else value
            source = context.get_parameter_source(name)
            is_variable = source is not None and source.name == "ENVIRONMENT"
            flags[setting] = Said(shown_value(typed), f"QUORATE_HOST_RUN_{name.upper()}" if is_variable else option)
    return flags
