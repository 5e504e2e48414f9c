"""A network and hosts that do not do what they should: each cause has its own code, and every wait its end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from quorate import QuorateError
from quorate.core.messages import Problem, encode
from quorate.core.policy import DAY_S, HOUR_S, MINUTE_S
from quorate.errors import (
    ClockSkewError,
    CountInsufficientError,
    HostBusyError,
    HostNotActivatedError,
    HostUnreachableError,
    LeaseWrongMachineError,
    RateLimitedError,
)
from tests.client.parties import QUICK, Installation, RawReply, ScriptedHost, closed_port, fails
from tests.support.clocks import START_S

# --- things that are no KMS host -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (
            RawReply(b"<html><body>It works!</body></html>", headers={"Content-Type": "text/html"}),
            "not that of a Quorate host",
        ),
        (RawReply(b""), "not that of a Quorate host"),
        (RawReply(b'{"answer": "a", "host_certificate": "b"}'), "revocations"),
        (RawReply(b'{"answer": 1, "host_certificate": "b", "revocations": 0}'), "answer"),
        (RawReply(b'{"licenses": []}'), "not that of a Quorate host"),
        (RawReply(b"[" * 60_000), "not that of a Quorate host"),
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
        (problem(HostBusyError(waiting=9, retry_after_s=30), Retry_After="30"), "HOST_BUSY", MINUTE_S),
        (problem(HostBusyError(waiting=9, retry_after_s=30), Retry_After="soon"), "HOST_BUSY", MINUTE_S),
        (problem(HostBusyError(waiting=9, retry_after_s=30), Retry_After="9" * 40), "HOST_BUSY", DAY_S),
        (problem(HostBusyError(waiting=9, retry_after_s=30), Retry_After="-5"), "HOST_BUSY", MINUTE_S),
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
    done.wait(600)  # longer than any test


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
    client = here.client(host, transport=QUICK)
    try:
        error = fails(client)  # while the host goes on
    finally:
        done.set()
    assert error.code == "HOST_UNREACHABLE"
    assert "no answer in time" in error.message


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


def test_a_code_with_the_status_of_another_is_not_believed(here: Installation, host: ScriptedHost) -> None:
    host.script = lambda _: problem(HostBusyError(waiting=1, retry_after_s=30), status=400)
    assert fails(here.client(host)).code == "NOT_A_QUORATE_HOST"
