"""One event, or one checkpoint of the log, in the three forms it is handed on in. Pure.

JSON lines are what `quorate host events --json` prints, and the digest. journald takes its native protocol
(systemd's JOURNAL_NATIVE_PROTOCOL), each named field as `QUORATE_...`. Syslog is RFC 5424, the fields as structured
data; the enterprise number in its name is the one that RFC 5612 reserves for whoever has none.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from quorate.core.ids import b64url
from quorate.host.eventlog.view import event_view
from quorate.host.store.reports import StoredEvent

__all__ = ["IDENTIFIER", "Exported", "checkpoint", "event", "journal_datagram", "json_line", "syslog_message"]

IDENTIFIER: Final = "quorate-host"
SD_ID: Final = "quorate@32473"
MESSAGE_ID_HEAD: Final = "9d1f4b0c6e8a4f73b25c"  # and the event's id as twelve hexadecimal digits
_DAEMON, _ERROR, _INFORMATION = 3, 3, 6  # RFC 5424: facility, and two severities
_NAME_MAX = 32  # of a parameter, RFC 5424
_HOSTNAME_MAX = 255
_SEPARATE = {"title", "info", "level"}  # said by the message and the severity
_CONTROLS = dict.fromkeys((*range(32), 127), " ")
_BOM = b"\xef\xbb\xbf"


class Exported(NamedTuple):
    """What is handed on. `number`: of the event, or of the last event that the checkpoint vouches for."""

    number: int
    view: dict[str, Any]

    @property
    def severity(self) -> int:
        """S24: a failure is an error."""
        return _ERROR if self.view["level"] == "error" else _INFORMATION

    @property
    def words(self) -> str:
        """One line for people."""
        view = self.view
        said = view.get("message") or view.get("info") or view.get("checkpoint_of")
        return f"{view['title']}: {said}".translate(_CONTROLS)

    @property
    def fields(self) -> dict[str, str]:
        """Its named fields as text; those that say nothing are left out."""
        named = {"number" if name == "id" else name: value for name, value in self.view.items()}
        return {name: _text(value) for name, value in named.items() if value is not None and name not in _SEPARATE}


def event(stored: StoredEvent, digest: bytes) -> Exported:
    """An event of the log."""
    return Exported(stored.id, {**event_view(stored), "digest": b64url(digest)})


def checkpoint(number: int, token: str, time_s: int) -> Exported:
    """The host's word for the log up to event `number`: whoever has it can tell later what was changed."""
    view = {"title": "checkpoint of the event log", "level": "information", "time_s": time_s}
    return Exported(number, {**view, "checkpoint_of": number, "checkpoint": token})


def json_line(given: Exported) -> bytes:
    """With its newline."""
    return msgspec.json.encode(given.view) + b"\n"


def journal_datagram(given: Exported) -> bytes:
    """For `/run/systemd/journal/socket`."""
    fields = {
        "MESSAGE": given.words,
        "MESSAGE_ID": f"{MESSAGE_ID_HEAD}{given.view.get('event_id', 0):012x}",
        "PRIORITY": str(given.severity),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        **{f"QUORATE_{name.upper()}": value for name, value in given.fields.items()},
    }
    return b"".join(_journal_field(name.encode("ascii"), value.encode()) for name, value in fields.items())


def syslog_message(given: Exported, hostname: str) -> bytes:
    """One RFC 5424 message, without framing."""
    at = datetime.fromtimestamp(given.view["time_s"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kind = given.view.get("event_id", "CHECKPOINT")
    head = f"<{_DAEMON * 8 + given.severity}>1 {at} {_hostname(hostname)} {IDENTIFIER} - {kind} "
    parameters = "".join(f' {name[:_NAME_MAX]}="{_escaped(value)}"' for name, value in given.fields.items())
    words = given.words.encode()
    return f"{head}[{SD_ID}{parameters}] ".encode() + (words if words.isascii() else _BOM + words)


def _journal_field(name: bytes, value: bytes) -> bytes:
    if b"\n" not in value:
        return name + b"=" + value + b"\n"
    return name + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]").translate(_CONTROLS)


def _hostname(name: str) -> str:
    return "".join(c for c in name if 32 < ord(c) < 127)[:_HOSTNAME_MAX] or "-"
