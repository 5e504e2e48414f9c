"""Requests that other servers have read in two ways, sent to a real host's clients' port: one reading, by the letter.

llhttp's own requests, each with the statuses it must be answered with; and requests of ours for the kinds of
difference that the HTTP Garden has found between servers. Every one of these holds a whole activation request, so a
host that read it otherwise would count a machine.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from quorate.core.messages import encode
from tests.corpora.reading import llhttp_requests
from tests.support.hosting import BOUND_S, Hosted, hosting

REQUESTS = llhttp_requests()
EXPECTED: Final[dict[str, list[list[int]]]] = json.loads(
    (Path(__file__).parent / "llhttp-expected.json").read_text("utf-8")
)
INNER: Final = b"POST /v1/activate HTTP/1.1\r\nhost: kms\r\ncontent-length: %d\r\n\r\n%s"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    with hosting(tmp_path_factory.mktemp("corpora")) as running:
        yield running


def statuses(host: Hosted, data: bytes) -> list[int]:
    """What comes back for these bytes and an end: `100 Continue` is left out."""
    with socket.create_connection(("127.0.0.1", host.port), BOUND_S) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        try:
            while piece := connection.recv(65_536):
                said += piece
        except ConnectionResetError:
            pass
    return [int(each) for each in re.findall(rb"HTTP/1\.[01] (\d+) [A-Z]", said) if each != b"100"]


def ways(data: bytes) -> list[bytes]:
    """As it stands; with a Host header where it has none, as most were written without and show no more than that; and
    then for the place where machines are counted."""
    no_host = rb"HTTP/1\.1\r\n(?!host *:|[^\0]*\nhost *:)"
    named = re.sub(no_host, b"HTTP/1.1\r\nHost: kms\r\n", data, flags=re.IGNORECASE)
    return [data, named, re.sub(rb"[A-Z-]+ \S+ HTTP/1", b"POST /v1/activate HTTP/1", named)]


def total(host: Hosted) -> int:
    return int(host.administration.requests()["total"])


def test_each_request_has_its_answer() -> None:
    assert REQUESTS.keys() == EXPECTED.keys()
    assert len(REQUESTS) > 150


def test_llhttps_requests_are_answered_as_the_protocol_says_and_count_nobody(host: Hosted) -> None:
    before = total(host)
    told = {name: [statuses(host, each) for each in ways(data)] for name, data in REQUESTS.items()}
    assert {name: said for name, said in told.items() if said != EXPECTED[name]} == {}
    host.activate(1)
    assert total(host) == before + 1


def head(*lines: bytes, method: bytes = b"POST", path: bytes = b"/v1/activate") -> bytes:
    return b"\r\n".join([b"%s %s HTTP/1.1" % (method, path), b"host: kms", *lines, b"", b""])


def in_chunks(body: bytes, size: bytes | None = None, after: bytes = b"\r\n") -> bytes:
    return b"%s%s%s\r\n0\r\n\r\n" % (b"%x" % len(body) if size is None else size, after, body)


CODINGS: Final = {
    "identity": b"identity", "two codings": b"gzip, chunked", "other order": b"chunked, gzip",
    "twice": b"chunked, chunked", "vertical tab": b"\x0bchunked", "quoted": b'"chunked"', "parameter": b"chunked;a=b",
    "cut": b"chunke", "longer": b"chunkedx", "empty": b"", "comma": b",chunked", "nul": b"chunked\x00",
}  # fmt: skip


def _lengths(n: int) -> dict[str, bytes]:
    return {
        "plus": b"+%d" % n, "minus": b"-%d" % n, "hex": b"0x%x" % n, "underscore": b"%d_%d" % (n // 10, n % 10),
        "fraction": b"%d.0" % n, "empty": b"", "letters": b"%da" % n, "blank inside": b"%d %d" % (n // 10, n % 10),
        "huge": b"%d" % (2**64 + n), "other digits": "\u0664\u0660\u0660".encode(), "quotes": b'"%d"' % n,
    }  # fmt: skip


def _sizes(n: int) -> dict[str, bytes]:
    return {
        "minus": b"-%x" % n, "plus": b"+%x" % n, "prefix": b"0x%x" % n, "underscore": b"1_%x" % n, "empty": b"",
        "blank before": b" %x" % n, "huge": b"1%016x" % n, "none": b"zz",
    }  # fmt: skip


def two_readings(body: bytes) -> dict[str, bytes]:
    """Each kind by its name; `body` is what a host would count."""
    n, hidden = len(body), INNER % (len(body), body)
    length, chunked = b"content-length: %d" % n, b"transfer-encoding: chunked"
    made = {
        "length and chunks": head(length, chunked) + in_chunks(body),
        "chunks and length": head(chunked, length) + in_chunks(body),
        "length zero, then a request": head(b"content-length: 0", length) + body,
        "two equal lengths": head(length, length) + body,
        "lengths in a list": head(b"content-length: %d, %d" % (n, n)) + body,
        "old-style folding": head(b"x: y", b" z", length) + body,
        "folded length": head(b"content-length:\r\n %d" % n) + body,
        "blank before the colon": head(b"content-length : %d" % n) + body,
        "tab before the colon": head(b"transfer-encoding\t: chunked") + in_chunks(body),
        "no colon": head(b"content-length", length) + body,
        "blank first line of headers": b"POST /v1/activate HTTP/1.1\r\n host: kms\r\n%s\r\n\r\n%s" % (length, body),
        "bare line ends": head(length).replace(b"\r\n", b"\n") + body,
        "bare return": head(b"x: a\rb", length) + body,
        "nul in a value": head(b"x: a\x00b", length) + body,
        "nul in a name": head(b"x\x00y: a", length) + body,
        "control in a value": head(b"x: a\x01b", length) + body,
        "no version": b"POST /v1/activate\r\nhost: kms\r\n%s\r\n\r\n%s" % (length, body),
        "version 1.01": head(length).replace(b"HTTP/1.1", b"HTTP/1.01") + body,
        "version 2.0": head(length).replace(b"HTTP/1.1", b"HTTP/2.0") + body,
        "lower-case version": head(length).replace(b"HTTP/1.1", b"http/1.1") + body,
        "tab for a blank": head(length).replace(b" HTTP", b"\tHTTP") + body,
        "unknown method": head(length, method=b"POSTX") + body,
        "lower-case method": head(length, method=b"post") + body,
        "chunks in 1.0": head(chunked).replace(b"HTTP/1.1", b"HTTP/1.0") + in_chunks(body),
        "target of bytes": head(length, path=b"/v1/activate\xff ") + body,
        "no target": head(length, path=b"") + body,
    }
    made |= {f"length: {name}": head(b"content-length: " + value) + body for name, value in _lengths(n).items()}
    made |= {f"coding: {name}": head(b"transfer-encoding: " + each) + in_chunks(body) for name, each in CODINGS.items()}
    made |= {f"chunk: {name}": head(chunked) + in_chunks(body, each) for name, each in _sizes(n).items()}
    made["coding twice"] = head(chunked, chunked) + in_chunks(body)
    made["chunk: bare line end"] = head(chunked) + in_chunks(body, after=b"\n")
    made["chunk: bare return"] = head(chunked) + in_chunks(body, after=b"\r")
    made["chunk: longer than it says"] = head(chunked) + in_chunks(body, b"%x" % (n - 1))
    made["chunk: bare line end in an extension"] = head(chunked) + in_chunks(body, after=b";a\nb\r\n")
    made["chunk: hides a request"] = head(chunked) + b"%x;\n\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
    return made


KINDS = sorted(two_readings(b"{}"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_two_servers_would_read_differently_is_refused_and_ends_there(host: Hosted, kind: str) -> None:
    body = encode(host.request(2))
    data = two_readings(body)[kind]
    before = total(host)
    assert statuses(host, data + INNER % (len(body), body)) == [400]
    host.activate(100 + KINDS.index(kind))  # each time another: one CMID may not ask so often
    assert total(host) == before + 1


def test_what_only_looks_strange_has_one_reading_and_is_answered(host: Hosted) -> None:
    body = encode(host.request(3))
    length, chunked = b"content-length: %d" % len(body), b"transfer-encoding: chunked"
    good = [
        head(b"content-length: 000%d" % len(body)) + body,
        head(b"Content-LENGTH:%d\t" % len(body)) + body,
        head(b"content_length: 1", length) + body,  # another header
        head(b"transfer_encoding: chunked", length) + body,
        head(b"Transfer-Encoding: CHUNKED ") + in_chunks(body),
        head(chunked) + in_chunks(body, b"00%X" % len(body)),
        head(chunked) + in_chunks(body, after=b';name="value"\r\n'),
        head(b"x:", b"y: \xff\x80", length) + body,
        b"\r\n" + head(length) + body,
        head(length).replace(b" HTTP", b"  HTTP") + body,
    ]
    for data in good:
        assert statuses(host, data) == [200], data
