"""`quorate doctor`: every step between a client and its activation, what was seen, and the command that mends it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from quorate.cli.client_owner import work_as_owner_of
from quorate.cli.output import JsonFlag, Output, StateDir
from quorate.cli.roles import Here, look_here
from quorate.cli.variables import unknown_variable_error, unknown_variables
from quorate.client.checkup import ClientCheckup
from quorate.client.config import Settings
from quorate.client.installed import Installed
from quorate.clock import SystemClock, SystemEntropy
from quorate.core.checkup import Check, Level, cause_of, failed
from quorate.errors import AccessDeniedError, NotKnownError, StateMissingError
from quorate.errors.installing import pip_install

__all__ = ["command"]

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red", Level.SKIP: "dim"}
_STEP_WIDTH = 12


class DoctorRole(StrEnum):
    """Whom to look at."""

    HOST = "host"
    CLIENT = "client"


def command(
    context: typer.Context,
    role: Annotated[
        DoctorRole | None, typer.Option("--role", help="Look at this role only.", show_default="what this machine is")
    ] = None,
    product_id: Annotated[
        str | None,
        typer.Option(
            "--product-id", envvar="QUORATE_PRODUCT_ID", help="Of a client, this product only.", show_default="all"
        ),
    ] = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Find out why this machine is not activated, or why this KMS host activates nobody.

    DNS, name, TCP, protocol, clock, chain, count, disk, certificate; on a host its files, port, firewall, DNS record,
    store. Hosts are greeted and probed: nobody is counted, nothing is changed. Exit code 1 when something fails.

    Example: quorate doctor --role client
    """
    output, here = Output(as_json), look_here(folder, os.environ)
    wanted = [role] if role is not None else list(DoctorRole)
    findings: list[tuple[DoctorRole, str, list[Check]]] = []
    if DoctorRole.HOST in wanted and here.is_host:
        findings.append((DoctorRole.HOST, str(here.host_folder), _host_checks(here)))
    if DoctorRole.CLIENT in wanted and here.is_client:
        products = _products(here, product_id)
        findings += [(DoctorRole.CLIENT, each.product.name, _client_checks(each)) for each in products]
    if not findings:
        raise _nothing_here(here, role)
    findings = [(which, what, [*_variables(context, which), *checks]) for which, what, checks in findings]
    for place, (which, what, checks) in enumerate(findings):
        if as_json:
            output.show(_facts(which, what, checks))
        else:
            _show(which, what, checks, is_first=place == 0)
    if any(check.level is Level.FAIL for _, _, checks in findings for check in checks):
        raise typer.Exit(1)


def _variables(context: typer.Context, role: DoctorRole) -> list[Check]:
    found = unknown_variables(os.environ, context, role.value)
    return [failed("config", unknown_variable_error(flaw), Level.WARN) for flaw in found]


def _host_checks(here: Here) -> list[Check]:
    try:  # what a host needs is not there on a machine that is only a client
        module = importlib.import_module("quorate.cli.doctor_host")
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("quorate"):
            raise
        return [Check("state", Level.FAIL, f"{missing.name} is not installed", None, pip_install("host"))]
    checks: list[Check] = module.host_checks(here.host_paths)
    return checks


def _client_checks(product: Installed) -> list[Check]:
    work_as_owner_of(product.root)
    settings = Settings.from_environment(folder=product.root)
    checkup = ClientCheckup(product, settings, SystemClock(), SystemEntropy())
    told = [] if settings.fault is None else [failed("config", settings.fault, Level.WARN)]
    return [*told, *checkup.run()]


def _products(here: Here, product_id: str | None) -> list[Installed]:
    if product_id is None:
        return list(here.products.values())
    if product_id not in here.products:
        raise NotKnownError(what="product", name=product_id, known=", ".join(sorted(here.products)))
    return [here.products[product_id]]


def _nothing_here(here: Here, role: DoctorRole | None) -> StateMissingError | AccessDeniedError:
    if here.denied is not None:
        return AccessDeniedError(path=here.denied, owner="another user", command="quorate doctor")
    files = "--product FILE.product --trust publisher.jwks"
    if role is DoctorRole.HOST:
        return StateMissingError(role="KMS host", path=here.host_folder, command=f"quorate host init {files}")
    where = here.client_folders[-1] if role is DoctorRole.CLIENT else here.host_folder
    name = "KMS client" if role is DoctorRole.CLIENT else "KMS host or KMS client"
    return StateMissingError(role=name, path=where, command=f"quorate client init {files}")


# --- telling ---------------------------------------------------------------------------------------------------------


def _facts(role: DoctorRole, what: str, checks: Sequence[Check]) -> dict[str, Any]:
    cause = cause_of(checks)
    return {
        "role": role.value,
        "subject": what,
        "ok": all(check.level is not Level.FAIL for check in checks),
        "cause": None if cause is None else cause.code,
        "level": "ok" if cause is None else cause.level.value,
        "message": "" if cause is None else cause.seen,
        "fix": "" if cause is None else cause.fix,
        "checks": [
            {"step": each.step, "level": each.level.value, "seen": each.seen, "code": each.code, "fix": each.fix}
            for each in checks
        ],
    }


def _show(role: DoctorRole, what: str, checks: Sequence[Check], *, is_first: bool) -> None:
    screen = Console(highlight=False, soft_wrap=True)
    screen.print(Text(f"{'' if is_first else chr(10)}KMS {role.value}: {what}", style="bold"))
    for check in checks:
        mark = f"[{check.level.value}]"
        code = f" ({check.code})" if check.code is not None and check.level is not Level.OK else ""
        screen.print(Text(f"{mark:<6} ", _STYLES[check.level]) + Text(f"{check.step:<{_STEP_WIDTH}}{check.seen}{code}"))
        if check.fix and check.level is not Level.OK:
            screen.print(Text(f"{'':<{_STEP_WIDTH + 7}}-> {check.fix}"))
    screen.print(Text(_summary(checks), style="bold"))


def _summary(checks: Sequence[Check]) -> str:
    """One line that names the cause."""
    cause = cause_of(checks)
    if cause is None:
        return "All is well."
    named = f"{cause.code}: {cause.seen}" if cause.code is not None else f"{cause.step}: {cause.seen}"
    return f"Cause: {named}" if cause.level is Level.FAIL else f"It works; to be looked at: {named}"
