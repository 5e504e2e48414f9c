"""The soft threshold: who is activated goes on renewing below the threshold for a while, and nobody else does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from quorate.core.decision import Asked, Decided, answer_for, decide_by_count
from quorate.core.documents import PRODUCT, read, sign
from quorate.core.lease import LEASE, Intervals, Lease
from quorate.core.messages import encode
from quorate.core.policy import DAY_S, PROFILES, MachineClass, Policy, SoftThreshold, Threshold
from quorate.core.soft import renews_until_s, soft_until_s
from quorate.core.trust import accept_answer, check_stored_lease
from quorate.errors import LeaseInvalidError, MalformedError
from tests.support.clocks import START_S
from tests.support.documents import CLIENT_EDITION, HOST_ID, World

CLIENT = MachineClass.CLIENT
SOFT = SoftThreshold(20, 30 * DAY_S)


def softened(soft: SoftThreshold = SOFT) -> Policy:
    """`windows-7`, with a soft threshold for clients."""
    policy = PROFILES["windows-7"]
    client = msgspec.structs.replace(policy.thresholds.client, soft=soft)
    return msgspec.structs.replace(policy, thresholds=msgspec.structs.replace(policy.thresholds, client=client))


WORLD = World(policy=softened())
PRODUCT_FILE = WORLD.product
EDITION = PRODUCT_FILE.edition(CLIENT_EDITION)
THRESHOLD = softened().thresholds.client


def asked() -> Asked:
    assert EDITION is not None
    return Asked(WORLD.request(), PRODUCT_FILE, EDITION)


def soft_lease(count: int = 23, full_s: int = START_S - 7 * DAY_S, **changes: Any) -> Lease:
    """What the host says to `WORLD.request()` at that count; `changes` bend it."""
    assert EDITION is not None
    decided = Decided(None, count, 25, START_S, full_s)
    said = answer_for(WORLD.request(), decided, (PRODUCT_FILE, EDITION), HOST_ID, Intervals())
    assert isinstance(said, Lease)
    return msgspec.structs.replace(said, **changes)


# --- the policy ------------------------------------------------------------------------------------------------------


def test_a_policy_without_a_soft_threshold_is_to_the_byte_what_it_was() -> None:
    assert encode(PROFILES["windows-7"].thresholds.client) == b'{"minimum":25,"counts":["server","client"]}'
    assert encode(World().lease()).endswith(b"}")
    assert b"full_s" not in encode(World().lease())


def test_a_soft_threshold_survives_being_signed_and_read() -> None:
    token = sign(PRODUCT, PRODUCT_FILE, WORLD.publisher_key)
    assert read(PRODUCT, token, WORLD.anchor.keys).policy.thresholds.client.soft == SOFT


@pytest.mark.parametrize("minimum", [0, 25, 26])
def test_a_soft_minimum_is_lower_than_the_minimum_and_at_least_one(minimum: int) -> None:
    with pytest.raises(ValueError, match="lower than the threshold"):
        Threshold(25, (CLIENT,), SoftThreshold(minimum, DAY_S))


@pytest.mark.parametrize("lasts_s", [0, 3599, 100 * 366 * DAY_S + 1])
def test_a_soft_threshold_lasts_an_hour_at_least_and_a_hundred_years_at_most(lasts_s: int) -> None:
    with pytest.raises(ValueError, match="at least an hour"):
        SoftThreshold(1, lasts_s)


@pytest.mark.parametrize(
    "soft",
    [
        *(None, 20, {}, {"minimum": 20}, {"lasts_s": 86400}, {"minimum": 20, "lasts_s": 86400, "more": 1}),
        *({"minimum": "20", "lasts_s": 86400}, {"minimum": 25, "lasts_s": 86400}, {"minimum": 20, "lasts_s": 1.5}),
    ],
)
def test_a_product_file_with_any_other_soft_threshold_is_malformed(soft: object) -> None:
    claims = msgspec.json.decode(encode(PRODUCT_FILE))
    claims["policy"]["thresholds"]["client"]["soft"] = soft
    with pytest.raises(msgspec.ValidationError):
        PRODUCT.decoder.decode(msgspec.json.encode(claims))


# --- the rule --------------------------------------------------------------------------------------------------------


def test_who_is_activated_renews_down_to_the_soft_minimum_and_a_newcomer_does_not() -> None:
    full_s = START_S - 7 * DAY_S
    for count in (20, 24):
        assert decide_by_count(asked(), count, START_S, full_s) == Decided(None, count, 25, START_S, full_s)
        assert decide_by_count(asked(), count, START_S).code == "COUNT_INSUFFICIENT"
    assert decide_by_count(asked(), 19, START_S, full_s) == Decided("COUNT_INSUFFICIENT", 19, 25, START_S)


def test_at_the_threshold_a_lease_is_a_full_one_again() -> None:
    assert decide_by_count(asked(), 25, START_S, START_S - DAY_S) == Decided(None, 25, 25, START_S)


def test_the_soft_time_ends_to_the_second_and_begins_with_the_full_lease() -> None:
    assert renews_until_s(THRESHOLD, 23, START_S, START_S) == START_S + 30 * DAY_S
    assert renews_until_s(THRESHOLD, 23, START_S, START_S + 30 * DAY_S - 1) == START_S + 30 * DAY_S
    assert renews_until_s(THRESHOLD, 23, START_S, START_S + 30 * DAY_S) is None
    assert renews_until_s(THRESHOLD, 23, START_S + 1, START_S) is None  # a full lease of tomorrow proves nothing


@given(
    minimum=st.integers(1, 60),
    soft=st.none() | st.tuples(st.integers(1, 60), st.integers(3600, 90 * DAY_S)),
    count=st.integers(0, 130),
    ago_s=st.integers(-DAY_S, 100 * DAY_S),
    is_activated=st.booleans(),
)
def test_whatever_a_host_grants_a_client_believes_and_nothing_more(
    minimum: int, soft: tuple[int, int] | None, count: int, ago_s: int, is_activated: bool
) -> None:
    known = None if soft is None or soft[0] >= minimum else SoftThreshold(*soft)
    threshold = Threshold(minimum, (CLIENT,), UNSET if known is None else known)
    policy = PROFILES["windows-7"]
    policy = msgspec.structs.replace(policy, thresholds=msgspec.structs.replace(policy.thresholds, client=threshold))
    world = World(policy=policy)
    edition = world.product.edition(CLIENT_EDITION)
    assert edition is not None
    full_s = START_S - ago_s if is_activated else None
    decided = decide_by_count(Asked(world.request(), world.product, edition), count, START_S, full_s)
    may = count >= minimum or (
        known is not None and is_activated and known.minimum <= count and 0 <= ago_s < known.lasts_s
    )
    assert (decided.code is None) == may
    forced = msgspec.structs.replace(
        world.lease(), count=count, full_s=UNSET if count >= minimum or full_s is None else full_s
    )
    answer = world.answer(forced)
    if may:
        assert accept_answer(answer, world.question(), world.anchor, START_S) == forced
    else:
        with pytest.raises(LeaseInvalidError):
            accept_answer(answer, world.question(), world.anchor, START_S)


# --- what a client believes ------------------------------------------------------------------------------------------


def test_a_soft_lease_says_so_and_is_believed_now_and_from_disk() -> None:
    lease = soft_lease()
    answer = WORLD.answer(lease)
    assert accept_answer(answer, WORLD.question(), WORLD.anchor, START_S) == lease
    assert check_stored_lease(answer.answer, answer.host_certificate, WORLD.question(), WORLD.anchor) == lease
    assert encode(lease).endswith(b',"full_s":%d}' % (START_S - 7 * DAY_S))
    assert soft_until_s(lease, WORLD.policy, CLIENT) == START_S + 23 * DAY_S
    assert soft_until_s(WORLD.lease(), WORLD.policy, CLIENT) is None


@pytest.mark.parametrize(
    ("lease", "reason"),
    [
        (soft_lease(19), "soft threshold does not allow"),
        (soft_lease(23, START_S - 30 * DAY_S), "soft threshold does not allow"),
        (soft_lease(23, START_S + 1), "soft threshold does not allow"),
        (msgspec.structs.replace(soft_lease(23), full_s=UNSET), "the policy demands 25"),
        (soft_lease(25), "below the threshold, at count 25"),
        (soft_lease(23, expires_s=START_S + 180 * DAY_S + 1), "longer than an activation"),
    ],
    ids=["below-M", "beyond-D", "from-tomorrow", "without-since", "at-the-threshold", "too-long"],
)
def test_a_soft_lease_that_the_policy_does_not_allow_is_refused(lease: Lease, reason: str) -> None:
    answer = WORLD.answer(lease)
    with pytest.raises(LeaseInvalidError, match=reason):
        accept_answer(answer, WORLD.question(), WORLD.anchor, START_S)
    with pytest.raises(LeaseInvalidError, match=reason):
        check_stored_lease(answer.answer, answer.host_certificate, WORLD.question(), WORLD.anchor)


def test_a_policy_without_a_soft_threshold_allows_no_soft_lease() -> None:
    with pytest.raises(LeaseInvalidError, match="soft threshold does not allow"):
        accept_answer(World().answer(soft_lease()), World().question(), World().anchor, START_S)


@pytest.mark.parametrize("full_s", [None, -1, 1.0, "1", 253_402_300_800])
def test_a_lease_with_any_other_since_is_malformed(full_s: object) -> None:
    claims = msgspec.json.decode(encode(soft_lease())) | {"full_s": full_s}
    with pytest.raises((msgspec.ValidationError, MalformedError)):
        LEASE.decoder.decode(msgspec.json.encode(claims))
