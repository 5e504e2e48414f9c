"""What `/dli`, `/dlv` and `/xpr` print: slmgr's lines in slmgr's order, in our own words. Pure.

Scripts read these lines, so labels are stable. Days are minutes divided by 1440, rounded down, as slmgr has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from quorate.client.standing import Status
from quorate.core.documents import Edition, ProductFile
from quorate.core.lease import Intervals
from quorate.core.messages import LicenseStatus
from quorate.core.spans import minutes_of, whole_days
from quorate.core.trust import utc_text
from quorate.errors import GraceExpiredError

__all__ = ["ClientFacts", "HostFacts", "client_expiry", "client_lines", "host_expiry", "host_lines"]

_STATUS_WORDS = {
    LicenseStatus.UNLICENSED: "Unlicensed",
    LicenseStatus.INITIAL_GRACE: "Initial grace period",
    LicenseStatus.LICENSED: "Licensed",
    LicenseStatus.ADDITIONAL_GRACE: "Additional grace period (the activation ended or the machine is another)",
    LicenseStatus.NOTIFICATION: "Notification",
}
_REQUEST_WORDS = {  # slmgr's order; two of its lines are always 0 and are left out
    "unlicensed": "Unlicensed",
    "licensed": "Licensed",
    "initial_grace": "Initial grace period",
    "additional_grace": "License expired or hardware out of tolerance",
    "notification": "Notification",
}


class HostCount(msgspec.Struct, frozen=True):
    """The count toward one class's threshold."""

    current: int
    threshold: int
    soft_minimum: int | None = None


