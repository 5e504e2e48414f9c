"""Online activation over a real socket: a proof goes in, a certificate comes out, and nothing else can be had."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from quorate.core.documents import HOST_CERTIFICATE
from quorate.core.publication import decode_activation, decode_revocations, decode_trust
from quorate.core.revocation import read_list
from quorate.core.succession import TrustState, follow_chain, read_issued
from quorate.errors import (
    FilePermissionsError,
    InvalidSettingError,
    MalformedError,
    PortTakenError,
    RateLimitedError,
)
from quorate.publisher.activation_api import Desk, activation_application
from quorate.publisher.blocklist import Kind
from quorate.publisher.issue import Publisher
from quorate.publisher.limiter import SOURCES_MAX, RateLimiter
from quorate.publisher.rotation import Step
from quorate.publisher.serve import listen, serve_until
from tests.publisher.world import PASSPHRASE, AskingHost
from tests.support.clocks import ManualClock, SeededEntropy


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a problem, which must be one."""
        assert self.headers["content-type"] == "application/problem+json"
        return str(json.loads(self.body)["code"])


class Service:
    """The service on a port of its own, in a thread."""

    def __init__(self, desk: Desk, clock: ManualClock, per_minute: int, **listening: Any) -> None:
        self._listening = listen("127.0.0.1", 0, **listening)
        self.port: int = self._listening.socket.getsockname()[1]
        self._tls = "tls_cert" in listening
        self._application = activation_application(desk, RateLimiter(per_minute, clock))
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(serve_until(self._stop, self._listening, self._application, self._ready.set))

    def __enter__(self) -> Service:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def ask(self, method: str, path: str, body: str | bytes | None = None) -> Answer:
        context = ssl._create_unverified_context() if self._tls else None  # noqa: S323  (a certificate of our own)
        connection = (
            http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
            if self._tls
            else http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        )
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
        finally:
            connection.close()

    def activate(self, request: str | bytes) -> Answer:
        return self.ask("POST", "/v1/activate-host", request)


@contextmanager
def serving(publisher: Publisher, clock: ManualClock, per_minute: int = 1000, **listening: Any) -> Iterator[Service]:
    desk = Desk(publisher.state_dir, PASSPHRASE, clock, SeededEntropy(21))
    with Service(desk, clock, per_minute, **listening) as service:
        yield service


@pytest.fixture
def service(publisher: Publisher, clock: ManualClock) -> Iterator[Service]:
    with serving(publisher, clock) as running:
        yield running


# --- what it is for --------------------------------------------------------------------------------------------------


def test_a_request_gets_the_certificate_of_its_host(publisher: Publisher, service: Service) -> None:
    host = AskingHost(1)
    answer = service.activate(host.request(publisher.issue_host_key("Contoso", ["acme"])))
    assert answer.status == 200
    activation = decode_activation(answer.body)
    certificate = read_issued(HOST_CERTIFICATE, activation.host_certificate, publisher.trust)
    assert (certificate.host_id, certificate.customer) == (host.host_id, "Contoso")
    assert (activation.trust, activation.revocations) == ((), None)


def test_a_host_that_activates_again_keeps_its_place_and_its_identity(publisher: Publisher, service: Service) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"], hosts=1)
    host = AskingHost(1)
    for _ in range(3):
        activation = decode_activation(service.activate(host.request(key)).body)
        certificate = read_issued(HOST_CERTIFICATE, activation.host_certificate, publisher.trust)
        assert certificate.host_id == host.host_id
    assert [(each.host_id, each.activations) for each in publisher.hosts()] == [(host.host_id, 3)]
    assert service.activate(AskingHost(2).request(key)).code == "HOST_KEY_USED_UP"


def test_a_lost_answer_can_be_asked_for_again_and_uses_nothing_up(publisher: Publisher, service: Service) -> None:
    request = AskingHost(1).request(publisher.issue_host_key("Contoso", ["acme"], hosts=1, activations=1))
    assert service.activate(request).body == service.activate(request).body


def test_trust_and_revocations_are_given_to_everybody(publisher: Publisher, service: Service) -> None:
    first = TrustState.shipped(publisher.jwks_path.read_bytes())
    assert decode_trust(service.ask("GET", "/v1/trust").body).trust == ()
    assert decode_revocations(service.ask("GET", "/v1/revocations").body).revocations is None
    host = AskingHost(1)
    publisher.confirm(host.request(publisher.issue_host_key("Contoso", ["acme"])))
    publisher.revoke(Kind.HOST, host.host_id, "sold")
    publisher.rotate(Step.REPLACE, PASSPHRASE)
    state = follow_chain(first, decode_trust(service.ask("GET", "/v1/trust").body).trust)
    token = decode_revocations(service.ask("GET", "/v1/revocations").body).revocations
    assert token is not None
    assert read_list(token, state).number == 2


def test_it_is_alive(service: Service) -> None:
    answer = service.ask("GET", "/livez")
    assert (answer.status, json.loads(answer.body)) == (200, {"alive": True})


