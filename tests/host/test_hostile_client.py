"""A hostile client, attack by attack (tests/support/hostile.py): it gets its error, counts nobody, and harms nobody.

A client signs nothing, so what is said of signatures is tried with documents in the place of a request, and with the
members of a header inside one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import pytest

from quorate.core.documents import HOST_CERTIFICATE, HOST_REQUEST, PRODUCT, sign
from quorate.core.ids import unb64url
from quorate.core.lease import LEASE, Refusal
from quorate.core.messages import BODY_BYTES_MAX, encode
from quorate.core.policy import HOUR_S
from tests.support.documents import SERVER_EDITION, cmid_of, nonce_of
from tests.support.forgery import ATTACKER
from tests.support.hostile import NAMES, bent_json, bent_tokens
from tests.support.hosting import Hosted, hosting


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    with hosting(tmp_path_factory.mktemp("hostile")) as host:
        for number in range(1, 4):
            host.activate(number)
        yield host


@pytest.fixture
def host(running: Hosted) -> Iterator[Hosted]:
    """Whatever a test does: who was heard before is still there, nobody else is, and a good client is answered."""
    before = heard(running)
    yield running
    assert heard(running) == before
    assert running.activate(1).threshold == 25
    assert heard(running) == before


def heard(host: Hosted) -> dict[str, str]:
    return {client.cmid: client.machine for client in host.administration.clients()}


def fields(host: Hosted, number: int = 4, **changes: Any) -> dict[str, Any]:
    """The request of a client that the host has not heard of, as plain fields."""
    plain: dict[str, Any] = msgspec.to_builtins(host.request(number))
    return plain | changes


def is_malformed(host: Hosted, body: bytes) -> None:
    for path in ("/v1/activate", "/v1/probe"):
        reply = host.http("POST", path, body)
        assert (reply.status, reply.problem.code) in (
            (400, "MALFORMED_REQUEST"),
            (413, "REQUEST_TOO_LARGE"),
            (400, "UNSUPPORTED_VERSION"),
        ), body[:60]
        assert reply.problem.hint


def _tokens(host: Hosted, name: str) -> list[str]:
    """A lease, a certificate and a host request, bent: none of them is a request, whoever signed it."""
    world = host.world
    made = []
    for kind, claims, key in (
        (LEASE, world.lease(), world.host_key),
        (HOST_CERTIFICATE, world.certificate(), world.publisher_key),
        (HOST_REQUEST, world.host_request(), world.host_key),
    ):
        made += bent_tokens(kind.typ, encode(claims), key)[name]
    return made


def _as_requests(host: Hosted, name: str) -> None:
    for token in _tokens(host, name):
        is_malformed(host, token.encode())
        is_malformed(host, json.dumps(token).encode())


def _with_members(host: Hosted, members: dict[str, Any]) -> None:
    for name, value in members.items():
        is_malformed(host, json.dumps(fields(host) | {name: value}).encode())


def _bent(host: Hosted, name: str) -> None:
    for body in bent_json(json.dumps(fields(host), separators=(",", ":")).encode())[name]:
        is_malformed(host, body)
    _as_requests(host, name)


# --- one function for each name --------------------------------------------------------------------------------------


def forged(host: Hosted) -> None:
    """A link, a status and a time to expiry that it made up are nobody's word; a lease of its own is no request."""
    _as_requests(host, "forged")
    own = sign(LEASE, host.world.lease(), ATTACKER)
    is_malformed(host, json.dumps({"answer": own, "host_certificate": own, "revocations": 0}).encode())
    said = host.activate(1, link=nonce_of(77), status="licensed", expires_in_min=5_256_000)
    assert isinstance(said, Refusal)  # it says to be licensed: the count decides all the same
    assert said.code == "COUNT_INSUFFICIENT"


def retyped(host: Hosted) -> None:
    """Good documents, an answer and a problem in the place of a request."""
    world = host.world
    good = [
        sign(PRODUCT, world.product, world.publisher_key),
        world.certificate_token(),
        sign(HOST_REQUEST, world.host_request(), world.host_key),
        sign(LEASE, world.lease(), world.host_key),
    ]
    for body in (*(token.encode() for token in good), *(json.dumps(token).encode() for token in good)):
        is_malformed(host, body)
    is_malformed(host, encode(world.answer(world.lease())))
    is_malformed(host, host.http("POST", "/v1/activate", b"{").body)
    _as_requests(host, "re-typed")


def replayed(host: Hosted) -> None:
    """The same question has the same answer and counts once; after the tolerance it is a wrong clock."""
    request = host.request(2)
    first = host.post(request).answer
    assert host.accept(request, host.post(request).answer) == host.accept(request, first)
    before = last_heard(host, 2)
    host.clock.advance(4 * HOUR_S + 1)
    assert code_of(host.post(request).answer.answer) == "CLOCK_SKEW"
    assert last_heard(host, 2) == before


def reordered(host: Hosted) -> None:
    """An older question that comes after a newer one moves no record back: the host's clock counts, not theirs."""
    newer, older = host.request(3), host.request(3, time_s=host.clock.now_s() - 2 * HOUR_S, nonce=nonce_of(5))
    for request in (newer, older, newer):
        host.post(request)
        assert last_heard(host, 3) == host.clock.now_s()


