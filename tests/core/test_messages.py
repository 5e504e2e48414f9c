"""The wire of port 1688: well-formed messages are read, everything else is malformed and nothing else."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quorate.core.ids import text_flaw
from quorate.core.messages import (
    BODY_BYTES_MAX,
    ActivationRequest,
    LicenseStatus,
    Problem,
    decode_answer,
    decode_problem,
    decode_request,
    decode_strict,
    encode,
)
from quorate.errors import (
    MalformedError,
    MalformedRequestError,
    RateLimitedError,
    UnsupportedVersionError,
)
from tests.support.documents import World, cmid_of, nonce_of

REQUEST = World().request(previous_cmid=cmid_of(2), link=nonce_of(3), vm=True)
BODY = encode(REQUEST)
MEMBERS: dict[str, Any] = json.loads(BODY)
ANSWER = encode(World().answer(World().lease()))
PROBLEM = encode(Problem.of(RateLimitedError(retry_after_s=30)))


def body_with(**changes: object) -> bytes:
    return json.dumps(MEMBERS | changes).encode()


def body_without(name: str) -> bytes:
    return json.dumps({key: value for key, value in MEMBERS.items() if key != name}).encode()


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_request_is_read_as_it_was_written() -> None:
    assert decode_request(BODY) == REQUEST
    assert len(BODY) < BODY_BYTES_MAX / 8


_shown = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf"])
machine_names = st.text(_shown, min_size=1, max_size=253).filter(lambda name: text_flaw(name) is None)


@given(
    machine_names,
    st.sampled_from(LicenseStatus),
    st.integers(0, 253_402_300_799),
    st.integers(0, 5_256_000),
    st.booleans(),
    st.none() | st.integers(0, 2**128 - 1).map(cmid_of),
    st.none() | st.integers(0, 2**128 - 1).map(nonce_of),
)
def test_any_sound_request_is_read_as_it_was_written(
    machine: str, status: LicenseStatus, time_s: int, minutes: int, vm: bool, previous: str | None, link: str | None
) -> None:
    request = World().request(
        machine=machine,
        status=status,
        time_s=time_s,
        expires_in_min=minutes,
        vm=vm,
        previous_cmid=previous,
        link=link,
    )
    assert decode_request(encode(request)) == request
    assert decode_request(json.dumps(msgspec.to_builtins(request), indent=2).encode()) == request


@pytest.mark.parametrize("name", ["expires_in_min", "vm", "previous_cmid", "link"])
def test_what_has_a_default_may_be_left_out(name: str) -> None:
    assert isinstance(decode_request(body_without(name)), ActivationRequest)


@pytest.mark.parametrize("name", ["v", "edition", "cmid", "machine", "status", "time_s", "nonce"])
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(MalformedRequestError, match=f"missing required field '{name}'"):
        decode_request(body_without(name))


@pytest.mark.parametrize("name", ["v", "time_s", "expires_in_min"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (25.0, "Expected 'int', got 'float'"),
        ("25", "Expected 'int', got 'str'"),
        (True, "Expected 'int', got 'bool'"),
        (None, "Expected 'int', got 'null'"),
        ([], "Expected 'int', got 'array'"),
        ({}, "Expected 'int', got 'object'"),
        (-1, "Expected 'int' >= 0"),
        (10**18, "Expected 'int' <= "),
        (10**40, "Expected 'int' <= |out of range"),
        (1e300, "Expected 'int', got 'float'"),
    ],
)
def test_a_number_is_a_whole_number_within_its_bounds(name: str, value: object, reason: str) -> None:
    with pytest.raises(MalformedRequestError, match=rf"({reason}).* - at '\$.{name}'"):
        decode_request(body_with(**{name: value}))


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"vm": 1}, "vm"),
        ({"vm": "true"}, "vm"),
        ({"vm": None}, "vm"),
        ({"status": "Licensed"}, "status"),
        ({"status": 1}, "status"),
        ({"edition": ""}, "edition"),
        ({"edition": "../../etc/passwd"}, "edition"),
        ({"edition": 7}, "edition"),
        ({"cmid": "not-a-uuid"}, "cmid"),
        ({"cmid": cmid_of(1).upper().replace("0", "A")}, "cmid"),
        ({"nonce": "short"}, "nonce"),
        ({"link": ""}, "link"),
        ({"previous_cmid": ""}, "previous_cmid"),
        ({"machine": "x" * 254}, "machine"),
        ({"machine": "a\nb"}, "machine"),
        ({"machine": "a\0b"}, "machine"),
        ({"machine": None}, "machine"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(changes: dict[str, object], place: str) -> None:
    with pytest.raises(MalformedRequestError, match=rf"at '\$.{place}'"):
        decode_request(body_with(**changes))


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(MalformedRequestError, match="unknown field 'threshold'"):
        decode_request(body_with(threshold=1))


@pytest.mark.parametrize(
    "twice",
    [
        BODY.replace(b'"vm":true', b'"vm":false,"vm":true'),
        BODY.replace(b'"vm":true', b'"vm":true,"vm":true'),
        BODY.replace(b'"vm":true', b'"vm" : true , "vm"\n:\ttrue'),
        BODY.replace(b'"vm":true', b'"vm":false,"\\u0076m":true'),
        BODY.replace(b'"vm":true', b'"\\u0076m":false,"v\\u006d":true'),
        BODY[:-1] + b',"cmid":"' + cmid_of(7).encode() + b'"}',
    ],
)
def test_a_field_that_stands_twice_is_refused_however_it_is_spelled(twice: bytes) -> None:
    with pytest.raises(MalformedRequestError, match="stands twice"):
        decode_request(twice)


@pytest.mark.parametrize("machine", ['a","vm":"b', '"vm":', '\\"vm":', 'x"', "\\", '","nonce"', 'vm":"vm":"vm'])
def test_a_machine_name_that_looks_like_fields_is_only_a_name(machine: str) -> None:
    assert decode_request(body_with(machine=machine)).machine == machine


@given(st.lists(st.sampled_from(["v", "vm", "time_s", "expires_in_min"]), max_size=3), st.data())
def test_a_request_is_refused_for_a_doubled_field_and_for_nothing_like_one(
    extra: list[str], data: st.DataObject
) -> None:
    members = [(name, json.dumps(value)) for name, value in MEMBERS.items() if name != "machine"]
    names = st.text('a":,\\ \u00e9', min_size=1, max_size=12).filter(str.strip)  # of a name something is to be seen
    members.append(("machine", json.dumps(data.draw(names))))
    members += [(name, json.dumps(MEMBERS[name])) for name in extra]
    blank = data.draw(st.sampled_from(["", " ", "\n", "\t "]))
    body = ("{" + ",".join(f'"{name}"{blank}:{blank}{value}' for name, value in members) + "}").encode()
    if extra:
        with pytest.raises(MalformedRequestError, match="stands twice"):
            decode_request(body)
    else:
        assert decode_request(body).v == 1


def test_a_later_version_is_told_so_even_when_its_fields_are_unknown() -> None:
    for body in (body_with(v=2), body_with(v=2, quantum=True), b'{"v":0}', b'{"v":1000000,"x":[{}]}'):
        with pytest.raises(UnsupportedVersionError, match="is not known here; known: 1"):
            decode_request(body)
    assert issubclass(UnsupportedVersionError, MalformedError)


NOTHING_OF_OURS = [
    b"",
    b" ",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'"text"',
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf" + BODY,
    BODY.decode().encode("utf-16"),
    BODY + b"x",
    BODY + BODY,
    BODY[:-1] + b",}",
    BODY.replace(b'"', b"'"),
    b"// comment\n" + BODY,
    b"[" * 10_000,
    b'{"a":' * 10_000,
    b'{"v":' + b"[" * 10_000,
    b'{"v":1,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"v":' + b"9" * 100_000 + b"}",
    b'{"v":-' + b"9" * 5_000 + b"}",
    b'{"v":1e' + b"9" * 5_000 + b"}",
    b"x" * 1_000_000,
    b'"' + b"a" * 1_000_000 + b'"',
    BODY.replace(b"pc-0001", b"\xed\xa0\x80"),
    BODY.replace(b"pc-0001", b"\xc0\x80"),
    BODY.replace(b"pc-0001", b"\\ud800"),
    BODY.replace(b"pc-0001", b"\\udc00\\ud800"),
    BODY.replace(b"pc-0001", b"\\u0000"),
    BODY.replace(b"pc-0001", b"\x00"),
    BODY.replace(b"pc-0001", b"\\x41"),
    BODY.replace(b'"vm":true', b'"vm":NaN'),
    BODY.replace(b'"vm":true', b'"vm":TRUE'),
]


@pytest.mark.parametrize("data", NOTHING_OF_OURS, ids=range(len(NOTHING_OF_OURS)))
def test_whatever_arrives_is_malformed_and_nothing_else(data: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        decode_request(data)
    for decode in (decode_answer, decode_problem):
        with pytest.raises(MalformedError):
            decode(data)


@pytest.mark.parametrize("whole", [BODY, ANSWER, PROBLEM])
def test_what_was_cut_off_anywhere_is_malformed(whole: bytes) -> None:
    for length in range(0, len(whole), 1 + len(whole) // 300):
        for decode in (decode_request, decode_answer, decode_problem):
            with pytest.raises(MalformedError):
                decode(whole[:length])


def mutations(whole: bytes) -> st.SearchStrategy[bytes]:
    """`whole` with a few places overwritten, cut or doubled."""
    place = st.integers(0, len(whole))
    return st.lists(st.tuples(place, place, st.binary(max_size=8)), min_size=1, max_size=4).map(
        lambda cuts: _cut(whole, cuts)
    )


def _cut(data: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    for start, end, between in cuts:
        data = data[:start] + between + data[end:]
    return data


@given(st.binary(max_size=400) | mutations(BODY) | mutations(ANSWER) | mutations(PROBLEM))
@example(b'{"v":1,"x":' + b"[" * 3000 + b"]" * 3000 + b"}")
def test_whatever_the_bytes_only_malformed_escapes(data: bytes) -> None:
    for decode in (decode_request, decode_answer, decode_problem):
        words = ""
        try:
            decoded = decode(data)
        except MalformedError as refused:
            words = refused.message
        else:
            assert decode(encode(decoded)) == decoded
        assert words.isprintable()
        assert len(words) < 300


# --- answers ----------------------------------------------------------------------------------------------------------


def test_an_answer_is_read_as_it_was_written() -> None:
    answer = decode_answer(ANSWER)
    assert encode(answer) == ANSWER


@pytest.mark.parametrize(
    "changes",
    [
        {"answer": 1},
        {"answer": None},
        {"answer": "x" * 8193},
        {"host_certificate": "x" * 8193},
        {"revocations": -1},
        {"revocations": 2**53 + 1},
        {"revocations": 1.0},
        {"revocations": True},
        {"redirect": "http://attacker.example"},
    ],
)
def test_an_answer_with_anything_else_in_it_is_malformed(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedError, match="the host's answer"):
        decode_answer(json.dumps(json.loads(ANSWER) | changes).encode())


def test_an_answer_with_a_doubled_field_is_malformed() -> None:
    with pytest.raises(MalformedError, match="stands twice"):
        decode_answer(ANSWER[:-1] + b',"revocations":0}')


# --- names that stand twice -------------------------------------------------------------------------------------------


class _Inner(msgspec.Struct, forbid_unknown_fields=True):
    x: Any = None


class _Outer(msgspec.Struct):
    a: Any = None
    b: _Inner | None = None
    c: dict[str, Any] = {}
    d: msgspec.UnsetType | int = msgspec.UNSET


def _doubled_somewhere(data: bytes) -> bool:
    """Read whole a second time, which is what the shorter way must agree with."""

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found.append(len(dict(pairs)) != len(pairs))
        return dict(pairs)

    found: list[bool] = []
    json.loads(data, object_pairs_hook=look)
    return any(found)


_names = st.sampled_from(['"a"', '"b"', '"c"', '"d"', '"x"', '"\\u0061"', '"\\u0078"'])


def _object_of(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(_names, values), max_size=4)
    return members.map(lambda pairs: "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}")


_plain_values = st.sampled_from(["1", "null", "true", "1.5", '"a"', '"{\\"a\\":1,\\"a\\":2}"', "1e3", " 1"])
_values = st.recursive(_plain_values, lambda inner: st.one_of(_object_of(inner), inner.map("[{0},{0}]".format)))


@given(_object_of(_values))
@example('{"a":{"x":1,"x":1},"b":null,"c":{}}')
@example('{"a":null,"b":{"x":1},"c":{"x":1,"x":1}}')
@example('{"a":null,"b":{"x":1,"x":1},"c":{},"d":1}')
@example('{"a":1,"b":null,"c":{},"d":1,"d":1}')
@example('{"a":1,"b":null,"c":{}}')
def test_what_is_read_once_is_refused_exactly_where_reading_it_twice_would_refuse_it(text: str) -> None:
    decoder, data = msgspec.json.Decoder(_Outer), text.encode()
    try:
        decoder.decode(data)
    except msgspec.MsgspecError:
        return
    if _doubled_somewhere(data):
        with pytest.raises(MalformedError, match="stands twice"):
            decode_strict(decoder, data, "it")
    else:
        assert decode_strict(decoder, data, "it") == decoder.decode(data)


@pytest.mark.parametrize("whole", [BODY, ANSWER, PROBLEM])
@pytest.mark.parametrize("is_spaced", [True, False])
def test_every_single_member_written_again_is_found(whole: bytes, is_spaced: bool) -> None:
    reads = {BODY: decode_request, ANSWER: decode_answer, PROBLEM: decode_problem}[whole]
    for name, value in json.loads(whole).items():
        again = json.dumps({name: value}, separators=None if is_spaced else (",", ":"))[1:].encode()
        with pytest.raises(MalformedError, match="stands twice"):
            reads(whole[:-1] + b"," + again)