# --- what changes while it runs --------------------------------------------------------------------------------------


def test_a_key_that_another_process_revokes_is_refused_at_once(publisher: Publisher, service: Service) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"])
    request = AskingHost(1).request(key)
    assert service.activate(request).status == 200
    publisher.revoke(Kind.HOST_KEY, key.last_five, "leaked on a forum")
    refused = service.activate(request)
    assert (refused.status, refused.code) == (403, "PRODUCT_KEY_BLOCKED")
    assert b"leaked on a forum" in refused.body


def test_after_an_exchange_of_keys_it_signs_with_the_new_one(publisher: Publisher, service: Service) -> None:
    first = TrustState.shipped(publisher.jwks_path.read_bytes())
    key = publisher.issue_host_key("Contoso", ["acme"])
    assert service.activate(AskingHost(1).request(key)).status == 200
    publisher.rotate(Step.REPLACE, PASSPHRASE)
    for seed in (1, 2):
        activation = decode_activation(service.activate(AskingHost(seed).request(key)).body)
        state = follow_chain(first, activation.trust)
        assert state.version == 2
        read_issued(HOST_CERTIFICATE, activation.host_certificate, state)


# --- what it refuses -------------------------------------------------------------------------------------------------


def test_each_refusal_has_its_code(publisher: Publisher, service: Service, clock: ManualClock) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"], activations=1)
    short = publisher.issue_host_key("Contoso", ["acme"], expires_s=clock.now_s() + 1)
    host, sold = AskingHost(1), AskingHost(2)
    service.activate(host.request(key))
    service.activate(sold.request(key))
    publisher.revoke(Kind.HOST, sold.host_id, "sold")
    clock.advance(1)
    head, payload, signature = host.request(key).strip().split(".")
    cases = {
        host.request(key): (403, "HOST_KEY_USED_UP"),
        sold.request(key): (403, "HOST_REVOKED"),
        AskingHost(3).request(short): (403, "PRODUCT_KEY_EXPIRED"),
        AskingHost(4).request(key, proof="A" * 43): (403, "PRODUCT_KEY_UNPROVEN"),
        f"{head}.{payload}.{signature[:-6]}": (400, "MALFORMED_DOCUMENT"),
        f"{head}.{payload}.{'A' * 86}": (400, "BAD_SIGNATURE"),
        publisher.product_path("acme-cad").read_text(): (400, "MALFORMED_DOCUMENT"),
        "": (400, "MALFORMED_DOCUMENT"),
        "{}": (400, "MALFORMED_DOCUMENT"),
    }
    for request, expected in cases.items():
        answer = service.activate(request)
        assert (answer.status, answer.code) == expected, request[:40]
    assert service.activate(b"\xff\xfe").code == "MALFORMED_REQUEST"


def test_a_body_too_long_is_not_read(service: Service) -> None:
    answer = service.activate("x" * 100_000)
    assert (answer.status, answer.code) == (413, "REQUEST_TOO_LARGE")
    assert service.activate("x" * 8195).status == 413
    assert service.activate("x" * 8194).status == 400


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/activate-host", 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/v1/trust", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/v1/revocations", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/", 404, "NOT_FOUND"),
        ("GET", "/v1/../publisher.key", 404, "NOT_FOUND"),
        ("GET", "/v1/hosts", 404, "NOT_FOUND"),
    ],
)
def test_there_is_nothing_else(service: Service, method: str, path: str, status: int, code: str) -> None:
    answer = service.ask(method, path)
    assert (answer.status, answer.code) == (status, code)


def test_rubbish_ends_only_its_own_connection(publisher: Publisher, service: Service) -> None:
    for rubbish in (b"\x00\xff\x16\x03\x01rubbish\r\n\r\n", b"POST /v1/activate-host HTTP/1.1\r\nContent-Le"):
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as raw:
            raw.sendall(rubbish)
    assert service.ask("GET", "/livez").status == 200


def test_a_fault_on_this_side_is_told_without_its_particulars(
    publisher: Publisher, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    request = AskingHost(1).request(publisher.issue_host_key("Contoso", ["acme"]))
    publisher.product_path("acme-cad").write_text("damaged")
    with caplog.at_level(logging.INFO, "quorate.publisher"):
        answer = service.activate(request)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "PUBLISHER_UNAVAILABLE", "30")
    assert str(publisher.state_dir).encode() not in answer.body
    assert b"compact JWS" not in answer.body
    assert "cannot answer: MALFORMED_DOCUMENT" in caplog.text


