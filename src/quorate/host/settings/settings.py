"""What may be set on a KMS host, within which bounds, and where its state lives.

An administrator sets what slmgr sets (`/sprt`, `/sai`, `/sri`, `/sdns`, `/spri`) and a little more. Settings live in
the host's store; here what people type becomes typed values, or an error that names what is allowed. The environment is
read here (handed in as a mapping) and in the commands, nowhere else.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from quorate.core.documents import ProductFile
from quorate.core.lease import Intervals
from quorate.core.policy import DAY_S
from quorate.errors import InvalidSettingError
from quorate.host.settings.table import (
    INTERVAL_MAX_MIN,
    RULES,
    Priority,
    SettingRule,
    printable,
)

__all__ = [
    "RULES",
    "Priority",
    "SettingRule",
    "Settings",
    "differences",
    "parse_setting",
    "settings_from",
    "shown_value",
    "unknown_setting",
]

INTERVAL_MIN_MIN = 15  # slmgr's own lower bound


# --- where ---------------------------------------------------------------------------------------------------------


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
