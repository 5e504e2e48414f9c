"""`quorate publisher`: the commands of the one who signs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec import UNSET

from quorate.cli.output import JsonFlag, Output, StateDir
from quorate.cli.publisher_common import (
    PassphraseFile,
    RootPassphraseFile,
    ask_passphrase,
    end_of,
    home_of,
    minute,
    open_publisher,
)
from quorate.cli.publisher_list import key_facts, list_
from quorate.cli.publisher_serve import config_app, serve
from quorate.cli.publisher_trust import revoke, rotate
from quorate.cli.qr import QrFileOption, QrFlag, show_qr
from quorate.cli.streams import typed_in
from quorate.clock import SystemClock, SystemEntropy
from quorate.core.armor import TEXT_BYTES_MAX, armored, dearmored, text_of
from quorate.core.documents import HOST_CERTIFICATE, HOST_REQUEST, PRODUCT, ProductFile, read, typ_of
from quorate.core.filekinds import FileKind, given_as
from quorate.core.policy import DAY_S, MachineClass, Threshold
from quorate.core.words import counted
from quorate.errors import FileAccessError, OutputExistsError
from quorate.files import read_bounded, read_given, replace_file, write_output
from quorate.publisher.config import root_passphrase
from quorate.publisher.issue import Book, Publisher
from quorate.publisher.ledger import ACTIVATIONS_DEFAULT, HOSTS_DEFAULT
from quorate.publisher.rootkey import root_path
from quorate.publisher.vault import key_path, require_absent

__all__ = ["app"]

app = typer.Typer(
    help="Define products, issue host keys, confirm hosts. For the one who makes the software.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog='Example: quorate publisher init --name "Acme Software"',
)
product_app = typer.Typer(
    help="Sign products, and look at them.",
    no_args_is_help=True,
    epilog="Example: quorate publisher product add product.toml",
)
host_key_app = typer.Typer(
    help="Issue host keys.",
    no_args_is_help=True,
    epilog='Example: quorate publisher host-key issue --customer "Contoso" --group acme',
)
app.add_typer(product_app, name="product")
app.add_typer(host_key_app, name="host-key")

_SHORT_PASSPHRASE = 12  # characters; below that, somebody who copies the key file may guess it


@app.command(epilog='Example: quorate publisher init --name "Acme Software"')
def init(
    name: Annotated[str, typer.Option("--name", help="Your name, as it stands in everything you sign.")],
    offline_root: Annotated[
        bool,
        typer.Option("--offline-root", help="Make a root key too, to be kept elsewhere; it alone exchanges keys."),
    ] = False,
    root_passphrase_file: RootPassphraseFile = None,
    passphrase_file: PassphraseFile = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Become a publisher: make the signing key (an encrypted file) and publisher.jwks."""
    output = Output(as_json)
    home = require_absent(home_of(folder))
    secret = ask_passphrase(home, passphrase_file, is_new=True)
    root = root_path(home)
    root_secret = root_passphrase(root, root_passphrase_file, os.environ, secret) if offline_root else None
    publisher = Publisher.create(home, name, secret, SystemClock(), SystemEntropy(), root_passphrase=root_secret)
    facts = {
        "publisher": publisher.name,
        "kid": next(iter(publisher.verify_keys.by_kid)),
        "key": str(key_path(home)),
        "jwks": str(publisher.jwks_path),
        **({"root_key": str(root)} if offline_root else {}),
    }
    labels = {"publisher": "publisher", "key": "signing key", "jwks": "public keys", "root_key": "root key"}
    output.facts(facts, labels)
    if len(secret) < _SHORT_PASSPHRASE:
        output.say(f"note: the passphrase has only {len(secret)} characters; who copies the key file may guess it.")
    if offline_root:
        output.say(
            f"Move {root.name} to a safe place outside this machine, twice. It is needed for `quorate publisher rotate "
            "--root-key FILE` only; who steals this machine's key can then not exchange the keys."
        )
    output.say(
        f"Back up {home} and remember the passphrase: both together are needed, and neither can be made again.\n"
        "publisher.jwks ships with your software. Next: quorate publisher product add product.toml"
    )


