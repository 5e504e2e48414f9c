"""`quorate host`: set up, activate, run, look at and configure a KMS host, on its state folder."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from quorate.cli.completion import setting_names, setting_values
from quorate.cli.host_backup import add_backup_commands
from quorate.cli.host_config import config_app
from quorate.cli.host_dns import dns_app
from quorate.cli.host_enrolment import app as enrolment_app
from quorate.cli.host_events import events_app
from quorate.cli.host_firewall import firewall_command
from quorate.cli.host_forecast import forecast_command
from quorate.cli.host_papers import activate, install_key, request, update
from quorate.cli.host_run import run
from quorate.cli.host_token import token_app
from quorate.cli.hostopen import host_paths, open_host, open_publication, stronger_note
from quorate.cli.hoststatus import status_lines
from quorate.cli.output import JsonFlag, Output, StateDir
from quorate.cli.paging import page_rows, paged, row_progress
from quorate.cli.progress import Progress
from quorate.cli.service import host_install_service
from quorate.cli.streams import is_listening
from quorate.cli.table import Column
from quorate.cli.under_systemd import listen_stream
from quorate.clock import SystemClock, SystemEntropy
from quorate.core.documents import PRODUCT
from quorate.core.filekinds import FileKind, given_as
from quorate.core.trust import utc_text
from quorate.errors import MalformedError
from quorate.files import read_given
from quorate.host.administration import Administration
from quorate.host.config import RULES
from quorate.host.configuration import FILE_SETTINGS
from quorate.host.process import running_host
from quorate.host.views import ClientView

__all__ = ["app"]

app = typer.Typer(
    help="The KMS host: hears clients, counts them, answers with leases.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: quorate host status",
)

app.add_typer(config_app, name="config")
app.add_typer(dns_app(open_publication), name="dns")
app.add_typer(enrolment_app, name="enrolment")
app.add_typer(token_app(open_host), name="token")
add_backup_commands(app)

JWKS_BYTES_MAX = 64 * 1024
_SPARE = 16  # a final newline or two

_SETTINGS_HELP = "\n\n".join(f"{name}: {rule.allowed}." for name, rule in RULES.items())

_CLIENT_COLUMNS = {
    "machine": Column("MACHINE", 20), "cmid": Column("CMID", 36, 1), "edition": Column("EDITION", 20, 6),
    "class": Column("CLASS", 9, 5), "status": Column("STATUS", 16, 2), "first_seen": Column("FIRST SEEN (UTC)", 16, 7),
    "last_seen": Column("LAST SEEN (UTC)", 16, 3), "address": Column("ADDRESS", 15, 4), "flags": Column("FLAGS", 6, 3),
    "other_machine": Column("ALSO SEEN AS", 20, 8),
}  # fmt: skip


# --- becoming a host -------------------------------------------------------------------------------------------------


@app.command(epilog="Example: quorate host init --product acme-cad.product --trust publisher.jwks")
def init(
    product: Annotated[Path, typer.Option("--product", help="The product file to serve.", metavar="FILE.product")],
    trust: Annotated[Path, typer.Option("--trust", help="The publisher's public keys.", metavar="publisher.jwks")],
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a KMS host: its identity, its records, its first product."""
    output = Output(as_json)
    paths = host_paths(folder)
    jwks = given_as(read_given(trust, JWKS_BYTES_MAX), FileKind.PUBLISHER_KEYS, trust)
    with Administration.init(paths, _text(product, PRODUCT.bytes_max), jwks, SystemClock(), SystemEntropy()) as host:
        status = host.status()
    facts = {
        "host_id": status.host_id,
        "products": [each.id for each in status.products],
        "state_dir": status.state_dir,
        "admin_token": str(paths.token),
    }
    output.facts(
        facts,
        {"host_id": "Host id", "products": "Products", "state_dir": "State", "admin_token": "Administration token"},
    )
    output.say("Next: quorate host install-key XXXXX-XXXXX-XXXXX-XXXXX-XXXXX")


