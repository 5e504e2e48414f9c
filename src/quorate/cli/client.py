"""`quorate client`: the commands of a machine that is to be activated."""

from __future__ import annotations

import dataclasses
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from quorate.cli.client_agent import PRODUCTS_MAX, run_agents
from quorate.cli.client_config import config_app, strict_settings
from quorate.cli.client_discovery import show_discovery
from quorate.cli.client_owner import hand_over, work_as_owner_of
from quorate.cli.output import ConfigFile, JsonFlag, Output, StateDir, exit_code
from quorate.cli.service import client_install_service
from quorate.cli.streams import typed_in
from quorate.cli.variables import unknown_variables
from quorate.client.client import Client
from quorate.client.config import Settings
from quorate.client.discovery.trail import origin
from quorate.client.enrolment import FILE_BYTES_MAX as ENROLMENT_BYTES_MAX
from quorate.client.enrolment import secret_from
from quorate.client.installed import Installed, all_of, install, load_anchor, the_one
from quorate.client.standing import NEVER_S, Status
from quorate.clock import SystemClock
from quorate.core.enrolment import EnrolmentSecret
from quorate.core.messages import LicenseStatus
from quorate.core.spans import when_text
from quorate.core.trust import utc_text
from quorate.core.words import counted
from quorate.errors import CountInsufficientError, QuorateError
from quorate.host.sdnotify import ServiceManager

__all__ = ["app"]


class Switch(StrEnum):
    """A setting that is on or off."""

    ON = "on"
    OFF = "off"


app = typer.Typer(
    help="Activate the software on this machine, and look at it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: quorate client status",
)

ProductId = Annotated[
    str | None,
    typer.Option(
        "--product-id",
        envvar="QUORATE_PRODUCT_ID",
        help="Which product, where several are set up.",
        show_default="the only one",
    ),
]


