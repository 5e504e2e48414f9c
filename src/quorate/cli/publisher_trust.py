"""`quorate publisher revoke` and `rotate`: taking trust back, and moving it to another key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from quorate.cli.output import JsonFlag, Output, StateDir
from quorate.cli.publisher_common import (
    NewRootPassphraseFile,
    PassphraseFile,
    RootPassphraseFile,
    ask_passphrase,
    home_of,
    minute,
    moment,
    open_publisher,
)
from quorate.clock import SystemClock, SystemEntropy
from quorate.core.words import counted
from quorate.publisher.blocklist import Kind
from quorate.publisher.config import NEW_ROOT_PASSPHRASE_VARIABLE, root_passphrase
from quorate.publisher.issue import Publisher
from quorate.publisher.rootkey import RootKey, root_path
from quorate.publisher.rotation import Rotation, Step
from quorate.publisher.vault import require_present

__all__ = ["revoke", "rotate"]

_HOSTS_SHOWN_MAX = 20


def revoke(
    host_key: Annotated[
        str | None,
        typer.Option("--host-key", help="A host key: its id or the beginning of it, its last five, or the key itself."),
    ] = None,
    host: Annotated[str | None, typer.Option("--host", help="A host, by its id or the beginning of it.")] = None,
    serial: Annotated[str | None, typer.Option("--serial", help="One certificate, by its serial.")] = None,
    signing_key: Annotated[
        str | None, typer.Option("--signing-key", help="A host's signing key that has leaked, by its thumbprint.")
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", help="Why; shown to everybody who meets the host.", show_default=False)
    ] = "",
    since: Annotated[
        str | None,
        typer.Option("--since", help="Void from this day or moment on (UTC), such as 2026-11-01.", show_default="now"),
    ] = None,
    passphrase_file: PassphraseFile = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Take trust back: what a host signs from then on is void. Writes publisher.revocations, which hosts carry on."""
    output = Output(as_json)
    typed = {Kind.HOST_KEY: host_key, Kind.HOST: host, Kind.CERTIFICATE: serial, Kind.SIGNING_KEY: signing_key}
    named = [(kind, name) for kind, name in typed.items() if name is not None]
    if len(named) != 1:
        raise typer.BadParameter("name one of --host-key, --host, --serial, --signing-key")
    if not reason:
        raise typer.BadParameter("say why", param_hint="--reason")
    since_s = None if since is None else moment(since, "--since")
    publisher = open_publisher(folder, passphrase_file)
    outcome = publisher.revoke(*named[0], reason, since_s)
    entry = outcome.entry
    facts: dict[str, Any] = msgspec.to_builtins(entry)
    path = str(publisher.revocations_path)
    output.facts(
        {
            **facts,
            "since": minute(entry.since_s),
            "number": outcome.number,
            "changed": outcome.is_changed,
            "path": path,
        },
        {"kind": "revoked", "id": "id", "since": "void since", "reason": "reason", "number": "list", "path": "file"},
    )
    if not outcome.is_changed:
        output.say("That was revoked already; nothing was changed.")
        return
    output.say(
        f"Hosts take list {outcome.number} from `quorate publisher serve`; give the file to those that are not online. "
        f"Leases given before {minute(entry.since_s)} run their time."
    )
    if named[0][0] is Kind.SIGNING_KEY and since is None:
        output.say("note: whoever has that key can date leases back; --since with the day it leaked voids them.")


