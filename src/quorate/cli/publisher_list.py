"""`quorate publisher list`: what was issued, and what was revoked."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from quorate.cli.output import JsonFlag, Output, StateDir
from quorate.cli.publisher_common import day, home_of, last_day, minute
from quorate.clock import SystemClock
from quorate.core.revocation import Revoked
from quorate.publisher.book import Book
from quorate.publisher.ledger import HostEntry, HostKey

__all__ = ["key_facts", "list_"]


class Listed(StrEnum):
    """What `list` can list."""

    HOST_KEYS = "host-keys"
    HOSTS = "hosts"
    REVOCATIONS = "revocations"


def list_(
    what: Annotated[Listed | None, typer.Argument(help="Without it: a summary of all.", show_default=False)] = None,
    folder: StateDir = None,
    as_json: JsonFlag = False,
) -> None:
    """List host keys, hosts, or revocations. Asks for no passphrase."""
    output = Output(as_json)
    book = Book(home_of(folder))
    now_s = SystemClock().now_s()
    if what is Listed.HOST_KEYS:
        columns = {
            "key_id": "KEY ID", "last_five": "ENDS IN", "customer": "CUSTOMER", "groups": "GROUPS",
            "hosts_shown": "HOSTS", "activations_max": "ACTIVATIONS EACH", "issued": "ISSUED", "expires": "EXPIRES",
            "status_shown": "STATUS",
        }  # fmt: skip
        keys = (key_facts(key, now_s) for key in book.host_keys())
        output.rows(keys if as_json else [{**facts, **_key_shown(facts)} for facts in keys], columns)
    elif what is Listed.HOSTS:
        columns = {
            "host_id": "HOST ID", "machine": "MACHINE", "customer": "CUSTOMER", "last_five": "KEY ENDS IN",
            "activations_shown": "ACTIVATIONS", "first": "FIRST", "last": "LAST", "expires": "CERTIFICATE UNTIL",
            "status_shown": "STATUS",
        }  # fmt: skip
        hosts = (_host_facts(host) for host in book.hosts())
        output.rows(hosts if as_json else [{**facts, **_host_shown(facts)} for facts in hosts], columns)
    elif what is Listed.REVOCATIONS:
        columns = {"kind": "KIND", "id": "ID", "since": "VOID SINCE", "reason": "REASON"}
        output.rows((_revoked_facts(entry) for entry in book.revoked()), columns)
    else:
        _summary(output, book, now_s)


def _summary(output: Output, book: Book, now_s: int) -> None:
    totals = book.totals()
    statuses = [key.status(now_s) for key in book.host_keys()]
    output.show(
        {
            "products": [product.product for product in book.products()],
            "host_keys": totals.host_keys,
            **{f"host_keys_{name.replace(' ', '_')}": statuses.count(name) for name in HostKey.STATUSES},
            "hosts": totals.hosts,
            "certificates": totals.certificates,
            "revocations": len(book.revoked()),
            "revocation_list": None if (newest := book.revocation_list()) is None else newest[0],
            "trust_version": book.trust.version,
        }
    )


def key_facts(key: HostKey, now_s: int) -> dict[str, Any]:
    """A host key as scripts see it."""
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
        "issued": day(facts["issued_s"]),
        "expires": "never" if facts["expires_s"] is None else last_day(facts["expires_s"]),
        "status_shown": _with_reason(facts["status"], facts["blocked_reason"]),
    }


def _host_facts(host: HostEntry) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(host)
    return {**facts, "status": "active" if host.revoked_reason is None else "revoked"}


def _host_shown(facts: dict[str, Any]) -> dict[str, str]:
    return {
        "activations_shown": f"{facts['activations']} of {facts['activations_max']}",
        "first": day(facts["first_s"]),
        "last": day(facts["last_s"]),
        "expires": last_day(facts["certificate_expires_s"]),
        "status_shown": _with_reason(facts["status"], facts["revoked_reason"]),
    }


def _revoked_facts(entry: Revoked) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(entry)
    return {**facts, "since": minute(entry.since_s)}


def _with_reason(status: str, reason: str | None) -> str:
    return status if reason is None else f"{status}: {reason}"
