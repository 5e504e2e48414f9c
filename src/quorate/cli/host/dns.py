"""`quorate host dns`: publish, withdraw and check this host's SRV record, or print it to be added by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
import typer

from quorate.cli.common.output import (
    JsonFlag,
    Output,
    StateDir,
    report,
)
from quorate.cli.host.open import OpenedPublication, Opener
from quorate.errors import NotKnownError, QuorateError
from quorate.host.publication.check import Finding, check_publication
from quorate.host.publication.manual_record import Advice, advice_for
from quorate.host.publication.publisher import DomainResult
from quorate.host.publication.record import SrvRecord
from quorate.host.publication.state import DomainState

__all__ = ["dns_app"]


_COMES_BACK = (
    "note: this host runs and publishes again within a day; to keep the record away: "
    "quorate host set dns-publishing off"
)


def dns_app(open_publication: Opener) -> typer.Typer:
    """The group of commands, to be added to `quorate host` as `dns`."""
    app = typer.Typer(
        help="Publish, withdraw, check or print this host's SRV record.",
        no_args_is_help=True,
        epilog="Example: quorate host dns check",
    )

    @app.command(help="Publish the record in every domain now.\n\nExample: quorate host dns publish")
    def publish(state_dir: StateDir = None, as_json: JsonFlag = False) -> None:
        with open_publication(state_dir) as opened:
            _show_results(opened.publish(), Output(as_json))

    @app.command(
        help="Take this host's record away in every domain; other hosts' records stay.\n\n"
        "Example: quorate host dns withdraw"
    )
    def withdraw(state_dir: StateDir = None, as_json: JsonFlag = False) -> None:
        with open_publication(state_dir) as opened:
            results = opened.withdraw()
            _show_results(results, Output(as_json))
            if not results:
                Output(as_json).say("nothing was published, and there is nothing to withdraw")
            if opened.will_publish:
                Output(as_json).say(_COMES_BACK)

    @app.command(
        help="Look at every record that clients find, and try each target. Changes nothing.\n\n"
        "Example: quorate host dns check"
    )
    def check(state_dir: StateDir = None, as_json: JsonFlag = False) -> None:
        with open_publication(state_dir) as opened:
            findings = check_publication(opened.settings, opened.names, opened.hello, opened.host_id)
        _show_findings(findings, Output(as_json))

    @app.command(
        help="Print the record to add by hand, for every usual name server.\n\n"
        "Example: quorate host dns record --tool nsupdate"
    )
    def record(
        tool: Annotated[
            str | None,
            typer.Option(
                "--tool",
                envvar="QUORATE_DNS_TOOL",
                help="Only this form, ready to be pasted: zone-file, nsupdate, powershell, dnscmd, samba-tool, "
                "pdnsutil, knotc, dnsmasq, unbound.",
                show_default="all",
            ),
        ] = None,
        state_dir: StateDir = None,
        as_json: JsonFlag = False,
    ) -> None:
        with open_publication(state_dir) as opened:
            found = [(each, *_advice(opened, each)) for _, each in opened.settings.records()]
        if as_json:
            Output(True).rows((_advice_row(r, z, a) for r, z, forms in found for a in _chosen(forms, tool)), {})
            return
        for each, zone, forms in found:
            if tool is not None:
                print("\n".join(form.text for form in _chosen(forms, tool)))
                continue
            print(f"{each.line}\n(zone {zone})")
            for form in forms:
                print(f"\n{form.where}:")
                print("\n".join(f"    {line}" for line in form.text.splitlines()))
            print()

    return app


def _advice(opened: OpenedPublication, record: SrvRecord) -> tuple[str, tuple[Advice, ...]]:
    """Zone and forms; where DNS tells nothing the domain stands for the zone, and a word for the server."""
    zone, server = record.name.split(".", 2)[2], "PRIMARY-NAME-SERVER"
    try:
        primary = opened.names.locate(record.name, opened.settings.server)
        zone, server = primary.zone, primary.mname
    except QuorateError as unknown:
        Output(False).say(f"note: {unknown.message}")
    return zone.rstrip("."), advice_for(record, zone=zone, server=server)


def _chosen(forms: Iterable[Advice], tool: str | None) -> list[Advice]:
    forms = list(forms)
    chosen = [form for form in forms if tool is None or form.tool == tool]
    if not chosen:
        raise NotKnownError(what="tool", name=tool, known=", ".join(form.tool for form in forms))
    return chosen


def _advice_row(record: SrvRecord, zone: str, form: Advice) -> dict[str, Any]:
    return {
        "name": record.name.rstrip("."),
        "zone": zone,
        "record": record.line,
        "tool": form.tool,
        "where": form.where,
        "text": form.text,
    }


def _show_findings(findings: Iterable[Finding], output: Output) -> None:
    rows = [{f: getattr(each, f) for f in ("level", "code", "name", "message", "fix")} for each in findings]
    if output.as_json:
        output.rows(rows, {})
    else:
        for row in rows:
            print(f"[{row['level']}] {row['name']}: {row['message']}")
            if row["fix"]:
                print(f"       {row['fix']}")
    if any(row["level"] == "fail" for row in rows):
        raise typer.Exit(1)


def _show_results(results: tuple[DomainResult, ...], output: Output) -> None:
    rows = [msgspec.to_builtins(DomainState.of(each)) for each in results]
    if rows or output.as_json:
        output.rows(rows, {"domain": "Domain", "result": "Result", "record": "Record", "note": "Note"})
    failures = [each.error for each in results if each.error is not None]
    for error in failures:
        report(error, False)
    if failures:
        raise typer.Exit(1)