def rotate(
    drop_old: Annotated[
        bool,
        typer.Option(
            "--drop-old",
            allow_from_autoenv=False,
            help="The present key is worth nothing from now on: it may be stolen.",
        ),
    ] = False,
    finish: Annotated[
        bool,
        typer.Option(
            "--finish", allow_from_autoenv=False, help="Make no new key; drop the older ones that are still trusted."
        ),
    ] = False,
    new_root: Annotated[
        bool,
        typer.Option(
            "--new-root",
            allow_from_autoenv=False,
            help="Exchange the root key, or make the first one. The signing key stays, unless --drop-old says no.",
        ),
    ] = False,
    root_key: Annotated[
        Path | None,
        typer.Option("--root-key", help="The root key's file, where one was made.", show_default="publisher-root.key"),
    ] = None,
    root_passphrase_file: RootPassphraseFile = None,
    new_root_passphrase_file: NewRootPassphraseFile = None,
    passphrase_file: PassphraseFile = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Exchange the publisher's keys: publisher.trust leads everybody in the field to them, without a new product file.

    The signing key, unless --new-root is given.
    """
    output = Output(as_json)
    if finish and (drop_old or new_root):
        raise typer.BadParameter("--finish makes no new key; --drop-old and --new-root do")
    if new_root_passphrase_file is not None and not new_root:
        raise typer.BadParameter(
            "there is a new root key with --new-root only", param_hint="--new-root-passphrase-file"
        )
    home = require_present(home_of(folder))
    secret = ask_passphrase(home, passphrase_file)
    publisher = Publisher.open(home, secret, SystemClock(), SystemEntropy())
    path = root_key or root_path(home)
    root_secret = root_passphrase(path, root_passphrase_file, os.environ, secret) if path.exists() else secret
    root = RootKey(path, root_secret) if path.exists() or root_key is not None else None  # told as missing, by its name
    new_secret = None
    if new_root:
        variable = NEW_ROOT_PASSPHRASE_VARIABLE
        new_secret = root_passphrase(
            root_path(home), new_root_passphrase_file, os.environ, root_secret, variable=variable
        )
    step = Step.FINISH if finish else Step.REPLACE if drop_old else Step.KEEP if new_root else Step.ADD
    had_root = any(key.role == "root" for key in publisher.trust.keys)
    rotation = publisher.rotate(step, secret, root, new_secret)
    _say_rotated(output, publisher, step, rotation)
    if rotation.is_new_root:
        output.say(f"Move {root_path(home).name} to a safe place outside this machine, twice.")
        if had_root:
            output.say("Destroy the old root key: software that has not followed yet would still believe it.")
    elif root is not None:
        output.say("Take the root key away again.")


def _say_rotated(output: Output, publisher: Publisher, step: Step, rotation: Rotation) -> None:
    hosts = publisher.hosts_certified_before(SystemClock().now_s())
    home = publisher.state_dir
    output.facts(
        {
            "version": rotation.version,
            "kid": rotation.kid,
            "kept": list(rotation.kept),
            "dropped": list(rotation.dropped),
            "root_kid": rotation.root_kid,
            "root_key": str(root_path(home)) if rotation.is_new_root else None,
            "trust": str(publisher.trust_path),
            "jwks": str(publisher.jwks_path),
            "hosts_to_renew": [host.host_id for host in hosts],
        },
        {
            "version": "version",
            "kid": "signing key",
            "kept": "still trusted",
            "dropped": "dropped",
            **({"root_key": "new root key"} if rotation.is_new_root else {}),
            "trust": "for hosts",
            "jwks": "ships from now on",
        },
    )
    _say_hosts(output, step, [f"{host.customer}: {host.host_id}" for host in hosts])
    again = "ship with" if step is Step.KEEP else "are signed anew, and ship with"
    output.say(
        f"Hosts take {publisher.trust_path.name} from `quorate publisher serve`; give the file to those that are not "
        f"online. Software shipped earlier follows through it; the product files here {again} publisher.jwks.\n"
        f"Back up {home} again: an older backup holds the old keys."
    )


def _say_hosts(output: Output, step: Step, hosts: list[str]) -> None:
    """What happens to the certificates that an older key signed."""
    if step is Step.KEEP:
        output.say("The signing key stayed, so the certificates of all hosts stay good.")
        return
    if not hosts:
        output.say("No host has a certificate of an older key.")
        return
    shown = "\n".join(f"  {host}" for host in hosts[:_HOSTS_SHOWN_MAX])
    more = f"\n  and {len(hosts) - _HOSTS_SHOWN_MAX} more" if len(hosts) > _HOSTS_SHOWN_MAX else ""
    if step is Step.ADD:
        output.say(
            f"The certificates of {counted(len(hosts), 'host')} were signed by an older key and stay good:\n"
            f"{shown}{more}\nConfirm each again (its last request file will do, and uses nothing up), then drop the "
            "older keys: quorate publisher rotate --finish"
        )
        return
    output.say(
        f"The certificates of {counted(len(hosts), 'host')} were signed by a dropped key:\n{shown}{more}\n"
        "Clients that have followed believe neither them nor the leases given under them. Confirm each host again (its "
        "last request file will do, and uses nothing up); its clients then activate by themselves."
    )
