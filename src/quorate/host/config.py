"""What may be set on a KMS host, within which bounds, and where its state lives.

An administrator sets what slmgr sets (`/sprt`, `/sai`, `/sri`, `/sdns`, `/spri`) and a little more. Settings live in
the host's store; here what people type becomes typed values, or an error that names what is allowed. The environment is
read here (handed in as a mapping) and in the commands, nowhere else.
"""

from __future__ import annotations

import difflib
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quorate.core.documents import ProductFile
from quorate.core.ids import seen
from quorate.core.lease import Intervals
from quorate.core.policy import DAY_S
from quorate.errors import InvalidSettingError
from quorate.host.rules import INTERVAL_MAX_MIN, RULES, Priority, SettingRule, printable

__all__ = [
    "RULES",
    "Limits",
    "Priority",
    "SettingRule",
    "Settings",
    "StatePaths",
    "differences",
    "machine_name",
    "parse_setting",
    "settings_from",
    "shown_value",
    "state_dir",
    "unknown_setting",
]

INTERVAL_MIN_MIN = 15  # slmgr's own lower bound


# --- where ---------------------------------------------------------------------------------------------------------


def state_dir(given: Path | None, environ: Mapping[str, str], user_id: int) -> Path:
    """The host's folder: what was given, else `QUORATE_STATE_DIR`, else the platform's place.

    Args:
        user_id: the numeric user id; 0 (root, a service) has `/var/lib/quorate/host`.
    """
    if given is not None:
        return given
    if environ.get("QUORATE_STATE_DIR"):
        return Path(environ["QUORATE_STATE_DIR"])
    if user_id == 0:
        return Path("/var/lib/quorate/host")
    data_home = Path(environ.get("XDG_DATA_HOME", ""))
    if not data_home.is_absolute():  # its specification has relative ones ignored
        data_home = Path(environ.get("HOME") or Path.home()) / ".local" / "share"
    return data_home / "quorate" / "host"


@dataclass(frozen=True)
class StatePaths:
    """Every file of one host."""

    root: Path

    @property
    def identity(self) -> Path:
        """Host id. Written last by `init`: where it is, there is a host."""
        return self.root / "host.json"

    @property
    def signing_key(self) -> Path:
        return self.root / "host.key"

    @property
    def trust(self) -> Path:
        return self.root / "publisher.jwks"

    @property
    def chain(self) -> Path:
        """Every exchange of the publisher's keys since `trust`."""
        return self.root / "publisher.trust"

    @property
    def revocations(self) -> Path:
        return self.root / "publisher.revocations"

    @property
    def products(self) -> Path:
        return self.root / "products"

    @property
    def product_key(self) -> Path:
        return self.root / "product.key"

    @property
    def requests(self) -> Path:
        return self.root / "requests"

    @property
    def answered(self) -> Path:
        """The request that the certificate answers: the same one again gets the certificate under a newer key."""
        return self.root / "host.req"

    @property
    def certificate(self) -> Path:
        return self.root / "host.cert"

    @property
    def token(self) -> Path:
        return self.root / "admin.token"

    @property
    def enrolment(self) -> Path:
        """The secret that clients must know, where the administrator made one."""
        return self.root / "enrolment.json"

    @property
    def tokens(self) -> Path:
        """The named tokens of administration over the network, hashed."""
        return self.root / "admin.tokens"

    @property
    def database(self) -> Path:
        return self.root / "host.db"

    @property
    def lock(self) -> Path:
        return self.root / "host.lock"

    @property
    def running(self) -> Path:
        """What a running host tells of itself, for commands; only as good as the lock is held."""
        return self.root / "host.running"


def machine_name() -> str:
    """What this machine calls itself, without characters that a host request may not hold."""
    return seen(socket.gethostname(), otherwise="unnamed")


