"""The host's decision: product covered, clocks agree, count, in this order; and the claims it signs."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.decision import Asked, Decided, answer_for, covered_edition, decide_by_count, refuse_unheard
from quorate.core.ids import link_of
from quorate.core.lease import Intervals, Refusal, RefusalCode, renewal_window
from quorate.core.messages import encode
from quorate.core.policy import DAY_S, HOUR_S
from tests.support.clocks import START_S
from tests.support.documents import CLIENT_EDITION, EPHEMERAL_EDITION, HOST_ID, SERVER_EDITION, World

WORLD = World()
PRODUCT = WORLD.product
CERTIFICATE = WORLD.certificate()
COVERED = covered_edition(CLIENT_EDITION, (PRODUCT,), CERTIFICATE)
TOLERANCE_S = 4 * HOUR_S


def asked() -> Asked:
    ready = refuse_unheard(WORLD.request(), COVERED, START_S)
    assert isinstance(ready, Asked)
    return ready


def test_an_edition_is_covered_by_its_product_file_and_the_certificates_groups() -> None:
    assert COVERED is not None
    product, edition = COVERED
    assert (product.product, edition.id) == ("acme-cad", CLIENT_EDITION)


def test_an_edition_without_product_file_or_group_is_not_covered() -> None:
    assert covered_edition("acme-cad-home", (PRODUCT,), CERTIFICATE) is None
    assert covered_edition(CLIENT_EDITION, (), CERTIFICATE) is None
    assert covered_edition(CLIENT_EDITION, (PRODUCT,), WORLD.certificate(groups=("other",))) is None


def test_a_product_that_is_not_covered_does_not_hide_one_that_is() -> None:
    other = msgspec.structs.replace(PRODUCT, product="other", group="other")
    found = covered_edition(CLIENT_EDITION, (other, PRODUCT), CERTIFICATE)
    assert found is not None
    assert found[0] is PRODUCT


def test_what_is_not_covered_is_refused_before_the_clock_is_looked_at() -> None:
    request = WORLD.request(time_s=0)
    assert refuse_unheard(request, None, START_S) == Decided("PRODUCT_NOT_COVERED", 0, 0, START_S)


@pytest.mark.parametrize("direction", [-1, 1])
def test_clocks_may_differ_by_the_tolerance_and_no_second_more(direction: int) -> None:
    edge = WORLD.request(time_s=START_S + direction * TOLERANCE_S)
    assert isinstance(refuse_unheard(edge, COVERED, START_S), Asked)
    beyond = WORLD.request(time_s=START_S + direction * (TOLERANCE_S + 1))
    refused = refuse_unheard(beyond, COVERED, START_S)
    assert refused == Decided("CLOCK_SKEW", 0, 0, START_S)
    said = answer_for(beyond, refused, COVERED, HOST_ID, Intervals())
    assert isinstance(said, Refusal)
    assert (said.issued_s, said.client_time_s) == (START_S, beyond.time_s)


@pytest.mark.parametrize(
    ("count", "code"), [(0, "COUNT_INSUFFICIENT"), (24, "COUNT_INSUFFICIENT"), (25, None), (50, None)]
)
def test_s05_the_count_decides(count: int, code: RefusalCode | None) -> None:
    assert decide_by_count(asked(), count, START_S) == Decided(code, count, 25, START_S)


@pytest.mark.parametrize(
    ("edition", "validity_s"),
    [(CLIENT_EDITION, 180 * DAY_S), (SERVER_EDITION, 180 * DAY_S), (EPHEMERAL_EDITION, DAY_S)],
)
def test_s12_a_lease_lasts_as_long_as_its_class_does(edition: str, validity_s: int) -> None:
    lease = WORLD.lease(edition=edition)
    assert lease.expires_s == START_S + validity_s
    assert lease.expires_s > lease.renew_until_s


def test_s26_every_lease_ends() -> None:
    for number in range(5):
        assert START_S < WORLD.lease(number).expires_s <= START_S + 180 * DAY_S


def test_the_lease_answers_its_request() -> None:
    request, lease = WORLD.request(7), WORLD.lease(7)
    assert (lease.cmid, lease.edition, lease.nonce) == (request.cmid, request.edition, request.nonce)
    assert lease.link == link_of(request.cmid, request.nonce)
    assert (lease.host_id, lease.count, lease.threshold) == (HOST_ID, 25, 25)


def test_s09_the_refusal_shows_count_and_threshold() -> None:
    decided = decide_by_count(asked(), 18, START_S)
    said = answer_for(WORLD.request(), decided, COVERED, HOST_ID, Intervals(60, 600))
    assert isinstance(said, Refusal)
    assert (said.code, said.count, said.threshold, said.intervals) == ("COUNT_INSUFFICIENT", 18, 25, Intervals(60, 600))


def test_a_yes_without_a_product_is_a_no() -> None:
    said = answer_for(WORLD.request(), Decided(None, 25, 25, START_S), None, HOST_ID, Intervals())
    assert isinstance(said, Refusal)
    assert said.code == "PRODUCT_NOT_COVERED"


def test_the_same_request_and_decision_give_the_same_bytes() -> None:
    assert encode(WORLD.lease(3)) == encode(WORLD.lease(3))
    assert encode(WORLD.refusal(number=3)) == encode(WORLD.refusal(number=3))


@given(st.integers(1, 43_200), st.integers(0, 60 * DAY_S), st.none() | st.integers(HOUR_S, 400 * DAY_S))
def test_s14_a_window_ends_with_the_interval_and_opens_at_half_of_it_at_most(
    renewal_min: int, widening_s: int, validity_s: int | None
) -> None:
    start_s, end_s = renewal_window(START_S, Intervals(120, renewal_min), widening_s, validity_s)
    interval_s = renewal_min * 60 if validity_s is None else min(renewal_min * 60, validity_s // 2)
    assert end_s == START_S + interval_s
    assert interval_s // 20 <= end_s - start_s <= interval_s // 2
