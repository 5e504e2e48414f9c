"""`quorate publisher`: the commands of the one who signs."""

from __future__ import annotations

import getpass
import os
import sys
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from quorate.cli.output import JsonFlag, Output, StateDir
from quorate.clock import SystemClock, SystemEntropy
from quorate.core.documents import HOST_CERTIFICATE, HOST_REQUEST, PRODUCT, ProductFile, read, typ_of
from quorate.core.policy import DAY_S, MachineClass
from quorate.errors import MalformedError, OutputExistsError
from quorate.publisher.config import passphrase, state_dir
from quorate.publisher.files import read_bounded, write_output, write_whole
from quorate.publisher.issue import Book, Publisher
from quorate.publisher.ledger import ACTIVATIONS_DEFAULT, HOSTS_DEFAULT, HostEntry, HostKey
from quorate.publisher.vault import key_path, require_absent, require_present

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

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        envvar="QUORATE_PASSPHRASE_FILE",
        help="File whose first line opens the signing key. Without it: QUORATE_PASSPHRASE, or you are asked.",
        show_default=False,
    ),
]

_SHORT_PASSPHRASE = 12  # characters; below that, somebody who copies the key file may guess it


class Listed(StrEnum):
    """What `list` can list."""

    HOST_KEYS = "host-keys"
    HOSTS = "hosts"