@product_app.command("add", epilog="Example: quorate publisher product add product.toml -o dist/acme-cad.product")
def product_add(
    source: Annotated[Path, typer.Argument(help="The product's source, TOML.", metavar="PRODUCT.toml")],
    output_file: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the signed product here too.", show_default=False)
    ] = None,
    passphrase_file: PassphraseFile = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign a product and print the path of the signed file. Adding it again signs it anew."""
    output = Output(as_json)
    publisher = open_publisher(folder, passphrase_file)
    if output_file is not None:
        _check_place_for_product(output_file)
    before = {product.product: product for product in publisher.products()}
    path = publisher.add_product(source)
    product = publisher.product(path.stem)
    if output_file is not None:
        replace_file(output_file, read_bounded(path, PRODUCT.bytes_max + 2))
    shown = path if output_file is None else output_file
    replaced = before.get(product.product)
    if as_json:
        facts = {"product": product.product, "path": str(path), "output": None, "issued_s": product.issued_s}
        facts["output"] = None if output_file is None else str(output_file)
        output.facts({**facts, "replaced": replaced is not None})
    else:
        print(shown)
    if replaced is not None:
        output.say(f"{product.product} was here already (signed {minute(replaced.issued_s)}); it is signed anew.")
        if replaced.group != product.group:
            output.say(
                f"note: its group was {replaced.group} and is {product.group}; host keys for {replaced.group} alone "
                "do not cover it any more."
            )


@product_app.command("show", epilog="Example: quorate publisher product show acme-cad")
def product_show(
    product_id: Annotated[str, typer.Argument(help="The product's id.", metavar="ID")],
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what a signed product says. Asks for no passphrase."""
    book = Book(home_of(folder))
    product = book.product(product_id)
    if as_json:
        Output(as_json).show(msgspec.to_builtins(product))
        return
    Output(as_json).show(_product_facts(product, book.product_path(product_id)))


