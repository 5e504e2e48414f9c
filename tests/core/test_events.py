"""The event log's vocabulary: Microsoft's ids and field order, so that existing parsing habits work (S24)."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.events import (
    EVENT_TITLES,
    AdministrationChanged,
    AdministrationLocked,
    AnswerReceived,
    ClientEvent,
    ClockAccepted,
    ClockUnconfirmed,
    CmidForked,
    CountFalling,
    EventDamaged,
    ExportChanged,
    HostEvent,
    PapersChanged,
    PapersNeedAttention,
    PublicationFailed,
    PublicationSucceeded,
    RequestHandled,
    RequestSent,
    ServiceFailed,
    SettingChange,
    SourceLimited,
    info_text,
    is_failure,
)
from quorate.core.messages import LicenseStatus
from tests.support.clocks import START_S
from tests.support.documents import CLIENT_EDITION, HOST_ID, cmid_of

CMID = cmid_of(1)
COUNT_TOO_SMALL = {"code": "COUNT_INSUFFICIENT", "hresult": 0xC004F038}


def sent(**changes: object) -> RequestSent:
    event = RequestSent(
        time_s=START_S,
        host="kms.contoso.example:1688",
        cmid=CMID,
        vm=True,
        status=LicenseStatus.INITIAL_GRACE,
        expires_in_min=41_520,
        edition=CLIENT_EDITION,
        threshold=25,
    )
    return msgspec.structs.replace(event, **changes)


def received(**changes: object) -> AnswerReceived:
    event = AnswerReceived(
        time_s=START_S,
        host="kms.contoso.example:1688",
        host_id=HOST_ID,
        cmid=CMID,
        activated=True,
        count=26,
        threshold=25,
        activation_interval_min=120,
        renewal_interval_min=10_080,
    )
    return msgspec.structs.replace(event, **changes)


def handled(**changes: object) -> RequestHandled:
    event = RequestHandled(
        time_s=START_S,
        group="acme",
        threshold=25,
        count=7,
        machine="pc-0001.contoso.example",
        cmid=CMID,
        client_time_s=START_S - 60,
        vm=False,
        status=LicenseStatus.NOTIFICATION,
        expires_in_min=0,
        edition=CLIENT_EDITION,
        address="192.0.2.7",
    )
    return msgspec.structs.replace(event, **changes)


def falling(**changes: object) -> CountFalling:
    event = CountFalling(
        time_s=START_S,
        code="COUNT_WILL_FALL",
        group="acme",
        machine_classes=("client", "ephemeral"),
        threshold=25,
        count=25,
        falls_on="2027-02-10",
        falls_in_days=19,
        lapsing=2,
        lowest=23,
        message="m",
    )
    return msgspec.structs.replace(event, **changes)


def test_12288_has_its_ten_fields_in_order() -> None:
    assert info_text(sent()) == (
        f"0x0,0x00000000,kms.contoso.example:1688,{CMID},2027/01/15 08:00,1,2,41520,{CLIENT_EDITION},25"
    )
    nowhere = sent(code="DNS_NAME_DOES_NOT_EXIST", hresult=0x8007232B, host="")
    assert info_text(nowhere).startswith("0x8007232B,0x01000000,,")


def test_12289_has_its_eight_fields_in_order() -> None:
    assert info_text(received()) == "0x0,0x00000000,1,0,26,120,10080,2027/01/15 08:00"


def test_12289_flags_too_small_a_count() -> None:
    refused = received(activated=False, count=4, **COUNT_TOO_SMALL)
    assert info_text(refused) == "0xC004F038,0x04000000,0,0,4,120,10080,2027/01/15 08:00"


def test_12290_has_its_nine_fields_in_order() -> None:
    assert info_text(handled(**COUNT_TOO_SMALL)) == (
        f"0xC004F038,25,pc-0001.contoso.example,{CMID},2027/01/15 07:59,0,5,0,{CLIENT_EDITION}"
    )


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (ServiceFailed(time_s=START_S, code="PORT_TAKEN", hresult=0x80070002, message="taken"), "0x80070002"),
        (
            PublicationFailed(time_s=START_S, code="X", hresult=0x80072338, domain="contoso.example", message="no"),
            "0x80072338,contoso.example",
        ),
        (PublicationSucceeded(time_s=START_S, domain="contoso.example"), "contoso.example"),
    ],
)
def test_the_hosts_own_events_have_their_fields(event: HostEvent, text: str) -> None:
    assert info_text(event) == text


@pytest.mark.parametrize(
    ("status", "number"),
    [
        (LicenseStatus.UNLICENSED, "0"),
        (LicenseStatus.LICENSED, "1"),
        (LicenseStatus.INITIAL_GRACE, "2"),
        (LicenseStatus.ADDITIONAL_GRACE, "3"),
        (LicenseStatus.NOTIFICATION, "5"),
    ],
)
def test_a_license_status_has_microsofts_number(status: LicenseStatus, number: str) -> None:
    assert info_text(sent(status=status)).split(",")[6] == number
    assert info_text(handled(status=status)).split(",")[6] == number


@given(st.text(max_size=50))
def test_a_comma_in_a_name_moves_no_field(name: str) -> None:
    fields = info_text(handled(machine=name)).split(",")
    assert len(fields) == 9
    assert fields[3] == CMID
    assert len(info_text(sent(host=name)).split(",")) == 10


def test_s24_a_failure_is_an_error_in_the_log_and_a_success_is_not() -> None:
    for event in (sent(), received(), handled()):
        assert not is_failure(event)
        assert is_failure(msgspec.structs.replace(event, **COUNT_TOO_SMALL))


def forked() -> CmidForked:
    return CmidForked(
        time_s=1,
        code="CMID_SUPERSEDED",
        group="acme",
        cmid="11111111-2222-4333-8444-555555555555",
        machine="copy,1",
        address="192.0.2.8",
        known_machine="pc-1",
        known_address="192.0.2.7",
        message="m",
    )


def administered() -> AdministrationChanged:
    change = SettingChange("activation-interval", "120", "60")
    return AdministrationChanged(
        time_s=1,
        actor="al,ice",
        source="192.0.2.7",
        action="settings",
        message="activation-interval: 120 -> 60",
        changes=(change,),
    )


def test_events_of_ours_say_their_fields_in_order() -> None:
    assert info_text(forked()) == "0x0,11111111-2222-4333-8444-555555555555,copy_1,192.0.2.8,pc-1,192.0.2.7"
    assert info_text(SourceLimited(time_s=1, address="192.0.2.7", new_cmids=9)) == "0x0,192.0.2.7,9"
    assert info_text(PapersNeedAttention(time_s=1, code="HOST_REVOKED", message="m")) == "0x0"
    assert info_text(administered()) == "0x0,al_ice,192.0.2.7,settings"
    locked = AdministrationLocked(time_s=1, code="LOCKED_OUT", source="192.0.2.7", failures=10, locked_s=900)
    assert info_text(locked) == "0x0,192.0.2.7,10,900"


def test_an_event_survives_being_written_down_with_its_id() -> None:
    events: list[HostEvent | ClientEvent] = [
        sent(),
        received(),
        handled(),
        ServiceFailed(time_s=1, message="m"),
        PublicationFailed(time_s=1, domain="d", message="m"),
        PublicationSucceeded(time_s=1, domain="d"),
        PapersChanged(time_s=1, message="m"),
        PapersNeedAttention(time_s=1, message="m"),
        forked(),
        SourceLimited(time_s=1, address="192.0.2.7", new_cmids=1001),
        falling(),
        administered(),
        AdministrationLocked(time_s=1, code="LOCKED_OUT", source="192.0.2.7", failures=10, locked_s=900),
        ExportChanged(time_s=1, code="EVENT_EXPORT_FAILED", target="journald", message="m"),
        EventDamaged(time_s=0, code="EVENT_DAMAGED", message="m"),
        ClockUnconfirmed(time_s=1, code="CLOCK_UNCONFIRMED", certain_s=0, message="m"),
        ClockAccepted(time_s=1, cmid="c", known_s=2, rearms_left=2),
    ]
    for event in events:
        written = msgspec.json.encode(event)
        assert msgspec.json.decode(written, type=HostEvent | ClientEvent) == event
    ids = {msgspec.json.decode(msgspec.json.encode(event))["event_id"] for event in events}
    assert ids == set(EVENT_TITLES)
