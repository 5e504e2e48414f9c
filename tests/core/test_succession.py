"""Following the publisher's keys: version by version, never back, never around, never with a key that was exchanged."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.documents import HOST_CERTIFICATE, PRODUCT, SigningKey, VerifyKeys, read, sign
from quorate.core.keys import PublisherJwk
from quorate.core.messages import encode
from quorate.core.succession import (
    TRUST,
    VERSION_MAX,
    Trust,
    TrustState,
    chain_of,
    follow,
    follow_chain,
    read_issued,
)
from quorate.core.trust import Anchor
from quorate.errors import (
    BadSignatureError,
    KeyRoleError,
    MalformedError,
    QuorateError,
    RetiredKeyError,
    TrustGapError,
    TrustOutdatedError,
    UnknownPublisherError,
)
from tests.support.clocks import START_S
from tests.support.documents import World, jwks_of, signing_key
from tests.support.forgery import ATTACKER, forged

K1, K2, K3, K4 = (signing_key(number) for number in (1, 12, 13, 14))
ROOT = signing_key(10)


def jwk(key: SigningKey, role: str | None = None) -> PublisherJwk:
    return msgspec.convert({**msgspec.to_builtins(key.public()), "role": role}, PublisherJwk)


def trust(version: int, keys: list[PublisherJwk], signer: SigningKey) -> str:
    claims = Trust(publisher="Acme Software", issued_s=START_S, version=version, keys=tuple(keys))
    return sign(TRUST, claims, signer)


def shipped(*keys: PublisherJwk) -> TrustState:
    return TrustState.shipped(encode({"keys": list(keys)}))


def kids(keys: VerifyKeys) -> set[str]:
    return set(keys.by_kid)


FIRST = shipped(jwk(K1))
SECOND = trust(2, [jwk(K2), jwk(K1)], K1)  # a new key, the old one kept
THIRD = trust(3, [jwk(K2)], K2)  # the old one dropped
FOURTH = trust(4, [jwk(K3)], K2)  # exchanged at once


# --- what must be refused --------------------------------------------------------------------------------------------


def test_a_set_signed_by_a_stranger_is_not_followed() -> None:
    with pytest.raises(UnknownPublisherError):
        follow(FIRST, [trust(2, [jwk(ATTACKER)], ATTACKER)])


def test_a_set_that_vouches_for_itself_is_not_followed() -> None:
    with pytest.raises(UnknownPublisherError):
        follow(FIRST, [trust(2, [jwk(K1), jwk(ATTACKER)], ATTACKER)])


def test_a_stolen_old_key_leads_nowhere_after_it_was_dropped() -> None:
    state = follow(FIRST, [SECOND, THIRD])
    for version in (2, 3, 4, 99):
        with pytest.raises(RetiredKeyError) as caught:
            follow(state, [trust(version, [jwk(ATTACKER)], K1)])
        assert caught.value.code == "RETIRED_KEY"
    with pytest.raises(RetiredKeyError):
        read_issued(HOST_CERTIFICATE, World(publisher_key=K1).certificate_token(), state)


def test_a_forged_set_is_not_followed() -> None:
    head, _, signature = SECOND.split(".")
    _, other, _ = trust(2, [jwk(ATTACKER)], K1).split(".")
    with pytest.raises(BadSignatureError):
        follow(FIRST, [f"{head}.{other}.{signature}"])


def test_going_back_is_refused_even_with_a_key_that_still_signs() -> None:
    state = follow(FIRST, [SECOND])
    with pytest.raises(TrustOutdatedError, match=r"version 2 .* version 2 is known") as caught:
        follow(state, [trust(2, [jwk(K1)], K1)])
    assert caught.value.code == "TRUST_OUTDATED"


def test_a_version_that_leaves_one_out_is_refused() -> None:
    with pytest.raises(TrustGapError, match=r"version 3 .* does not follow on version 1"):
        follow(FIRST, [trust(3, [jwk(K2)], K1)])
    with pytest.raises(UnknownPublisherError):  # the usual gap: signed by a key that was never heard of
        follow(FIRST, [THIRD])


def test_documents_in_the_wrong_order_are_refused_and_nothing_of_them_counts() -> None:
    for order in ([SECOND, FOURTH, THIRD], [THIRD, SECOND], [SECOND, SECOND], [SECOND, THIRD, SECOND]):
        with pytest.raises((TrustGapError, TrustOutdatedError, UnknownPublisherError)):
            follow(FIRST, order)


@pytest.mark.parametrize("kind", ["product", "certificate"])
def test_another_document_of_the_publisher_is_not_taken_for_a_key_set(kind: str) -> None:
    world = World()
    token = world.product_token if kind == "product" else world.certificate_token()
    with pytest.raises(MalformedError, match=r"expected is a trust\+jwt"):
        follow(FIRST, [token])
    with pytest.raises(MalformedError, match=r"this is a trust\+jwt"):
        read(PRODUCT, SECOND, FIRST.for_issuing())


# --- roles -----------------------------------------------------------------------------------------------------------


ROOTED = shipped(jwk(ROOT, "root"), jwk(K1, "issuing"))


def test_an_issuing_key_does_not_sign_the_next_set() -> None:
    for role in ("issuing", None):
        state = shipped(jwk(ROOT, "root"), jwk(K1, role))
        with pytest.raises(KeyRoleError) as caught:
            follow(state, [trust(2, [jwk(ATTACKER)], K1)])
        assert caught.value.code == "KEY_ROLE"


def test_a_root_key_signs_nothing_but_the_next_set() -> None:
    world = World(publisher_key=ROOT)
    with pytest.raises(KeyRoleError):
        read_issued(HOST_CERTIFICATE, world.certificate_token(), ROOTED)
    with pytest.raises(UnknownPublisherError):
        Anchor.load(world.product_token, encode(ROOTED.jwks()))
    assert read_issued(HOST_CERTIFICATE, World(publisher_key=K1).certificate_token(), ROOTED).customer == "Contoso"


def test_a_root_key_exchanges_the_issuing_key() -> None:
    state = follow(ROOTED, [trust(2, [jwk(ROOT, "root"), jwk(K2, "issuing")], ROOT)])
    assert (kids(state.for_trust()), kids(state.for_issuing())) == ({ROOT.kid}, {K2.kid})
    with pytest.raises(RetiredKeyError):
        follow(state, [trust(3, [jwk(K1)], K1)])


def test_without_roles_every_key_signs_everything() -> None:
    state = shipped(jwk(K1), jwk(K2))
    assert kids(state.for_trust()) == kids(state.for_issuing()) == {K1.kid, K2.kid}


def test_a_key_that_is_said_to_issue_never_signs_keys_even_without_a_root() -> None:
    state = shipped(jwk(K1), jwk(K2, "issuing"))
    assert kids(state.for_trust()) == {K1.kid}
    with pytest.raises(KeyRoleError):
        follow(state, [trust(2, [jwk(K3)], K2)])


DEAD_ENDS: dict[str, list[PublisherJwk]] = {
    "nobody signs the next set": [jwk(K1, "issuing")],
    "nobody signs documents": [jwk(ROOT, "root")],
    "one key with two roles": [jwk(K1, "root"), jwk(K1, "issuing")],
    "one key twice": [jwk(K1), jwk(K1)],
}


@pytest.mark.parametrize("keys", list(DEAD_ENDS.values()), ids=list(DEAD_ENDS))
def test_a_set_that_could_not_go_on_is_refused_wherever_it_comes_from(keys: list[PublisherJwk]) -> None:
    with pytest.raises(MalformedError):
        shipped(*keys)
    with pytest.raises(ValueError, match="set"):
        trust(2, keys, K1)
    token = forged({"alg": "Ed25519", "kid": K1.kid, "typ": "trust+jwt"}, encode(claims(keys=keys)), K1)
    with pytest.raises(MalformedError):
        follow(FIRST, [token])


def test_only_the_publishers_keys_may_have_a_role() -> None:
    claims_ = msgspec.to_builtins(World().host_request())
    claims_["jwk"]["role"] = "root"
    with pytest.raises(msgspec.ValidationError, match="role"):
        msgspec.convert(claims_, type(World().host_request()))


def test_a_role_that_nobody_knows_is_refused() -> None:
    bad = json.loads(jwks_of(K1))
    bad["keys"][0]["role"] = "admin"
    with pytest.raises(MalformedError):
        TrustState.shipped(json.dumps(bad).encode())


# --- bounds ----------------------------------------------------------------------------------------------------------


def claims(**changes: object) -> dict[str, Any]:
    good = {"v": 1, "iss": "Acme", "iat": START_S, "version": 2, "keys": [jwk(K2)]}
    return good | changes


BAD_CLAIMS: dict[str, dict[str, object]] = {
    "version 1": {"version": 1},
    "version 0": {"version": 0},
    "a negative version": {"version": -2},
    "a version beyond all": {"version": VERSION_MAX + 1},
    "half a version": {"version": 2.5},
    "no keys": {"keys": []},
    "seventeen keys": {"keys": [jwk(signing_key(n)) for n in range(100, 117)]},
    "another protocol": {"v": 2},
    "a member nobody knows": {"next": 3},
    "a key of small order": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}]},
    "a private key": {"keys": [{**msgspec.to_builtins(K2.public()), "d": "A" * 43}]},
    "a kid of another key": {"keys": [{**msgspec.to_builtins(K2.public()), "kid": K1.kid}]},
}


@pytest.mark.parametrize("changes", list(BAD_CLAIMS.values()), ids=list(BAD_CLAIMS))
def test_a_signed_set_out_of_bounds_is_refused(changes: dict[str, object]) -> None:
    token = forged({"alg": "Ed25519", "kid": K1.kid, "typ": "trust+jwt"}, encode(claims(**changes)), K1)
    with pytest.raises(MalformedError):
        follow(FIRST, [token])


def test_the_largest_set_fits() -> None:
    many = [jwk(signing_key(n), "issuing") for n in range(100, 115)]
    assert follow(ROOTED, [trust(2, [jwk(ROOT, "root"), *many], ROOT)]).version == 2


def test_a_chain_too_long_to_be_one_is_refused() -> None:
    with pytest.raises(MalformedError, match="999 documents"):
        chain_of("x\n" * 1000)
    with pytest.raises(MalformedError, match="longer than"):
        chain_of("x" * (1024 * 1024 + 1))
    assert len(chain_of("x\n" * 999)) == 999


# --- what must work --------------------------------------------------------------------------------------------------


def test_who_ships_with_the_first_keys_comes_to_the_newest() -> None:
    state = follow_chain(FIRST, chain_of(f"{SECOND}\n{THIRD}\r\n\n{FOURTH}\n"))
    assert (state.version, kids(state.for_issuing())) == (4, {K3.kid})
    assert kids(state.for_memory()) == {K1.kid, K2.kid, K3.kid}


def test_who_knows_a_later_version_follows_the_same_chain_from_there() -> None:
    chain = [SECOND, THIRD, FOURTH]
    for known in range(len(chain) + 1):
        begun = follow_chain(FIRST, chain[:known])
        newly = TrustState.shipped(encode(begun.jwks()))  # as it ships in a later release: nothing older is known
        assert newly.version == known + 1
        for state in (begun, newly):
            assert follow_chain(state, chain).jwks() == follow(FIRST, chain).jwks()


def test_a_chain_that_ends_too_early_is_refused() -> None:
    state = follow_chain(FIRST, [SECOND, THIRD])
    with pytest.raises(TrustOutdatedError, match=r"version 2 .* version 3 is known"):
        follow_chain(state, [SECOND])
    with pytest.raises(TrustOutdatedError):
        follow_chain(state, [])
    assert follow_chain(state, [SECOND, THIRD]) == state


def test_a_chain_that_begins_late_is_refused() -> None:
    with pytest.raises(QuorateError):
        follow_chain(FIRST, [THIRD, FOURTH])


def test_a_key_that_comes_back_is_in_use_and_not_retired() -> None:
    state = follow(FIRST, [trust(2, [jwk(K2)], K1), trust(3, [jwk(K1), jwk(K2)], K2)])
    assert kids(state.for_issuing()) == {K1.kid, K2.kid}
    assert state.retired == ()


def test_a_retired_root_is_not_remembered_for_documents() -> None:
    state = follow(ROOTED, [trust(2, [jwk(K2)], ROOT)])
    assert kids(state.for_memory()) == {K1.kid, K2.kid}
    with pytest.raises(RetiredKeyError):
        follow(state, [trust(3, [jwk(ATTACKER)], ROOT)])


@given(data=st.binary(max_size=300))
def test_no_bytes_escape_as_anything_but_malformed(data: bytes) -> None:
    token = forged({"alg": "Ed25519", "kid": K1.kid, "typ": "trust+jwt"}, data, K1)
    with pytest.raises(MalformedError):
        follow(FIRST, [token])
    with pytest.raises(MalformedError):
        TrustState.shipped(data)


@given(text=st.text(max_size=200))
def test_no_text_is_followed(text: str) -> None:
    with pytest.raises(MalformedError):
        follow(FIRST, [text])


@given(st.lists(st.integers(0, 3), max_size=5))
def test_whatever_order_they_come_in_the_version_never_goes_down(order: list[int]) -> None:
    documents = [SECOND, THIRD, FOURTH, trust(4, [jwk(ATTACKER)], K1)]
    state = FIRST
    for number in order:
        try:
            after = follow(state, [documents[number]])
        except QuorateError:
            continue
        assert after.version == state.version + 1
        assert ATTACKER.kid not in kids(after.for_trust()) | kids(after.for_issuing())
        state = after