@app.command(epilog="Example: quorate client init --product acme-cad.product --trust publisher.jwks")
def init(
    product: Annotated[Path, typer.Option("--product", help="The product file that ships with the software.")],
    trust: Annotated[Path, typer.Option("--trust", help="The publisher's public keys, publisher.jwks.")],
    edition: Annotated[
        str | None, typer.Option("--edition", help="Which edition.", show_default="the first in the product file")
    ] = None,
    enrolment: Annotated[
        str | None,
        typer.Option(
            "--enrolment",
            envvar="QUORATE_ENROLMENT",
            help="This site's enrolment secret, where its KMS host asks for one: a file with it, - for standard input, "
            "or the secret itself (which others then see in the list of processes).",
            metavar="FILE",
            show_default="none; a secret that was set before stays",
        ),
    ] = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Set up a product on this machine. Again with a newer product file: its state stays."""
    output = Output(as_json)
    secret = None if enrolment is None else _secret(enrolment)
    product_id = load_anchor(product, trust).product.product
    root = folder if folder is not None else Settings.from_environment().root(product_id)
    made = install(root, product, trust)
    hand_over(made)
    client = _client(made, edition)
    if secret is not None:
        client.set_enrolment(secret)
    _show(output, client, client.install_again())
    output.say(
        "Next: `quorate client activate`. It finds its KMS host in DNS; or name one: `quorate client set-host NAME`."
    )


@app.command(epilog="Example: quorate client activate --json")
def activate(folder: StateDir = None, product_id: ProductId = None, as_json: JsonFlag = False) -> None:
    """Ask the KMS host now. Exit 3: it refused; 1: no answer, or none to be believed."""
    output = Output(as_json)
    strict_settings(None, folder)
    client = _client(_found(folder, product_id))
    try:
        status = client.activate()
    except QuorateError as error:
        told = dataclasses.replace(client.status(), code=error.code, message=error.message, hint=error.hint)
        if as_json:
            _show(output, client, told)
        sys.stderr.write(f"{_not_activated(error, told)}\nhint: {error.hint}\n")
        raise typer.Exit(exit_code(error)) from None
    _show(output, client, status)


@app.command(epilog="Example: quorate client status --json")
def status(folder: StateDir = None, product_id: ProductId = None, as_json: JsonFlag = False) -> None:
    """Show where this machine stands. Asks nobody."""
    client = _client(_found(folder, product_id))
    _show(Output(as_json), client, client.status(), is_asked_for=True)


@app.command("set-host", epilog="Example: quorate client set-host kms.contoso.example:1688")
def set_host(
    host: Annotated[str, typer.Argument(help="Name or address; port 1688 unless said.", metavar="NAME[:PORT]")],
    folder: StateDir = None,
    product_id: ProductId = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask this KMS host and no other."""
    output = Output(as_json)
    client = _client(_found(folder, product_id))
    _show(output, client, client.set_host(host))
    output.say("Next: `quorate client activate`; a running agent asks within a minute.")


@app.command("clear-host", epilog="Example: quorate client clear-host")
def clear_host(folder: StateDir = None, product_id: ProductId = None, as_json: JsonFlag = False) -> None:
    """Forget the KMS host that was set, and look for one in DNS again."""
    client = _client(_found(folder, product_id))
    _show(Output(as_json), client, client.clear_host())


@app.command("set-domain", epilog="Example: quorate client set-domain corp.contoso.example")
def set_domain(
    domain: Annotated[str, typer.Argument(help="DNS domain that holds the SRV record.", metavar="DOMAIN")],
    folder: StateDir = None,
    product_id: ProductId = None,
    as_json: JsonFlag = False,
) -> None:
    """Look for KMS hosts in this DNS domain and in no other."""
    output = Output(as_json)
    client = _client(_found(folder, product_id))
    status = client.set_domain(domain)
    _show(output, client, status)
    if status.host_source == "set":
        output.say(f"{status.host} was set by hand and goes before it: `quorate client clear-host` to look in DNS.")


@app.command("clear-domain", epilog="Example: quorate client clear-domain")
def clear_domain(folder: StateDir = None, product_id: ProductId = None, as_json: JsonFlag = False) -> None:
    """Look for KMS hosts in this machine's own DNS domain and its search list again."""
    client = _client(_found(folder, product_id))
    _show(Output(as_json), client, client.clear_domain())


@app.command("set-enrolment", epilog="Example: quorate client set-enrolment site.enrolment")
def set_enrolment(
    secret: Annotated[
        str,
        typer.Argument(
            help="A file with the secret, - for standard input, or the secret itself (which others then see in the "
            "list of processes).",
            metavar="FILE",
        ),
    ],
    folder: StateDir = None,
    product_id: ProductId = None,
    as_json: JsonFlag = False,
) -> None:
    """Give this machine the enrolment secret of its site, for a KMS host that serves enrolled clients only."""
    output, given = Output(as_json), _secret(secret)
    client = _client(_found(folder, product_id))
    _show(output, client, client.set_enrolment(given))
    output.say("Next: `quorate client activate`; a running agent asks within a minute.")


@app.command("clear-enrolment", epilog="Example: quorate client clear-enrolment")
def clear_enrolment(folder: StateDir = None, product_id: ProductId = None, as_json: JsonFlag = False) -> None:
    """Forget the enrolment secret: requests are sent without a proof again."""
    client = _client(_found(folder, product_id))
    _show(Output(as_json), client, client.set_enrolment(None))


@app.command("set-caching", epilog="Example: quorate client set-caching off")
def set_caching(
    switch: Annotated[Switch, typer.Argument(help="on: ask the host that worked last first; off: ask DNS each time.")],
    folder: StateDir = None,
    product_id: ProductId = None,
    as_json: JsonFlag = False,
) -> None:
    """Turn host caching on or off. Off, priority and weight of the SRV records decide in every attempt."""
    client = _client(_found(folder, product_id))
    _show(Output(as_json), client, client.set_caching(switch is Switch.ON))


@app.command("set-mdns", epilog="Example: quorate client set-mdns on")
def set_mdns(
    switch: Annotated[Switch, typer.Argument(help="on: where DNS knows no host that will do, ask the local link.")],
    folder: StateDir = None,
    product_id: ProductId = None,
    as_json: JsonFlag = False,
) -> None:
    """Look for KMS hosts on the local link too (mDNS). Needs the extra `mdns`; off unless turned on here."""
    client = _client(_found(folder, product_id))
    _show(Output(as_json), client, client.set_mdns(switch is Switch.ON))


@app.command(epilog="Example: quorate client discover --explain")
def discover(
    explain: Annotated[bool, typer.Option("--explain", help="Show every query, answer, choice and failure.")] = False,
    folder: StateDir = None,
    product_id: ProductId = None,
    as_json: JsonFlag = False,
) -> None:
    """Look for KMS hosts as an attempt would, and greet each. Counts nobody, changes nothing."""
    strict_settings(None, folder)
    show_discovery(Output(as_json), _client(_found(folder, product_id)).discover(), is_explained=explain)


@app.command("accept-clock", epilog="Example: quorate client accept-clock")
def accept_clock(folder: StateDir = None, product_id: ProductId = None, as_json: JsonFlag = False) -> None:
    """Take this machine's clock for right, after CLOCK_TURNED_BACK and where no KMS host can be reached.

    A lease stays, and runs by this clock. Uses one of the rearms that the publisher allows; none where the clock is not
    turned back.
    """
    client = _client(_found(folder, product_id))
    _show(Output(as_json), client, client.accept_clock())


@app.command(epilog="Example: quorate client rearm")
def rearm(folder: StateDir = None, product_id: ProductId = None, as_json: JsonFlag = False) -> None:
    """Take a new CMID and begin the initial grace anew, as before an image is made of this machine."""
    client = _client(_found(folder, product_id))
    _show(Output(as_json), client, client.rearm())


@app.command(epilog="Example: quorate client run")
def run(
    context: typer.Context,
    config: ConfigFile = None,
    folder: StateDir = None,
    product_id: ProductId = None,
    as_json: JsonFlag = False,
) -> None:
    """Be the agent of every product that is set up here, or of one: activate, renew when it is time to, and go on
    until SIGTERM or Ctrl-C. SIGHUP reads the configuration again."""
    output, clock = Output(as_json), SystemClock()
    for flaw in unknown_variables(os.environ, context, "client"):
        sys.stderr.write(f"warning: {flaw}\nhint: {flaw.allowed}\n")
    strict_settings(config, folder)
    every = all_of(_roots(folder)) if product_id is None else []
    found = every if len(every) > 1 else [_found(folder, product_id)]
    clients = {each.product.product: _client(each, config=config) for each in found[:PRODUCTS_MAX]}

    def tell(product: str, status: Status) -> None:
        if as_json:
            output.facts({"product": product, **_facts(status)})
        else:
            which = f"{product}: " if len(clients) > 1 else ""
            output.say(f"{utc_text(clock.now_s())}  {which}{status.status.value}: {status.message}")

    def reload() -> None:
        try:
            settings = strict_settings(config, folder)
            for client in clients.values():
                client.adopt(settings)
        except QuorateError as error:
            sys.stderr.write(f"error: {error.message}; what was read before stays in use\nhint: {error.hint}\n")
        else:
            output.say(f"{utc_text(clock.now_s())}  configuration read again")

    manager = ServiceManager(os.environ, os.getpid(), clock)
    run_agents(clients, tell, manager, reload, ends_with_reader=as_json)


app.add_typer(config_app, name="config")
app.command("install-service", epilog="Example: quorate client install-service")(client_install_service)


def _not_activated(error: QuorateError, status: Status) -> str:
    """The first line of an attempt without a lease. A count that is still too small is no error: asking has counted."""
    if not isinstance(error, CountInsufficientError):
        return f"error: {error.message}"
    what = "not renewed yet" if status.status is LicenseStatus.LICENSED else "not yet activated"
    return f"{what}: {status.count} of {counted(status.threshold, 'machine')}"


def _secret(given: str) -> EnrolmentSecret:
    typed = typed_in(ENROLMENT_BYTES_MAX + 1) if given == "-" else None
    return secret_from(given, typed)


def _found(folder: Path | None, product_id: str | None) -> Installed:
    return the_one(_roots(folder), product_id)


def _roots(folder: Path | None) -> tuple[Path, ...]:
    return Settings.from_environment().roots() if folder is None else (folder,)


def _client(found: Installed, edition: str | None = None, config: Path | None = None) -> Client:
    work_as_owner_of(found.root)
    return Client(found.product_path, found.trust_path, edition=edition, state_dir=found.root, config=config)


def _facts(status: Status) -> dict[str, Any]:
    return dataclasses.asdict(status)


def _show(output: Output, client: Client, status: Status, *, is_asked_for: bool = False) -> None:
    """One object for scripts; for people what they look for first, first.

    Args:
        is_asked_for: the command is there to show it; otherwise it tells what the command did.
    """
    tell = output.show if is_asked_for else output.facts
    if output.as_json:
        tell(_facts(status))
        return
    now_s = SystemClock().now_s()
    edition = client.product.edition(status.edition)
    ends = "" if status.expires_s is None else f" until {when_text(status.expires_s, now_s)}"
    facts: dict[str, Any] = {
        "product": client.product.name if edition is None else edition.name,
        "status": f"{_STATUS_WORDS[status.status]}{ends}{'' if status.usable else ', not usable'}",
    }
    if status.code is not None:
        facts["reason"] = status.message
        facts["code"] = status.code
        facts["next step"] = status.hint
    facts |= {
        "count": f"{'-' if status.count is None else status.count} of {status.threshold}",
        "KMS host": None if status.host is None else f"{status.host} ({_origin(status)})",
        "CMID": status.cmid,
        "last attempt": None if status.last_attempt_s is None else when_text(status.last_attempt_s, now_s),
        "next attempt": _next(status, now_s),
    }
    if status.lookup_domain is not None:
        facts["DNS domain"] = f"{status.lookup_domain} (set by hand)"
    if not status.host_caching:
        facts["host caching"] = "off"
    tell(facts)


def _next(status: Status, now_s: int) -> str | None:
    if status.next_attempt_s == NEVER_S:
        return None
    return "due now" if status.next_attempt_s <= now_s else when_text(status.next_attempt_s, now_s)


def _origin(status: Status) -> str:
    words = origin(status.host_source, status.host_domain)
    is_cached = status.host_source not in ("set", "mdns") and status.host_caching
    return f"{words}; cached" if is_cached else words


_STATUS_WORDS = {
    LicenseStatus.UNLICENSED: "unlicensed",
    LicenseStatus.INITIAL_GRACE: "initial grace",
    LicenseStatus.LICENSED: "licensed",
    LicenseStatus.ADDITIONAL_GRACE: "additional grace",
    LicenseStatus.NOTIFICATION: "notification: all grace is over",
}
