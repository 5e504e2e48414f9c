"""What clients find in DNS, and whether it leads anywhere: every record of the name, ours and others', tried.

Dead targets cost each client a timeout, so they are worth finding; and a record for a host that was retired stays for
ever unless somebody removes it. Nothing is changed here; each finding tells the step that mends it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from quorate.core.messages import HostDescription
from quorate.errors import (
    DnsServerFailureError,
    DnsTargetIsAliasError,
    DnsTargetNoAddressError,
    HostNotActivatedError,
    HostUnreachableError,
    NotAQuorateHostError,
    QuorateError,
    RecordDeadError,
    RecordDeniesServiceError,
    RecordMissingError,
    RecordNotSeenYetError,
    RecordOfAnotherHostError,
    RecordPortError,
    RecordStaleError,
    RecordsTooManyError,
)
from quorate.host.publication.manual_record import removal_line
from quorate.host.publication.name_servers import Names
from quorate.host.publication.record import SrvRecord
from quorate.host.publication.settings import PublicationSettings

__all__ = ["Finding", "Hello", "check_publication"]

Hello = Callable[[str, int], HostDescription]
"""Says hello to an IP address and port.

Raises:
    HostUnreachableError, NotAQuorateHostError
"""

TARGETS_MAX = 64  # records tried per name; each costs a timeout when it is dead


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `code` is stable: PUBLISHED, ANSWERS, or that of an error; `fix` is empty when
    nothing is wrong."""

    level: Literal["ok", "warn", "fail"]
    code: str
    name: str
    message: str
    fix: str = ""
    record: SrvRecord | None = None


def _wrong(level: Literal["warn", "fail"], error: QuorateError, name: str, record: SrvRecord | None = None) -> Finding:
    return Finding(level, error.code, name, error.message, error.hint, record)


def check_publication(settings: PublicationSettings, names: Names, hello: Hello, host_id: str) -> tuple[Finding, ...]:
    """Everything there is to say about each name of the settings, in order.

    Args:
        host_id: this host's own, to tell it from others.

    Raises:
        DnsHostNameNotQualifiedError: there is no name to check.
    """
    findings: list[Finding] = []
    for _, record in settings.records():
        findings += _check_name(record, settings, names, hello, host_id)
    return tuple(findings)


def _check_name(
    wanted: SrvRecord, settings: PublicationSettings, names: Names, hello: Hello, host_id: str
) -> list[Finding]:
    name = wanted.name.rstrip(".")
    try:
        shown = names.records(wanted.name)
    except DnsServerFailureError as silent:
        return [_wrong("fail", silent, name)]
    findings = [_own(wanted, shown, settings, names)]
    findings += [_check_record(each, wanted, names, hello, host_id) for each in shown[:TARGETS_MAX]]
    if len(shown) > TARGETS_MAX:
        findings.append(_wrong("warn", RecordsTooManyError(left=len(shown) - TARGETS_MAX), name))
    return findings


def _own(wanted: SrvRecord, shown: tuple[SrvRecord, ...], settings: PublicationSettings, names: Names) -> Finding:
    name = wanted.name.rstrip(".")
    if any(wanted.same_value(each) for each in shown):
        return Finding("ok", "PUBLISHED", name, f"this host's record is there: {wanted.value}", record=wanted)
    try:
        primary = names.locate(wanted.name, settings.server)
        at_primary = names.shown_by(primary, wanted.name) or ()
    except QuorateError:
        at_primary = ()
    if any(wanted.same_value(each) for each in at_primary):
        return _wrong("warn", RecordNotSeenYetError(server=primary.server), name, wanted)
    return _wrong("fail", RecordMissingError(record=wanted.value), name, wanted)


def _check_record(shown: SrvRecord, wanted: SrvRecord, names: Names, hello: Hello, host_id: str) -> Finding:
    name, value = wanted.name.rstrip("."), shown.value
    is_ours = wanted.same_value(shown)
    condition = "" if shown.is_nowhere or shown.target == wanted.target else "if that host is gone for good, "
    remove = f"{condition}remove the record: `{removal_line(shown)}` in nsupdate"
    if shown.is_nowhere:
        return _wrong("fail", RecordDeniesServiceError(record=value, removal=removal_line(shown)), name, shown)
    try:
        addresses = names.check_target(shown.target)
    except (DnsTargetNoAddressError, DnsTargetIsAliasError) as fault:
        return Finding("fail", fault.code, name, f"{value}: {fault.message}", fault.hint if is_ours else remove, shown)
    except DnsServerFailureError as unknown:
        return Finding("warn", unknown.code, name, f"{value}: {unknown.message}", unknown.hint, shown)
    if shown.target == wanted.target and shown.port != wanted.port:
        error = RecordPortError(record=value, shown=shown.port, wanted=wanted.port, removal=removal_line(shown))
        return _wrong("fail", error, name, shown)
    if shown.target == wanted.target and not is_ours:
        stale = RecordStaleError(record=value, wanted=wanted.value, removal=removal_line(shown))
        return _wrong("warn", stale, name, shown)
    return _greet(shown, is_ours, addresses, hello, host_id, name, remove)


def _greet(
    shown: SrvRecord,
    is_ours: bool,
    addresses: tuple[str, ...],
    hello: Hello,
    host_id: str,
    name: str,
    remove: str,
) -> Finding:
    silent: list[str] = []
    for address in addresses:
        try:
            said = hello(address, shown.port)
        except HostUnreachableError as fault:
            silent.append(str(fault.values.get("tried", fault.message)))
            continue
        except NotAQuorateHostError as fault:
            message = f"{shown.value}: {fault.message}"
            return Finding("fail", fault.code, name, message, fault.hint if is_ours else remove, shown)
        if is_ours and said.host_id != host_id:
            return _wrong("fail", RecordOfAnotherHostError(record=shown.value, host_id=said.host_id), name, shown)
        who = "this host" if said.host_id == host_id else f"KMS host {said.host_id}"
        if not said.activated:
            fix = "Activate it, or withdraw its record: clients lose time there."
            return Finding(
                "warn", HostNotActivatedError.code, name, f"{shown.value}: {who} is not activated", fix, shown
            )
        return Finding("ok", "ANSWERS", name, f"{shown.value}: {who} answers at {address}", record=shown)
    dead = RecordDeadError(record=shown.value, tried="; ".join(silent), removal=removal_line(shown))
    start = "Start `quorate host run`, and let TCP in through the firewall: `quorate host firewall`."
    return Finding("fail", dead.code, name, dead.message, start if is_ours else dead.hint, shown)