# --- what ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """All settings of a host; the defaults are Windows' own where Windows has them."""

    port: int = 1688  # S33
    address: str = ""  # every interface, IPv6 and IPv4
    admin_port: int = 1689
    admin_address: str = "127.0.0.1"
    admin_tls_cert: str = ""  # no TLS; both are files
    admin_tls_key: str = ""
    activation_interval_min: int = 120  # S11
    renewal_interval_min: int = 10_080  # S14
    dns_publishing: bool = True  # S28
    dns_target: str = ""  # this machine's own full name
    dns_domains: str = ""  # the own domain only
    dns_priority: int = 0
    dns_weight: int = 0
    dns_ttl: int = 3600
    dns_server: str = ""  # the one in the zone's SOA record
    dns_tsig_key: str = ""  # a file; what is in it is never stored or shown
    dns_keytab: str = ""
    dns_withdraw_on_stop: bool = False
    mdns: bool = False
    allowed_networks: str = ""  # everybody
    source_rate: int = 12_000  # a minute: a site of ten thousand that boots behind one address
    cmid_rate: int = 60
    new_cmids_per_hour: int = 10_000
    clients_max: int = 2_000_000  # records; about a gigabyte
    publisher_url: str = ""  # not asked online
    publisher_ca_file: str = ""
    publisher_insecure_http: bool = False
    priority: Priority = Priority.NORMAL
    event_days: int = 90
    events_max: int = 1_000_000
    events_max_mb: int = 1024  # a million events of requests are about 550
    export_journald: bool = False
    export_syslog: str = ""  # not exported
    export_file: str = ""
    export_file_mb: int = 16

    @property
    def intervals(self) -> Intervals:
        """The two intervals, as every answer carries them."""
        return Intervals(self.activation_interval_min, self.renewal_interval_min)

    @property
    def event_retention_s(self) -> int:
        """How long events are kept."""
        return self.event_days * DAY_S


@dataclass(frozen=True)
class Limits:
    """Bounds of a running host that nobody needs to set; tests make them small."""

    batch_max: int = 256  # answers of one transaction: from 64 on an fsync no longer shows (reference, section 4)
    waiting_max: int = 4096  # requests waiting for the disk: half a second of work; about 8 MiB
    connections_max: int = 8192  # open at once, idle ones included; more wait in the kernel's backlog
    backlog: int = 1024
    headers_s: float = 10.0  # for a whole request head, and for an idle connection
    body_s: float = 10.0
    taken_s: float = 60.0  # for a client to take an answer; the largest is a revocation list
    answer_s: float = 30.0  # after which a stalled disk is told to those who wait
    stop_s: float = 15.0
    retry_after_s: int = 30
    poll_s: float = 1.0  # how soon a changed setting or certificate is noticed
    disk_free_min: int = 16 * 1024 * 1024  # bytes; below, the host says it is not ready


def parse_setting(name: str, text: str, products: Iterable[ProductFile] = ()) -> tuple[SettingRule, Any]:
    """The rule and the typed value of one setting.

    Args:
        products: what the host serves; their policies bound the two intervals, and without any slmgr's bounds hold.

    Raises:
        InvalidSettingError: unknown name (with the nearest one), or a value that is not allowed (with those that are).
    """
    rule = RULES.get(name.strip().lower().replace("_", "-"))
    if rule is None:
        raise unknown_setting(name)
    value = rule.typed(text)
    if rule.is_interval:
        low, high = _interval_bounds(products)
        if not low <= value <= high:
            raise rule.refused(f"{value} is outside {low}..{high}")
    return rule, value


def unknown_setting(name: str) -> InvalidSettingError:
    """The error for a setting that does not exist, naming the nearest that does."""
    near = difflib.get_close_matches(name.strip().lower().replace("_", "-"), RULES, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    return InvalidSettingError(
        name=printable(name), reason="there is no such setting", allowed=f"{meant}Settings: {', '.join(RULES)}."
    )


def settings_from(
    stored: Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    below: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings in a store, with this run's overrides on top, and a file's values below (both by attribute).

    What a newer version stored, or a hand spoiled, is left at its default: a host must start.
    """
    values: dict[str, Any] = dict(below or {})
    for name, value in stored.items():
        if name in RULES:
            try:
                values[RULES[name].attribute] = RULES[name].parse(str(shown_value(value)))
            except ValueError:
                continue
    values |= {attribute: value for attribute, value in (overrides or {}).items() if value is not None}
    return replace(Settings(), **values)


def shown_value(value: Any) -> str | int:
    """A typed value as people type it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, int) else str(value)


def differences(before: Settings, after: Settings) -> dict[str, Any]:
    """What is another value now, by attribute."""
    old, new = vars(before), vars(after)
    return {name: value for name, value in new.items() if old[name] != value}


def _interval_bounds(products: Iterable[ProductFile]) -> tuple[int, int]:
    policies = [product.policy for product in products]
    low = max((policy.interval_min_s // 60 for policy in policies), default=INTERVAL_MIN_MIN)
    high = min((policy.interval_max_s // 60 for policy in policies), default=INTERVAL_MAX_MIN)
    return max(low, 1), min(high, INTERVAL_MAX_MIN)