class HostProduct(msgspec.Struct, frozen=True):
    """One product file on the host."""

    id: str
    name: str
    group: str
    covered: bool
    editions: tuple[str, ...]


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of a KMS host: the part of its status that these lines need, from here or from another machine."""

    host_id: str
    version: str
    running: bool
    activated: bool
    code: str | None
    message: str | None
    customer: str | None
    publisher_url: str | None = None
    certificate_serial: str | None
    certificate_expires_s: int | None
    product_key_last_five: str | None
    products: tuple[HostProduct, ...]
    port: int
    activation_interval_min: int
    renewal_interval_min: int
    dns_publishing: bool
    priority: str
    counts: dict[str, dict[str, HostCount]]
    requests: dict[str, int]
    time_s: int


@dataclass(frozen=True)
class ClientFacts:
    """What is shown of a KMS client.

    Attributes:
        edition: None when the product has none of the status's name any more.
        rearms_left: None when the record cannot be read.
    """

    product: ProductFile
    edition: Edition | None
    status: Status
    intervals: Intervals
    rearms_left: int
    host_id: str | None
    version: str
    now_s: int


# --- a KMS host ------------------------------------------------------------------------------------------------------


def host_lines(facts: HostFacts, products: tuple[HostProduct, ...], *, is_long: bool) -> Iterator[str]:
    """`/dli` or `/dlv`: the head for each product, then what the host does."""
    if is_long:
        yield f"Software licensing service version: Quorate {facts.version}"
        yield ""
    for product in products:
        yield from _host_head(facts, product, is_long)
        yield ""
    yield "    Key Management Service is enabled on this machine"
    yield f"    Service: {'running' if facts.running else 'not running'}"
    yield f"    Current count: {max((each.current for each in _counts(facts)), default=0)}"
    for group, classes in facts.counts.items():
        for name, count in classes.items():
            soft = "" if count.soft_minimum is None else f" (activated machines renew down to {count.soft_minimum})"
            yield f"        {group}, {name}: {count.current} of {count.threshold}{soft}"
    yield f"    Listening on Port: {facts.port}"
    yield f"    Activation interval: {facts.activation_interval_min} minutes"
    yield f"    Renewal interval: {facts.renewal_interval_min} minutes"
    yield f"    DNS publishing {'enabled' if facts.dns_publishing else 'disabled'}"
    yield f"    KMS priority: {facts.priority.capitalize()}"
    yield ""
    yield "    Requests received from clients since this host was made"
    yield f"    Total requests received: {facts.requests.get('total', 0)}"
    yield f"    Failed requests received: {facts.requests.get('failed', 0)}"
    for key, words in _REQUEST_WORDS.items():
        yield f"    Requests with License Status {words}: {facts.requests.get(key, 0)}"


def host_expiry(facts: HostFacts, products: tuple[HostProduct, ...]) -> Iterator[str]:
    """`/xpr`: one line for each product."""
    for product in products:
        yield f"{product.name}:"
        if facts.certificate_expires_s is None:
            yield f"    Unlicensed: {facts.message}"
        elif facts.certificate_expires_s <= facts.time_s:
            yield f"    Host activation ended {utc_text(facts.certificate_expires_s)}"
        elif not product.covered:
            yield f"    Unlicensed: the host activation does not cover group {product.group}"
        else:
            yield f"    Host activation will expire {utc_text(facts.certificate_expires_s)}"


def _host_head(facts: HostFacts, product: HostProduct, is_long: bool) -> Iterator[str]:
    customer = f" for {facts.customer}" if facts.customer else ""
    yield f"Name: {product.name}"
    yield f"Description: KMS host of product group {product.group}{customer}"
    if is_long:
        yield f"Activation ID: {', '.join(product.editions)}"
        yield f"Application ID: {product.id}"
        yield f"Extended PID: {facts.host_id}"
        yield f"Certificate serial: {facts.certificate_serial or 'none'}"
        yield "Installation ID: quorate-slmgr /dti prints it"
        yield f"Publisher URL: {facts.publisher_url or 'none set'}"
    yield f"Partial Product Key: {facts.product_key_last_five or 'none installed'}"
    is_licensed = facts.activated and product.covered
    yield f"License Status: {'Licensed' if is_licensed else 'Unlicensed'}"
    if not facts.activated:
        yield f"Reason: {facts.code}: {facts.message}"
    elif not product.covered:
        yield f"Reason: PRODUCT_NOT_COVERED: the host activation does not cover group {product.group}"
    if facts.certificate_expires_s is not None:
        yield f"Host activation expiration: {_minutes(facts.certificate_expires_s - facts.time_s)}"
    if is_long:
        yield f"Trusted time: {utc_text(facts.time_s)}"


def _counts(facts: HostFacts) -> list[HostCount]:
    return [count for classes in facts.counts.values() for count in classes.values()]


# --- a KMS client ----------------------------------------------------------------------------------------------------


def client_lines(facts: ClientFacts, *, is_long: bool) -> Iterator[str]:
    """`/dli` or `/dlv` of one product."""
    status = facts.status
    if is_long:
        yield f"Software licensing service version: Quorate {facts.version}"
        yield ""
    yield f"Name: {_client_name(facts)}"
    yield f"Description: {facts.product.name} of {facts.product.publisher}, activated by a KMS host"
    if is_long:
        yield f"Activation ID: {status.edition}"
        yield f"Application ID: {facts.product.product}"
        yield f"Product group: {facts.product.group}"
    yield "Partial Product Key: none needed"
    yield f"License Status: {_STATUS_WORDS[status.status]}"
    yield from _client_state(facts)
    if is_long:
        yield f"Remaining rearm count: {facts.rearms_left}"
        yield f"Trusted time: {utc_text(facts.now_s)}"
    if status.last_attempt_s is None:
        yield "Use /ato to activate now and to fill in what follows."
    yield ""
    yield "Key Management Service client information"
    yield f"    Client Machine ID (CMID): {status.cmid}"
    yield f"    {_host_line(status)}"
    if status.lookup_domain is not None:
        yield f"    DNS lookup domain: {status.lookup_domain}"
    yield f"    KMS host extended PID: {facts.host_id or 'not known yet'}"
    yield f"    Activation interval: {facts.intervals.activation_min} minutes"
    yield f"    Renewal interval: {facts.intervals.renewal_min} minutes"
    yield f"    KMS host caching is {'enabled' if status.host_caching else 'disabled'}"
    if status.count is not None:
        yield f"    Count at the KMS host: {status.count} of {status.threshold}"
    if is_long:
        last = "never" if status.last_attempt_s is None else utc_text(status.last_attempt_s)
        yield f"    Last attempt: {last}"
        yield f"    Next attempt: {_next_attempt(facts)}"


def client_expiry(facts: ClientFacts) -> Iterator[str]:
    """`/xpr` of one product. Scripts look for `will expire`."""
    status = facts.status
    ends = None if status.expires_s is None else utc_text(status.expires_s)
    words = {
        LicenseStatus.UNLICENSED: "Unlicensed",
        LicenseStatus.INITIAL_GRACE: f"Initial grace period ends {ends}",
        LicenseStatus.LICENSED: f"Volume activation will expire {ends}",
        LicenseStatus.ADDITIONAL_GRACE: f"Additional grace period ends {ends}",
        LicenseStatus.NOTIFICATION: f"{facts.product.name} is in notification mode: all grace is over",
    }
    yield f"{_client_name(facts)}:"
    yield f"    {words[status.status]}"


def _client_name(facts: ClientFacts) -> str:
    return facts.product.name if facts.edition is None else f"{facts.product.name}, {facts.edition.name}"


def _client_state(facts: ClientFacts) -> Iterator[str]:
    status = facts.status
    if status.status is LicenseStatus.NOTIFICATION:
        yield f"Notification Reason: 0x{GraceExpiredError.hresult:08X} (grace time expired)"
    elif status.expires_s is not None:
        label = "Volume activation expiration" if status.status is LicenseStatus.LICENSED else "Time remaining"
        yield f"{label}: {_minutes(status.expires_s - facts.now_s)}"
    if status.code is not None:
        yield f"Reason: {status.code}: {status.message}"
        yield f"Next step: {status.hint}"


def _host_line(status: Status) -> str:
    if status.host is None:
        return "DNS auto-discovery: no KMS host name is known"
    if status.host_source == "set":
        return f"Registered KMS host name: {status.host}"
    where = {"dns": "DNS", "mdns": "mDNS"}.get(status.host_source or "", "before")
    return f"KMS host name from {where}: {status.host}"


def _next_attempt(facts: ClientFacts) -> str:
    next_s = facts.status.next_attempt_s
    if facts.status.status is LicenseStatus.UNLICENSED:
        return "none"
    return "due now" if next_s <= facts.now_s else utc_text(next_s)


# --- both ------------------------------------------------------------------------------------------------------------


def _minutes(seconds: int) -> str:
    seconds = max(seconds, 0)
    return f"{minutes_of(seconds)} minute(s) ({whole_days(seconds)} day(s))"
