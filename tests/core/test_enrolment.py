"""The enrolment secret: how it is typed, what a proof covers, and what a host makes of it."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from quorate.core.enrolment import EnrolmentSecret, check_enrolment, enrolled
from quorate.core.ids import ProductKey, b64url
from quorate.core.messages import LicenseStatus, decode_request, encode
from quorate.errors import (
    EnrolmentRequiredError,
    EnrolmentSecretInvalidError,
    EnrolmentWrongError,
    MalformedRequestError,
)
from tests.support.documents import World, cmid_of, nonce_of

SECRET = EnrolmentSecret.from_entropy(bytes(range(32)))
OTHER = EnrolmentSecret.from_entropy(bytes(range(1, 33)))
REQUEST = World().request(
    previous_cmid=cmid_of(2), link=nonce_of(3), vm=True, commit=nonce_of(7), reveals=(nonce_of(5), nonce_of(6))
)
PROVEN = enrolled(REQUEST, SECRET.key)


def test_a_secret_is_six_groups_of_five_and_is_read_as_it_is_typed() -> None:
    assert SECRET.text.startswith("QE")
    assert [len(each) for each in SECRET.text.split("-")] == [5] * 6
    for typed in (
        SECRET.text.lower(),
        SECRET.text.replace("-", " "),
        f"  {SECRET.text}\n",
        SECRET.text.replace("-", "–"),
    ):
        assert EnrolmentSecret.parse(typed) == SECRET


@given(st.binary(min_size=32, max_size=32), st.integers(0, 29), st.integers(1, 30))
def test_one_wrong_symbol_is_always_found(entropy: bytes, place: int, shift: int) -> None:
    alphabet = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
    symbols = list(EnrolmentSecret.from_entropy(entropy).text.replace("-", ""))
    symbols[place] = alphabet[(alphabet.index(symbols[place]) + shift) % 31]
    with pytest.raises(EnrolmentSecretInvalidError):
        EnrolmentSecret.parse("".join(symbols))


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "0 symbols instead of 30"),
        ("QE234", "5 symbols instead of 30"),
        (SECRET.text + "2", "31 symbols instead of 30"),
        ("QE0OI" + SECRET.text[5:], "never has 0 I O in it"),
        (ProductKey.from_entropy(bytes(range(32))).text, "25 symbols instead of 30"),
        (" " * 100_000, "0 symbols instead of 30"),
    ],
)
def test_what_is_no_secret_is_told_and_not_repeated(typed: str, reason: str) -> None:
    with pytest.raises(EnrolmentSecretInvalidError, match=reason) as told:
        EnrolmentSecret.parse(typed)
    assert SECRET.text[6:] not in told.value.message


def test_a_secret_is_never_shown_by_accident() -> None:
    assert SECRET.text not in f"{SECRET} {SECRET!r} {[SECRET]}"


def test_a_request_with_its_proof_is_believed_with_that_secret_alone() -> None:
    check_enrolment(PROVEN, [SECRET.key])
    check_enrolment(PROVEN, [OTHER.key, SECRET.key])
    check_enrolment(decode_request(encode(PROVEN)), [SECRET.key])
    with pytest.raises(EnrolmentWrongError):
        check_enrolment(PROVEN, [OTHER.key])
    with pytest.raises(EnrolmentWrongError):
        check_enrolment(PROVEN, [])
    with pytest.raises(EnrolmentRequiredError):
        check_enrolment(REQUEST, [SECRET.key])


@pytest.mark.parametrize(
    "change",
    [
        {"edition": "acme-cad-server"},
        {"cmid": cmid_of(9)},
        {"machine": "pc-0002.contoso.example"},
        {"status": LicenseStatus.LICENSED},
        {"time_s": REQUEST.time_s + 1},
        {"nonce": nonce_of(9)},
        {"expires_in_min": 1},
        {"vm": False},
        {"previous_cmid": None},
        {"previous_cmid": cmid_of(3)},
        {"link": None},
        {"link": nonce_of(4)},
        {"commit": UNSET},
        {"commit": nonce_of(4)},
        {"reveals": UNSET},
        {"reveals": ()},
        {"reveals": (nonce_of(6), nonce_of(5))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_no_member_of_a_request_can_be_changed_on_its_way(change: dict[str, Any]) -> None:
    assert set(change) <= set(REQUEST.__struct_fields__)
    with pytest.raises(EnrolmentWrongError):
        check_enrolment(msgspec.structs.replace(PROVEN, **change), [SECRET.key])


def test_each_member_is_covered_by_the_test_above() -> None:
    covered = ("edition", "cmid", "machine", "status", "time_s", "nonce", "expires_in_min", "vm", "previous_cmid")
    assert set(REQUEST.__struct_fields__) - {"v", "enrolment"} == {
        *covered,
        "link",
        "commit",
        "reveals",
    }  # another v is refused as unknown


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf"]), min_size=1, max_size=253))
def test_the_proof_is_what_the_specification_says(machine: str) -> None:
    request = World().request(machine=machine)
    key = hashlib.sha256(b"quorate-enrolment-key:" + SECRET.text.encode()).digest()
    said = "\n".join(
        (
            *("quorate-enrolment", "1", request.edition, request.cmid, machine, "initial_grace", str(request.time_s)),
            *(request.nonce, "43200", "false", "", ""),
        )
    )
    wanted = b64url(hmac.new(key, said.encode("utf-8"), "sha256").digest())
    assert enrolled(request, SECRET.key).enrolment == wanted


def test_a_request_without_a_secret_is_to_the_byte_what_it_was() -> None:
    assert b"enrolment" not in encode(REQUEST)
    assert decode_request(encode(REQUEST)).enrolment is UNSET


@pytest.mark.parametrize("proof", [None, "", "x" * 42, "x" * 43, "A" * 42 + "=", "A" * 44, 7, [], {}])
def test_a_proof_of_another_shape_is_malformed(proof: object) -> None:
    body = json.dumps(json.loads(encode(REQUEST)) | {"enrolment": proof}).encode()
    with pytest.raises(MalformedRequestError):
        decode_request(body)


def test_a_proof_that_stands_twice_is_malformed() -> None:
    body = encode(PROVEN)
    with pytest.raises(MalformedRequestError, match="twice"):
        decode_request(body[:-1] + b',"enrolment":"' + b"A" * 43 + b'"}')
