"""A hostile host, or somebody on the wire, that serves publisher's news: nothing of it is believed, and none of it
keeps a client from the lease it is entitled to."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable

import msgspec
import pytest

from quorate import Client
from quorate.client.transport import exchange as transport
from quorate.core.documents import PRODUCT, sign
from quorate.core.policy import DAY_S
from quorate.core.revocation import REVOCATIONS
from tests.client.carried import (
    FIRST_KEY,
    NEXT_KEY,
    carry_chain,
    carry_list,
    listed,
    other,
    public,
    revoked,
    trust,
)
from tests.client.parties import BOUND_S, Installation, RawReply, ScriptedHost, fails
from tests.support.documents import World, signing_key
from tests.support.forgery import ATTACKER

NUMBER_MAX = 2**53 - 1
ROOT, ISSUING = signing_key(20), signing_key(21)
ROTATED = trust(2, [public(NEXT_KEY)])  # the first key was exchanged at once
ROLES = trust(2, [public(ROOT, "root"), public(ISSUING, "issuing"), public(FIRST_KEY)])


def _forged(token: str) -> str:
    head, said, signature = token.split(".")
    return f"{head}.{said}.{signature[:-4]}AAAA"


def _body(path: str, body: bytes) -> Callable[[ScriptedHost], None]:
    def carry(host: ScriptedHost) -> None:
        host.serves[path] = RawReply(body)

    return carry


LISTS: dict[str, Callable[[ScriptedHost], None]] = {
    "garbage": _body("/v1/revocations", b"\x00\xff" * 500),
    "a page": _body("/v1/revocations", b"<html>Login</html>"),
    "a foreign shape": _body("/v1/revocations", b'{"revocations":["a"]}'),
    "null": lambda host: carry_list(host, None, NUMBER_MAX),
    "a name twice": _body("/v1/revocations", b'{"revocations":null,"revocations":"a.b.c"}'),
    "an older list": lambda host: carry_list(host, listed(2, revoked()), NUMBER_MAX),
    "the same number, another content": lambda host: carry_list(host, listed(3, revoked()), NUMBER_MAX),
    "forged": lambda host: carry_list(host, _forged(listed(9, revoked())), NUMBER_MAX),
    "of a stranger": lambda host: carry_list(host, listed(9, revoked(), signer=ATTACKER), NUMBER_MAX),
    "signed by the host itself": lambda host: carry_list(
        host, listed(9, revoked(), signer=host.world.host_key), NUMBER_MAX
    ),
    "of another kind": lambda host: carry_list(host, sign(PRODUCT, World().product, FIRST_KEY), NUMBER_MAX),
    "too long": lambda host: carry_list(host, "a" * (REVOCATIONS.bytes_max + 5000), NUMBER_MAX),
}


@pytest.mark.parametrize("carry", LISTS.values(), ids=LISTS)
def test_a_list_that_proves_nothing_takes_nothing_away(
    here: Installation, host: ScriptedHost, licensed: Client, carry: Callable[[ScriptedHost], None]
) -> None:
    carry_list(host, listed(3, other()), 3)
    licensed.activate()
    kept = here.record.with_name("publisher.json").read_bytes()
    host.number = NUMBER_MAX
    here.clock.advance(7 * DAY_S)
    carry(host)
    assert licensed.activate().code is None
    assert here.record.with_name("publisher.json").read_bytes() == kept
    assert here.read()["list_seen"]["number"] == 3
    carry_list(host, listed(4, other(), other(8)), 4)  # nor does it stand in the way of the next one
    licensed.activate()
    assert here.read()["list_seen"]["number"] == 4


CHAINS: dict[str, Callable[[ScriptedHost], None]] = {
    "garbage": _body("/v1/trust", b"[" * 100_000),
    "a stranger's": lambda host: carry_chain(host, ROTATED, trust(3, [public(ATTACKER)], ATTACKER)),
    "forged": lambda host: carry_chain(host, ROTATED, _forged(trust(3, [public(ATTACKER)], NEXT_KEY))),
    "of the key that was stolen and dropped": lambda host: carry_chain(
        host, ROTATED, trust(3, [public(ATTACKER)], FIRST_KEY)
    ),
    "another past": lambda host: carry_chain(
        host, trust(2, [public(ATTACKER)], FIRST_KEY), trust(3, [public(ATTACKER)], ATTACKER)
    ),
    "with a gap": lambda host: carry_chain(host, ROTATED, trust(4, [public(ATTACKER)], NEXT_KEY)),
    "back to before": lambda host: carry_chain(host),
    "the same version again": lambda host: carry_chain(host, ROTATED, trust(2, [public(ATTACKER)], NEXT_KEY)),
    "far too many": lambda host: carry_chain(host, *[ROTATED] * 999),
    "too long": _body("/v1/trust", b'{"trust":["' + b"a" * (3 * 1024 * 1024) + b'"]}'),
}


@pytest.mark.parametrize("carry", CHAINS.values(), ids=CHAINS)
def test_keys_that_prove_nothing_are_not_followed(
    here: Installation, host: ScriptedHost, carry: Callable[[ScriptedHost], None]
) -> None:
    carry_chain(host, ROTATED)
    host.certificate = host.world.certificate_token(NEXT_KEY)
    client = here.client(host)
    client.activate()
    kept = here.record.with_name("publisher.json").read_bytes()
    here.clock.advance(7 * DAY_S)
    carry(host)
    assert client.activate().code is None
    assert here.record.with_name("publisher.json").read_bytes() == kept
    host.certificate = host.world.certificate_token(ATTACKER)
    assert fails(client).code == "UNKNOWN_PUBLISHER"
    host.certificate = host.world.certificate_token(FIRST_KEY)
    assert fails(client).code == "RETIRED_KEY"


def test_a_past_of_its_own_before_a_true_document_is_not_kept(here: Installation, host: ScriptedHost) -> None:
    # What a client passes over is not verified: it must not be what it begins with the next time.
    host.certificate = host.world.certificate_token(NEXT_KEY)
    carry_chain(host, ROTATED)
    here.client(host).activate()
    stolen = trust(2, [public(ATTACKER), public(NEXT_KEY)], FIRST_KEY)
    carry_chain(host, stolen, trust(3, [public(NEXT_KEY), public(ISSUING)], NEXT_KEY))
    here.clock.advance(7 * DAY_S)
    here.client().activate()
    again = here.client()
    assert again.status().status.value == "licensed"
    host.certificate = host.world.certificate_token(ATTACKER)
    assert fails(again).code == "UNKNOWN_PUBLISHER"


@pytest.mark.parametrize(
    ("signer", "chain"),
    [(ROOT, (ROLES,)), (ROOT, (ROLES, trust(3, [public(ATTACKER)], ISSUING)))],
    ids=["a root key gives no certificate", "an issuing key gives no keys"],
)
def test_a_key_that_may_not_sign_this_is_told_as_such(
    here: Installation, host: ScriptedHost, signer: object, chain: tuple[str, ...]
) -> None:
    carry_chain(host, ROLES)
    host.certificate = host.world.certificate_token(ISSUING)
    client = here.client(host)
    client.activate()
    carry_chain(host, *chain)
    host.certificate = host.world.certificate_token(ROOT)
    here.clock.advance(7 * DAY_S)
    assert fails(client).code == "KEY_ROLE"


def test_whoever_drips_news_byte_by_byte_is_left_in_time(
    here: Installation, host: ScriptedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "NEWS_S", 0.5)
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{")
            while not ended.wait(0.05):  # bounded by the test's end
                connection.sendall(b" ")

    client = here.client(host)
    host.number = NUMBER_MAX
    host.serves = {"/v1/trust": drip, "/v1/revocations": drip}
    begun = time.monotonic()
    try:
        assert client.activate().code is None
    finally:
        ended.set()
    assert time.monotonic() - begun < BOUND_S / 2


def test_what_is_refused_is_in_the_log_without_its_content(
    here: Installation, host: ScriptedHost, licensed: Client, caplog: pytest.LogCaptureFixture
) -> None:
    forged = listed(9, revoked(), signer=ATTACKER)
    carry_list(host, forged, NUMBER_MAX)
    with caplog.at_level(logging.WARNING, "quorate.client"):
        licensed.activate()
    assert "UNKNOWN_PUBLISHER" in caplog.text
    assert forged not in caplog.text


def test_an_answer_is_read_with_the_number_as_an_exact_integer(here: Installation, host: ScriptedHost) -> None:
    def with_number(number: object) -> None:
        def script(request: object) -> RawReply:
            answer = msgspec.to_builtins(host.honest(request))  # type: ignore[arg-type]  # the script's own request
            return RawReply(msgspec.json.encode(answer | {"revocations": number}))

        host.script = script

    client = here.client(host)
    for number in (-1, 2**53, 10**30, 1.0, "1", None, True):
        with_number(number)
        assert fails(client).code == "NOT_A_QUORATE_HOST"
    with_number(NUMBER_MAX)
    assert client.activate().code is None
