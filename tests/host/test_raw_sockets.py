"""What real bytes do to the clients' port: garbage, half requests, slow ones, many at once. Nobody else notices."""

from __future__ import annotations

import re
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from quorate.core.messages import encode
from tests.support.documents import cmid_of
from tests.support.hosting import BOUND_S, Hosted, hosting

LIMIT_S = 0.4  # of a head and of a body, here


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    with hosting(tmp_path_factory.mktemp("raw"), headers_s=LIMIT_S, body_s=LIMIT_S) as running:
        yield running


@pytest.fixture(autouse=True)
def still_well(host: Hosted) -> Iterator[None]:
    yield
    assert host.activate(1).count == 1
    assert not [event for event in host.administration.events() if event["code"] not in (None, "COUNT_INSUFFICIENT")]


def connect(host: Hosted) -> socket.socket:
    return socket.create_connection(("127.0.0.1", host.port), timeout=BOUND_S)


def until_closed(connection: socket.socket) -> bytes:
    """All that comes until the host closes; a reset is a close as well."""
    received = b""
    try:
        while piece := connection.recv(65_536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def exchange(host: Hosted, data: bytes) -> bytes:
    with closing(connect(host)) as connection:
        connection.sendall(data)
        return until_closed(connection)


def post(body: bytes, length: int | None = None, path: str = "/v1/activate") -> bytes:
    size = len(body) if length is None else length
    return b"POST %s HTTP/1.1\r\nhost: kms\r\ncontent-length: %d\r\n\r\n%s" % (path.encode(), size, body)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02 nonsense\r\n\r\n",
        bytes.fromhex("16030100c8010000c40303") + b"x" * 190,  # the beginning of TLS
        b"POST /v1/activate HTTP/1.1\r\nhost: kms\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        b"POST /v1/activate HTTP/1.1\r\nhost: kms\r\ncontent-length: -3\r\n\r\nabcd",
        b"POST /v1/activate HTTP/1.1\r\nhost: kms\r\ncontent-length: 1e3\r\n\r\nabcd",
        b"GET /v1/host HTTP/9.9\r\nhost: kms\r\n\r\n",
    ],
    ids=["garbage", "tls", "two-lengths", "negative-length", "strange-length", "http-9"],
)
def test_bytes_that_are_no_http_end_with_400_and_a_closed_connection(host: Hosted, data: bytes) -> None:
    reply = exchange(host, data)
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in reply
    assert b"MALFORMED_REQUEST" in reply


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"host: kms\r\ncontent-type: text/plain\r\norigin: https://evil.example\r\n", b"403"),
        (b"host: kms\r\norigin: https://evil.example\r\ncontent-type: text/plain\r\n", b"403"),
        (b"host: kms\r\norigin: null\r\n", b"403"),
        (b"host: evil.example:1688\r\norigin: http://evil.example:1688\r\ncontent-type: application/json\r\n", b"403"),
        (b"host: kms\r\ncontent-type: application/x-www-form-urlencoded\r\n", b"400"),
        (b"", b"400"),
        (b"host: kms\r\nhost: kms\r\n", b"400"),
        (b"host: 127.0.0.1:1688.evil.example\r\n", b"400"),
    ],
)
def test_a_web_page_of_anybody_has_no_machine_counted(host: Hosted, headers: bytes, status: bytes) -> None:
    host.activate(1)
    before = host.administration.requests()["total"]
    body = encode(host.request(77))
    for path in (b"/v1/activate", b"/v1/probe"):
        head = b"POST %s HTTP/1.1\r\n%scontent-length: %d\r\n\r\n"
        reply = exchange(host, head % (path, headers, len(body)) + body)
        assert re.findall(rb"HTTP/1\.1 (\d+)", reply) == [status]
    host.activate(1)
    assert host.administration.requests()["total"] == before + 1
    assert cmid_of(77) not in {client.cmid for client in host.administration.clients()}


