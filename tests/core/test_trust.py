"""What a client believes: each reason to refuse an answer or a stored lease, alone, and that all else is believed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from quorate.core.documents import PRODUCT, sign
from quorate.core.lease import LEASE, REFUSAL, Lease, Refusal, RefusalCode
from quorate.core.messages import Answer
from quorate.core.policy import DAY_S, HOUR_S, Policy
from quorate.core.trust import (
    Anchor,
    Question,
    accept_answer,
    check_certificate,
    check_stored_lease,
    refusal_error,
    utc_text,
)
from quorate.errors import (
    AnswerMismatchError,
    BadSignatureError,
    ClockSkewError,
    HostCertificateExpiredError,
    HostCertificateNotYetValidError,
    LeaseExpiredError,
    LeaseInvalidError,
    MalformedError,
    NotKnownError,
    ProductNotCoveredError,
    UnknownPublisherError,
)
from tests.support.clocks import START_S
from tests.support.documents import (
    CLIENT_EDITION,
    EPHEMERAL_EDITION,
    SERVER_EDITION,
    World,
    cmid_of,
    jwks_of,
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


# --- what is believed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edition", [CLIENT_EDITION, SERVER_EDITION, EPHEMERAL_EDITION])
def test_the_lease_of_an_activated_host_for_this_question_is_believed(edition: str) -> None:
    lease, question = WORLD.lease(edition=edition), WORLD.question(edition=edition)
    assert accept(WORLD.answer(lease), question=question) == lease
    assert stored(lease, question=question) == lease


@pytest.mark.parametrize("code", ["COUNT_INSUFFICIENT", "PRODUCT_NOT_COVERED", "CLOCK_SKEW", "CMID_SUPERSEDED"])
def test_a_refusal_is_a_result(code: RefusalCode) -> None:
    refusal = WORLD.refusal(code)
    assert accept(WORLD.answer(refusal)) == refusal


def test_the_shipped_product_file_may_end_with_a_line_break() -> None:
    assert Anchor.load(WORLD.product_token + "\n", WORLD.jwks) == ANCHOR


def test_a_publisher_may_have_several_keys() -> None:
    both = Anchor.load(WORLD.product_token, jwks_of(ATTACKER, WORLD.publisher_key))
    assert accept_answer(WORLD.answer(WORLD.lease()), QUESTION, both, START_S) == WORLD.lease()


# --- the anchor -------------------------------------------------------------------------------------------------------


def test_a_product_file_of_another_publisher_is_refused() -> None:
    with pytest.raises(UnknownPublisherError, match="the product file"):
        Anchor.load(sign(PRODUCT, WORLD.product, ATTACKER), WORLD.jwks)


def test_a_product_file_whose_policy_was_changed_is_refused() -> None:
    head, _, signature = WORLD.product_token.split(".")
    cheap = sign(PRODUCT, msgspec.structs.replace(WORLD.product, policy=Policy(rearm_limit=999)), WORLD.publisher_key)
    with pytest.raises(BadSignatureError, match="the product file"):
        Anchor.load(f"{head}.{cheap.split('.')[1]}.{signature}", WORLD.jwks)


def test_an_unknown_edition_is_named_with_the_known_ones() -> None:
    assert ANCHOR.edition(CLIENT_EDITION).id == CLIENT_EDITION
    with pytest.raises(NotKnownError, match="no edition acme-cad-home") as caught:
        ANCHOR.edition("acme-cad-home")
    assert SERVER_EDITION in caught.value.hint


# --- the certificate --------------------------------------------------------------------------------------------------


def test_a_certificate_of_another_publisher_is_refused() -> None:
    with pytest.raises(UnknownPublisherError, match="the host certificate"):
        accept(WORLD.answer(WORLD.lease(), certificate=WORLD.certificate_token(ATTACKER)))


def test_a_host_that_certifies_itself_is_refused() -> None:
    with pytest.raises(UnknownPublisherError, match="the host certificate"):
        accept(WORLD.answer(WORLD.lease(), certificate=WORLD.certificate_token(WORLD.host_key)))


def test_a_host_without_certificate_is_refused() -> None:
    with pytest.raises(MalformedError, match="the host certificate"):
        accept(Answer(answer=sign(LEASE, WORLD.lease(), WORLD.host_key), host_certificate="", revocations=0))


def test_a_product_file_is_no_certificate() -> None:
    with pytest.raises(MalformedError, match=r"this is a product\+jwt"):
        accept(WORLD.answer(WORLD.lease(), certificate=WORLD.product_token))


def test_a_certificate_works_until_its_last_second() -> None:
    token = WORLD.certificate_token(expires_s=START_S + 1)
    assert accept(WORLD.answer(WORLD.lease(), certificate=token)) == WORLD.lease()
    ended = WORLD.certificate_token(expires_s=START_S)
    with pytest.raises(HostCertificateExpiredError, match="2027-01-15"):
        accept(WORLD.answer(WORLD.lease(), certificate=ended))


@pytest.mark.parametrize(("ahead_s", "works"), [(TOLERANCE_S, True), (TOLERANCE_S + 1, False)])
def test_a_certificate_may_begin_within_the_clock_tolerance(ahead_s: int, works: bool) -> None:
    token = WORLD.certificate_token(issued_s=START_S + ahead_s)
    if works:
        assert check_certificate(token, ANCHOR, START_S).issued_s == START_S + ahead_s
    else:
        with pytest.raises(HostCertificateNotYetValidError, match="begins on"):
            check_certificate(token, ANCHOR, START_S)


def test_a_certificate_for_other_product_groups_is_refused() -> None:
    with pytest.raises(ProductNotCoveredError, match="acme-cad"):
        accept(WORLD.answer(WORLD.lease(), certificate=WORLD.certificate_token(groups=("other",))))


def test_a_certificate_for_a_higher_group_that_lists_this_one_is_believed() -> None:
    token = WORLD.certificate_token(groups=("acme-all", "acme"))
    assert accept(WORLD.answer(WORLD.lease(), certificate=token)) == WORLD.lease()


# --- the signature under the answer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [WORLD.lease(), WORLD.refusal()], ids=["lease", "refusal"])
def test_an_answer_signed_by_another_key_than_the_certificates_is_refused(said: Lease | Refusal) -> None:
    with pytest.raises(BadSignatureError):
        accept(WORLD.answer(said, key=ATTACKER))


def test_the_publisher_itself_gives_no_leases() -> None:
    with pytest.raises(BadSignatureError, match="the lease"):
        accept(WORLD.answer(WORLD.lease(), key=WORLD.publisher_key))


def test_a_refusal_that_is_turned_into_a_lease_is_refused() -> None:
    refusal = sign(REFUSAL, WORLD.refusal(), WORLD.host_key)
    lease = sign(LEASE, WORLD.lease(), ATTACKER)
    mixed = ".".join((lease.split(".")[0], lease.split(".")[1], refusal.split(".")[2]))
    with pytest.raises(BadSignatureError):
        accept(Answer(answer=mixed, host_certificate=WORLD.certificate_token(), revocations=0))


@pytest.mark.parametrize("answer", ["", "x", "a.b.c", WORLD.product_token, WORLD.certificate_token()])
def test_what_is_neither_lease_nor_refusal_is_malformed(answer: str) -> None:
    with pytest.raises(MalformedError, match="the lease"):
        accept(Answer(answer=answer, host_certificate=WORLD.certificate_token(), revocations=0))


# --- another question -------------------------------------------------------------------------------------------------

OTHER_HOST = "11111111-2222-4333-8444-555555555555"
OTHERS: dict[str, dict[str, Any]] = {
    "nonce": {"nonce": nonce_of(2)},
    "CMID": {"cmid": cmid_of(2)},
    "edition": {"edition": SERVER_EDITION},
    "host id": {"host_id": OTHER_HOST},
}


@pytest.mark.parametrize("field", list(OTHERS))
def test_an_answer_to_another_question_is_refused(field: str) -> None:
    for said in (WORLD.lease(), WORLD.refusal()):
        other = msgspec.structs.replace(said, **OTHERS[field])
        with pytest.raises(AnswerMismatchError, match=f"its {field} is not"):
            accept(WORLD.answer(other))


def test_an_answer_that_is_replayed_to_the_next_question_is_refused() -> None:
    recorded = WORLD.answer(WORLD.lease())
    assert accept(recorded) == WORLD.lease()
    next_question = Question(QUESTION.cmid, QUESTION.edition, nonce_of(2))
    with pytest.raises(AnswerMismatchError, match="nonce"):
        accept(recorded, question=next_question)


# --- another time -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign_of_time", [-1, 1])
def test_a_lease_from_another_time_is_refused_with_both_times(sign_of_time: int) -> None:
    edge_s = START_S + sign_of_time * TOLERANCE_S
    assert accept(WORLD.answer(WORLD.lease(at_s=edge_s))) == WORLD.lease(at_s=edge_s)
    beyond_s = edge_s + sign_of_time
    with pytest.raises(ClockSkewError) as caught:
        accept(WORLD.answer(WORLD.lease(at_s=beyond_s)))
    assert utc_text(beyond_s) in caught.value.message
    assert utc_text(START_S) in caught.value.message


@pytest.mark.parametrize("years", [-57, -1, 3, 30])
def test_a_client_whose_clock_is_years_off_is_told_so_and_not_that_the_certificate_ended(years: int) -> None:
    wrong_s = START_S + years * 365 * DAY_S
    refusal = WORLD.refusal("CLOCK_SKEW", client_time_s=wrong_s)
    assert accept(WORLD.answer(refusal), now_s=wrong_s) == refusal
    error = refusal_error(refusal, ANCHOR)
    assert isinstance(error, ClockSkewError)
    assert utc_text(wrong_s) in error.message


def test_a_host_whose_certificate_ended_cannot_even_speak_of_clocks() -> None:
    ended = WORLD.certificate_token(expires_s=START_S - 1)
    with pytest.raises(HostCertificateExpiredError):
        accept(WORLD.answer(WORLD.refusal("CLOCK_SKEW"), certificate=ended))
    with pytest.raises(HostCertificateExpiredError):
        accept(WORLD.answer(WORLD.refusal("COUNT_INSUFFICIENT"), certificate=ended))


def test_other_refusals_of_a_host_whose_certificate_ended_by_this_clock_are_not_believed() -> None:
    with pytest.raises(HostCertificateExpiredError):
        accept(WORLD.answer(WORLD.refusal("COUNT_INSUFFICIENT")), now_s=START_S + 800 * DAY_S)


def test_a_short_lease_that_has_ended_when_it_arrives_is_refused() -> None:
    world = World(Policy(ephemeral_validity_s=HOUR_S))
    question = world.question(edition=EPHEMERAL_EDITION)
    lease = world.lease(edition=EPHEMERAL_EDITION)
    assert accept_answer(world.answer(lease), question, world.anchor, START_S + HOUR_S - 1) == lease
    with pytest.raises(LeaseExpiredError):
        accept_answer(world.answer(lease), question, world.anchor, START_S + HOUR_S)


# --- the publisher's policy -------------------------------------------------------------------------------------------

LAWLESS: dict[str, tuple[dict[str, Any], str]] = {
    "count below the threshold": ({"count": 24}, "given at count 24, the policy demands 25"),
    "a threshold of the host's own": ({"count": 1, "threshold": 1}, "given at count 1, the policy demands 25"),
    "a second too long": ({"expires_s": START_S + 180 * DAY_S + 1}, "longer than an activation"),
    "for ever": ({"expires_s": 253_402_300_799}, "longer than an activation"),
    "no time at all": ({"expires_s": START_S}, "longer than an activation"),
    "a window before its issue": ({"renew_from_s": START_S - 1}, "renewal window"),
    "a window the wrong way round": (
        {"renew_from_s": START_S + 6 * DAY_S, "renew_until_s": START_S + 5 * DAY_S},
        "renewal window",
    ),
    "a window beyond the interval": ({"renew_until_s": START_S + 7 * DAY_S + 1}, "renewal window"),
    "a window beyond the end": ({"expires_s": START_S + DAY_S}, "ends before it may be renewed"),
    "somebody else's lineage": ({"link": nonce_of(9)}, "lineage link"),
}


@pytest.mark.parametrize(("changes", "reason"), list(LAWLESS.values()), ids=list(LAWLESS))
def test_a_lease_that_breaks_the_policy_is_refused(changes: dict[str, Any], reason: str) -> None:
    lawless = WORLD.lease(**changes)
    with pytest.raises(LeaseInvalidError, match=reason):
        accept(WORLD.answer(lawless))
    with pytest.raises(LeaseInvalidError, match=reason):
        stored(lawless)


def test_a_window_may_open_at_once_and_close_at_once_and_fill_its_interval() -> None:
    end_s = START_S + 7 * DAY_S
    for window in ((START_S, START_S), (START_S, end_s), (end_s, end_s)):
        lease = WORLD.lease(renew_from_s=window[0], renew_until_s=window[1])
        assert accept(WORLD.answer(lease)) == lease
    short = WORLD.lease(expires_s=end_s, renew_until_s=end_s)
    assert accept(WORLD.answer(short)) == short


def test_each_class_is_held_to_its_own_threshold_and_validity() -> None:
    question = WORLD.question(edition=SERVER_EDITION)
    lease = WORLD.lease(edition=SERVER_EDITION, count=5)
    assert accept(WORLD.answer(lease), question=question) == lease
    with pytest.raises(LeaseInvalidError, match="count 4"):
        accept(WORLD.answer(msgspec.structs.replace(lease, count=4)), question=question)
    short = WORLD.lease(edition=EPHEMERAL_EDITION, expires_s=START_S + 2 * DAY_S)
    with pytest.raises(LeaseInvalidError, match="longer"):
        accept(WORLD.answer(short), question=WORLD.question(edition=EPHEMERAL_EDITION))


def test_a_lease_for_an_edition_the_product_does_not_have_is_refused() -> None:
    lease = WORLD.lease(edition=CLIENT_EDITION)
    strange = msgspec.structs.replace(lease, edition="acme-cad-home")
    with pytest.raises(NotKnownError, match="acme-cad-home"):
        accept(WORLD.answer(strange), question=Question(QUESTION.cmid, "acme-cad-home", QUESTION.nonce))