def cross_product(host: Hosted) -> None:
    """An edition of no product here is refused, signed, and counts nobody; another class of it counts nobody twice."""
    for edition in ("other-product-pro", "acme-viewer", "acme"):
        request = host.request(4, edition)
        assert code_of(host.post(request).answer.answer) == "PRODUCT_NOT_COVERED"
    host.activate(1, SERVER_EDITION)
    host.activate(1)


def cross_cmid(host: Hosted) -> None:
    """Another machine's link proves nothing; another's nonce is one's own question."""
    first, second = host.request(1), host.request(2)
    host.post(first)
    host.post(second)
    for changes in ({"link": host.world.lease(2).link}, {"nonce": second.nonce}, {"machine": second.machine}):
        said = host.activate(1, **changes)
        assert isinstance(said, Refusal)
        assert (said.cmid, said.code) == (cmid_of(1), "COUNT_INSUFFICIENT")
    host.activate(1)


def expired(host: Hosted) -> None:
    """A time long ago is a wrong clock: refused, signed, counted never."""
    for ago in (4 * HOUR_S + 1, 900 * 86_400):
        request = host.request(4, time_s=host.clock.now_s() - ago)
        assert code_of(host.post(request).answer.answer) == "CLOCK_SKEW"


def not_yet_valid(host: Hosted) -> None:
    """So is a time to come."""
    for time_s in (host.clock.now_s() + 4 * HOUR_S + 1, 253_402_300_799):
        assert code_of(host.post(host.request(4, time_s=time_s)).answer.answer) == "CLOCK_SKEW"


def alg_none(host: Hosted) -> None:
    _as_requests(host, "alg none")
    _with_members(host, {"alg": "none", "typ": "lease+jwt", "signature": ""})


def key_confusion(host: Hosted) -> None:
    _as_requests(host, "key confusion")
    _with_members(host, {"kid": host.world.host_key.kid, "host_id": cmid_of(1), "key_id": "A" * 16})


def embedded_jwk(host: Hosted) -> None:
    _as_requests(host, "embedded jwk")
    _with_members(host, {"jwk": msgspec.to_builtins(ATTACKER.public()), "jku": "https://attacker.example/"})


def duplicate_json_keys(host: Hosted) -> None:
    _bent(host, "duplicate JSON keys")
    good = json.dumps(fields(host)).encode()
    for name, value in fields(host).items():
        is_malformed(host, good[:-1] + f',"{name}":{json.dumps(value)}}}'.encode())


def huge_numbers(host: Hosted) -> None:
    _bent(host, "huge numbers")
    for number in ("9" * 3000, "1e400", "-1", str(2**63), str(2**64)):
        for name in ("time_s", "expires_in_min"):
            zero = json.dumps(fields(host) | {name: 0})
            is_malformed(host, zero.replace(f'"{name}": 0', f'"{name}": {number}').encode())


def deep_nesting(host: Hosted) -> None:
    _bent(host, "deep nesting")
    for opened in (b"[", b'{"a":'):
        is_malformed(host, opened * (BODY_BYTES_MAX // len(opened)))


def non_canonical_base64(host: Hosted) -> None:
    _as_requests(host, "non-canonical base64")
    nonce = nonce_of(4)
    for bent in (nonce[:-1] + "B", nonce + "==", nonce[:-1], nonce[:-1] + "+", nonce + "\n", " " + nonce):
        for name in ("nonce", "link"):
            is_malformed(host, json.dumps(fields(host) | {name: bent}).encode())


def unknown_crit(host: Hosted) -> None:
    _as_requests(host, "unknown crit")
    _with_members(host, {"crit": ["exp"], "exp": 1, "b64": False})


def truncated(host: Hosted) -> None:
    _bent(host, "truncated")
    whole = json.dumps(fields(host)).encode()
    for length in range(0, len(whole), 11):
        is_malformed(host, whole[:length])


def concatenated(host: Hosted) -> None:
    _bent(host, "concatenated")
    is_malformed(host, json.dumps(fields(host, 4)).encode() + json.dumps(fields(host, 5)).encode())


def code_of(token: str) -> str:
    """The code of a refusal, as it stands in the token: whether a client believes it is not asked here."""
    return str(json.loads(unb64url(token.split(".")[1]))["code"])


def last_heard(host: Hosted, number: int) -> int:
    (client,) = [each for each in host.administration.clients() if each.cmid == cmid_of(number)]
    return client.last_seen_s


ATTACKS: Final[dict[str, Callable[[Hosted], None]]] = {
    "forged": forged,
    "re-typed": retyped,
    "replayed": replayed,
    "reordered": reordered,
    "cross-product": cross_product,
    "cross-CMID": cross_cmid,
    "expired": expired,
    "not yet valid": not_yet_valid,
    "alg none": alg_none,
    "key confusion": key_confusion,
    "embedded jwk": embedded_jwk,
    "duplicate JSON keys": duplicate_json_keys,
    "huge numbers": huge_numbers,
    "deep nesting": deep_nesting,
    "non-canonical base64": non_canonical_base64,
    "unknown crit": unknown_crit,
    "truncated": truncated,
    "concatenated": concatenated,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_client_harms_no_host(host: Hosted, name: str) -> None:
    ATTACKS[name](host)