@app.command("add-product", epilog="Example: quorate host add-product acme-paint.product")
def add_product(
    product: Annotated[Path, typer.Argument(help="A product file of the same publisher.", metavar="FILE.product")],
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Serve one more product, or a newer file of one that is here. A running host notices it without a restart."""
    output = Output(as_json)
    token = _text(product, PRODUCT.bytes_max)
    with open_host(folder) as host:
        added = host.add_product(token)
        covered = {each.id: each.covered for each in host.status().products}[added.product]
    output.facts(
        {
            "product": added.product,
            "group": added.group,
            "editions": [edition.id for edition in added.editions],
            "covered": covered,
        }
    )
    if not covered:
        output.say(f"note: this host's certificate does not cover group {added.group}; it needs a host key that does.")


app.command("install-key", epilog="Example: quorate host install-key --key-file contoso.key")(install_key)
app.command(epilog="Example: quorate host request -o contoso.req")(request)
app.command(epilog="Example: quorate host activate --publisher-url https://acme.example")(activate)
app.command(epilog="Example: quorate host update publisher.trust publisher.revocations")(update)


# --- running ---------------------------------------------------------------------------------------------------------


app.command(epilog="Example: quorate host run --port 1700")(run)


# --- looking ---------------------------------------------------------------------------------------------------------


@app.command(epilog="Example: quorate host status --json")
def status(folder: StateDir = None, as_json: JsonFlag = False) -> None:
    """Show the host: activation, counts, settings, requests. What `slmgr /dlv` shows, and more."""
    output = Output(as_json)
    with open_host(folder) as host:
        shown = host.status()
    if as_json:
        output.show(msgspec.to_builtins(shown))
        return
    for line in status_lines(shown):
        print(line)


app.command("forecast", epilog="Example: quorate host forecast --retire 40 --add 12")(forecast_command(open_host))


@app.command(epilog="Example: quorate host clients --search pc-00 --csv")
def clients(
    search: Annotated[
        str | None,
        typer.Option("--search", help="Part of a machine's name, address, edition or group; or how its CMID begins."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    show_all: Annotated[bool, typer.Option("--all", help="On a terminal, too, all of them and not one page.")] = False,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """List every machine this host has heard within the count window."""
    output = Output(as_json)
    with open_host(folder) as host, row_progress("Listing machines") as told:
        found = _counted(host.iter_clients(search), told)
        if as_csv:
            _print_csv(found)
        elif as_json:
            output.rows((msgspec.to_builtins(client) for client in found), _CLIENT_COLUMNS)
        else:
            page = paged(found, None if show_all else page_rows(), output, _THE_REST)
            output.rows((_client_shown(client) for client in page), _CLIENT_COLUMNS)


_THE_REST = "All: --all; some: --search TEXT; one after the other: quorate host clients | less -S"


def _counted(clients: Iterable[ClientView], told: Progress) -> Iterator[ClientView]:
    for number, client in enumerate(clients):
        if number % 1000 == 0:
            told.told = f"{number:,} machines"
        yield client


app.add_typer(events_app(open_host), name="events")


def _names(incomplete: str) -> list[tuple[str, str]]:
    return setting_names(FILE_SETTINGS, incomplete)


def _values(context: typer.Context, incomplete: str) -> list[str]:
    return setting_values(FILE_SETTINGS, context.params.get("name") or "", incomplete)


# --- settings --------------------------------------------------------------------------------------------------------


@app.command(
    "set", epilog="Example: quorate host set renewal-interval 10080", help=f"Set NAME to VALUE.\n\n{_SETTINGS_HELP}"
)
def set_(
    name: Annotated[str, typer.Argument(help="A setting.", metavar="NAME", autocompletion=_names)],
    value: Annotated[
        str, typer.Argument(help="Its new value; `default` for the default.", metavar="VALUE", autocompletion=_values)
    ],
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Change one setting; a running host uses it within about a second."""
    output = Output(as_json)
    rule = RULES.get(name.strip().lower().replace("_", "-"))
    if rule is not None and rule.is_file and value not in ("", "default"):
        value = str(Path(value).absolute())  # the host may be started in another folder
    with open_host(folder) as host:
        output.facts(host.set_settings({name: None if value == "default" else value}))
        note = stronger_note(host, name.strip().lower().replace("_", "-"))
    if note is not None:
        output.say(note)


# --- the machine around it -------------------------------------------------------------------------------------------


def _port_of(folder: Path | None) -> tuple[int, int | None]:
    with open_host(folder) as host:
        running = running_host(host.paths)
        return host.settings().port, None if running is None else running.port


app.command("firewall", epilog="Example: quorate host firewall --enable")(firewall_command(_port_of))
app.command("install-service", epilog="Example: quorate host install-service --socket")(
    host_install_service(listen_stream)
)


# --- helpers ---------------------------------------------------------------------------------------------------------


def _text(path: Path, bytes_max: int) -> str:
    try:
        given = read_given(path, 2 * (bytes_max + _SPARE))  # an editor's UTF-16 has two bytes for each character
        return given_as(given, FileKind.PRODUCT, path).decode("ascii").strip()
    except UnicodeDecodeError:
        raise MalformedError(what=str(path), reason="it is not a signed document") from None


def _client_shown(client: ClientView) -> dict[str, Any]:
    return {
        **msgspec.to_builtins(client),
        "first_seen": _minute(client.first_seen_s),
        "last_seen": _minute(client.last_seen_s),
    }


def _minute(time_s: int) -> str:
    return utc_text(time_s)[:16]


def _print_csv(found: Iterable[ClientView]) -> None:
    columns = [
        "machine",
        "cmid",
        "group",
        "edition",
        "class",
        "status",
        "first_seen",
        "last_seen",
        "address",
        "flags",
        "other_machine",
    ]
    writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore")
    writer.writeheader()
    for client in found:
        if not is_listening():
            return
        row = {
            **msgspec.to_builtins(client),
            "first_seen": utc_text(client.first_seen_s),
            "last_seen": utc_text(client.last_seen_s),
            "flags": " ".join(client.flags),
        }
        writer.writerow({name: _harmless(value) for name, value in row.items()})


def _harmless(value: Any) -> Any:
    """A machine may call itself `=cmd|...`; a spreadsheet must show that, not run it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
