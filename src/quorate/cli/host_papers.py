"""`quorate host install-key`, `request`, `activate`, `update`: papers to the publisher and back, by file or text."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from quorate.cli.hostopen import open_host
from quorate.cli.output import JsonFlag, Output, StateDir
from quorate.cli.qr import QrFileOption, QrFlag, show_qr
from quorate.cli.streams import typed_in
from quorate.core.armor import TEXT_BYTES_MAX, armored, dearmored, text_of
from quorate.core.documents import HOST_CERTIFICATE, HostCertificate
from quorate.core.filekinds import FileKind, given_as
from quorate.core.revocation import REVOCATIONS
from quorate.core.trust import utc_text
from quorate.errors import MalformedError, OutputExistsError
from quorate.files import read_given, write_new
from quorate.host.administration import Administration
from quorate.host.publisher_link import PublisherAddress

__all__ = ["activate", "install_key", "request", "update"]

_UPDATE_BYTES_MAX = REVOCATIONS.bytes_max + 2  # the longest of these files, and its line end
_KEY_FILE_BYTES_MAX = 4096  # a key, and the words of whoever saved it would be too many already


def install_key(
    key: Annotated[
        str | None,
        typer.Argument(
            help="The host key from the publisher; - reads it from stdin. Without it you are asked.",
            metavar="[XXXXX-XXXXX-XXXXX-XXXXX-XXXXX]",
            show_default=False,
        ),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            help="File with the host key: so it stands in no list of processes and in no shell's history.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Install the host key. A former one is replaced."""
    output = Output(as_json)
    typed = _key_text(key, key_file)
    with open_host(folder) as host:
        installed = host.install_key(typed)
    output.facts({"product_key_last_five": installed.last_five}, {"product_key_last_five": "Host key ending in"})
    output.say("Next: quorate host request -o FILE.req")


def _key_text(key: str | None, key_file: Path | None) -> str:
    """The key as it was typed, from wherever it was to come."""
    if key is not None and key_file is not None:
        raise typer.BadParameter("give the key or --key-file, not both")
    if key_file is not None and str(key_file) != "-":
        return text_of(read_given(key_file, _KEY_FILE_BYTES_MAX)).strip()
    if key == "-" or key_file is not None:
        return text_of(_from_stdin("the host key", _KEY_FILE_BYTES_MAX)).strip()
    if key is None and sys.stdin.isatty():
        return getpass.getpass("Host key: ")
    if key is None:
        raise typer.BadParameter("give the host key, - to read it from stdin, or --key-file FILE")
    return key


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
        output.show({**facts, **({"text": armored(token)} if as_text else {})})
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
    """Activate this host, online or with the publisher's confirmation. A running host notices it without a restart."""
    output = Output(as_json)
    if confirmation is not None and publisher_url is not None:
        raise typer.BadParameter("give --confirmation or --publisher-url, not both")
    answer = None if confirmation is None else dearmored(text_of(_given(confirmation)), HOST_CERTIFICATE)
    with open_host(folder) as host:
        if answer is not None:
            certificate = host.activate(answer)
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
    texts = [(str(path), text_of(_news(path))) for path in files or ()]
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


def _news(path: Path) -> bytes:
    kinds = FileKind.REVOCATIONS, FileKind.PRODUCT, FileKind.HOST_CERTIFICATE
    return given_as(read_given(path, _UPDATE_BYTES_MAX), FileKind.TRUST, path, *kinds)


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
        return given_as(read_given(path, TEXT_BYTES_MAX), FileKind.HOST_CERTIFICATE, path)
    return _from_stdin("the confirmation", TEXT_BYTES_MAX)


def _from_stdin(what: str, bytes_max: int) -> bytes:
    if sys.stdin.isatty():
        sys.stderr.write(f"Paste {what}, then press Ctrl-D.\n")
    data = typed_in(bytes_max + 1)
    if len(data) > bytes_max:
        raise MalformedError(what=what, reason=f"it is longer than {bytes_max} bytes")
    return data
