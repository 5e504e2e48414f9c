"""A lease read back from disk: the whole chain again, and never less believed than when it was accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.core.documents import HOST_CERTIFICATE, sign
from quorate.core.lease import LEASE, REFUSAL, Intervals, Lease, Refusal
from quorate.core.messages import Answer
from quorate.core.policy import DAY_S, HOUR_S
from quorate.core.trust import (
    Question,
    accept_answer,
    check_certificate,
    check_stored_lease,
    clock_skew,
    refusal_error,
    utc_text,
)
from quorate.errors import (
    AnswerMismatchError,
    BadSignatureError,
    CountInsufficientError,
    HostCertificateExpiredError,
    HostCertificateNotYetValidError,
    MalformedError,
    ProductNotCoveredError,
    QuorateError,
    UnknownPublisherError,
)
from tests.support.clocks import START_S
from tests.support.documents import (
    CLIENT_EDITION,
    SERVER_EDITION,
    World,
    cmid_of,
    nonce_of,
    signing_key,
)

WORLD = World()
ANCHOR = WORLD.anchor
QUESTION = WORLD.question()
ATTACKER = signing_key(66)
TOLERANCE_S = 4 * HOUR_S


def accept(answer: Answer, now_s: int = START_S, question: Question = QUESTION) -> Lease | Refusal:
    return accept_answer(answer, question, ANCHOR, now_s)


def stored(lease: Lease, certificate: str | None = None, question: Question = QUESTION) -> Lease:
    token = sign(LEASE, lease, WORLD.host_key)
    return check_stored_lease(token, certificate or WORLD.certificate_token(), question, ANCHOR)


# --- the stored lease -------------------------------------------------------------------------------------------------


def test_a_stored_lease_outlives_its_hosts_certificate() -> None:
    token = WORLD.certificate_token(expires_s=START_S + 1)
    assert stored(WORLD.lease(), token) == WORLD.lease()


def test_a_stored_lease_from_outside_its_certificates_time_is_refused() -> None:
    with pytest.raises(HostCertificateExpiredError):
        stored(WORLD.lease(), WORLD.certificate_token(expires_s=START_S))
    with pytest.raises(HostCertificateNotYetValidError):
        stored(WORLD.lease(), WORLD.certificate_token(issued_s=START_S + TOLERANCE_S + 1))


def test_a_stored_lease_with_another_certificate_is_refused() -> None:
    with pytest.raises(BadSignatureError):
        stored(WORLD.lease(), WORLD.certificate_token(jwk=ATTACKER.public()))
    with pytest.raises(UnknownPublisherError):
        stored(WORLD.lease(), WORLD.certificate_token(ATTACKER))
    with pytest.raises(ProductNotCoveredError):
        stored(WORLD.lease(), WORLD.certificate_token(groups=("other",)))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("nonce", {"nonce": nonce_of(2)}),
        ("CMID", {"cmid": cmid_of(2)}),
        ("edition", {"edition": SERVER_EDITION}),
        ("host id", {"host_id": cmid_of(3)}),
    ],
)
def test_a_stored_lease_of_another_question_is_refused(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(AnswerMismatchError, match=field):
        stored(WORLD.lease(**changes))


def test_a_refusal_is_no_stored_lease() -> None:
    with pytest.raises(MalformedError, match=r"this is a refusal\+jwt"):
        check_stored_lease(sign(REFUSAL, WORLD.refusal(), WORLD.host_key), WORLD.certificate_token(), QUESTION, ANCHOR)


times = st.integers(START_S - 10 * HOUR_S, START_S + 10 * HOUR_S)


@given(now_s=times, issued_s=times, begins_s=times, ends_s=times)
@settings(max_examples=200)
def test_what_was_accepted_can_always_be_read_back(now_s: int, issued_s: int, begins_s: int, ends_s: int) -> None:
    if ends_s <= begins_s:
        return
    certificate = WORLD.certificate_token(issued_s=begins_s, expires_s=ends_s)
    lease = WORLD.lease(at_s=issued_s)
    try:
        accepted = accept(WORLD.answer(lease, certificate=certificate), now_s)
    except QuorateError:
        return
    assert stored(lease, certificate) == accepted


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "count": st.integers(0, 100),
            "expires_s": st.integers(START_S - DAY_S, START_S + 400 * DAY_S),
            "issued_s": st.integers(START_S - 2 * DAY_S, START_S + 2 * DAY_S),
            "renew_from_s": st.integers(START_S - DAY_S, START_S + 60 * DAY_S),
            "renew_until_s": st.integers(START_S - DAY_S, START_S + 60 * DAY_S),
            "intervals": st.builds(Intervals, st.integers(1, 43_200), st.integers(1, 43_200)),
        },
    )
)
@settings(max_examples=200)
def test_whatever_an_activated_host_writes_no_lease_beats_the_policy(changes: dict[str, Any]) -> None:
    try:
        lease = accept(WORLD.answer(WORLD.lease(**changes)))
    except QuorateError:
        return
    assert isinstance(lease, Lease)
    assert lease.count >= 25
    assert START_S < lease.expires_s <= START_S + TOLERANCE_S + 180 * DAY_S
    assert lease.renew_from_s <= lease.renew_until_s <= lease.expires_s


# --- refusals as errors -----------------------------------------------------------------------------------------------


def test_s09_too_small_a_count_is_shown_with_its_threshold() -> None:
    error = refusal_error(WORLD.refusal(count=18), ANCHOR)
    assert isinstance(error, CountInsufficientError)
    assert (error.hresult_text, error.message) == ("0xC004F038", "activation count 18 of 25")
    assert "7 more machines" in error.hint
    assert "30 days" in error.hint
    assert "1 more machine" in refusal_error(WORLD.refusal(count=24), ANCHOR).hint


def test_a_product_that_is_not_covered_is_named() -> None:
    error = refusal_error(WORLD.refusal("PRODUCT_NOT_COVERED"), ANCHOR)
    assert isinstance(error, ProductNotCoveredError)
    assert CLIENT_EDITION in error.message


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (59, "0 min"),
        (60, "1 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (5 * HOUR_S, "5 h"),
        (47 * HOUR_S, "47 h"),
        (48 * HOUR_S, "2 d 0 h"),
        (50 * HOUR_S, "2 d 2 h"),
    ],
)
def test_a_difference_of_clocks_is_told_in_words(seconds: int, words: str) -> None:
    error = clock_skew(host_s=START_S, client_s=START_S - seconds, tolerance_s=TOLERANCE_S)
    assert error.message.startswith(f"clocks differ by {words}: host {utc_text(START_S)}")
    assert error.message.endswith("(tolerance 4 h)")


@pytest.mark.parametrize(
    "make",
    [
        lambda: sign(HOST_CERTIFICATE, WORLD.certificate(), WORLD.publisher_key)[:-2],
        lambda: sign(HOST_CERTIFICATE, WORLD.certificate(), WORLD.publisher_key) + "\n",
    ],
)
def test_a_damaged_certificate_is_malformed(make: Callable[[], str]) -> None:
    with pytest.raises(MalformedError):
        check_certificate(make(), ANCHOR, START_S)
