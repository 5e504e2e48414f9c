"""The status of a KMS host for people: at a glance whether it activates anybody, and why not."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from quorate.core.spans import whole_days
from quorate.core.trust import utc_text
from quorate.core.words import counted
from quorate.host.views import ClassCount, HostStatus

__all__ = ["shown_address", "status_lines"]

_DAY_S = 86_400
_EVERYWHERE = {"", "::", "0.0.0.0"}  # noqa: S104  (recognized, not bound)
_STATUS_NAMES = {
    "unlicensed": "Unlicensed",
    "licensed": "Licensed",
    "initial_grace": "Initial grace period",
    "additional_grace": "License expired or hardware out of tolerance",
    "notification": "Notification",
}


def status_lines(status: HostStatus) -> Iterator[str]:
    """Line by line."""
    state = "activated" if status.activated else f"NOT ACTIVATED: {status.message}"
    yield f"KMS host {status.host_id}: {state}, {'running' if status.running else 'not running'}"
    if status.notice is not None:
        yield f"    WARNING: {status.notice}"
        yield f"    {status.notice_hint}"
    yield ""
    yield from _pairs(_papers(status))
    yield ""
    yield "Activation count (within the count window)"
    for group, classes in status.counts.items():
        for machine_class, count in classes.items():
            yield f"    {_count_line(group, machine_class, count)}"
        machines = status.machines.get(group, {})
        yield f"    {group}: machines known: " + ", ".join(f"{number} {name}" for name, number in machines.items())
    yield ""
    yield "Settings"
    yield from _pairs(_settings(status))
    yield ""
    yield f"DNS publication: {'on' if status.dns_publishing else 'off'}{_next_try(status)}"
    yield from _published(status)
    yield ""
    yield "Requests received from clients, in all"
    yield from _pairs(_requests(status))


def shown_address(address: str) -> str:
    """An address to listen on, as people say it."""
    return "all addresses" if address in _EVERYWHERE else address


def _next_try(status: HostStatus) -> str:
    if status.dns.next_s is None:
        return "" if status.running or not status.dns_publishing else " (once the host runs)"
    return f", next at {utc_text(status.dns.next_s)}"


def _published(status: HostStatus) -> Iterator[str]:
    if not status.dns.domains:
        yield "    not tried yet"
    for each in status.dns.domains:
        if each.code is None:
            by = f" at {each.server}" if each.server else ""
            yield f"    {each.domain}: {each.result}{by} on {utc_text(each.time_s)}"
            yield f"        {each.record}"
        else:
            yield f"    {each.domain or 'no domain'}: {each.action} FAILED on {utc_text(each.time_s)}: {each.code}"
            yield f"        {each.message}"
            yield from (f"        {line}" for line in (each.hint or "").splitlines())


def _papers(status: HostStatus) -> list[tuple[str, str]]:
    products = [f"{each.id}{'' if each.covered else ' (not covered by the certificate)'}" for each in status.products]
    pairs = [
        ("Version", status.version),
        ("Customer", status.customer or "-"),
        ("Products", ", ".join(products) or "-"),
        ("Product groups", ", ".join(status.product_groups) or "-"),
        ("Partial product key", status.product_key_last_five or "none installed"),
    ]
    if status.certificate_expires_s is not None:
        days = whole_days(status.certificate_expires_s - status.time_s)
        left = f"{counted(days, 'day')} left" if days >= 0 else "ended"
        pairs.append(("Certificate until", f"{utc_text(status.certificate_expires_s)} ({left})"))
    pairs.append(("Publisher's keys", f"version {status.keys_version}, revocation list {status.revocations or 'none'}"))
    if status.publisher_url is not None:
        pairs.append(("Publisher asked at", status.publisher_url))
    return [*pairs, ("State", f"{status.state_dir} ({status.database_bytes / 1e6:.1f} MB of records)")]


def _count_line(group: str, machine_class: str, count: ClassCount) -> str:
    counted = " and ".join(f"{each.value}s" for each in count.counted)
    if count.current >= count.threshold:
        verdict = "met"
    else:
        missing = count.threshold - count.current
        verdict = f"{missing} more {'machine' if missing == 1 else 'machines'} needed"
        if count.soft_minimum is not UNSET and count.soft_lasts_s is not UNSET:
            renewed = f"renewed for {count.soft_lasts_s // _DAY_S} days from their last time at {count.threshold}"
            is_soft = count.current >= count.soft_minimum
            verdict += f"; activated ones are {renewed if is_soft else f'renewed from {count.soft_minimum} on'}"
    bar_width = 20
    filled = min(bar_width, bar_width * count.current // count.threshold)
    bar = "#" * filled + "." * (bar_width - filled)
    most = "+" if count.current >= 2 * count.threshold else ""
    shown = f"{count.current}{most} of {count.threshold}"
    return f"{group} {machine_class:<10} [{bar}] {shown}  {verdict} (counting {counted})"


def _settings(status: HostStatus) -> list[tuple[str, str]]:
    return [
        ("Listening on port", f"{status.port} ({shown_address(status.address)})"),
        ("Administration", f"{status.admin_address}:{status.admin_port}"),
        ("Activation interval", f"{counted(status.activation_interval_min, 'minute')}"),
        ("Renewal interval", f"{counted(status.renewal_interval_min, 'minute')}"),
        ("DNS publishing", "enabled" if status.dns_publishing else "disabled"),
        ("KMS priority", status.priority.capitalize()),
        ("Enrolment", _enrolment(status)),
    ]


def _enrolment(status: HostStatus) -> str:
    known = status.enrolment
    if known is None or not known.required:
        return "not required: every client is served"
    words = f"required, with the secret of {utc_text(known.since_s)}"
    return (
        words if known.previous_until_s is None else f"{words}; the one before until {utc_text(known.previous_until_s)}"
    )


def _requests(status: HostStatus) -> list[tuple[str, str]]:
    requests = status.requests
    known = [(f"With license status {name}", requests.get(key, 0)) for key, name in _STATUS_NAMES.items()]
    pairs = [("Total", requests.get("total", 0)), ("Failed", requests.get("failed", 0)), *known]
    return [(name, str(number)) for name, number in pairs]


def _pairs(pairs: list[tuple[str, str]]) -> Iterator[str]:
    width = max(len(name) for name, _ in pairs) + 1
    for name, value in pairs:
        yield f"    {name + ':':<{width}} {value}"
