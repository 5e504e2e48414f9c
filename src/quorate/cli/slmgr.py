"""`quorate-slmgr`: slmgr's own switches, on the KMS host and the KMS client of this machine, or on a host elsewhere.

What is asked for is done in order, and the first failure ends it. Unlike slmgr.vbs there are exit codes (0 worked,
1 failed, 2 misused, 3 refused by the host), `--json`, and no windows.
"""

from __future__ import annotations

import contextlib
import getpass
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quorate import __version__
from quorate.cli.output import exit_code, json_line
from quorate.cli.roles import Here, look_here
from quorate.cli.slmgr_client import ClientDesk, do_on_client
from quorate.cli.slmgr_host import do_on_host
from quorate.cli.slmgr_remote import RemoteHost, is_loopback
from quorate.cli.slmgr_words import Asked, Call, Role, parse, usage
from quorate.cli.streams import first_line
from quorate.cli.variables import ADMIN_TOKEN_VARIABLE
from quorate.errors import (
    AccessDeniedError,
    HostKeyOnClientError,
    MisusedError,
    QuorateError,
    StateMissingError,
    WrongRoleError,
)
from quorate.errors.installing import pip_install
from quorate.files import read_secret

__all__ = ["run"]

TOKEN_BYTES_MAX = 4096
_COMPLETION = "_QUORATE_SLMGR_COMPLETE"  # set by the shell when it asks what could come next
_HOST_INIT = "quorate host init --product FILE.product --trust publisher.jwks"
_CLIENT_INIT = "quorate client init --product FILE.product --trust publisher.jwks"


def run() -> None:
    """The entry point."""
    words = sys.argv[1:]
    if _COMPLETION in os.environ or words[:1] in (["--install-completion"], ["--show-completion"]):
        importlib.import_module("quorate.cli.completion").slmgr_application()(prog_name="quorate-slmgr")
    try:
        call = parse(words)
        _run(call)
    except MisusedError as wrong:
        _report(wrong, any(word.lower() == "--json" for word in words))
        sys.stderr.write(f"\n{usage()}\n")
        sys.exit(2)
    except QuorateError as error:
        _report(error, call.as_json)
        sys.exit(exit_code(error))


def _run(call: Call) -> None:
    if call.is_help:
        print(usage())
        return
    if call.is_version:
        print(__version__)
        return
    if call.computer is not None:
        _run_remote(call, call.computer)
        return
    here = look_here(None if call.state_dir is None else Path(call.state_dir), os.environ)
    for asked in call.asked:
        roles = _roles(asked, call, here)
        for place, role in enumerate(roles):
            if len(roles) > 1 and not call.as_json:
                print(f"{chr(10) if place else ''}[KMS {role.value}]")
            lines, objects = _do(asked, role, call, here)
            _tell(call, asked, role, lines, objects)


def _do(asked: Asked, role: Role, call: Call, here: Here) -> tuple[list[str], list[dict[str, Any]]]:
    if role is Role.CLIENT:
        return do_on_client(asked, ClientDesk(here, call.product_id))
    # A machine that is only a client has nothing of a host's libraries, and never comes here.
    try:
        module = importlib.import_module("quorate.cli.slmgr_desk")
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("quorate"):
            raise
        sys.stderr.write(f"error: {missing.name} is not installed\nhint: {pip_install('host')}\n")
        sys.exit(1)
    with module.StateFolderDesk(here.host_folder) as desk:
        done = do_on_host(asked, desk)
    return done.lines, [done.facts]


