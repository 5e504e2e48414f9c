"""What people may type for each setting of a host, and the typed value it becomes; or why it does not."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from quorate.errors import InvalidSettingError
from quorate.host.export.typed import syslog_text
from quorate.host.networks import networks_text
from quorate.host.publication.typed import domains_text, file_text, server_text, target_text
from quorate.host.publisher_link import checked_url

__all__ = ["INTERVAL_MAX_MIN", "RULES", "Priority", "SettingRule", "printable"]

INTERVAL_MAX_MIN = 43_200  # slmgr's own upper bound: 30 days


class Priority(StrEnum):
    """slmgr `/spri` (normal) and `/cpri` (low): how eagerly the operating system runs the host."""

    NORMAL = "normal"
    LOW = "low"


@dataclass(frozen=True)
class SettingRule:
    """One setting: its name as people type it, its field in `Settings`, and how its text is read.

    `parse` raises ValueError with the reason. `is_file`: the whole path of a file. `is_list`: entries with semicolons
    between them, which a configuration file may write as a list. `meaning`: what for, where `allowed` does not say.
    """

    name: str
    attribute: str
    allowed: str
    parse: Callable[[str], Any] = field(repr=False)
    is_interval: bool = False
    is_file: bool = False
    is_list: bool = False
    meaning: str = ""

    def typed(self, text: str) -> Any:
        """The value that `text` says.

        Raises:
            InvalidSettingError: naming what is allowed.
        """
        try:
            return self.parse(text)
        except ValueError as fault:
            raise self.refused(str(fault)) from None

    def refused(self, reason: str) -> InvalidSettingError:
        """The error for a value that is not allowed."""
        return InvalidSettingError(name=self.name, reason=reason, allowed=f"Allowed: {self.allowed}.")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        digits = text.strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 12):
            raise ValueError(f"{printable(text)} is not a whole number")
        if not low <= int(digits) <= high:
            raise ValueError(f"{digits} is outside {low}..{high}")
        return int(digits)

    return parse


def _switch(text: str) -> bool:
    words = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
    if text.strip().lower() not in words:
        raise ValueError(f"{printable(text)} is neither on nor off")
    return words[text.strip().lower()]


def _priority(text: str) -> Priority:
    try:
        return Priority(text.strip().lower())
    except ValueError:
        raise ValueError(f"{printable(text)} is neither normal nor low") from None


def _address(text: str) -> str:
    address = text.strip().strip("[]")
    if address.lower() in ("", "*", "all"):
        return ""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise ValueError(f"{printable(text)} is not an IP address") from None


def _one_address(text: str) -> str:
    address = _address(text)
    if not address:
        raise ValueError("administration needs one address of its own")
    return address


def _url(text: str) -> str:
    return checked_url(text) if text.strip() else ""


_PORT = "a TCP port, 1..65535"
_SHORT = "0..65535; default 0"
_INTERVAL = "minutes, 15..43200 (30 days), within the bounds of the products' policies"

RULES: dict[str, SettingRule] = {
    rule.name: rule
    for rule in (
        SettingRule("port", "port", f"{_PORT}; default 1688", _whole(1, 65_535), meaning="Where clients ask."),
        SettingRule(
            "address",
            "address",
            "an IP address of this machine, or all (default)",
            _address,
            meaning="Where clients are listened to.",
        ),
        SettingRule(
            "admin-port",
            "admin_port",
            f"{_PORT}; default 1689",
            _whole(1, 65_535),
            meaning="Where console, metrics and administration are.",
        ),
        SettingRule(
            "admin-address",
            "admin_address",
            "an IP address of this machine; default 127.0.0.1. One that others reach needs admin-tls-cert and "
            "admin-tls-key",
            _one_address,
            meaning="Where they are listened to.",
        ),
        SettingRule(
            "admin-tls-cert",
            "admin_tls_cert",
            "a PEM file with a certificate, and with those between it and its authority; default: none, and no TLS",
            file_text,
            is_file=True,
            meaning="What administration is served with, together with admin-tls-key.",
        ),
        SettingRule(
            "admin-tls-key",
            "admin_tls_key",
            "a PEM file with the key of admin-tls-cert, mode 0600, without a passphrase; may be the same file",
            file_text,
            is_file=True,
        ),
        SettingRule(
            "activation-interval",
            "activation_interval_min",
            f"{_INTERVAL}; default 120",
            _whole(1, INTERVAL_MAX_MIN),
            is_interval=True,
            meaning="How long a client that was not activated waits before it asks again.",
        ),
        SettingRule(
            "renewal-interval",
            "renewal_interval_min",
            f"{_INTERVAL}; default 10080",
            _whole(1, INTERVAL_MAX_MIN),
            is_interval=True,
            meaning="How long an activated client waits before it renews.",
        ),
        SettingRule(
            "dns-publishing",
            "dns_publishing",
            "on (default) or off",
            _switch,
            meaning="Whether the host keeps its own SRV record in DNS.",
        ),
        SettingRule(
            "dns-target",
            "dns_target",
            "this host's full name, as clients reach it; default: the machine's own name",
            target_text,
        ),
        SettingRule(
            "dns-domains",
            "dns_domains",
            "further domains to publish in, `DOMAIN` or `DOMAIN, PRIORITY, WEIGHT`, semicolons between them; the "
            "domain of this host's name always is one",
            domains_text,
            is_list=True,
        ),
        SettingRule(
            "dns-priority",
            "dns_priority",
            f"{_SHORT}, in the own domain; lowest first",
            _whole(0, 65_535),
            meaning="Of the SRV record.",
        ),
        SettingRule(
            "dns-weight", "dns_weight", f"{_SHORT}, in the own domain", _whole(0, 65_535), meaning="Of the SRV record."
        ),
        SettingRule(
            "dns-ttl",
            "dns_ttl",
            "seconds that resolvers keep it, 60..604800; default 3600",
            _whole(60, 604_800),
            meaning="Of the SRV record.",
        ),
        SettingRule(
            "dns-server",
            "dns_server",
            "the name server to update, NAME or NAME:PORT; default: the primary in the zone's SOA record",
            server_text,
        ),
        SettingRule(
            "dns-tsig-key",
            "dns_tsig_key",
            "a file with a TSIG key, as tsig-keygen prints it, mode 0600",
            file_text,
            is_file=True,
        ),
        SettingRule(
            "dns-keytab",
            "dns_keytab",
            "a keytab for secure updates (GSS-TSIG), mode 0600; default: the machine's own, "
            "/etc/krb5.keytab, where it may be read",
            file_text,
            is_file=True,
        ),
        SettingRule(
            "dns-withdraw-on-stop",
            "dns_withdraw_on_stop",
            "on, or off (default): take the record away at a stop",
            _switch,
        ),
        SettingRule("mdns", "mdns", "on, or off (default): announce the host by multicast DNS as well", _switch),
        SettingRule(
            "allowed-networks",
            "allowed_networks",
            "networks that are served, `10.0.0.0/8, 2001:db8::/32`; default: everybody",
            networks_text,
            is_list=True,
        ),
        SettingRule(
            "source-rate",
            "source_rate",
            "requests a minute from one address, 0 (no limit)..1000000; default 12000",
            _whole(0, 1_000_000),
        ),
        SettingRule(
            "cmid-rate",
            "cmid_rate",
            "requests a minute with one CMID, 0 (no limit)..1000000; default 60",
            _whole(0, 1_000_000),
        ),
        SettingRule(
            "new-cmids-per-hour",
            "new_cmids_per_hour",
            "CMIDs never heard before, from one address, 0 (no limit)..1000000; default 10000",
            _whole(0, 1_000_000),
        ),
        SettingRule(
            "clients-max",
            "clients_max",
            "machines in the inventory at most, 100..100000000; beyond it new ones are refused; default 2000000",
            _whole(100, 100_000_000),
        ),
        SettingRule(
            "publisher-url",
            "publisher_url",
            "https://NAME[:PORT] of the publisher's activation service, asked every day; default: it is not asked",
            _url,
        ),
        SettingRule(
            "publisher-ca-file",
            "publisher_ca_file",
            "a PEM file with the authorities for it; default: those of this machine",
            file_text,
            is_file=True,
        ),
        SettingRule(
            "publisher-insecure-http",
            "publisher_insecure_http",
            "on, or off (default): http:// to another machine is meant so",
            _switch,
        ),
        SettingRule(
            "priority",
            "priority",
            "normal (default) or low",
            _priority,
            meaning="How eagerly the operating system runs the host.",
        ),
        SettingRule("event-days", "event_days", "days that events are kept, 1..3650; default 90", _whole(1, 3650)),
        SettingRule(
            "events-max",
            "events_max",
            "events that are kept at most, 1000..100000000; default 1000000",
            _whole(1000, 100_000_000),
        ),
        SettingRule(
            "events-max-mb",
            "events_max_mb",
            "MiB of events that are kept at most, 1..1000000; default 1024",
            _whole(1, 1_000_000),
        ),
        SettingRule(
            "export-journald", "export_journald", "on, or off (default): hand every event to systemd's journal", _switch
        ),
        SettingRule(
            "export-syslog",
            "export_syslog",
            "hand every event to `local` (/dev/log), `udp://HOST[:PORT]` or `tcp://HOST[:PORT]`, as RFC 5424 says; "
            "default: to nobody",
            syslog_text,
        ),
        SettingRule(
            "export-file",
            "export_file",
            "append every event to this file, as JSON lines; default: to none",
            file_text,
            is_file=True,
        ),
        SettingRule(
            "export-file-mb",
            "export_file_mb",
            "MiB after which that file becomes FILE.1, 1..1024; nine older ones are kept; default 16",
            _whole(1, 1024),
        ),
    )
}
"""Every setting by its name."""


def printable(text: str) -> str:
    """What was typed, in quotes, short and harmless, to be repeated in an error."""
    return "'" + "".join(c if c.isprintable() else "?" for c in text)[:60] + "'"
