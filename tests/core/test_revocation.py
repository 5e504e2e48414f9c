"""Revocation: what a revoked host says from then on is void, what it said before runs out, and no list goes back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.documents import HOST_CERTIFICATE, sign
from quorate.core.messages import encode
from quorate.core.revocation import (
    ENTRIES_MAX,
    NUMBER_MAX,
    REVOCATIONS,
    CertificateRevoked,
    HostKeyRevoked,
    HostRevoked,
    RevocationList,
    Revoked,
    SigningKeyRevoked,
    accept_list,
    check_not_revoked,
    newer,
    read_held,
    read_list,
)
from quorate.core.succession import TrustState, follow
from quorate.errors import (
    BadSignatureError,
    HostRevokedError,
    KeyRoleError,
    ListConflictError,
    ListOutdatedError,
    MalformedError,
    RetiredKeyError,
    UnknownPublisherError,
)
from tests.core.test_succession import jwk, shipped, trust
from tests.support.clocks import START_S
from tests.support.documents import HOST_ID, World, cmid_of, nonce_of, signing_key
from tests.support.forgery import ATTACKER, forged

WORLD = World()
PUBLISHER, NEXT, ROOT = WORLD.publisher_key, signing_key(12), signing_key(10)
TRUSTED = TrustState.shipped(WORLD.jwks)
CERTIFICATE = WORLD.certificate()
BY_KIND: dict[str, Revoked] = {
    "host key": HostKeyRevoked(id=CERTIFICATE.key_id, since_s=START_S, reason="leaked on a forum"),
    "host": HostRevoked(id=HOST_ID, since_s=START_S, reason="sold with its disk"),
    "certificate": CertificateRevoked(id=CERTIFICATE.serial, since_s=START_S, reason="made by mistake"),
    "signing key": SigningKeyRevoked(id=WORLD.host_key.kid, since_s=START_S, reason="found in a backup"),
}
EACH_KIND = pytest.mark.parametrize("entry", list(BY_KIND.values()), ids=list(BY_KIND))


def listed(number: int = 1, *entries: Revoked) -> RevocationList:
    return RevocationList(publisher="Acme Software", issued_s=START_S, number=number, entries=entries)


def signed(number: int = 1, *entries: Revoked, key: Any = PUBLISHER) -> str:
    return sign(REVOCATIONS, listed(number, *entries), key)


# --- which host, and when --------------------------------------------------------------------------------------------


@EACH_KIND
def test_each_kind_of_entry_voids_what_was_signed_from_then_on(entry: Revoked) -> None:
    revocations = listed(1, entry)
    assert check_not_revoked(CERTIFICATE, START_S - 1, revocations) is CERTIFICATE
    for at_s in (START_S, START_S + 1, START_S + 10**9):
        with pytest.raises(HostRevokedError, match=f"{HOST_ID} was revoked by the publisher: {entry.reason}"):
            check_not_revoked(CERTIFICATE, at_s, revocations)


def test_without_a_list_or_with_an_empty_one_nobody_is_revoked() -> None:
    assert check_not_revoked(CERTIFICATE, START_S, None) is CERTIFICATE
    assert check_not_revoked(CERTIFICATE, START_S, listed()) is CERTIFICATE


def test_others_are_not_touched() -> None:
    others = (
        HostKeyRevoked(id="A" * 16, since_s=0, reason="x"),
        HostRevoked(id=cmid_of(7), since_s=0, reason="x"),
        CertificateRevoked(id=nonce_of(7), since_s=0, reason="x"),
        SigningKeyRevoked(id=ATTACKER.kid, since_s=0, reason="x"),
    )
    assert check_not_revoked(CERTIFICATE, START_S, listed(1, *others)) is CERTIFICATE


def test_a_name_of_another_kind_does_not_match() -> None:
    request_id = CertificateRevoked(id=CERTIFICATE.request_id, since_s=0, reason="x")
    assert check_not_revoked(CERTIFICATE, START_S, listed(1, request_id)) is CERTIFICATE


def test_a_host_with_a_new_certificate_is_still_revoked_but_a_revoked_certificate_binds_only_itself() -> None:
    new = WORLD.certificate(serial=nonce_of(200))
    with pytest.raises(HostRevokedError):
        check_not_revoked(new, START_S, listed(1, BY_KIND["host"]))
    assert check_not_revoked(new, START_S, listed(1, BY_KIND["certificate"])) is new


def test_of_several_entries_the_earliest_counts() -> None:
    early = SigningKeyRevoked(id=WORLD.host_key.kid, since_s=START_S - 100, reason="the first")
    with pytest.raises(HostRevokedError, match="the first"):
        check_not_revoked(CERTIFICATE, START_S, listed(1, BY_KIND["host"], early))
    with pytest.raises(HostRevokedError, match="the first"):
        check_not_revoked(CERTIFICATE, START_S - 50, listed(1, BY_KIND["host"], early))


@given(since_s=st.integers(0, 2**34), at_s=st.integers(0, 2**34))
def test_the_boundary_is_exact(since_s: int, at_s: int) -> None:
    revocations = listed(1, HostRevoked(id=HOST_ID, since_s=since_s, reason="x"))
    try:
        check_not_revoked(CERTIFICATE, at_s, revocations)
    except HostRevokedError:
        assert at_s >= since_s
    else:
        assert at_s < since_s


# --- which list ------------------------------------------------------------------------------------------------------


def test_a_forged_list_is_refused() -> None:
    head, _, signature = signed(1).split(".")
    _, other, _ = signed(2, BY_KIND["host"]).split(".")
    with pytest.raises(BadSignatureError):
        read_list(f"{head}.{other}.{signature}", TRUSTED)


def test_the_list_of_another_publisher_is_refused() -> None:
    with pytest.raises(UnknownPublisherError):
        read_list(signed(1, key=ATTACKER), TRUSTED)
    with pytest.raises(UnknownPublisherError):
        accept_list(None, signed(1, key=ATTACKER), TRUSTED)


def test_a_host_cannot_sign_a_list() -> None:
    with pytest.raises(UnknownPublisherError):
        read_list(signed(1, key=WORLD.host_key), TRUSTED)


@pytest.mark.parametrize("token", [WORLD.product_token, WORLD.certificate_token()], ids=["product", "certificate"])
def test_another_document_is_not_taken_for_a_list(token: str) -> None:
    with pytest.raises(MalformedError, match=r"expected is a revocations\+jwt"):
        read_list(token, TRUSTED)


def test_a_list_is_not_taken_for_another_document() -> None:
    with pytest.raises(MalformedError, match=r"this is a trust\+jwt"):
        read_list(trust(2, [jwk(NEXT)], PUBLISHER), TRUSTED)
    with pytest.raises(MalformedError, match=r"this is a revocations\+jwt"):
        follow(TRUSTED, [signed(2)])


def test_an_older_list_is_never_taken_again() -> None:
    held = signed(5, BY_KIND["host"])
    for number in (1, 4):
        with pytest.raises(ListOutdatedError, match=f"list {number} was offered, but list 5") as caught:
            accept_list(held, signed(number), TRUSTED)
        assert caught.value.code == "LIST_OUTDATED"
    assert accept_list(held, signed(6, BY_KIND["host"]), TRUSTED).number == 6


def test_the_same_list_again_is_nothing_new() -> None:
    with pytest.raises(ListOutdatedError) as caught:
        accept_list(signed(5), signed(5), TRUSTED)
    assert caught.value.code == "LIST_OUTDATED"


def test_two_lists_of_one_number_contradict_each_other() -> None:
    with pytest.raises(ListConflictError) as caught:
        accept_list(signed(5, BY_KIND["host"]), signed(5), TRUSTED)
    assert caught.value.code == "LIST_CONFLICT"


@given(held=st.integers(1, NUMBER_MAX), offered=st.integers(1, NUMBER_MAX))
def test_numbers_only_go_up(held: int, offered: int) -> None:
    try:
        assert newer(listed(held), listed(offered)).number == offered > held
    except ListOutdatedError:
        assert offered <= held
    assert newer(None, listed(offered)).number == offered


# --- lists and exchanged keys ----------------------------------------------------------------------------------------


KEPT = follow(TRUSTED, [trust(2, [jwk(NEXT), jwk(PUBLISHER)], PUBLISHER)])
DROPPED = follow(TRUSTED, [trust(2, [jwk(NEXT)], PUBLISHER)])


def test_a_list_of_a_kept_key_still_binds() -> None:
    with pytest.raises(ListOutdatedError):
        accept_list(signed(5), signed(4, key=NEXT), KEPT)


def test_a_thief_of_a_dropped_key_signs_no_lists() -> None:
    with pytest.raises(RetiredKeyError):
        accept_list(None, signed(9), DROPPED)


def test_a_list_stays_in_force_when_its_key_is_dropped_until_a_new_one_comes() -> None:
    held = signed(5, BY_KIND["host"])
    with pytest.raises(RetiredKeyError):
        read_list(held, DROPPED)
    with pytest.raises(HostRevokedError):
        check_not_revoked(CERTIFICATE, START_S, read_held(held, DROPPED))


def test_the_highest_number_that_a_thief_could_write_locks_nobody_out() -> None:
    thiefs = signed(NUMBER_MAX)
    with pytest.raises(ListOutdatedError):
        accept_list(thiefs, signed(6, key=NEXT), KEPT)
    assert accept_list(thiefs, signed(6, key=NEXT), DROPPED).number == 6


def test_a_held_list_that_cannot_be_read_holds_nobody_back_and_proves_nothing() -> None:
    for broken in ("", "x", signed(9, key=ATTACKER)):
        assert accept_list(broken, signed(1), TRUSTED).number == 1
        with pytest.raises((MalformedError, UnknownPublisherError)):
            read_held(broken, TRUSTED)


def test_a_root_key_signs_no_lists() -> None:
    rooted = shipped(jwk(ROOT, "root"), jwk(PUBLISHER, "issuing"))
    assert read_list(signed(1), rooted).number == 1
    with pytest.raises(KeyRoleError):
        read_list(signed(1, key=ROOT), rooted)


# --- bounds ----------------------------------------------------------------------------------------------------------


ENTRY: dict[str, object] = {"kind": "host", "id": HOST_ID, "since_s": START_S, "reason": "x"}
BAD_CLAIMS: dict[str, dict[str, object]] = {
    "number 0": {"number": 0},
    "a negative number": {"number": -1},
    "a number beyond JSON": {"number": 2**53},
    "a number of many digits": {"number": 10**400},
    "half a number": {"number": 1.0},
    "another protocol": {"v": 2},
    "an unknown member": {"crit": []},
    "an entry twice": {"entries": [ENTRY, {**ENTRY, "reason": "another"}]},
    "an unknown kind": {"entries": [{**ENTRY, "kind": "client"}]},
    "no kind": {"entries": [{name: value for name, value in ENTRY.items() if name != "kind"}]},
    "an id of another kind": {"entries": [{**ENTRY, "kind": "certificate"}]},
    "an id with a line break": {"entries": [{**ENTRY, "id": HOST_ID + "\n"}]},
    "a reason that steers a terminal": {"entries": [{**ENTRY, "reason": "\x1b[31m"}]},
    "no reason": {"entries": [{**ENTRY, "reason": ""}]},
    "a long reason": {"entries": [{**ENTRY, "reason": "x" * 201}]},
    "a negative time": {"entries": [{**ENTRY, "since_s": -1}]},
    "one member more in an entry": {"entries": [{**ENTRY, "until_s": 1}]},
}


@pytest.mark.parametrize("changes", list(BAD_CLAIMS.values()), ids=list(BAD_CLAIMS))
def test_a_signed_list_out_of_bounds_is_refused(changes: dict[str, object]) -> None:
    claims = {"v": 1, "iss": "Acme", "iat": START_S, "number": 1, "entries": [ENTRY]} | changes
    token = forged({"alg": "Ed25519", "kid": PUBLISHER.kid, "typ": "revocations+jwt"}, encode_any(claims), PUBLISHER)
    with pytest.raises(MalformedError):
        read_list(token, TRUSTED)


def encode_any(claims: dict[str, object]) -> bytes:
    if claims["number"] == 10**400:  # msgspec writes no such number
        return encode({**claims, "number": 1}).replace(b'"number":1,', b'"number":1' + b"0" * 400 + b",")
    return encode(claims)


def test_the_longest_list_fits_and_one_entry_more_does_not() -> None:
    entries = tuple(HostRevoked(id=cmid_of(n), since_s=START_S, reason="not in use any more") for n in range(10_001))
    token = sign(REVOCATIONS, listed(1, *entries[:ENTRIES_MAX]), PUBLISHER)
    found = read_list(token, TRUSTED)
    assert len(found.entries) == ENTRIES_MAX
    assert check_not_revoked(CERTIFICATE, START_S, found) is CERTIFICATE
    with pytest.raises(MalformedError):
        sign(REVOCATIONS, listed(1, *entries), PUBLISHER)


def test_a_list_larger_than_its_bound_is_refused_before_it_is_read() -> None:
    with pytest.raises(MalformedError, match="longer than 2097152 bytes"):
        read_list("x" * (2 * 1024 * 1024 + 1), TRUSTED)


@given(data=st.binary(max_size=300))
def test_no_bytes_escape_as_anything_but_malformed(data: bytes) -> None:
    token = forged({"alg": "Ed25519", "kid": PUBLISHER.kid, "typ": "revocations+jwt"}, data, PUBLISHER)
    with pytest.raises(MalformedError):
        read_list(token, TRUSTED)


@given(st.lists(st.sampled_from(list(BY_KIND.values())), unique=True), st.integers(1, NUMBER_MAX))
def test_what_is_written_is_what_is_read(entries: list[Revoked], number: int) -> None:
    assert read_list(signed(number, *entries), TRUSTED) == listed(number, *entries)
    assert msgspec.json.decode(encode(listed(number, *entries)))["entries"] == [
        {"kind": kind.replace(" ", "-"), "id": e.id, "since_s": e.since_s, "reason": e.reason}
        for e in entries
        for kind, each in BY_KIND.items()
        if each == e
    ]


def test_a_certificate_is_still_read_as_before() -> None:
    assert sign(HOST_CERTIFICATE, CERTIFICATE, PUBLISHER) == WORLD.certificate_token()
