"""Bad input, each with its own clear error; and after each of them good requests still work and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quorate.core.messages import BODY_BYTES_MAX, encode
from tests.support.documents import cmid_of
from tests.support.hosting import Hosted, hosting

GOOD = msgspec.to_builtins  # a request as plain fields, to be bent


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    with hosting(tmp_path_factory.mktemp("bad")) as running:
        yield running


@pytest.fixture(autouse=True)
def still_well(host: Hosted) -> Iterator[None]:
    """Whatever a test sends: the machines heard before are still there, and one more is heard afterwards."""
    before = {client.cmid for client in host.administration.clients()}
    yield
    now = {client.cmid for client in host.administration.clients()}
    assert before <= now
    number = 1000 + len(now)
    assert host.activate(number).count == min(len(now) + 1, 50)
    assert {client.cmid for client in host.administration.clients()} == now | {cmid_of(number)}


def bent(host: Hosted, **changes: Any) -> bytes:
    return msgspec.json.encode(GOOD(host.request(1)) | changes)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 4000, b'{"v": 1}', b"\x00" * 100, b'"' + b"x" * 4000 + b'"'],
    ids=["empty", "half", "list", "null", "no-utf8", "deep", "fields-missing", "zeros", "text"],
)
def test_what_is_no_request_is_malformed(host: Hosted, body: bytes) -> None:
    for path in ("/v1/activate", "/v1/probe"):
        reply = host.http("POST", path, body)
        assert (reply.status, reply.problem.code) == (400, "MALFORMED_REQUEST")
        assert reply.problem.hint


def test_an_unknown_field_is_refused_and_named(host: Hosted) -> None:
    reply = host.http("POST", "/v1/activate", bent(host, colour="blue"))
    assert (reply.status, reply.problem.code) == (400, "MALFORMED_REQUEST")
    assert "colour" in reply.problem.detail


@pytest.mark.parametrize("value", [25.0, "25", True, None, -1, 10**30, [25], {}])
@pytest.mark.parametrize("field", ["time_s", "expires_in_min"])
def test_a_number_of_the_wrong_type_is_no_number(host: Hosted, field: str, value: Any) -> None:
    reply = host.http("POST", "/v1/activate", bent(host, **{field: value}))
    assert (reply.status, reply.problem.code) == (400, "MALFORMED_REQUEST")
    assert field in reply.problem.detail


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cmid", "not-a-uuid"),
        ("cmid", cmid_of(10).upper()),
        ("cmid", cmid_of(1) + "\n"),
        ("vm", 1),
        ("vm", "true"),
        ("status", "activated"),
        ("machine", "a\x00b"),
        ("machine", "x" * 254),
        ("nonce", "short"),
        ("edition", "../../etc/passwd"),
        ("previous_cmid", ""),
        ("link", "A" * 23),
    ],
)
def test_a_field_outside_its_shape_is_refused_and_named(host: Hosted, field: str, value: Any) -> None:
    reply = host.http("POST", "/v1/activate", bent(host, **{field: value}))
    assert (reply.status, reply.problem.code) == (400, "MALFORMED_REQUEST")
    assert field in reply.problem.detail


def test_another_protocol_version_is_told_which_one_is_known(host: Hosted) -> None:
    reply = host.http("POST", "/v1/activate", bent(host, v=2))
    assert (reply.status, reply.problem.code) == (400, "UNSUPPORTED_VERSION")
    assert "known: 1" in reply.problem.detail


def test_a_body_over_four_kibibytes_is_too_large(host: Hosted) -> None:
    largest = encode(host.request(1)).ljust(BODY_BYTES_MAX)
    assert host.http("POST", "/v1/activate", largest).status == 200
    reply = host.http("POST", "/v1/activate", largest + b" ")
    assert (reply.status, reply.problem.code) == (413, "REQUEST_TOO_LARGE")
    assert reply.headers["connection"] == "close"


def test_a_body_without_length_is_read_and_bounded_as_well(host: Hosted) -> None:
    chunked = {"transfer-encoding": "chunked"}

    def in_chunks(body: bytes) -> bytes:
        pieces = [body[i : i + 100] for i in range(0, len(body), 100)]
        return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

    assert host.http("POST", "/v1/activate", in_chunks(encode(host.request(1))), chunked).status == 200
    reply = host.http("POST", "/v1/activate", in_chunks(b" " * (BODY_BYTES_MAX + 1)), chunked)
    assert (reply.status, reply.problem.code) == (413, "REQUEST_TOO_LARGE")


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/activate/", "/V1/ACTIVATE", "/v1/revocations/1", "/v1/trusts", "/metrics"]
)
def test_other_paths_lead_nowhere(host: Hosted, path: str) -> None:
    reply = host.http("GET", path)
    assert (reply.status, reply.problem.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/activate", "POST"),
        ("PUT", "/v1/probe", "POST"),
        ("POST", "/v1/host", "GET"),
        ("DELETE", "/v1/host", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(host: Hosted, method: str, path: str, allowed: str) -> None:
    reply = host.http(method, path)
    assert (reply.status, reply.problem.code, reply.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", allowed)


def test_a_problem_says_what_it_is_in_every_field(host: Hosted) -> None:
    problem = host.http("POST", "/v1/activate", b"{").problem
    assert problem.type == "urn:quorate:error:MALFORMED_REQUEST"
    assert (problem.status, problem.title) == (400, "Malformed request")


def test_anybody_may_ask_who_the_host_is(host: Hosted, tmp_path: Path) -> None:
    said = host.http("GET", "/v1/host").json
    assert (said["activated"], said["products"], said["protocol"]) == (True, ["acme-cad"], [1])
    assert said["host_certificate"].count(".") == 2
