"""`quorate host request`, `activate`, `update`: papers to the publisher and back, by file, as text, or online."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from quorate.cli.common.output import JsonFlag, Output, StateDir
from quorate.cli.common.qr import QrFileOption, QrFlag, show_qr
from quorate.cli.host.open import open_host
from quorate.core.armor import TEXT_BYTES_MAX, armored, dearmored, text_of
from quorate.core.documents import HOST_CERTIFICATE, HostCertificate
from quorate.core.revocation import REVOCATIONS
from quorate.core.trust import utc_text
from quorate.errors import MalformedError, OutputExistsError
from quorate.files import read_bounded, write_new
from quorate.host.admin.administration import Administration
from quorate.host.identity.publisher_client import PublisherAddress

__all__ = ["activate", "request", "update"]

_UPDATE_BYTES_MAX = REVOCATIONS.bytes_max + 2  # the longest of these files, and its line end


def request(
    output_file: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write the request here.", metavar="FILE.req", show_default=False),
    ] = None,
    as_text: Annotated[bool, typer.Option("--text", help="Print the request as text for a mail.")] = False,
    as_qr: QrFlag = False,
    qr_file: QrFileOption = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Make the request that the publisher confirms. It holds no key; it may travel by ordinary mail."""
    output = Output(as_json)
    if output_file is None and qr_file is None and not (as_text or as_qr):
        raise typer.BadParameter("say where the request goes: -o FILE, --text, --qr, --qr-file FILE")
    if as_json and as_qr:
        raise typer.BadParameter("a QR code on the terminal is for people: use --qr-file with --json")
    for path in (output_file, qr_file):
        if path is not None and path.exists():  # before a request is remembered for nothing
            raise OutputExistsError(path=path)
    with open_host(folder) as host:
        token = host.request()
    facts: dict[str, Any] = {"request": None if output_file is None else str(output_file)}
    if output_file is not None:
        write_new(output_file, token.encode("ascii") + b"\n")
    if as_json:
        output.facts({**facts, **({"text": armored(token)} if as_text else {})})
    elif as_text:  # nothing else, so that it can be piped into a mail
        print(armored(token), end="")
    elif output_file is not None:
        output.facts(facts, {"request": "Request"})
    if as_qr or qr_file is not None:
        show_qr(token, "the request", qr_file, on_terminal=as_qr)
    name = "FILE" if output_file is None else output_file.name
    output.say(
        f"Send it to the publisher (quorate publisher confirm {name} -o FILE.cert), then: "
        "quorate host activate --confirmation FILE.cert"
    )


def activate(
    confirmation: Annotated[
        Path | None,
        typer.Option(
            "--confirmation",
            help="The publisher's answer to the request: a file, a saved mail, or - for text on stdin.",
            metavar="FILE.cert",
            show_default=False,
        ),
    ] = None,
    publisher_url: Annotated[
        str | None,
        typer.Option(
            "--publisher-url",
            envvar="QUORATE_PUBLISHER_URL",
            help="Ask the publisher's activation service; it is remembered, and the certificate renewed there.",
            show_default="the setting publisher-url",
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option("--ca-file", help="Authorities to trust for it, PEM.", show_default="those of this machine"),
    ] = None,
    insecure_http: Annotated[
        bool, typer.Option("--insecure-http", help="Let http:// go to another machine, for all to read.")
    ] = False,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Activate this host, online or with the publisher's confirmation. A running host notices by itself."""
    output = Output(as_json)
    if confirmation is not None and publisher_url is not None:
        raise typer.BadParameter("give --confirmation or --publisher-url, not both")
    with open_host(folder) as host:
        if confirmation is not None:
            certificate = host.activate(dearmored(text_of(_given(confirmation)), HOST_CERTIFICATE))
        else:
            address = _address(host, publisher_url, ca_file, insecure_http)
            certificate = host.activate_online(address)
    _show(output, certificate)


def update(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="publisher.trust, publisher.revocations, FILE.product, FILE.cert; without any the publisher is asked.",
            metavar="[FILE]...",
            show_default=False,
        ),
    ] = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Take what is new from the publisher: from files, in any order, or online where publisher-url is set."""
    output = Output(as_json)
    texts = [(str(path), text_of(read_bounded(path, _UPDATE_BYTES_MAX))) for path in files or ()]
    with open_host(folder) as host:
        products: tuple[str, ...] = ()
        if texts:
            taken = host.update(texts)
            version, number, serial, products = taken.version, taken.number, taken.certificate, taken.products
        else:
            found = host.refresh()
            if found is None:
                raise typer.BadParameter("name the files that the publisher sent, or set publisher-url")
            version, number = found.version, found.number
            serial = None if found.certificate is None else found.certificate.serial
        status = host.status()
    facts = {
        "keys_version": version,
        "revocations": number,
        "products": list(products),
        "certificate": serial,
        "activated": status.activated,
        "code": status.code,
    }
    shown = {"keys_version": "Keys at version", "revocations": "Revocation list", "products": "Products"}
    labels = {name: label for name, label in {**shown, "certificate": "Certificate"}.items() if facts[name]}
    output.facts(facts, None if as_json else labels)
    if not labels:
        output.say("Nothing of it is new here.")
    if not status.activated:
        output.say(f"This host answers nobody: {status.message}")


def _address(host: Administration, url: str | None, ca_file: Path | None, insecure_http: bool) -> PublisherAddress:
    if url is not None:
        return PublisherAddress(url, None if ca_file is None else ca_file.absolute(), insecure_http)
    remembered = host.publisher_address()
    if remembered is None:
        raise typer.BadParameter("give --publisher-url URL, or --confirmation FILE.cert")
    return remembered


def _show(output: Output, certificate: HostCertificate) -> None:
    facts = {
        "activated": True,
        "customer": certificate.customer,
        "product_groups": list(certificate.groups),
        "certificate_expires_s": certificate.expires_s,
        "expires": utc_text(certificate.expires_s),
    }
    output.facts(
        facts, {"customer": "Activated for", "product_groups": "Product groups", "expires": "Certificate until"}
    )


def _given(path: Path) -> bytes:
    """A confirmation, or what is typed or piped in, at most as long as a mail may be."""
    if str(path) != "-":
        return read_bounded(path, TEXT_BYTES_MAX)
    if sys.stdin.isatty():
        sys.stderr.write("Paste the confirmation, then press Ctrl-D.\n")
    data = sys.stdin.buffer.read(TEXT_BYTES_MAX + 1)
    if len(data) > TEXT_BYTES_MAX:
        raise MalformedError(what="the confirmation", reason=f"it is longer than {TEXT_BYTES_MAX} bytes")
    return data
