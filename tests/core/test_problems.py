"""Problems and descriptions: what a host says unsigned, and how little of it is believed."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from quorate.core.ids import MachineName
from quorate.core.messages import (
    Answer,
    HostDescription,
    ProbeResult,
    Problem,
    decode_answer,
    decode_problem,
    decode_request,
    decode_strict,
    encode,
)
from quorate.errors import (
    BY_CODE,
    CountInsufficientError,
    HostNotActivatedError,
    MalformedError,
    MalformedRequestError,
    RateLimitedError,
    StoreUnavailableError,
)
from tests.support.documents import World, cmid_of, nonce_of

REQUEST = World().request(previous_cmid=cmid_of(2), link=nonce_of(3), vm=True)
BODY = encode(REQUEST)
MEMBERS: dict[str, Any] = json.loads(BODY)
ANSWER = encode(World().answer(World().lease()))
PROBLEM = encode(Problem.of(RateLimitedError(retry_after_s=30)))


def body_with(**changes: object) -> bytes:
    return json.dumps(MEMBERS | changes).encode()


# --- problems ---------------------------------------------------------------------------------------------------------


def test_a_problem_carries_code_words_and_when_to_retry() -> None:
    problem = decode_problem(PROBLEM)
    assert (problem.type, problem.status, problem.retry_after_s) == ("urn:quorate:error:RATE_LIMITED", 429, 30)
    error = problem.error()
    assert isinstance(error, RateLimitedError)
    assert error.message == RateLimitedError(retry_after_s=30).message
    assert error.hint == RateLimitedError.hint_template


def test_a_problem_shows_microsofts_number_where_there_is_one() -> None:
    problem = Problem.of(HostNotActivatedError())
    assert (problem.hresult, problem.status, problem.title) == ("0xC004F041", 503, "Host not activated")
    assert problem.retry_after_s is None


def test_a_problem_may_have_extensions_and_an_unknown_code() -> None:
    told = json.loads(PROBLEM) | {"code": "FROM_A_LATER_VERSION", "instance": "/x", "more": {"a": [1]}}
    assert decode_problem(json.dumps(told).encode()).error() is None


@pytest.mark.parametrize("code", ["COUNT_INSUFFICIENT", "PRODUCT_NOT_COVERED", "CLOCK_SKEW", "CMID_SUPERSEDED"])
def test_a_refusal_that_a_host_must_sign_is_not_believed_unsigned(code: str) -> None:
    assert BY_CODE[code].http_status == 200
    told = json.loads(PROBLEM) | {"code": code}
    assert decode_problem(json.dumps(told).encode()).error() is None


def test_words_of_another_machine_cannot_steer_a_terminal() -> None:
    told = json.loads(PROBLEM) | {"detail": "\x1b[2Jgone\r\n\u202e", "hint": "a\nb\x07" + "c" * 1900}
    error = decode_problem(json.dumps(told).encode()).error()
    assert error is not None
    assert error.message.isprintable()
    assert error.hint.isprintable()
    assert len(error.hint) == 1000


def test_a_long_reason_of_several_lines_still_makes_a_problem_that_can_be_read() -> None:
    fault = StoreUnavailableError(reason="disk\nfull\0" * 1000, retry_after_s=60, path="/var/lib/quorate/host")
    problem = Problem.of(fault)
    assert decode_problem(encode(problem)) == problem
    assert problem.detail.isprintable()


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "503"},
        {"status": 99},
        {"status": 600},
        {"retry_after_s": -1},
        {"retry_after_s": 1.5},
        {"retry_after_s": "30"},
        {"retry_after_s": 2**40},
        {"detail": None},
        {"detail": "x" * 2001},
        {"code": 7},
    ],
)
def test_a_problem_out_of_bounds_is_malformed(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedError, match="problem report"):
        decode_problem(json.dumps(json.loads(PROBLEM) | changes).encode())


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_probe_and_description_survive_the_wire() -> None:
    probe = ProbeResult(
        would_activate=False,
        code=CountInsufficientError.code,
        message="activation count 7 of 25",
        count=7,
        threshold=25,
        host_time_s=1,
    )
    described = HostDescription(
        service="quorate",
        version="0.1.0",
        protocol=(1,),
        host_id=cmid_of(1),
        activated=False,
        host_certificate=None,
        products=("acme-cad",),
        time_s=1,
    )
    for message in (probe, described):
        decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(type(message))
        assert decode_strict(decoder, encode(message), "it") == message
    hostile = encode(msgspec.structs.replace(described, version="\x1b]0;owned\x07"))
    with pytest.raises(MalformedError):
        decode_strict(msgspec.json.Decoder(HostDescription), hostile, "it")


def test_a_malformed_message_repeats_nothing_of_what_it_refused() -> None:
    with pytest.raises(MalformedRequestError) as caught:
        decode_request(body_with(machine="secret\n", time_s=5))
    assert "secret" not in caught.value.message


def test_an_answer_is_small() -> None:
    assert isinstance(decode_answer(ANSWER), Answer)
    assert len(ANSWER) < 3000
    assert msgspec.convert("x", MachineName) == "x"