def _roles(asked: Asked, call: Call, here: Here) -> list[Role]:
    """On which of this machine's roles a switch works: the one it is for, or for what only shows, all there are.

    Raises:
        WrongRoleError, HostKeyOnClientError, StateMissingError: the machine is not what the switch is for.
        AccessDeniedError: it may be, but belongs to another user.
        MisusedError: it is both, and the switch changes something.
    """
    wanted = [call.role] if call.role is not None else list(asked.switch.roles)
    is_here = {Role.HOST: here.is_host, Role.CLIENT: here.is_client}
    found = [role for role in wanted if is_here[role]]
    if len(found) > 1 and asked.switch.name not in ("dli", "dlv", "xpr"):
        raise MisusedError(
            reason=f"this machine is a KMS host and a KMS client: /{asked.switch.name} needs --role host or client"
        )
    if found:
        return found
    if here.denied is not None:
        owner = _owner(here.denied)
        raise AccessDeniedError(path=here.denied, owner=owner, command=f"quorate-slmgr /{asked.switch.name}")
    if asked.switch.name == "ipk" and here.is_client:
        raise HostKeyOnClientError
    if here.is_client or here.is_host:
        raise _wrong_role(asked, wanted[0], here)
    if wanted == [Role.HOST]:
        raise StateMissingError(role="KMS host", path=here.host_folder, command=_HOST_INIT)
    if wanted == [Role.CLIENT]:
        raise StateMissingError(role="KMS client", path=here.client_folders[-1], command=_CLIENT_INIT)
    where = f"{here.host_folder} or {here.client_folders[-1]}"
    raise StateMissingError(role="KMS host or KMS client", path=where, command=_CLIENT_INIT)


def _wrong_role(asked: Asked, wanted: Role, here: Here) -> WrongRoleError:
    switch = f"/{asked.switch.name}"
    if wanted is Role.HOST:
        there = f"name it: `quorate-slmgr HOST admin TOKEN {switch}`" if asked.switch.is_remote else "run it there"
        next_step = f"Is the KMS host another machine? Then {there}."
        return WrongRoleError(switch=switch, wanted="host", found="a KMS client", next_step=next_step)
    next_step = f"To make it a client as well: `{_CLIENT_INIT}`."
    return WrongRoleError(switch=switch, wanted="client", found="a KMS host", next_step=next_step)


def _owner(path: Path) -> str:
    with contextlib.suppress(OSError, KeyError):
        return path.owner()
    return "another user"


# --- another machine -------------------------------------------------------------------------------------------------


def _run_remote(call: Call, computer: str) -> None:
    ca_file = call.ca_file or os.environ.get("QUORATE_CA_FILE")
    host = RemoteHost(computer, _token(call, computer), Path(ca_file) if ca_file else None, call.user)
    if host.is_readable_on_the_way:
        sys.stderr.write(f"warning: the token goes to {host.name} unencrypted; https:// or a tunnel keeps it secret\n")
    for asked in call.asked:
        done = do_on_host(asked, host)
        _tell(call, asked, Role.HOST, done.lines, [done.facts])


def _token(call: Call, computer: str) -> str:
    """The token of administration: typed, from the environment, or for this very machine from its file.

    Raises:
        MisusedError: there is none.
        FilePermissionsError, FileAccessError: its file is readable by others, or not by us.
    """
    given = call.secret if call.secret is not None else os.environ.get(ADMIN_TOKEN_VARIABLE)
    if given == "-":
        given = getpass.getpass("Token: ") if sys.stdin.isatty() else first_line(TOKEN_BYTES_MAX)
    if not given and is_loopback(computer.partition("://")[2].partition(":")[0] or computer.partition(":")[0]):
        here = look_here(None if call.state_dir is None else Path(call.state_dir), os.environ)
        given = read_secret(here.host_paths.token).decode("ascii", "replace") if here.is_host else None
    token = (given or "").strip().strip("\ufeff").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise MisusedError(
            reason=f"{computer} asks for a token: quorate-slmgr {computer} admin TOKEN, or QUORATE_ADMIN_TOKEN"
        )
    return token


# --- telling ---------------------------------------------------------------------------------------------------------


def _tell(call: Call, asked: Asked, role: Role, lines: list[str], objects: list[dict[str, Any]]) -> None:
    for line in _printed(call, asked, role, lines, objects):
        print(line)
    sys.stdout.flush()


def _printed(call: Call, asked: Asked, role: Role, lines: list[str], objects: list[dict[str, Any]]) -> Iterator[str]:
    if not call.as_json:
        yield from lines
        return
    for each in objects:
        yield json_line({"switch": asked.switch.name, "role": role.value} | each)


def _report(error: QuorateError, as_json: bool) -> None:
    """As every command of ours, and with Microsoft's number, which administrators know."""
    if as_json:
        told = {"error": error.code, "hresult": error.hresult_text, "message": error.message, "hint": error.hint}
        print(json_line(told))
    number = f"{error.hresult_text} " if error.hresult_text else ""
    sys.stderr.write(f"error: {number}{error.code}: {error.message}\nhint: {error.hint}\n")