def test_the_log_names_hosts_and_no_secret(
    publisher: Publisher, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    key = publisher.issue_host_key("Contoso", ["acme"])
    host = AskingHost(1, "kms1.contoso.example")
    with caplog.at_level(logging.INFO, "quorate.publisher"):
        service.activate(host.request(key))
        service.activate(host.request(key, proof="B" * 43))
    assert f"activated host {host.host_id} (kms1.contoso.example), key ending in {key.last_five}" in caplog.text
    assert "PRODUCT_KEY_UNPROVEN" in caplog.text
    for secret in (key.text, PASSPHRASE, "B" * 43, host.claims(key).key_proof):
        assert secret not in caplog.text


def test_the_desk_shows_no_secret(publisher: Publisher, clock: ManualClock) -> None:
    desk = Desk(publisher.state_dir, PASSPHRASE, clock, SeededEntropy(1))
    assert PASSPHRASE not in repr(vars(desk))


# --- how often -------------------------------------------------------------------------------------------------------


def test_one_source_is_slowed_down_and_told_when_to_come_back(publisher: Publisher, clock: ManualClock) -> None:
    with serving(publisher, clock, per_minute=3) as service:
        assert [service.activate("x").status for _ in range(4)] == [400, 400, 400, 429]
        refused = service.ask("GET", "/v1/trust")
        assert (refused.code, refused.headers["retry-after"]) == ("RATE_LIMITED", "20")
        assert service.ask("GET", "/livez").status == 200
        clock.advance(20)
        assert [service.activate("x").status for _ in range(2)] == [400, 429]


def test_a_bucket_fills_again_and_never_beyond_its_size(clock: ManualClock) -> None:
    limiter = RateLimiter(10, clock)
    clock.advance(10_000)
    for _ in range(10):
        limiter.take("192.0.2.1")
    for _ in range(5):
        with pytest.raises(RateLimitedError):
            limiter.take("192.0.2.1")
    limiter.take("192.0.2.2")
    clock.advance(6)
    limiter.take("192.0.2.1")
    with pytest.raises(RateLimitedError):
        limiter.take("192.0.2.1")


def test_who_has_a_network_of_his_own_is_one_source(clock: ManualClock) -> None:
    limiter = RateLimiter(1, clock)
    assert limiter.take("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    with pytest.raises(RateLimitedError):
        limiter.take("2001:db8:1:2:ffff::9")
    limiter.take("2001:db8:1:3::1")
    assert limiter.take("::ffff:192.0.2.1") == "192.0.2.1"
    with pytest.raises(RateLimitedError):
        limiter.take("192.0.2.1")
    assert limiter.take("rubbish") == "unknown"


def test_many_sources_take_bounded_memory(clock: ManualClock) -> None:
    limiter = RateLimiter(1, clock)
    for number in range(SOURCES_MAX * 3):
        limiter.take(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(limiter._buckets) == SOURCES_MAX


# --- where it listens ------------------------------------------------------------------------------------------------


@pytest.fixture
def tls(tmp_path: Path) -> tuple[Path, Path]:
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    key.chmod(0o600)
    return cert, key


def test_with_a_certificate_it_speaks_tls(publisher: Publisher, clock: ManualClock, tls: tuple[Path, Path]) -> None:
    with serving(publisher, clock, tls_cert=tls[0], tls_key=tls[1]) as service:
        request = AskingHost(1).request(publisher.issue_host_key("Contoso", ["acme"]))
        assert service.activate(request).status == 200


def test_plain_http_beyond_loopback_must_be_meant(tls: tuple[Path, Path]) -> None:
    for address in ("0.0.0.0", "::", "192.0.2.1"):  # noqa: S104  (refused, that is the point)
        with pytest.raises(InvalidSettingError, match="without TLS") as caught:
            listen(address, 0)
        assert "--insecure-http" in caught.value.hint
    for options in ({"insecure_http": True}, {"tls_cert": tls[0], "tls_key": tls[1]}):
        with listen("0.0.0.0", 0, **options).socket:  # noqa: S104  (closed at once)
            pass


def test_a_tls_key_that_others_may_read_or_that_does_not_fit_is_refused(tls: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = tls
    with pytest.raises(InvalidSettingError, match="needs its key"):
        listen("127.0.0.1", 0, cert)
    key.chmod(0o644)
    with pytest.raises(FilePermissionsError):
        listen("127.0.0.1", 0, cert, key)
    key.chmod(0o600)
    with pytest.raises(InvalidSettingError, match="cannot be used"):
        listen("127.0.0.1", 0, key, key)
    with pytest.raises(InvalidSettingError, match="cannot be used"):
        listen("127.0.0.1", 0, tmp_path / "nothing.pem", key)


def test_a_taken_port_and_no_address_are_told() -> None:
    with listen("127.0.0.1", 0).socket as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"127\.0\.0\.1:{port} is taken"):
            listen("127.0.0.1", port)
    with pytest.raises(InvalidSettingError, match="no IP address"):
        listen("localhost", 0)


# --- reading the answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decode", [decode_activation, decode_trust, decode_revocations])
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"trust":[1]}', b'{"revocations":1}', b"\xff", b"[" * 9999])
def test_an_answer_that_is_none_is_malformed(decode: Any, body: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(body)
