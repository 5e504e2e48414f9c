"""Bytes into requests: however they are cut, whatever they are, within bounds. No socket here."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from httptools import HttpParserCallbackError
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.messages import BODY_BYTES_MAX
from quorate.errors import QuorateError
from quorate.host.request import HEAD_BYTES_MAX, HEADERS_MAX, PIPELINED_MAX, RequestReader
from quorate.host.response import Response

REFUSED_PATH = "/refused"


def at_head(method: str, path: str, length: int | None) -> Response | None:
    return Response(404, (), b"no") if path == REFUSED_PATH else None


def refuse(fault: QuorateError) -> Response:
    return Response(fault.http_status, (("code", fault.code),), fault.message.encode())


def read(*pieces: bytes) -> RequestReader:
    reader = RequestReader(at_head, refuse)
    for piece in pieces:
        reader.feed(piece)
    return reader


def told(reader: RequestReader) -> list[tuple[Any, ...]]:
    """What came of it: requests as they were understood, refusals by their status."""
    return [
        (each.method, each.path, each.body, each.is_last)
        if each.refusal is None or each.path == REFUSED_PATH
        else (each.refusal.status, each.refusal.headers)
        for each in reader.requests
    ]


def status_of(data: bytes) -> int:
    """Of the refusal that ends a connection with these bytes."""
    reader = read(data)
    assert reader.is_deaf, "the connection stays"
    refusal = reader.requests[-1].refusal
    assert refusal is not None, "it was understood"
    return refusal.status


def post(body: bytes = b"{}", *headers: bytes, path: bytes = b"/v1/activate", version: bytes = b"1.1") -> bytes:
    lines = [b"POST %s HTTP/%s" % (path, version), b"host: kms", b"content-length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


def chunked(body: bytes, size: int, trailers: bytes = b"") -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailers + b"\r\n"
    return b"POST /v1/activate HTTP/1.1\r\nhost: kms\r\ntransfer-encoding: chunked\r\n\r\n" + coded


# --- however they are cut --------------------------------------------------------------------------------------------

bodies = st.binary(max_size=300)
valid = st.one_of(
    st.builds(post, bodies),
    st.builds(lambda body: post(body, b"Expect: 100-continue", b"x: " + b"y" * 500), bodies),
    st.builds(chunked, bodies, st.integers(1, 400)),
    st.builds(lambda body: post(body, b"Connection: close"), bodies),
    st.builds(lambda body: post(body, version=b"1.0"), bodies),
    st.builds(lambda body: post(body, path=REFUSED_PATH.encode()), bodies),
    st.just(b"GET /v1/host?x=1 HTTP/1.1\r\nHost: kms\r\n\r\n"),
)
cuts = st.lists(st.integers(0, 4000), max_size=12)


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted({min(each, len(data)) for each in at}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(st.lists(valid, min_size=1, max_size=4), cuts)
def test_however_requests_are_cut_into_packets_the_same_is_understood(requests: list[bytes], at: list[int]) -> None:
    data = b"".join(requests)
    whole = read(data)
    assert told(read(*cut(data, at))) == told(whole)
    assert told(read(*(data[n : n + 1] for n in range(len(data))))) == told(whole)


@given(st.lists(valid, min_size=1, max_size=2), st.data())
def test_a_request_that_is_bent_is_understood_or_refused_and_never_more_than_that(
    requests: list[bytes], data: st.DataObject
) -> None:
    bent = bytearray(b"".join(requests))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(bent) - 1))
        bent[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not bent:
            break
    reader = read(*cut(bytes(bent), data.draw(cuts)))
    reader.end()
    assert all(each.refusal is not None for each in reader.requests if not each.method)
    assert not any(each.is_last for each in reader.requests[:-1])
    assert len(reader.requests) <= 3  # two and what is no third


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_garbage_is_refused_once_and_nothing_more_is_read(pieces: list[bytes]) -> None:
    reader = read(*pieces)
    assert len(reader.requests) <= 1
    if reader.requests:
        before = told(reader)
        reader.feed(post())
        reader.end()
        assert told(reader) == before


def test_an_error_of_our_own_is_no_error_of_the_client() -> None:
    def broken(method: str, path: str, length: int | None) -> Response | None:
        raise ZeroDivisionError

    reader = RequestReader(broken, refuse)
    with pytest.raises(HttpParserCallbackError) as caught:
        reader.feed(post())
    assert isinstance(caught.value.__context__, ZeroDivisionError)
    assert not reader.requests


# --- what is understood ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/v1/host", "/v1/host"),
        (b"/v1/host?a=/b", "/v1/host"),
        (b"http://kms.contoso.example:1688/v1/host?a", "/v1/host"),
        (b"http://kms.contoso.example", "/"),
        (b"*", "*"),
        (b"/%76%31", "/%76%31"),
        (b"//v1/host", "//v1/host"),
    ],
)
def test_the_path_is_that_of_the_target(target: bytes, path: str) -> None:
    [request] = read(b"OPTIONS %s HTTP/1.1\r\nhost: kms\r\n\r\n" % target).requests
    assert request.path == path


@pytest.mark.parametrize(
    ("head", "is_last"),
    [
        (b"GET / HTTP/1.1\r\nhost: kms\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nhost: kms\r\nConnection: close\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nhost: kms\r\nConnection: Keep-Alive, close\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False),
    ],
)
def test_a_connection_ends_when_its_client_wants_it(head: bytes, is_last: bool) -> None:
    reader = read(head)
    assert [each.is_last for each in reader.requests] == [is_last]
    assert reader.is_deaf == is_last


def test_what_comes_after_the_last_request_is_not_read() -> None:
    assert [each[:2] for each in told(read(post(b"1", b"connection: close") + post(b"2")))] == [
        ("POST", "/v1/activate")
    ]


def test_an_offer_to_speak_something_else_is_passed_over() -> None:
    # `curl --http2` makes this one.
    headers = [b"host: kms", b"connection: upgrade, http2-settings", b"upgrade: h2c", b"http2-settings: AA"]
    [request] = read(get(*headers)).requests
    assert (request.method, request.path, request.refusal, request.is_last) == ("GET", "/v1/host", None, True)


def test_a_request_that_is_refused_by_its_head_has_its_body_dropped() -> None:
    reader = read(post(b"x" * 100, path=REFUSED_PATH.encode())[:-50])
    assert [(each.path, each.is_last, each.is_unread) for each in reader.requests] == [(REFUSED_PATH, True, True)]
    assert reader.is_deaf


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        [b"content-length: 2"],
        [b"content-length: 3"],
        [b"content-length: 2, 2"],
        [b"transfer-encoding: chunked"],
    ],
    ids=["same-again", "another", "list", "chunked-too"],
)
def test_a_second_length_is_refused(headers: list[bytes]) -> None:
    assert status_of(post(b"{}", *headers)) == 400
    first = b"POST /v1/activate HTTP/1.1\r\nhost: kms\r\n" + b"\r\n".join(headers) + b"\r\ncontent-length: 2\r\n\r\n{}"
    assert status_of(first) == 400


@pytest.mark.parametrize("length", [b"", b"+2", b"-2", b"2x", b"0x2", b"1e3", b"2 2", b"2;2", b"\xb2", b"9" * 30])
def test_a_length_is_digits(length: bytes) -> None:
    assert status_of(b"POST / HTTP/1.1\r\nhost: kms\r\ncontent-length: %s\r\n\r\n{}" % length) == 400


@pytest.mark.parametrize(
    "coding",
    [b"gzip", b"identity", b"chunked, gzip", b"gzip, chunked", b"chunked, chunked", b"xchunked", b"chunked;q=1"],
)
def test_no_transfer_coding_but_chunks(coding: bytes) -> None:
    assert status_of(b"POST / HTTP/1.1\r\nhost: kms\r\ntransfer-encoding: %s\r\n\r\n0\r\n\r\n" % coding) == 400


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET / HTTP/1.2\r\n\r\n",
        b"GET /\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\nhost: kms\n\n",
        b"GET / HTTP/1.1\r\nhost : kms\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: kms\r\nho st: kms\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: kms\r\n: kms\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: kms\r\nx: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: kms\r\nx: a\rb\r\n\r\n",
        b"G\xc3\x84T / HTTP/1.1\r\nhost: kms\r\n\r\n",
        b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: kms\r\nconnection: upgrade\r\nupgrade: x\r\ncontent-length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nhost: kms\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"POST / HTTP/1.1\r\nhost: kms\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"POST / HTTP/1.1\r\nhost: kms\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    ],
)
def test_what_is_not_http_1_1_by_the_letter_is_refused(data: bytes) -> None:
    assert status_of(data) == 400


def get(*headers: bytes, version: bytes = b"1.1") -> bytes:
    return b"\r\n".join([b"GET /v1/host HTTP/" + version, *headers, b"", b""])


@pytest.mark.parametrize(
    "name", [b"kms", b"KMS.contoso.example:1688", b"10.0.0.7", b"[::1]:1688", b"a_b", b"kms:", b" kms "]
)
def test_a_host_may_be_called_by_any_name(name: bytes) -> None:
    assert told(read(get(b"Host: " + name))) == [("GET", "/v1/host", b"", False)]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [b"host:"],
        [b"host: kms", b"host: kms"],
        [b"Host: kms", b"x: y", b"hOST: other"],
        *([b"host: " + name] for name in (b"a b", b"kms/", b"a@b", b"a,b", b"::1", b"[::1", b"k\xc3\xa4", b"<script>")),
        *(
            [b"host: " + name]
            for name in (b"127.0.0.1:1688.evil.example", b"kms:x", b"kms:1:2", b":1688", b"kms:166666")
        ),
    ],
)
def test_without_one_host_that_is_one_nobody_is_answered(headers: list[bytes]) -> None:
    assert status_of(get(*headers)) == 400
    assert status_of(post(b"{}", *headers).replace(b"host: kms\r\n", b"", 1)) == 400
    if headers:
        assert status_of(get(*headers, version=b"1.0")) == 400


def test_http_1_0_knows_no_host_header() -> None:
    assert told(read(get(version=b"1.0"))) == [("GET", "/v1/host", b"", True)]


@pytest.mark.parametrize("kind", [b"application/json", b"Application/JSON ; charset=utf-8", b"application/json;x"])
def test_a_body_is_json_or_says_nothing(kind: bytes) -> None:
    for headers in ([b"content-type: " + kind], []):
        assert told(read(post(b"{}", *headers))) == [("POST", "/v1/activate", b"{}", False)]


@pytest.mark.parametrize(
    "kind",
    [
        b"text/plain",
        b"text/plain;application/json",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"",
        b"application/jsonx",
        b"text/plain, application/json",
        b"application/json, text/plain",
    ],
)
def test_what_a_page_may_send_unasked_is_no_request(kind: bytes) -> None:
    assert status_of(post(b"{}", b"content-type: " + kind)) == 400
    assert status_of(post(b"{}", b"content-type: application/json", b"content-type: " + kind)) == 400


@pytest.mark.parametrize("origin", [b"https://evil.example", b"null", b"http://kms:1688", b"", b"\x9b\xff"])
def test_a_page_is_told_that_it_has_nothing_to_ask_here(origin: bytes) -> None:
    for data in (post(b"{}", b"origin: " + origin), post(b"{}", b"content-type: text/plain", b"Origin: " + origin)):
        reader = read(data)
        assert reader.is_deaf
        [request] = reader.requests
        assert request.refusal is not None
        assert (request.refusal.status, request.body) in ((403, b""), (400, b""))
    assert status_of(post(b"{}", b"origin: " + origin)) == 403


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"x" * HEAD_BYTES_MAX + b" HTTP/1.1\r\nhost: kms\r\n\r\n",
        b"GET /" + b"x" * HEAD_BYTES_MAX,
        b"GET / HTTP/1.1\r\nhost: kms\r\nx: " + b"y" * HEAD_BYTES_MAX + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: kms\r\nx: " + b"y" * HEAD_BYTES_MAX,
        b"GET / HTTP/1.1\r\nhost: kms\r\n" + b"y" * HEAD_BYTES_MAX,
        b"GET / HTTP/1.1\r\nhost: kms\r\n" + b"x: y\r\n" * (HEADERS_MAX + 1) + b"\r\n",
        b"GET / HTTP/1.1\r\nhost: kms\r\n" + b"x: %s\r\n" % (b"y" * 1000) * 17 + b"\r\n",
    ],
    ids=["target", "endless-target", "value", "endless-value", "endless-name", "many", "sum"],
)
def test_a_head_has_a_bound(data: bytes) -> None:
    assert status_of(data) == 431
    reader = read(*(data[at : at + 100] for at in range(0, len(data), 100)))
    refusals = [each.refusal.status for each in reader.requests if each.refusal is not None]
    assert refusals == [431]


def test_the_largest_head_is_read() -> None:
    head = b"GET / HTTP/1.1\r\nhost: kms\r\n" + b"x: %s\r\n" % (b"y" * 240) * (HEADERS_MAX - 2) + b"z: z\r\n\r\n"
    assert told(read(head)) == [("GET", "/", b"", False)]


@pytest.mark.parametrize("size", [1, 100, BODY_BYTES_MAX, 2 * BODY_BYTES_MAX])
def test_a_body_in_chunks_has_the_same_bound_as_any_other(size: int) -> None:
    [request] = read(chunked(b"x" * BODY_BYTES_MAX, size)).requests
    assert len(request.body) == BODY_BYTES_MAX
    assert status_of(chunked(b"x" * (BODY_BYTES_MAX + 1), size)) == 413


def test_chunks_that_never_end_are_refused() -> None:
    head = b"POST / HTTP/1.1\r\nhost: kms\r\ntransfer-encoding: chunked\r\n\r\n"
    reader = read(head, *(b"1;%s\r\nx\r\n" % (b"e" * 1000) for _ in range(100)))
    assert [each.refusal.status for each in reader.requests if each.refusal is not None] == [413]
    assert status_of(head + b"0\r\nx: " + b"y" * 2 * HEAD_BYTES_MAX + b"\r\n\r\n") == 431
    reader = read(head + b"0\r\nx: ", *(b"y" * 1000 for _ in range(100)))
    assert [each.refusal.status for each in reader.requests if each.refusal is not None] == [413]


def test_a_trailer_says_nothing_about_the_body() -> None:
    [request] = read(chunked(b"abc", 2, b"expect: 100-continue\r\nx: y\r\n")).requests
    assert (request.body, request.refusal) == (b"abc", None)
    assert status_of(chunked(b"abc", 2, b"content-length: 9\r\n")) == 400
    assert status_of(chunked(b"abc", 2, b"transfer-encoding: x\r\n")) == 400


def test_more_requests_in_one_packet_than_anybody_needs_are_not_read() -> None:
    reader = read(post() * 1000)
    assert len(reader.requests) == PIPELINED_MAX
    assert [each.is_last for each in reader.requests] == [False] * (PIPELINED_MAX - 1) + [True]
    assert reader.is_deaf