@host_key_app.command(
    "issue",
    epilog='Example: quorate publisher host-key issue --customer "Contoso" --group acme --hosts 2 --expires 2030-12-31',
)
def host_key_issue(
    customer: Annotated[str, typer.Option("--customer", help="Who gets the key; stands in the host's certificate.")],
    group: Annotated[
        list[str], typer.Option("--group", help="Product group, or a product's id for its group. May be repeated.")
    ],
    hosts: Annotated[int, typer.Option("--hosts", min=1, help="How many hosts it activates.")] = HOSTS_DEFAULT,
    activations: Annotated[
        int, typer.Option("--activations", min=1, help="How often each host may be activated.")
    ] = ACTIVATIONS_DEFAULT,
    expires: Annotated[
        str | None,
        typer.Option("--expires", help="Last day of the key (UTC), such as 2030-12-31.", show_default="never"),
    ] = None,
    passphrase_file: PassphraseFile = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a host key for a customer and print it. It is shown this once."""
    output = Output(as_json)
    expires_s = None if expires is None else end_of(expires, "--expires")
    publisher = open_publisher(folder, passphrase_file)
    product_key = publisher.issue_host_key(customer, group, hosts, activations, expires_s)
    entry = next(each for each in publisher.host_keys() if each.key_id == product_key.key_id)
    if as_json:
        output.show({"product_key": product_key.text, **key_facts(entry, SystemClock().now_s())})
    else:
        print(product_key.text)
    output.say(
        f"For {customer}: {', '.join(entry.groups)}; {counted(hosts, 'host')}, "
        f"{counted(activations, 'activation')} each"
        f"{'' if expires is None else f', until {expires} UTC'}. "
        "Keep the key now: it is not stored and will not be shown again."
    )


@app.command(epilog="Example: quorate publisher confirm contoso.req -o contoso.cert")
def confirm(
    request_file: Annotated[
        Path,
        typer.Argument(help="The host's request: a file, a saved mail, or - for text on stdin.", metavar="REQUEST"),
    ],
    output_file: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write the host's certificate here.", show_default=False),
    ] = None,
    as_text: Annotated[bool, typer.Option("--text", help="Print the certificate as text for a mail.")] = False,
    as_qr: QrFlag = False,
    qr_file: QrFileOption = None,
    passphrase_file: PassphraseFile = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Answer a host's request with its certificate. The same request again gets the same answer, free of charge."""
    output = Output(as_json)
    if output_file is None and qr_file is None and not (as_text or as_qr):
        raise typer.BadParameter("say where the certificate goes: -o FILE, --text, --qr, --qr-file FILE")
    if as_json and as_qr:
        raise typer.BadParameter("a QR code on the terminal is for people: use --qr-file with --json")
    token = dearmored(text_of(_asked(request_file)), HOST_REQUEST)
    publisher = open_publisher(folder, passphrase_file)
    answer = publisher.confirm(token)
    certificate = read(HOST_CERTIFICATE, answer, publisher.verify_keys)
    if output_file is not None:
        write_output(output_file, answer.encode("ascii") + b"\n")
    facts = {
        "certificate": None if output_file is None else str(output_file),
        "host_id": certificate.host_id,
        "customer": certificate.customer,
        "groups": list(certificate.groups),
        "serial": certificate.serial,
        "key_id": certificate.key_id,
        "issued_s": certificate.issued_s,
        "expires_s": certificate.expires_s,
        "expires": minute(certificate.expires_s),
    }
    labels = {
        "certificate": "certificate",
        "host_id": "host id",
        "customer": "customer",
        "groups": "product groups",
        "expires": "expires",
    }
    if as_json:
        output.show({**facts, **({"text": armored(answer)} if as_text else {})})
    elif as_text:  # nothing else, so that it can be piped into a mail
        print(armored(answer), end="")
    else:
        output.facts(facts, labels)
    if as_qr or qr_file is not None:
        show_qr(answer, "the certificate", qr_file, on_terminal=as_qr)
    name = "FILE" if output_file is None else output_file.name
    output.say(f"Next, on the host: quorate host activate --confirmation {name}")
    if publisher.trust.version > 1:
        output.say(f"Send {publisher.trust_path} along: a host that was set up before must follow to the newest keys.")


app.add_typer(config_app, name="config")
app.command("list", epilog="Example: quorate publisher list host-keys")(list_)
app.command(epilog='Example: quorate publisher revoke --host 6f1c2b3a --reason "sold with its disk"')(revoke)
app.command(epilog="Example: quorate publisher rotate")(rotate)
app.command(epilog="Example: quorate publisher serve --address :: --tls-cert fullchain.pem --tls-key privkey.pem")(
    serve
)


def _asked(path: Path) -> bytes:
    """A request file, or what is typed or piped in, at most as long as a mail may be."""
    if str(path) != "-":
        return given_as(read_given(path, TEXT_BYTES_MAX), FileKind.HOST_REQUEST, path)
    if sys.stdin.isatty():
        sys.stderr.write("Paste the request, then press Ctrl-D.\n")
    data = typed_in(TEXT_BYTES_MAX + 1)
    if len(data) > TEXT_BYTES_MAX:
        raise FileAccessError(path="stdin", reason=f"it has more than {TEXT_BYTES_MAX} bytes, so it is something else")
    return data


def _check_place_for_product(path: Path) -> Path:
    """An older signed product may be replaced; nothing else."""
    if path.exists():
        content = read_bounded(path, 1_000_000).decode("ascii", "replace").strip() if path.is_file() else ""
        if typ_of(content) != PRODUCT.typ:
            raise OutputExistsError(path=path)
    return path


def _product_facts(product: ProductFile, path: Path) -> dict[str, Any]:
    policy = product.policy
    thresholds = {f"threshold {each.value}": _threshold_words(policy.thresholds.of(each)) for each in MachineClass}
    return {
        "product": product.product,
        "name": product.name,
        "publisher": product.publisher,
        "signed": minute(product.issued_s),
        "file": str(path),
        "group": product.group,
        "covers": product.covers or None,
        "service": product.service,
        "editions": [f"{each.id} ({each.machine_class.value}: {each.name})" for each in product.editions],
        "profile": policy.profile,
        **thresholds,
        "activation lasts": counted(policy.activation_validity_s // DAY_S, "day"),
        "ephemeral lasts": counted(policy.ephemeral_validity_s // DAY_S, "day"),
        "count window": counted(policy.count_window_s // DAY_S, "day"),
        "initial grace": counted(policy.initial_grace_s // DAY_S, "day"),
        "additional grace": counted(policy.additional_grace_s // DAY_S, "day"),
        "clock tolerance": counted(policy.clock_tolerance_s // 60, "minute"),
        "rearm limit": policy.rearm_limit,
    }


def _threshold_words(threshold: Threshold) -> str:
    classes = " and ".join(f"{each.value}s" for each in threshold.counts)
    soft = threshold.soft
    if soft is UNSET:
        return f"{threshold.minimum}, counting {classes}"
    days = counted(soft.lasts_s // DAY_S, "day")
    return f"{threshold.minimum}, counting {classes}; activated ones renew down to {soft.minimum} for {days}"
