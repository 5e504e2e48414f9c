"""Answers by the publisher's newest word: a revoked host cannot date them back, nor a dropped key vouch for them."""

from __future__ import annotations

import pytest

from quorate.core.documents import sign
from quorate.core.lease import LEASE, Lease, Refusal
from quorate.core.policy import HOUR_S
from quorate.core.revocation import HostRevoked, RevocationList
from quorate.core.succession import TrustState, follow
from quorate.core.trust import accept_answer, check_certificate, check_stored_lease
from quorate.errors import HostRevokedError, RetiredKeyError, UnknownPublisherError
from tests.core.test_succession import SECOND, THIRD
from tests.support.clocks import START_S
from tests.support.documents import HOST_ID, World, signing_key

WORLD = World()
ANCHOR, QUESTION = WORLD.anchor, WORLD.question()
SHIPPED = TrustState.shipped(WORLD.jwks)


def revoked(since_s: int) -> RevocationList:
    entry = HostRevoked(id=HOST_ID, since_s=since_s, reason="sold with its disk")
    return RevocationList(publisher="Acme Software", issued_s=START_S, number=1, entries=(entry,))


def stored(revocations: RevocationList | None = None, trust: TrustState | None = None) -> Lease:
    token = sign(LEASE, WORLD.lease(), WORLD.host_key)
    return check_stored_lease(token, WORLD.certificate_token(), QUESTION, ANCHOR, trust, revocations)


@pytest.mark.parametrize(
    "said", [WORLD.lease(), WORLD.refusal(), WORLD.refusal("CLOCK_SKEW")], ids=lambda said: said.nonce
)
@pytest.mark.parametrize("now_s", [START_S, START_S + HOUR_S])
def test_an_answer_is_void_from_the_moment_of_the_revocation_on(said: Lease | Refusal, now_s: int) -> None:
    answer = WORLD.answer(said)
    later = max(now_s, said.issued_s)
    assert accept_answer(answer, QUESTION, ANCHOR, now_s, SHIPPED, revoked(later + 1)) == said
    with pytest.raises(HostRevokedError):
        accept_answer(answer, QUESTION, ANCHOR, now_s, SHIPPED, revoked(later))


def test_a_clock_that_goes_slow_helps_no_revoked_host() -> None:
    with pytest.raises(HostRevokedError):
        accept_answer(WORLD.answer(WORLD.lease()), QUESTION, ANCHOR, START_S - HOUR_S, None, revoked(START_S))


def test_a_stored_lease_is_judged_at_its_issue() -> None:
    assert stored(revoked(START_S + 1)) == WORLD.lease()
    with pytest.raises(HostRevokedError, match="sold with its disk"):
        stored(revoked(START_S))


def test_a_certificate_is_judged_now() -> None:
    token = WORLD.certificate_token()
    assert check_certificate(token, ANCHOR, START_S, SHIPPED, revoked(START_S + 1)).host_id == HOST_ID
    with pytest.raises(HostRevokedError):
        check_certificate(token, ANCHOR, START_S + 1, SHIPPED, revoked(START_S + 1))


def test_a_certificate_by_a_dropped_key_vouches_for_nothing() -> None:
    kept, dropped = follow(SHIPPED, [SECOND]), follow(SHIPPED, [SECOND, THIRD])
    answer = WORLD.answer(WORLD.lease())
    assert accept_answer(answer, QUESTION, ANCHOR, START_S, kept) == stored(trust=kept) == WORLD.lease()
    with pytest.raises(RetiredKeyError):
        accept_answer(answer, QUESTION, ANCHOR, START_S, dropped)
    with pytest.raises(RetiredKeyError):
        stored(trust=dropped)


def test_a_certificate_by_a_new_key_is_believed_by_whoever_has_followed() -> None:
    answer = WORLD.answer(WORLD.lease(), certificate=WORLD.certificate_token(signing_key(12)))
    with pytest.raises(UnknownPublisherError):
        accept_answer(answer, QUESTION, ANCHOR, START_S)
    assert accept_answer(answer, QUESTION, ANCHOR, START_S, follow(SHIPPED, [SECOND])) == WORLD.lease()
