"""A hostile host, and a broken one: nothing it says moves a client, and every cause has its own code.

The host here listens at a real socket and says whatever a test writes (`tests.client.parties.ScriptedHost`).
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quorate import Client, QuorateError
from quorate.core.documents import HOST_CERTIFICATE, PRODUCT, sign
from quorate.core.lease import LEASE, REFUSAL
from quorate.core.messages import ActivationRequest, Answer, Problem, encode
from quorate.core.policy import DAY_S, HOUR_S
from quorate.errors import (
    ClockSkewError,
    CountInsufficientError,
    HostBusyError,
    HostNotActivatedError,
    HostUnreachableError,
    LeaseWrongMachineError,
    RateLimitedError,
)
from tests.client.parties import Installation, RawReply, ScriptedHost, closed_port, scripted
from tests.support.clocks import START_S, ManualClock
from tests.support.documents import World, cmid_of, nonce_of, signing_key

FORGER = 66  # the number of a key that nobody gave anything to


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def host(clock: ManualClock) -> Iterator[ScriptedHost]:
    with scripted(World(), clock) as host:
        yield host


@pytest.fixture
def here(tmp_path: Path, clock: ManualClock) -> Installation:
    return Installation(tmp_path, World(), clock)


def fails(client: Client) -> QuorateError:
    """The error of an attempt; and that the client stands where it stood."""
    before = client.status()
    with pytest.raises(QuorateError) as caught:
        client.activate()
    after = client.status()
    assert (after.status, after.expires_s, after.cmid) == (before.status, before.expires_s, before.cmid)
    assert after.code == caught.value.code
    assert after.hint
    return caught.value


Bent = Callable[[ScriptedHost, ActivationRequest], Answer]


def _signed_by_a_stranger(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request), key=signing_key(FORGER))


def _with_a_certificate_it_made_itself(host: ScriptedHost, request: ActivationRequest) -> Answer:
    forger = signing_key(FORGER)
    return host.say(host.lease(request), forger, host.world.certificate_token(forger, jwk=forger.public()))


def _with_its_own_key_in_a_changed_certificate(host: ScriptedHost, request: ActivationRequest) -> Answer:
    forger = signing_key(FORGER)
    real = host.world.certificate_token().split(".")
    bent = sign(HOST_CERTIFICATE, host.world.certificate(jwk=forger.public()), host.world.publisher_key).split(".")
    return host.say(host.lease(request), forger, ".".join([real[0], bent[1], real[2]]))


def _of_another_group(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request), certificate=host.world.certificate_token(groups=("other",)))


def _of_yesterday(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request), certificate=host.world.certificate_token(expires_s=START_S))


def _of_the_day_after_tomorrow(host: ScriptedHost, request: ActivationRequest) -> Answer:
    certificate = host.world.certificate_token(issued_s=request.time_s + 2 * DAY_S)
    return host.say(host.lease(request), certificate=certificate)


def _another_hosts_certificate(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request), certificate=host.world.certificate_token(host_id=cmid_of(9)))


def _for_another_cmid(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request, cmid=cmid_of(9)))


def _for_another_edition(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request, edition="acme-cad-server"))


def _for_another_nonce(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request, nonce=nonce_of(9)))


def _below_the_threshold(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request, count=24))


def _with_a_threshold_of_its_own(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request, count=1, threshold=1))


def _for_a_second_too_long(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request, expires_s=request.time_s + 180 * DAY_S + 1))


def _from_five_hours_ago(host: ScriptedHost, request: ActivationRequest) -> Answer:
    then_s = START_S - 5 * HOUR_S
    return host.say(
        host.lease(
            request, issued_s=then_s, expires_s=then_s + DAY_S, renew_from_s=then_s + 60, renew_until_s=then_s + 90
        )
    )


def _a_lease_typed_as_a_refusal(host: ScriptedHost, request: ActivationRequest) -> Answer:
    answer = host.say(host.lease(request))
    lease = answer.answer.split(".")
    refusal = sign(REFUSAL, host.world.refusal(), host.world.host_key).split(".")
    return Answer(
        answer=".".join([refusal[0], lease[1], lease[2]]), host_certificate=answer.host_certificate, revocations=0
    )


def _a_refusal_typed_as_a_lease(host: ScriptedHost, request: ActivationRequest) -> Answer:
    lease = sign(LEASE, host.lease(request), host.world.host_key).split(".")
    refusal = sign(REFUSAL, host.world.refusal(), host.world.host_key).split(".")
    answer = host.say(host.lease(request))
    return Answer(
        answer=".".join([lease[0], refusal[1], refusal[2]]), host_certificate=answer.host_certificate, revocations=0
    )


def _a_lease_as_certificate(host: ScriptedHost, request: ActivationRequest) -> Answer:
    token = sign(LEASE, host.lease(request), host.world.host_key)
    return Answer(answer=token, host_certificate=token, revocations=0)


def _a_product_file_as_certificate(host: ScriptedHost, request: ActivationRequest) -> Answer:
    token = sign(LEASE, host.lease(request), host.world.host_key)
    return Answer(
        answer=token, host_certificate=sign(PRODUCT, host.world.product, host.world.publisher_key), revocations=0
    )


def _a_lease_cut_off(host: ScriptedHost, request: ActivationRequest) -> Answer:
    answer = host.say(host.lease(request))
    return Answer(answer=answer.answer[:-9], host_certificate=answer.host_certificate, revocations=0)


def _a_lease_with_one_letter_changed(host: ScriptedHost, request: ActivationRequest) -> Answer:
    answer = host.say(host.lease(request))
    head, said, signature = answer.answer.split(".")
    other = ("A" if said[20] != "A" else "B") + said[21:]
    return Answer(
        answer=f"{head}.{said[:20]}{other}.{signature}", host_certificate=answer.host_certificate, revocations=0
    )


@pytest.mark.parametrize(
    ("bent", "code"),
    [
        (_signed_by_a_stranger, "BAD_SIGNATURE"),
        (_with_a_certificate_it_made_itself, "UNKNOWN_PUBLISHER"),
        (_with_its_own_key_in_a_changed_certificate, "BAD_SIGNATURE"),
        (_of_another_group, "PRODUCT_NOT_COVERED"),
        (_of_yesterday, "HOST_CERTIFICATE_EXPIRED"),
        (_of_the_day_after_tomorrow, "HOST_CERTIFICATE_NOT_YET_VALID"),
        (_another_hosts_certificate, "ANSWER_MISMATCH"),
        (_for_another_cmid, "ANSWER_MISMATCH"),
        (_for_another_edition, "ANSWER_MISMATCH"),
        (_for_another_nonce, "ANSWER_MISMATCH"),
        (_below_the_threshold, "LEASE_INVALID"),
        (_with_a_threshold_of_its_own, "LEASE_INVALID"),
        (_for_a_second_too_long, "LEASE_INVALID"),
        (_from_five_hours_ago, "CLOCK_SKEW"),
        (_a_lease_typed_as_a_refusal, "BAD_SIGNATURE"),
        (_a_refusal_typed_as_a_lease, "BAD_SIGNATURE"),
        (_a_lease_as_certificate, "MALFORMED_DOCUMENT"),
        (_a_product_file_as_certificate, "MALFORMED_DOCUMENT"),
        (_a_lease_cut_off, "MALFORMED_DOCUMENT"),
        (_a_lease_with_one_letter_changed, "BAD_SIGNATURE"),
    ],
)
def test_an_answer_that_proves_nothing_changes_nothing(
    here: Installation, host: ScriptedHost, bent: Bent, code: str
) -> None:
    client = here.client(host)
    host.script = lambda request: bent(host, request)
    assert fails(client).code == code
    host.script = host.honest
    assert client.activate().code is None  # and it keeps nobody from asking again
    here.clock.advance(7 * DAY_S)
    host.script = lambda request: bent(host, request)
    fails(client)
    assert client.status().status.value == "licensed"  # nor does it take away what was there
    assert here.events()[-1]["code"] == here.events()[1]["code"] == client.status().code


def test_a_response_replayed_from_an_earlier_question_is_told_as_such(here: Installation, host: ScriptedHost) -> None:
    said: list[Answer] = []

    def recording(request: ActivationRequest) -> Answer:
        said.append(host.honest(request))
        return said[-1]

    client = here.client(host)
    host.script = recording
    expires_s = client.activate().expires_s
    here.clock.advance(HOUR_S)
    host.script = lambda _: said[0]
    error = fails(client)
    assert (error.code, client.status().expires_s) == ("ANSWER_MISMATCH", expires_s)


def test_a_certificate_of_another_publisher_is_not_believed(here: Installation, host: ScriptedHost) -> None:
    other = World(publisher_key=signing_key(5), host_key=signing_key(6))
    host.script = lambda request: other.answer(host.lease(request))
    assert fails(here.client(host)).code == "UNKNOWN_PUBLISHER"


# --- things that are no KMS host -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (RawReply(b"<html><body>It works!</body></html>", headers={"Content-Type": "text/html"}), "none of ours"),
        (RawReply(b""), "none of ours"),
        (RawReply(b'{"answer": "a", "host_certificate": "b"}'), "revocations"),
        (RawReply(b'{"answer": 1, "host_certificate": "b", "revocations": 0}'), "answer"),
        (RawReply(b'{"licenses": []}'), "none of ours"),
        (RawReply(b"[" * 60_000), "none of ours"),
        (RawReply(b'{"answer": "' + b"a" * 70_000), "longer than 65536 bytes"),
        (RawReply(b"", status=204), "204"),
        (RawReply(b"", status=302, headers={"Location": "http://127.0.0.1:1/"}), "redirects"),
        (RawReply(b"Not here", status=404, headers={"Content-Type": "text/plain"}), "404"),
        (RawReply(b"{}", status=503, headers={"Content-Type": "application/problem+json"}), "503"),
        (RawReply(b"no", status=503, headers={"Content-Type": "application/problem+json"}), "503"),
    ],
)
def test_another_service_at_that_port_is_told_as_such(
    here: Installation, host: ScriptedHost, reply: RawReply, reason: str
) -> None:
    host.script = lambda _: reply
    error = fails(here.client(host))
    assert error.code == "NOT_A_QUORATE_HOST"
    assert reason in error.message
    assert str(host.port) in error.message
    assert len(host.requests) == 1  # no redirect was followed, and nothing was asked twice


def test_what_does_not_speak_http_is_no_kms_host(here: Installation, host: ScriptedHost) -> None:
    host.raw = lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    assert fails(here.client(host)).code == "NOT_A_QUORATE_HOST"


def problem(error: QuorateError, status: int | None = None, **headers: str) -> RawReply:
    told = Problem.of(error)
    names = {"Content-Type": "application/problem+json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return RawReply(encode(told), status or told.status, names)


@pytest.mark.parametrize(
    "error",
    [
        LeaseWrongMachineError(),
        CountInsufficientError(count=1, threshold=25),
        ClockSkewError(difference="5 h", host_time="then", client_time="now", tolerance="4 h"),
    ],
)
@pytest.mark.parametrize("status", [400, 500, 503])
def test_what_a_host_must_sign_is_not_had_unsigned(
    here: Installation, host: ScriptedHost, error: QuorateError, status: int
) -> None:
    host.script = lambda _: problem(error, status)
    assert fails(here.client(host)).code == "NOT_A_QUORATE_HOST"


def test_words_of_a_stranger_cannot_steer_a_terminal(here: Installation, host: ScriptedHost) -> None:
    told = problem(HostNotActivatedError())
    evil = told.body.replace(b"not activated", b"\\u001b]0;pwned\\u0007" + b"x" * 900)
    host.script = lambda _: RawReply(evil, told.status, told.headers)
    error = fails(here.client(host))
    assert error.code == "HOST_NOT_ACTIVATED"
    assert error.message.isprintable()
    assert len(error.message) <= 1000


# --- a host that says "later" --------------------------------------------------------------------------------------


def test_a_host_that_is_not_activated_is_named_so(here: Installation, host: ScriptedHost) -> None:
    host.script = lambda _: problem(HostNotActivatedError())
    error = fails(here.client(host))
    assert (error.code, error.hresult) == ("HOST_NOT_ACTIVATED", 0xC004F041)
    assert "install-key" in error.hint


@pytest.mark.parametrize(
    ("reply", "code", "wait_s"),
    [
        (problem(RateLimitedError(retry_after_s=600), Retry_After="700"), "RATE_LIMITED", 700),
        (problem(RateLimitedError(retry_after_s=600)), "RATE_LIMITED", 600),
        (problem(HostBusyError(waiting=9, retry_after_s=30), Retry_After="30"), "HOST_BUSY", 30),
        (problem(HostBusyError(waiting=9, retry_after_s=30), Retry_After="soon"), "HOST_BUSY", 30),
        (problem(HostBusyError(waiting=9, retry_after_s=30), Retry_After="9" * 40), "HOST_BUSY", DAY_S),
        (problem(HostBusyError(waiting=9, retry_after_s=30), Retry_After="-5"), "HOST_BUSY", 30),
        (
            problem(HostBusyError(waiting=9, retry_after_s=30), Retry_After="Fri, 15 Jan 2027 09:00:00 GMT"),
            "HOST_BUSY",
            HOUR_S,  # START_S is 08:00:00 UTC of that day
        ),
        (
            RawReply(b"try later", 503, {"Content-Type": "text/plain", "Retry-After": "900"}),
            "NOT_A_QUORATE_HOST",
            900,
        ),
    ],
)
def test_retry_after_is_honoured(
    here: Installation, host: ScriptedHost, reply: RawReply, code: str, wait_s: int
) -> None:
    host.script = lambda _: reply
    client = here.client(host)
    assert fails(client).code == code
    waits_s = client.status().next_attempt_s - START_S
    assert wait_s <= waits_s <= wait_s * 1.05 + 1
    here.clock.advance(waits_s - 1)
    client.renew_if_due()
    assert len(host.requests) == 1
    here.clock.advance(1)
    client.renew_if_due()
    assert len(host.requests) == 2


# --- a network that fails ------------------------------------------------------------------------------------------


def test_s31_a_closed_port_is_unreachable_and_named(here: Installation) -> None:
    port = closed_port()
    error = fails(here.client(port))
    assert (error.code, error.hresult) == ("HOST_UNREACHABLE", 0xC004F074)
    assert f"127.0.0.1:{port}: connection refused" in error.message


def test_s31_a_name_that_does_not_resolve_is_told_as_such(here: Installation) -> None:
    client = here.client()
    client.set_host("kms.invalid")
    error = fails(client)
    assert error.code == "HOST_UNREACHABLE"
    assert "kms.invalid:1688: the name does not resolve" in error.message


def test_s27_without_a_host_activation_cannot_start(here: Installation) -> None:
    error = fails(here.client())
    assert (error.code, error.hresult) == ("DNS_NAME_DOES_NOT_EXIST", 0x8007232B)


def _silence(_: socket.socket, done: threading.Event) -> None:
    done.wait(20)


def _dripping_headers(connection: socket.socket, done: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not done.wait(0.1):
        connection.sendall(b"X-Drip: 1\r\n")


def _dripping_body(connection: socket.socket, done: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while not done.wait(0.1):
        connection.sendall(b" ")


def _continues(connection: socket.socket, done: threading.Event) -> None:
    while not done.wait(0.01):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("trick", [_silence, _dripping_headers, _dripping_body, _continues])
def test_a_slow_host_ends_at_the_time_limit(
    here: Installation, host: ScriptedHost, trick: Callable[[socket.socket, threading.Event], None]
) -> None:
    done = threading.Event()
    host.raw = lambda connection: trick(connection, done)
    client = here.client(host)  # 1 s to connect, 2 s in all
    began = time.monotonic()
    error = fails(client)
    done.set()
    assert error.code == "HOST_UNREACHABLE"
    assert "no answer in time" in error.message
    assert time.monotonic() - began < 10  # generous for a busy machine; without the limit it would be for ever


def test_an_answer_that_breaks_off_is_unreachable_not_foreign(here: Installation, host: ScriptedHost) -> None:
    host.raw = lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
    assert fails(here.client(host)).code == "HOST_UNREACHABLE"


def test_a_connection_closed_without_a_word_is_unreachable(here: Installation, host: ScriptedHost) -> None:
    host.raw = lambda connection: None
    error = fails(here.client(host))
    assert isinstance(error, HostUnreachableError)
    assert "without an answer" in error.message


def test_a_lost_reply_makes_no_second_question(here: Installation, host: ScriptedHost) -> None:
    client = here.client(host)
    host.raw = lambda connection: None  # it has heard us, and its answer is lost
    fails(client)
    host.script = lambda request: problem(HostBusyError(waiting=1, retry_after_s=30))
    host.raw = None
    fails(here.client(seed=9))  # another process, the same question
    host.script = host.honest
    client.activate()
    client.activate()
    nonces = [request.nonce for request in host.requests]
    assert len(set(nonces[:3])) == 1
    assert nonces[3] != nonces[0]


def test_what_a_request_says(here: Installation, host: ScriptedHost) -> None:
    client = here.client(host)
    lease_link = None
    for _ in range(2):
        client.activate()
        request = host.requests[-1]
        assert (request.cmid, request.edition, request.time_s) == (client.status().cmid, "acme-cad-pro", START_S)
        assert (request.machine, request.link) == ("pc-0001.contoso.example", lease_link)
        lease_link = host.lease(request).link
    assert [request.expires_in_min for request in host.requests] == [30 * 1440, 180 * 1440]
    assert [request.status.value for request in host.requests] == ["initial_grace", "licensed"]