def test_an_endless_head_is_cut_off(host: Hosted) -> None:
    reply = exchange(host, b"GET /v1/host HTTP/1.1\r\nhost: kms\r\nx: " + b"y" * 40_000)
    assert reply.startswith(b"HTTP/1.1 431 ")
    assert b"HEAD_TOO_LARGE" in reply


def test_half_a_head_is_closed_after_its_time(host: Hosted) -> None:
    assert exchange(host, b"POST /v1/activate HTTP/1.1\r\nhos") == b""


def test_half_a_body_is_told_so_after_its_time(host: Hosted) -> None:
    reply = exchange(host, post(b'{"v": 1', length=300))
    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b"REQUEST_TIMEOUT" in reply


def test_a_body_that_drips_has_no_more_time_than_any_other(host: Hosted) -> None:
    with closing(connect(host)) as connection:
        connection.sendall(post(b"", length=4000))
        connection.settimeout(LIMIT_S / 20)
        reply = b""
        for _ in range(400):  # twenty times its time
            try:
                connection.sendall(b" ")
                reply += connection.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                break
            if reply:
                break
    assert b" 408 " in reply


def test_a_client_that_ends_its_half_too_early_gets_400(host: Hosted) -> None:
    with closing(connect(host)) as connection:
        connection.sendall(post(b'{"v": 1', length=300))
        connection.shutdown(socket.SHUT_WR)
        reply = until_closed(connection)
    assert reply == b"" or reply.startswith(b"HTTP/1.1 400 ")


def test_a_client_that_goes_away_in_the_middle_harms_nobody(host: Hosted) -> None:
    for _ in range(50):
        connection = connect(host)
        connection.sendall(post(b'{"v": 1', length=300))
        connection.close()


def test_a_client_that_does_not_wait_for_its_answer_is_counted_all_the_same(host: Hosted) -> None:
    before = host.administration.requests()["total"]
    with closing(connect(host)) as connection:
        connection.sendall(post(encode(host.request(1))))
    host.activate(1)
    host.activate(1)
    assert host.administration.requests()["total"] in (before + 2, before + 3)


def test_a_head_alone_announcing_megabytes_is_refused_without_reading(host: Hosted) -> None:
    reply = exchange(host, post(b"", length=10_000_000))
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in reply


def test_requests_in_one_packet_are_answered_in_order(host: Hosted) -> None:
    reply = exchange(
        host, post(b"1") + b"GET /v1/nothing HTTP/1.1\r\nhost: kms\r\n\r\n" + post(encode(host.request(1)))
    )
    assert re.findall(rb"HTTP/1\.1 (\d+)", reply) == [b"400", b"404", b"200"]


def test_http_1_0_is_answered_and_closed(host: Hosted) -> None:
    body = encode(host.request(1))
    reply = exchange(host, b"POST /v1/activate HTTP/1.0\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
    assert reply.startswith(b"HTTP/1.0 200 ")


def test_a_client_that_waits_for_100_continue_gets_it(host: Hosted) -> None:
    body = encode(host.request(1))
    with closing(connect(host)) as connection:
        head = b"POST /v1/activate HTTP/1.1\r\nhost: kms\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n"
        connection.sendall(head % len(body))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_a_length_beside_chunks_never_smuggles_a_second_request(host: Hosted) -> None:
    # RFC 9112, section 6.3: the chunks count, and the connection ends.
    smuggled = b"0\r\n\r\nGET /v1/host HTTP/1.1\r\nhost: kms\r\n\r\n"
    head = b"POST /v1/activate HTTP/1.1\r\nhost: kms\r\ncontent-length: %d\r\ntransfer-encoding: chunked\r\n\r\n"
    reply = exchange(host, head % len(smuggled) + smuggled)
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert reply.count(b"HTTP/1.1 ") == 1


def test_idle_connections_are_closed_and_thousands_of_them_disturb_nobody(host: Hosted) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    number = min(5000, hard // 3)  # both ends are in this process
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as connections:
        idle = [connections.enter_context(closing(connect(host))) for _ in range(number)]
        assert host.activate(1).count == 1
        assert all(until_closed(connection) == b"" for connection in idle)
