"""The lines of `/dli`, `/dlv` and `/xpr`, from facts alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quorate.cli.slmgr_show import ClientFacts, client_expiry, client_lines
from quorate.client.standing import Status
from quorate.core.lease import Intervals
from quorate.core.messages import LicenseStatus
from quorate.core.trust import utc_text
from tests.support.clocks import START_S
from tests.support.documents import CLIENT_EDITION, World, cmid_of

NOW_S = START_S


def facts(status: LicenseStatus, minutes_left: int | None, **changes: object) -> ClientFacts:
    """A client in that state for so many minutes more, of which the last has begun 59 s ago."""
    shown = Status(
        status=status,
        usable=True,
        code=None,
        message="",
        hint="",
        expires_s=None if minutes_left is None else NOW_S + minutes_left * 60 - 59,
        cmid=cmid_of(1),
        edition=CLIENT_EDITION,
        host=None,
        count=None,
        threshold=25,
        last_attempt_s=NOW_S,
        next_attempt_s=NOW_S + 60,
    )
    product = World().product
    return ClientFacts(
        product=product,
        edition=product.edition(CLIENT_EDITION),
        status=replace(shown, **changes),  # type: ignore[arg-type]  # what a test bends is of the right type
        intervals=Intervals(),
        rearms_left=3,
        host_id=None,
        version="1",
        now_s=NOW_S,
    )


@pytest.mark.parametrize(("minutes", "days"), [(243_720, 169), (259_193, 179), (1439, 0), (0, 0)])
def test_s34_days_are_minutes_divided_and_rounded_down(minutes: int, days: int) -> None:
    lines = list(client_lines(facts(LicenseStatus.LICENSED, minutes), is_long=False))
    assert f"Volume activation expiration: {minutes} minute(s) ({days} day(s))" in lines


def test_a_time_that_is_over_is_no_minutes_and_not_less() -> None:
    lines = list(client_lines(facts(LicenseStatus.ADDITIONAL_GRACE, -500), is_long=False))
    assert "Time remaining: 0 minute(s) (0 day(s))" in lines


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (LicenseStatus.LICENSED, "Volume activation will expire {}"),
        (LicenseStatus.INITIAL_GRACE, "Initial grace period ends {}"),
        (LicenseStatus.ADDITIONAL_GRACE, "Additional grace period ends {}"),
        (LicenseStatus.NOTIFICATION, "Acme CAD is in notification mode: all grace is over"),
        (LicenseStatus.UNLICENSED, "Unlicensed"),
    ],
)
def test_s34_xpr_has_one_line_for_each_state(status: LicenseStatus, line: str) -> None:
    head, shown = client_expiry(facts(status, 10))
    assert head == "Acme CAD, Acme CAD Professional:"
    assert shown == "    " + line.format(utc_text(NOW_S + 541))


def test_notification_has_its_reason_as_a_number() -> None:
    lines = list(client_lines(facts(LicenseStatus.NOTIFICATION, None), is_long=False))
    assert "Notification Reason: 0xC004F009 (grace time expired)" in lines


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("set", "    Registered KMS host name: kms01:1688"),
        ("dns", "    KMS host name from DNS: kms01:1688"),
        ("mdns", "    KMS host name from mDNS: kms01:1688"),
        (None, "    KMS host name from before: kms01:1688"),
    ],
)
def test_where_the_host_was_found_is_said(source: str | None, line: str) -> None:
    shown = facts(LicenseStatus.LICENSED, 10, host="kms01:1688", host_source=source)
    assert line in list(client_lines(shown, is_long=False))
    assert "    DNS auto-discovery: no KMS host name is known" in list(
        client_lines(facts(LicenseStatus.LICENSED, 10), is_long=True)
    )
