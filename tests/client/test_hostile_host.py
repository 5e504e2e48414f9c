"""A hostile host, attack by attack (tests/support/hostile.py): none of it moves a client, new or licensed.

The host holds a certificate of its publisher and signs whatever it likes; where that helps the attack, it even has the
publisher's key. What single answers are called is told in tests/client/test_hostile.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import pytest

from quorate import Client
from quorate.core.documents import HOST_CERTIFICATE, PRODUCT, sign
from quorate.core.lease import LEASE, REFUSAL
from quorate.core.messages import ActivationRequest, encode
from quorate.core.policy import DAY_S, HOUR_S
from tests.client.parties import Installation, RawReply, ScriptedHost, fails
from tests.support.documents import SERVER_EDITION, cmid_of, nonce_of
from tests.support.hostile import NAMES, bent_json, bent_tokens

Bodies = list[bytes]
CODES: Final = {
    *("MALFORMED_DOCUMENT", "BAD_SIGNATURE", "UNKNOWN_PUBLISHER", "ANSWER_MISMATCH", "LEASE_INVALID", "CLOCK_SKEW"),
    "NOT_A_QUORATE_HOST",  # the body itself is none of ours
    *("HOST_CERTIFICATE_EXPIRED", "HOST_CERTIFICATE_NOT_YET_VALID", "PRODUCT_NOT_COVERED"),
}


def _body(answer: str, certificate: str) -> bytes:
    return json.dumps({"answer": answer, "host_certificate": certificate, "revocations": 0}).encode()


def _bent(host: ScriptedHost, request: ActivationRequest, name: str) -> Bodies:
    """The lease, a refusal and the certificate, each bent; and the JSON around them."""
    world = host.world
    lease, refusal = encode(host.lease(request)), encode(host.claims(request, "COUNT_INSUFFICIENT"))
    good, certificate = sign(LEASE, host.lease(request), world.host_key), world.certificate_token()
    bodies = [_body(each, certificate) for each in bent_tokens(LEASE.typ, lease, world.host_key)[name]]
    bodies += [_body(each, certificate) for each in bent_tokens(REFUSAL.typ, refusal, world.host_key)[name]]
    papers = bent_tokens(HOST_CERTIFICATE.typ, encode(world.certificate()), world.publisher_key)
    bodies += [_body(good, each) for each in papers[name]]
    around = json.dumps({"v": 1, "answer": good, "host_certificate": certificate}, separators=(",", ":")).encode()
    return bodies + [_numbered(each) for each in bent_json(around).get(name, [])]


def _numbered(bent: bytes) -> bytes:
    """What was bent as `v` is the number of the revocation list here."""
    return bent.replace(b'"v"', b'"revocations"').replace(b'"\\u0076"', b'"\\u0072evocations"')


def _replayed(host: ScriptedHost, request: ActivationRequest) -> Bodies:
    """Answers to other questions of the same client, and its own of another time."""
    earlier = request.time_s - 5 * HOUR_S
    old = host.lease(request, issued_s=earlier, expires_s=earlier + DAY_S, renew_from_s=earlier, renew_until_s=earlier)
    said = [host.lease(request, nonce=nonce_of(9)), old]
    refused = host.say(host.world.refusal(nonce=nonce_of(9), cmid=request.cmid))
    return [*(encode(host.say(each)) for each in said), encode(refused)]


def _reordered(host: ScriptedHost, request: ActivationRequest) -> Bodies:
    """Another client's answer in place of this one's; lease and certificate in each other's place."""
    good = host.say(host.lease(request))
    return [encode(host.say(host.world.lease(2))), _body(good.host_certificate, good.answer)]


def _cross_product(host: ScriptedHost, request: ActivationRequest) -> Bodies:
    world = host.world
    other = sign(PRODUCT, world.product, world.publisher_key)
    lease = host.lease(request)
    return [
        encode(host.say(host.lease(request, edition=SERVER_EDITION))),
        encode(host.say(host.lease(request, edition="other-product"))),
        encode(host.say(lease, certificate=world.certificate_token(groups=("other",)))),
        encode(host.say(lease, certificate=world.certificate_token(groups=("acm", "acmee", "acme-cad")))),
        encode(host.say(lease, certificate=other)),
    ]


def _cross_cmid(host: ScriptedHost, request: ActivationRequest) -> Bodies:
    other = host.world.lease(9).link
    bent = (host.lease(request, cmid=cmid_of(9)), host.lease(request, cmid=cmid_of(9), link=other))
    return [encode(host.say(each)) for each in (*bent, host.lease(request, link=other))]


def _expired(host: ScriptedHost, request: ActivationRequest) -> Bodies:
    now, world = request.time_s, host.world
    ended = [world.certificate_token(expires_s=at) for at in (now, now - DAY_S + 60)]
    late = host.lease(request, issued_s=now - 5 * HOUR_S)
    over = host.lease(request, expires_s=now, renew_from_s=now, renew_until_s=now)
    return [encode(host.say(host.lease(request), certificate=each)) for each in ended] + [
        encode(host.say(each)) for each in (late, over)
    ]


def _not_yet_valid(host: ScriptedHost, request: ActivationRequest) -> Bodies:
    now = request.time_s
    later = host.world.certificate_token(issued_s=now + 5 * HOUR_S, expires_s=now + 900 * DAY_S)
    lease = host.lease(request, issued_s=now + 5 * HOUR_S, expires_s=now + 100 * DAY_S)
    return [encode(host.say(host.lease(request), certificate=later)), encode(host.say(lease))]


TIMES: Final[dict[str, Callable[[ScriptedHost, ActivationRequest], Bodies]]] = {
    "replayed": _replayed,
    "reordered": _reordered,
    "cross-product": _cross_product,
    "cross-CMID": _cross_cmid,
    "expired": _expired,
    "not yet valid": _not_yet_valid,
}


def bodies_of(name: str, host: ScriptedHost, request: ActivationRequest) -> Bodies:
    return TIMES[name](host, request) if name in TIMES else _bent(host, request, name)


def attack(here: Installation, host: ScriptedHost, client: Client, name: str) -> None:
    """Every body of this name as the answer to a question; none of them moves the client, each has its code."""
    lease = here.read()["lease"] if here.record.exists() else None
    count = len(bodies_of(name, host, host.world.request()))
    assert count
    for place in range(count):
        host.script = lambda request, place=place: RawReply(bodies_of(name, host, request)[place])  # type: ignore[misc]
        error = fails(client)  # status, expiry and CMID are what they were
        assert error.code in CODES, (place, error.code)
        kept = here.read()
        assert (kept["lease"], kept["nonce"]) == (lease, host.requests[-1].nonce)  # the question is still open


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_host_moves_no_new_client(here: Installation, host: ScriptedHost, name: str) -> None:
    attack(here, host, here.client(host), name)
    host.script = host.honest
    assert here.client(host).activate().code is None


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_host_moves_no_licensed_client(
    here: Installation, host: ScriptedHost, licensed: Client, name: str
) -> None:
    here.clock.advance(7 * DAY_S)
    attack(here, host, licensed, name)
    host.script = host.honest
    assert licensed.activate().code is None
