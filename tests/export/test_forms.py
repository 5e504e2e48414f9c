"""Each form, read again by whoever has to understand it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.events import CmidForked, PublicationFailed, RequestHandled
from quorate.core.messages import LicenseStatus
from quorate.errors import InvalidSettingError
from quorate.host.eventlog.formats import (
    Exported,
    checkpoint,
    event,
    journal_datagram,
    json_line,
    syslog_message,
)
from quorate.host.settings.settings import parse_setting
from quorate.host.store.reports import StoredEvent
from tests.export.receivers import Syslog, journal_fields
from tests.support.documents import cmid_of

HANDLED = RequestHandled(
    time_s=1_800_000_000,
    code="COUNT_INSUFFICIENT",
    hresult=0xC004F038,
    group="acme",
    threshold=25,
    count=7,
    machine='pc "a]b\\c", d',
    cmid=cmid_of(1),
    client_time_s=1_800_000_001,
    vm=True,
    status=LicenseStatus.INITIAL_GRACE,
    expires_in_min=10,
    edition="cad",
    address="192.0.2.7",
)
GIVEN = event(StoredEvent(17, HANDLED), bytes(32))


def test_s24_a_failure_is_an_error_in_every_form_and_success_is_not() -> None:
    fine = event(StoredEvent(18, PublicationFailed(time_s=1, domain="d", message="m")), b"")
    assert json.loads(json_line(GIVEN))["level"] == "error"
    assert journal_fields(journal_datagram(GIVEN))["PRIORITY"] == "3"
    assert Syslog.parse(syslog_message(GIVEN, "kms")).priority == 3 * 8 + 3
    assert journal_fields(journal_datagram(fine))["PRIORITY"] == "6"
    assert Syslog.parse(syslog_message(fine, "kms")).priority == 3 * 8 + 6


def test_a_json_line_is_what_the_command_prints_and_the_digest() -> None:
    line = json_line(GIVEN)
    assert line.endswith(b"\n")
    shown = json.loads(line)
    assert (shown["id"], shown["event_id"], shown["machine"], shown["count"]) == (17, 12290, HANDLED.machine, 7)
    assert shown["info"].startswith("0xC004F038,25,")
    assert len(shown["digest"]) == 43


def test_syslog_has_time_kind_and_every_named_field() -> None:
    message = Syslog.parse(syslog_message(GIVEN, "kms.example.org"))
    assert (message.time, message.host, message.app, message.kind) == (
        "2027-01-15T08:00:00Z",
        "kms.example.org",
        "quorate-host",
        "12290",
    )
    assert message.fields["number"] == "17"
    assert message.fields["event_id"] == "12290"
    assert message.fields["machine"] == HANDLED.machine
    assert message.fields["code"] == "COUNT_INSUFFICIENT"
    assert message.fields["vm"] == "true"
    assert message.words.startswith("activation request handled: 0xC004F038")


def test_the_journal_has_every_named_field_under_a_name_of_ours() -> None:
    fields = journal_fields(journal_datagram(GIVEN))
    assert fields["QUORATE_EVENT_ID"] == "12290"
    assert fields["QUORATE_NUMBER"] == "17"
    assert fields["QUORATE_MACHINE"] == HANDLED.machine
    assert fields["QUORATE_COUNT"] == "7"
    assert fields["SYSLOG_IDENTIFIER"] == "quorate-host"
    assert fields["MESSAGE_ID"] == "9d1f4b0c6e8a4f73b25c000000003002"
    assert int(fields["MESSAGE_ID"][20:], 16) == 12290


def test_a_checkpoint_says_how_far_it_vouches() -> None:
    given = checkpoint(17, "a.b.c", 1_800_000_000)
    assert json.loads(json_line(given))["checkpoint_of"] == 17
    assert journal_fields(journal_datagram(given))["QUORATE_CHECKPOINT"] == "a.b.c"
    message = Syslog.parse(syslog_message(given, ""))
    assert (message.kind, message.host, message.fields["checkpoint"]) == ("CHECKPOINT", "-", "a.b.c")


@given(st.text(), st.text(max_size=300))
def test_whatever_a_text_holds_every_form_can_be_read_again(text: str, host: str) -> None:
    forked = CmidForked(
        time_s=1,
        group="g",
        cmid=cmid_of(1),
        machine=text,
        address="a",
        known_machine="k",
        known_address="a",
        message=text or "m",
    )
    surrogates = any(0xD800 <= ord(c) < 0xE000 for c in text)
    if surrogates:
        return  # no event can hold them: it was JSON
    given = event(StoredEvent(1, forked), b"")
    shown = "".join(" " if ord(c) < 32 or ord(c) == 127 else c for c in text)
    assert Syslog.parse(syslog_message(given, host)).fields.get("machine") == shown
    assert journal_fields(journal_datagram(given))["QUORATE_MACHINE"] == text
    assert json.loads(json_line(given))["machine"] == text


def test_what_is_not_there_is_left_out() -> None:
    fields = Exported(1, {"title": "t", "level": "information", "time_s": 1, "code": None, "message": "m"}).fields
    assert fields == {"time_s": "1", "message": "m"}


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("", ""),
        ("off", ""),
        (" Local ", "local"),
        ("udp://192.0.2.9", "udp://192.0.2.9:514"),
        ("tcp://logs.example.org:6000", "tcp://logs.example.org:6000"),
        ("tcp://[2001:db8::1]", "tcp://[2001:db8::1]:514"),
    ],
)
def test_a_syslog_target_is_kept_with_its_port(typed: str, kept: str) -> None:
    assert parse_setting("export-syslog", typed)[1] == kept
    assert parse_setting("export-syslog", kept)[1] == kept


@pytest.mark.parametrize(
    "typed",
    [
        "logs.example.org",
        "http://logs.example.org",
        "udp://",
        "udp://a:0",
        "udp://a:70000",
        "udp://a:b",
        "tcp://a/path",
        "tcp://user@a",
        "tcp://[::1",
        "udp://a b",
        "udp://" + "a" * 300,
        "x" * 100_000,
    ],
)
def test_what_is_no_syslog_target_is_refused_and_what_is_allowed_named(typed: str) -> None:
    with pytest.raises(InvalidSettingError) as caught:
        parse_setting("export-syslog", typed)
    assert "tcp://HOST[:PORT]" in caught.value.hint
    assert len(caught.value.message) < 400
