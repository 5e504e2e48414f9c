"""`quorate host firewall`: the exception "KMS Traffic", shown, enabled, disabled; never without being asked (S32)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from quorate.cli.output import JsonFlag, Output, StateDir
from quorate.errors import FirewallFailedError, FirewallNeedsRootError, InvalidSettingError, QuorateError
from quorate.host.firewall.detect import firewall_named, firewalls_in_use
from quorate.host.firewall.forms import FORMS, NAME, RUNNABLE, Form, form
from quorate.host.firewall.tools import Firewall, Tools

__all__ = ["PortOf", "firewall_command"]

PortOf = Callable[[Path | None], tuple[int, int | None]]
"""Of the host in a state folder (None: the usual one): the port it is set to, and the one it serves now, if it runs."""


class Format(StrEnum):
    """As people type them; `FORMS` has the same (tests/firewall)."""

    NFT = "nft"
    UFW = "ufw"
    FIREWALLD = "firewalld"
    IPTABLES = "iptables"
    NETSH = "netsh"
    POWERSHELL = "powershell"


def firewall_command(port_of: PortOf) -> Callable[..., None]:
    """The command, to be added to `quorate host` as `firewall`."""

    def firewall(
        format_: Annotated[
            Format | None,
            typer.Option(
                "--format",
                envvar="QUORATE_HOST_FIREWALL_FORMAT",
                help="This firewall's form.",
                show_default="this machine's firewall, else all",
            ),
        ] = None,
        enable: Annotated[
            bool | None,
            typer.Option(
                "--enable/--disable",
                allow_from_autoenv=False,
                help="Let clients in through this machine's firewall, or no longer (root).",
            ),
        ] = None,
        folder: StateDir = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Show, enable or disable the firewall exception "KMS Traffic": the clients' port, and no other.

        It is off until enabled. Nothing is changed without --enable or --disable, and what was changed is said.
        """
        output, (port, served) = Output(as_json), port_of(folder)
        name = None if format_ is None else format_.value
        if served is not None and served != port:
            output.say(f"note: the running host serves port {served}, but is set to {port}: `quorate host set port N`.")
        if enable is None:
            _show(port, name, output)
        else:
            _change(port, name, enable, output)

    return firewall


def _show(port: int, name: str | None, output: Output) -> None:
    found, ports = _looked_at(name)
    forms = [each.form(port) for each in found] or [form(each, port) for each in ([name] if name else FORMS)]
    if output.as_json:
        enabled = None if ports is None else port in ports
        facts = {"name": NAME, "port": port, "enabled": enabled, "ports": None if ports is None else list(ports)}
        output.show(facts | {"firewalls": [each.name for each in found], "forms": [_form_row(each) for each in forms]})
        return
    output.say(_state(port, found, ports))
    for each in forms:
        if len(forms) > 1:
            print(f"\n{each.name} ({each.where}):")
        print("\n".join(f"    {line}" for line in each.enable) if len(forms) > 1 else "\n".join(each.enable))
        if each.note and len(forms) == 1:
            output.say(f"note: {each.note}")


def _looked_at(name: str | None) -> tuple[list[Firewall], tuple[int, ...] | None]:
    """The firewalls in question and the ports they all open; None where that cannot be seen."""
    if os.geteuid() != 0 or (name is not None and name not in RUNNABLE):
        return [], None
    try:
        found = firewalls_in_use(Tools(os.environ)) if name is None else [firewall_named(name, Tools(os.environ))]
        opened = [set(each.ports()) for each in found]
        return found, tuple(sorted(set.intersection(*opened))) if opened else None
    except QuorateError:
        if name is None:  # with a name it is only not installed here, or not in use
            raise
        return [], None


def _state(port: int, found: list[Firewall], ports: tuple[int, ...] | None) -> str:
    if ports is None:
        unseen = "" if os.geteuid() == 0 else ", whether it is enabled only root can see"
        return f"{NAME}: TCP port {port}{unseen}"
    where = " and ".join(each.name for each in found)
    if port in ports:
        return f"{NAME}: TCP port {port}, enabled in {where}"
    if ports:
        old = ", ".join(map(str, ports))
        return f"{NAME}: enabled in {where} for port {old}, but the host's port is {port}: run it with --enable again"
    return f"{NAME}: TCP port {port}, not enabled in {where}"


def _change(port: int, name: str | None, enable: bool, output: Output) -> None:
    word = "--enable" if enable else "--disable"
    if name is not None and name not in RUNNABLE:
        reason = f"the form {name} can be shown here, and run on Windows"
        raise InvalidSettingError(name="--format", reason=reason, allowed=f"With {word}: {', '.join(RUNNABLE)}.")
    if os.geteuid() != 0:
        chosen = f" --format {name}" if name else ""
        raise FirewallNeedsRootError(command=f"quorate host firewall{chosen} {word}")
    found = firewalls_in_use(Tools(os.environ)) if name is None else [firewall_named(name, Tools(os.environ))]
    rows = [_changed(each.name, port, enable) for each in found]
    if output.as_json:
        output.facts({"name": NAME, "port": port, "enabled": enable and bool(rows), "firewalls": rows})
        return
    if not rows:
        output.say(
            "No firewall on this machine keeps anything out, so nothing was changed. For one that is not in use yet: "
            f"quorate host firewall {word} --format {'|'.join(RUNNABLE)}"
        )
    for row in rows:
        _tell(row, port, enable, output)


def _changed(name: str, port: int, enable: bool) -> dict[str, Any]:
    """Do it, and what was done. The firewall is looked at again before it is said to be so."""
    tools = Tools(os.environ)
    firewall = firewall_named(name, tools)
    if enable:
        firewall.enable(port)
    else:
        firewall.disable()
    ports = firewall.ports()
    if (port in ports) is not enable:
        reason = f"TCP port {port} is {'not open' if enable else 'still open'} afterwards"
        raise FirewallFailedError(tool=name, command=tools.did[-1] if tools.did else "none was needed", reason=reason)
    undo = f"quorate host firewall --format {name} {'--disable' if enable else '--enable'}"
    note = firewall.note(port) if enable else ""
    return {
        "firewall": name,
        "ports": list(ports),
        "changed": bool(tools.did),
        "did": tools.did,
        "undo": undo,
        "note": note or None,
    }


def _tell(row: dict[str, Any], port: int, enable: bool, output: Output) -> None:
    state = f"lets TCP port {port} in" if enable else "no longer has the exception"
    output.say(f"{NAME}: {row['firewall']} {state}.{'' if row['changed'] else ' It did already; nothing was changed.'}")
    for line in row["did"]:
        print(line)
    if row["note"]:
        output.say(f"note: {row['note']}")
    if row["changed"]:
        output.say(f"Undo: {row['undo']}")


def _form_row(each: Form) -> dict[str, Any]:
    row = asdict(each)
    row["format"] = row.pop("name")
    return row
