"""The event log's vocabulary: Microsoft's event ids and field order, with named fields and what admins miss.

Existing parsing habits work on `info_text` (one comma-separated string, as behind `Info:`; reference, section 9); the
named fields add the count returned, the peer's address and the cause.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from quorate.core.messages import LicenseStatus
from quorate.core.trust import utc_text

__all__ = [
    "EVENT_TITLES",
    "REQUEST_EVENTS",
    "AdministrationChanged",
    "AdministrationLocked",
    "AnswerReceived",
    "ClockAccepted",
    "ClockUnconfirmed",
    "CmidForked",
    "CountFalling",
    "EventDamaged",
    "ExportChanged",
    "HostEvent",
    "PapersChanged",
    "PapersNeedAttention",
    "PublicationFailed",
    "PublicationSucceeded",
    "RequestHandled",
    "RequestSent",
    "ServiceFailed",
    "SettingChange",
    "SourceLimited",
    "info_text",
    "is_failure",
]

EVENT_TITLES = {
    12288: "request sent to a KMS host",
    12289: "answer of a KMS host received",
    12290: "activation request handled",
    12291: "the KMS host could not start",
    12293: "publishing the SRV record failed",
    12294: "SRV record published",
    # From here on they are ours; Microsoft has none of these numbers.
    12310: "host papers changed",
    12311: "host papers need attention",
    12312: "one CMID, two machines or a rolled-back one",
    12313: "a source brings too many new CMIDs",
    12314: "a count will fall below its threshold",
    12315: "administration",
    12316: "administration locked for a source",
    12317: "handing on the event log",
    12318: "an event that is not what was written",
    12319: "the clock of the host",
    12320: "the clock accepted on a client",
}

_STATUS_NUMBER = {  # Microsoft's; 4 and 6 (non-genuine, extended grace) do not exist here
    LicenseStatus.UNLICENSED: 0,
    LicenseStatus.LICENSED: 1,
    LicenseStatus.INITIAL_GRACE: 2,
    LicenseStatus.ADDITIONAL_GRACE: 3,
    LicenseStatus.NOTIFICATION: 5,
}

_NOT_ENOUGH_COUNT = 0x04000000
_NO_REGISTRATION = 0x01000000


class _Base(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="event_id"):
    """`code` is None when it went well, else the stable code; `hresult` is 0 when it went well."""

    time_s: int
    code: str | None = None
    hresult: int = 0


class RequestSent(_Base, frozen=True, kw_only=True, tag=12288):
    """On the client: a request was sent, or could not be."""

    host: str
    cmid: str
    vm: bool
    status: LicenseStatus
    expires_in_min: int
    edition: str
    threshold: int
    message: str = ""


class AnswerReceived(_Base, frozen=True, kw_only=True, tag=12289):
    """On the client: an answer was validated. `soft_until_s` is there when the count is below the threshold and the
    publisher's soft threshold let this machine renew: until when it does."""

    host: str
    host_id: str
    cmid: str
    activated: bool
    count: int
    threshold: int
    activation_interval_min: int
    renewal_interval_min: int
    message: str = ""
    soft_until_s: int | UnsetType = UNSET


class RequestHandled(_Base, frozen=True, kw_only=True, tag=12290):
    """On the host: one for each request handled. `soft_until_s` as in 12289."""

    group: str
    threshold: int
    count: int
    machine: str
    cmid: str
    client_time_s: int
    vm: bool
    status: LicenseStatus
    expires_in_min: int
    edition: str
    address: str
    soft_until_s: int | UnsetType = UNSET


class ServiceFailed(_Base, frozen=True, kw_only=True, tag=12291):
    """On the host: it could not start."""

    message: str


class PublicationFailed(_Base, frozen=True, kw_only=True, tag=12293):
    """On the host: the SRV record could not be published in a domain."""

    domain: str
    message: str


class PublicationSucceeded(_Base, frozen=True, kw_only=True, tag=12294):
    """On the host: the SRV record stands in a domain."""

    domain: str


class PapersChanged(_Base, frozen=True, kw_only=True, tag=12310):
    """On the host: the publisher's keys, its revocation list or this host's certificate were renewed online."""

    message: str


class PapersNeedAttention(_Base, frozen=True, kw_only=True, tag=12311):
    """On the host: it is revoked, its certificate ends or has ended, or the publisher could not be asked."""

    message: str


class CmidForked(_Base, frozen=True, kw_only=True, tag=12312):
    """On the host: a request with the link of a lease that has been renewed since. From another machine or address it
    is a clone, and `code` is CMID_SUPERSEDED; from the same one a snapshot was brought back, and it is no failure."""

    group: str
    cmid: str
    machine: str
    address: str
    known_machine: str
    known_address: str
    message: str


class SourceLimited(_Base, frozen=True, kw_only=True, tag=12313):
    """On the host: one address brought more new CMIDs within an hour than are let through."""

    address: str
    new_cmids: int


class SettingChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One setting before and after, as people type them."""

    name: str
    before: str
    after: str


class CountFalling(_Base, frozen=True, kw_only=True, tag=12314):
    """On the host: a count will fall below its threshold if the silent machines stay silent (`code` COUNT_WILL_FALL),
    the day of that has moved by more than two days, the count has fallen (COUNT_INSUFFICIENT), or all is well (null).

    `falls_on`: the day (UTC) at whose end the count is too small; `lapsing`: how many records lapse until then;
    `lowest`: the count after sixty days.
    """

    group: str
    machine_classes: tuple[str, ...]
    threshold: int
    count: int
    falls_on: str | None
    falls_in_days: int | None
    lapsing: int
    lowest: int
    message: str
    hint: str = ""


class AdministrationChanged(_Base, frozen=True, kw_only=True, tag=12315):
    """On the host: somebody changed something, or was refused and `code` says why. `actor` is the name of a token, the
    name of this machine's user where `source` is `local`, or `unknown`; `source` is an address otherwise. Nothing
    secret stands in it."""

    actor: str
    source: str
    action: str
    message: str
    changes: tuple[SettingChange, ...] = ()


class AdministrationLocked(_Base, frozen=True, kw_only=True, tag=12316):
    """On the host: so many wrong tokens came from one address that for `locked_s` seconds more of them leave no
    event. Right ones are taken meanwhile."""

    source: str
    failures: int
    locked_s: int


class ExportChanged(_Base, frozen=True, kw_only=True, tag=12317):
    """On the host: events could not be handed to `target` any more, or can be again: then `code` is null. One for each
    change, not for each try."""

    target: str
    message: str


class EventDamaged(_Base, frozen=True, kw_only=True, tag=12318):
    """Never written: shown in the place of an event that cannot be read, as somebody's hand or the disk changed it."""

    message: str


class ClockUnconfirmed(_Base, frozen=True, kw_only=True, tag=12319):
    """On the host: its clock shows what neither its running time nor an ordinary time off explains, and nothing is
    deleted for its age until machines confirm it (`code` CLOCK_UNCONFIRMED); or it is confirmed, or back: then `code`
    is null. `certain_s`: at least so late it is."""

    certain_s: int
    message: str


class ClockAccepted(_Base, frozen=True, kw_only=True, tag=12320):
    """On the client: its administrator said that the clock is right, although it had already shown a later time.
    `known_s` is that time; `rearms_left`: how many rearms are left, after the one that this used."""

    cmid: str
    known_s: int
    rearms_left: int


HostEvent = (
    RequestHandled
    | ServiceFailed
    | PublicationFailed
    | PublicationSucceeded
    | PapersChanged
    | PapersNeedAttention
    | CmidForked
    | SourceLimited
    | CountFalling
    | ExportChanged
    | EventDamaged
    | ClockUnconfirmed
    | AdministrationChanged
    | AdministrationLocked
)
REQUEST_EVENTS = (RequestHandled, CmidForked, SourceLimited)
"""What clients cause, in any number. All others are administrative: they are kept longer, whatever clients do."""

ClientEvent = RequestSent | AnswerReceived | ClockAccepted


def is_failure(event: _Base) -> bool:
    """S24: failures are errors in the log."""
    return event.code is not None


def info_text(event: HostEvent | ClientEvent) -> str:
    """The event's data in Microsoft's field order, comma-separated, for scripts that parse it so."""
    result = f"0x{event.hresult:X}"
    fields: tuple[Any, ...]
    match event:
        case RequestSent():
            flags = _NO_REGISTRATION if event.code == "DNS_NAME_DOES_NOT_EXIST" else 0
            fields = (
                result,
                f"0x{flags:08X}",
                event.host,
                event.cmid,
                _utc(event.time_s),
                int(event.vm),
                _STATUS_NUMBER[event.status],
                event.expires_in_min,
                event.edition,
                event.threshold,
            )
        case AnswerReceived():
            flags = _NOT_ENOUGH_COUNT if event.code == "COUNT_INSUFFICIENT" else 0
            fields = (
                result,
                f"0x{flags:08X}",
                int(event.activated),
                0,
                event.count,
                event.activation_interval_min,
                event.renewal_interval_min,
                _utc(event.time_s),
            )
        case RequestHandled():
            fields = (
                result,
                event.threshold,
                event.machine,
                event.cmid,
                _utc(event.client_time_s),
                int(event.vm),
                _STATUS_NUMBER[event.status],
                event.expires_in_min,
                event.edition,
            )
        case PublicationFailed():
            fields = (result, event.domain)
        case PublicationSucceeded():
            fields = (event.domain,)
        case ServiceFailed() | PapersChanged() | PapersNeedAttention() | EventDamaged() | ExportChanged():
            fields = (result,)
        case ClockUnconfirmed():
            fields = (result, _utc(event.certain_s))
        case CmidForked():
            fields = (result, event.cmid, event.machine, event.address, event.known_machine, event.known_address)
        case CountFalling():
            classes = " ".join(event.machine_classes)
            fields = (result, event.threshold, event.count, event.group, classes, event.falls_on or "")
        case SourceLimited():
            fields = (result, event.address, event.new_cmids)
        case AdministrationChanged():
            fields = (result, event.actor, event.source, event.action)
        case ClockAccepted():
            fields = (result, event.cmid, _utc(event.known_s), event.rearms_left)
        case AdministrationLocked():
            fields = (result, event.source, event.failures, event.locked_s)
    # A comma inside a machine's name must not look like a field boundary.
    return ",".join(str(field).replace(",", "_") for field in fields)


def _utc(time_s: int) -> str:
    return utc_text(time_s)[:16].replace("-", "/")
