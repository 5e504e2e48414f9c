"""The error tree: the codes, numbers and statuses that scripts hold on to, and what carries an error over the wire."""

from __future__ import annotations

import string
from collections.abc import Iterator

import pytest

from quorate.core.messages import Problem
from quorate.errors import (
    BY_CODE,
    CountInsufficientError,
    QuorateError,
    RefusedError,
    TrustError,
)

# INTERFACE, "Error codes": code, HRESULT, HTTP status (200 where a host signs the refusal).
FIXED: dict[str, tuple[str | None, int | None]] = {
    "COUNT_INSUFFICIENT": ("0xC004F038", 200),
    "HOST_NOT_ACTIVATED": ("0xC004F041", 503),
    "PRODUCT_NOT_COVERED": ("0xC004F042", 200),
    "CLOCK_SKEW": ("0xC004F06C", 200),
    "HOST_UNREACHABLE": ("0xC004F074", None),
    "DNS_NAME_DOES_NOT_EXIST": ("0x8007232B", None),
    "DNS_SERVER_FAILURE": ("0x8007232A", None),
    "NOT_A_QUORATE_HOST": (None, None),
    "BAD_SIGNATURE": (None, None),
    "UNKNOWN_PUBLISHER": (None, None),
    "HOST_CERTIFICATE_EXPIRED": (None, None),
    "HOST_REVOKED": (None, None),
    "LEASE_WRONG_MACHINE": (None, None),
    "LEASE_EXPIRED": (None, None),
    "CLOCK_TURNED_BACK": (None, None),
    "MALFORMED_REQUEST": (None, 400),
    "REQUEST_TOO_LARGE": (None, 413),
    "RATE_LIMITED": (None, 429),
    "GRACE_EXPIRED": ("0xC004F009", None),
    "REARM_LIMIT_REACHED": ("0xC004D307", None),
    "PRODUCT_KEY_INVALID": ("0xC004F050", None),
    "PRODUCT_KEY_BLOCKED": ("0xC004F051", None),
    "HOST_KEY_USED_UP": ("0xC004C008", None),
}
ALL = sorted(BY_CODE.items())
SPECIAL: dict[str, dict[str, object]] = {
    "COUNT_INSUFFICIENT": {"count": 7, "threshold": 25, "window_days": 30},
    "COUNT_WILL_FALL": {
        "group": "acme",
        "machines": "clients",
        "count": 27,
        "threshold": 25,
        "day": "2027-01-04",
        "days": 12,
        "lapsing": 4,
        "short": 2,
    },
    "COUNT_BELOW_THRESHOLD": {"count": 23, "threshold": 25, "until": "2027-01-04"},
    "STORE_UNAVAILABLE": {"reason": "the disk is full", "path": "host.db", "retry_after_s": 30},
}


def example(kind: type[QuorateError]) -> QuorateError:
    """One error of this kind, each of its values the value's own name."""
    if kind.code in SPECIAL:
        return kind(**SPECIAL[kind.code])
    return kind(**{name: f"<{name}>" for name in fields(kind.template + kind.hint_template)})


def fields(template: str) -> Iterator[str]:
    return (name for _, name, _, _ in string.Formatter().parse(template) if name)


@pytest.mark.parametrize("code", list(FIXED))
def test_the_codes_numbers_and_statuses_are_the_promised_ones(code: str) -> None:
    hresult, http_status = FIXED[code]
    error = example(BY_CODE[code])
    assert (error.code, error.hresult_text) == (code, hresult)
    if http_status is not None:
        assert error.http_status == http_status


def test_only_what_a_host_signs_travels_with_200() -> None:
    signed = {code for code, kind in BY_CODE.items() if kind.http_status == 200}
    assert signed == {"COUNT_INSUFFICIENT", "PRODUCT_NOT_COVERED", "CLOCK_SKEW", "CMID_SUPERSEDED"}


def every_kind(root: type[QuorateError] = QuorateError) -> Iterator[type[QuorateError]]:
    yield root
    for child in root.__subclasses__():
        yield from every_kind(child)


def test_every_error_is_found_by_its_code_and_no_two_share_one() -> None:
    kinds = [kind for kind in every_kind() if kind not in (RefusedError, TrustError) and "code" in vars(kind)]
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert {kind.code: kind for kind in kinds} == BY_CODE
    families = {kind for kind in every_kind() if "code" not in vars(kind)}
    assert families == {RefusedError, TrustError}


@pytest.mark.parametrize(("code", "kind"), ALL, ids=[code for code, _ in ALL])
def test_every_error_says_what_and_what_next(code: str, kind: type[QuorateError]) -> None:
    error = example(kind)
    for words in (error.message, error.hint):
        assert words
        assert "{" not in words
    assert str(error) == error.message
    assert 200 <= error.http_status <= 599


@pytest.mark.parametrize(("code", "kind"), ALL, ids=[code for code, _ in ALL])
def test_every_error_that_a_host_may_say_unsigned_survives_the_wire(code: str, kind: type[QuorateError]) -> None:
    error = example(kind)
    problem = Problem.of(error)
    carried = problem.error()
    if error.http_status == 200:
        assert carried is None
        return
    assert type(carried) is kind
    assert (carried.message, str(carried)) == (error.message, error.message)
    assert carried.hint == error.hint.replace("\n", " ")  # words of another machine stay on one line
    assert carried.values == {}


def test_a_value_with_braces_is_shown_as_it_is() -> None:
    error = BY_CODE["NOT_KNOWN"](what="edition", name="{hint.__class__}", known="{0}")
    assert "{hint.__class__}" in error.message
    assert "{0}" in error.hint


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "25 more machines"),
        (7, "18 more machines"),
        (24, "1 more machine"),
        (25, "0 more machines"),
        (60, "0 more machines"),
    ],
)
def test_s09_how_many_are_missing_is_said(count: int, words: str) -> None:
    error = CountInsufficientError(count=count, threshold=25)
    assert error.message == f"activation count {count} of 25"
    assert error.hint.startswith(f"{words} must contact this host within 30 days.")
