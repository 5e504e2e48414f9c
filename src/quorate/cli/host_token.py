"""`quorate host token add`, `list`, `remove`: who may administer this host over the network, and what they may do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import typer

from quorate.cli.output import JsonFlag, Output, StateDir
from quorate.clock import SystemClock, SystemEntropy
from quorate.core.admintoken import Scope
from quorate.core.policy import DAY_S
from quorate.core.trust import utc_text
from quorate.host.administration import Administration
from quorate.host.tokens import KeptToken

__all__ = ["token_app"]

EXPIRES_DAYS_MAX = 3650
_COLUMNS = {"name": "NAME", "scope": "SCOPE", "made": "MADE (UTC)", "ends": "ENDS (UTC)", "state": "STATE"}

Opener = Callable[[Path | None], AbstractContextManager[Administration]]


def token_app(open_host: Opener) -> typer.Typer:
    """The group of commands, to be added to `quorate host` as `token`."""
    app = typer.Typer(
        help="Tokens for administration over the network: made, listed, taken away.",
        no_args_is_help=True,
        epilog="Example: quorate host token list",
    )

    @app.command(epilog="Example: quorate host token add alice --scope read --expires 90")
    def add(
        name: Annotated[
            str, typer.Argument(help="Who it is for: a-z, 0-9, dot, dash. Events name it.", metavar="NAME")
        ],
        scope: Annotated[
            Scope, typer.Option("--scope", help="read: look only. operate: change the host as well.")
        ] = Scope.READ,
        expires: Annotated[
            int | None,
            typer.Option(
                "--expires",
                min=1,
                max=EXPIRES_DAYS_MAX,
                help="Days until it ends.",
                metavar="DAYS",
                show_default="it does not end",
            ),
        ] = None,
        folder: StateDir = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Make a token and print it, this once. A running host takes it at once."""
        output = Output(as_json)
        expires_s = None if expires is None else SystemClock().now_s() + expires * DAY_S
        with open_host(folder) as host:
            text = host.add_token(name, scope, expires_s, SystemEntropy())
            address = host.settings().admin_address
        facts = {"token": text, "name": name, "scope": scope.value, "expires_s": expires_s}
        output.show(facts, {"token": "Token"})
        output.say("It is shown this once; only its hash is kept. Give it to nobody else, and put it into no script.")
        if address.startswith("127."):
            output.say(
                "note: administration listens on this machine only; to open it: "
                "docs/how-to/administer-over-the-network.md"
            )

    @app.command("list", epilog="Example: quorate host token list --json")
    def list_(folder: StateDir = None, as_json: JsonFlag = False) -> None:
        """List the tokens there are; what they are is not kept."""
        output = Output(as_json)
        now_s = SystemClock().now_s()
        with open_host(folder) as host:
            rows = [_row(each, now_s) for each in host.tokens()]
        if rows or as_json:
            output.rows(rows, _COLUMNS)
        else:
            output.say("There are no tokens yet; `quorate host token add NAME --scope read` makes one.")

    @app.command(epilog="Example: quorate host token remove alice")
    def remove(
        name: Annotated[str, typer.Argument(help="Whose token.", metavar="NAME")],
        folder: StateDir = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Take a token away. A running host refuses it from now on, and its sessions in the console end."""
        output = Output(as_json)
        with open_host(folder) as host:
            host.remove_token(name)
        output.facts({"removed": name}, {"removed": "Removed"})

    return app


def _row(token: KeptToken, now_s: int) -> dict[str, Any]:
    return {
        "name": token.name,
        "scope": token.scope.value,
        "made_s": token.made_s,
        "expires_s": token.expires_s,
        "made": utc_text(token.made_s)[:16],
        "ends": None if token.expires_s is None else utc_text(token.expires_s)[:16],
        "state": "ended" if token.is_expired(now_s) else "good",
    }