@app.command(epilog='Example: quorate publisher init --name "Acme Software"')
def init(
    name: Annotated[str, typer.Option("--name", help="Your name, as it stands in everything you sign.")],
    passphrase_file: PassphraseFile = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Become a publisher: make the signing key (an encrypted file) and publisher.jwks."""
    output = Output(as_json)
    home = require_absent(_home(folder))
    secret = _passphrase(home, passphrase_file, is_new=True)
    publisher = Publisher.create(home, name, secret, SystemClock(), SystemEntropy())
    output.facts(
        {
            "publisher": publisher.name,
            "kid": next(iter(publisher.verify_keys.by_kid)),
            "key": str(key_path(home)),
            "jwks": str(publisher.jwks_path),
        },
        {"publisher": "publisher", "key": "signing key", "jwks": "public keys"},
    )
    if len(secret) < _SHORT_PASSPHRASE:
        output.say(f"note: the passphrase has only {len(secret)} characters; who copies the key file may guess it.")
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
    publisher = _open(folder, passphrase_file)
    if output_file is not None:
        _check_place_for_product(output_file)
    before = {product.product: product for product in publisher.products()}
    path = publisher.add_product(source)
    product = publisher.product(path.stem)
    if output_file is not None:
        write_whole(output_file, read_bounded(path, PRODUCT.bytes_max + 2))
    shown = path if output_file is None else output_file
    replaced = before.get(product.product)
    if as_json:
        facts = {"product": product.product, "path": str(path), "output": None, "issued_s": product.issued_s}
        facts["output"] = None if output_file is None else str(output_file)
        output.facts({**facts, "replaced": replaced is not None})
    else:
        print(shown)
    if replaced is not None:
        output.say(f"{product.product} was here already (signed {_time(replaced.issued_s)}); it is signed anew.")
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
    book = Book(_home(folder))
    product = book.product(product_id)
    if as_json:
        Output(as_json).facts(msgspec.to_builtins(product))
        return
    Output(as_json).facts(_product_facts(product, book.product_path(product_id)))


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
    expires_s = None if expires is None else _end_of(expires)
    publisher = _open(folder, passphrase_file)
    product_key = publisher.issue_host_key(customer, group, hosts, activations, expires_s)
    entry = next(each for each in publisher.host_keys() if each.key_id == product_key.key_id)
    if as_json:
        output.facts({"product_key": product_key.text, **_key_facts(entry, SystemClock().now_s())})
    else:
        print(product_key.text)
    output.say(
        f"For {customer}: {', '.join(entry.groups)}; {_count(hosts, 'host')}, {_count(activations, 'activation')} each"
        f"{'' if expires is None else f', until {expires} UTC'}. "
        "Keep the key now: it is not stored and will not be shown again."
    )


@app.command(epilog="Example: quorate publisher confirm contoso.req -o contoso.cert")
def confirm(
    request_file: Annotated[Path, typer.Argument(help="The host's request file.", metavar="REQUEST.req")],
    output_file: Annotated[Path, typer.Option("-o", "--output", help="Write the host's certificate here.")],
    passphrase_file: PassphraseFile = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """Answer a host's request file with its certificate. The same file again gives the same answer, free of charge."""
    output = Output(as_json)
    token = _token(request_file)
    publisher = _open(folder, passphrase_file)
    answer = publisher.confirm(token)
    certificate = read(HOST_CERTIFICATE, answer, publisher.verify_keys)
    write_output(output_file, answer.encode("ascii") + b"\n")
    output.facts(
        {
            "certificate": str(output_file),
            "host_id": certificate.host_id,
            "customer": certificate.customer,
            "groups": list(certificate.groups),
            "serial": certificate.serial,
            "key_id": certificate.key_id,
            "issued_s": certificate.issued_s,
            "expires_s": certificate.expires_s,
            "expires": _time(certificate.expires_s),
        },
        {
            "certificate": "certificate",
            "host_id": "host id",
            "customer": "customer",
            "groups": "product groups",
            "expires": "expires",
        },
    )
    output.say(f"Next, on the host: quorate host activate --confirmation {output_file.name}")


@app.command("list", epilog="Example: quorate publisher list host-keys")
def list_(
    what: Annotated[Listed | None, typer.Argument(help="Without it: a summary of both.", show_default=False)] = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """List host keys or hosts. Asks for no passphrase."""
    output = Output(as_json)
    book = Book(_home(folder))
    now_s = SystemClock().now_s()
    if what is Listed.HOST_KEYS:
        columns = {
            "key_id": "KEY ID", "last_five": "ENDS IN", "customer": "CUSTOMER", "groups": "GROUPS",
            "hosts_shown": "HOSTS", "activations_max": "ACTIVATIONS EACH", "issued": "ISSUED", "expires": "EXPIRES",
            "status": "STATUS",
        }  # fmt: skip
        keys = (_key_facts(key, now_s) for key in book.host_keys())
        output.rows(keys if as_json else [{**facts, **_key_shown(facts)} for facts in keys], columns)
    elif what is Listed.HOSTS:
        columns = {
            "host_id": "HOST ID", "machine": "MACHINE", "customer": "CUSTOMER", "last_five": "KEY ENDS IN",
            "activations_shown": "ACTIVATIONS", "first": "FIRST", "last": "LAST", "expires": "CERTIFICATE UNTIL",
        }  # fmt: skip
        hosts = (_host_facts(host) for host in book.hosts())
        output.rows(hosts if as_json else [{**facts, **_host_shown(facts)} for facts in hosts], columns)
    else:
        _summary(output, book, now_s)


def _summary(output: Output, book: Book, now_s: int) -> None:
    totals = book.totals()
    statuses = [key.status(now_s) for key in book.host_keys()]
    output.facts(
        {
            "products": [product.product for product in book.products()],
            "host_keys": totals.host_keys,
            **{f"host_keys_{name.replace(' ', '_')}": statuses.count(name) for name in HostKey.STATUSES},
            "hosts": totals.hosts,
            "certificates": totals.certificates,
        }
    )


def _home(folder: Path | None) -> Path:
    return state_dir(folder, os.environ, os.geteuid())


def _open(folder: Path | None, passphrase_file: Path | None) -> Publisher:
    home = require_present(_home(folder))  # before anybody is asked for a passphrase
    return Publisher.open(home, _passphrase(home, passphrase_file), SystemClock(), SystemEntropy())


def _passphrase(home: Path, file: Path | None, *, is_new: bool = False) -> str:
    ask = getpass.getpass if sys.stdin.isatty() else None
    return passphrase(key_path(home), file, os.environ, ask, is_new=is_new)


def _token(path: Path) -> str:
    try:
        return read_bounded(path, HOST_REQUEST.bytes_max + 2).decode("ascii").strip()
    except UnicodeDecodeError:
        raise MalformedError(what=str(path), reason="it is not a host's request file") from None


def _check_place_for_product(path: Path) -> Path:
    """An older signed product may be replaced; nothing else."""
    if path.exists():
        content = read_bounded(path, 1_000_000).decode("ascii", "replace").strip() if path.is_file() else ""
        if typ_of(content) != PRODUCT.typ:
            raise OutputExistsError(path=path)
    return path


def _end_of(day: str) -> int:
    try:
        last = date.fromisoformat(day)
        return int(datetime(last.year, last.month, last.day, tzinfo=UTC).timestamp()) + DAY_S
    except ValueError:
        raise typer.BadParameter(f"{day!r} is no date such as 2030-12-31", param_hint="--expires") from None


def _product_facts(product: ProductFile, path: Path) -> dict[str, Any]:
    policy = product.policy
    thresholds = {
        f"threshold {each.value}": f"{policy.thresholds.of(each).minimum}, counting "
        + " and ".join(f"{counted.value}s" for counted in policy.thresholds.of(each).counts)
        for each in MachineClass
    }
    return {
        "product": product.product,
        "name": product.name,
        "publisher": product.publisher,
        "signed": _time(product.issued_s),
        "file": str(path),
        "group": product.group,
        "covers": product.covers or None,
        "service": product.service,
        "editions": [f"{each.id} ({each.machine_class.value}: {each.name})" for each in product.editions],
        "profile": policy.profile,
        **thresholds,
        "activation lasts": _count(policy.activation_validity_s // DAY_S, "day"),
        "ephemeral lasts": _count(policy.ephemeral_validity_s // DAY_S, "day"),
        "count window": _count(policy.count_window_s // DAY_S, "day"),
        "initial grace": _count(policy.initial_grace_s // DAY_S, "day"),
        "additional grace": _count(policy.additional_grace_s // DAY_S, "day"),
        "clock tolerance": _count(policy.clock_tolerance_s // 60, "minute"),
        "rearm limit": policy.rearm_limit,
    }


def _key_facts(key: HostKey, now_s: int) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "last_five": key.last_five,
        "customer": key.customer,
        "groups": list(key.groups),
        "hosts_used": key.hosts_used,
        "hosts_max": key.hosts_max,
        "activations_max": key.activations_max,
        "issued_s": key.issued_s,
        "expires_s": key.expires_s,
        "status": key.status(now_s),
        "blocked_reason": key.blocked_reason,
    }


def _key_shown(facts: dict[str, Any]) -> dict[str, str]:
    return {
        "hosts_shown": f"{facts['hosts_used']} of {facts['hosts_max']}",
        "issued": _day(facts["issued_s"]),
        "expires": "never" if facts["expires_s"] is None else _last_day(facts["expires_s"]),
    }


def _host_facts(host: HostEntry) -> dict[str, Any]:
    return msgspec.to_builtins(host)  # type: ignore[no-any-return]  # a dataclass becomes a dict


def _host_shown(facts: dict[str, Any]) -> dict[str, str]:
    return {
        "activations_shown": f"{facts['activations']} of {facts['activations_max']}",
        "first": _day(facts["first_s"]),
        "last": _day(facts["last_s"]),
        "expires": _last_day(facts["certificate_expires_s"]),
    }


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _day(time_s: int) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d}"


def _last_day(end_s: int) -> str:
    return f"{datetime.fromtimestamp(end_s, UTC) - timedelta(seconds=1):%Y-%m-%d}"


def _time(time_s: int) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M} UTC"
