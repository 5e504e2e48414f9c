"""Names of things: product keys as people type them, identities, links, and what may stand in a machine's name."""

from __future__ import annotations

import base64
import uuid

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quorate.core.ids import (
    Cmid,
    MachineName,
    Nonce,
    ProductKey,
    ShownText,
    Slug,
    b64url,
    key_proof,
    link_of,
    new_cmid,
    seen,
    unb64url,
)
from quorate.errors import ProductKeyInvalidError

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
KEY = ProductKey.from_entropy(bytes(range(32)))
keys = st.binary(min_size=32, max_size=40).map(ProductKey.from_entropy)


# --- product keys -----------------------------------------------------------------------------------------------------


@given(keys)
def test_a_key_is_read_as_it_was_made(key: ProductKey) -> None:
    assert ProductKey.parse(key.text) == key
    groups = key.text.split("-")
    assert [len(group) for group in groups] == [5] * 5
    assert key.text.startswith("QH")
    assert key.last_five == groups[-1]


@pytest.mark.parametrize(
    "typed",
    [
        KEY.text.lower(),
        KEY.text.replace("-", ""),
        KEY.text.replace("-", " "),
        f"  {KEY.text}\r\n",
        KEY.text.replace("-", "\N{EM DASH}"),
        KEY.text.replace("-", "\N{EN DASH}"),
        KEY.text.replace("-", "\N{NON-BREAKING HYPHEN}"),
        KEY.text.replace("-", "\N{MINUS SIGN}"),
        KEY.text.replace("-", "\N{NO-BREAK SPACE}"),
        KEY.text.replace("-", "\N{SOFT HYPHEN}-"),
        "\N{ZERO WIDTH SPACE}" + KEY.text + "\N{ZERO WIDTH NO-BREAK SPACE}",
    ],
)
def test_a_key_may_come_through_mail_and_word_processors(typed: str) -> None:
    assert ProductKey.parse(typed) == KEY


@given(keys, st.integers(0, 24), st.sampled_from(ALPHABET))
def test_one_wrong_symbol_is_always_a_typing_mistake(key: ProductKey, place: int, symbol: str) -> None:
    symbols = list(key.text.replace("-", ""))
    if symbols[place] == symbol:
        return
    symbols[place] = symbol
    with pytest.raises(ProductKeyInvalidError, match="typing mistake"):
        ProductKey.parse("".join(symbols))


@given(keys, st.integers(0, 24), st.integers(0, 24))
def test_two_exchanged_symbols_are_always_a_typing_mistake(key: ProductKey, one: int, other: int) -> None:
    symbols = list(key.text.replace("-", ""))
    if symbols[one] == symbols[other]:
        return
    symbols[one], symbols[other] = symbols[other], symbols[one]
    with pytest.raises(ProductKeyInvalidError, match="typing mistake"):
        ProductKey.parse("".join(symbols))


def with_check_digit(body: str) -> str:
    return next(
        body + last
        for last in ALPHABET
        if sum(n * ALPHABET.index(c) for n, c in enumerate(body + last, 1)) % len(ALPHABET) == 0
    )


def test_a_sound_key_of_another_kind_is_told_from_a_typing_mistake() -> None:
    with pytest.raises(ProductKeyInvalidError, match="no host key; host keys begin with QH"):
        ProductKey.parse(with_check_digit("AB" + "2" * 22))


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "0 symbols instead of 25"),
        (KEY.text[:-1], "24 symbols"),
        (KEY.text + "2", "26 symbols"),
        (KEY.text + KEY.text, "50 symbols"),
        (KEY.text.replace(KEY.text[-1], "O"), "never has O in it"),
        ("0" + KEY.text[1:], "never has 0 in it"),
        (KEY.text + "\0", r"never has U\+0000 in it"),
        (KEY.text + "\x1b[2J", r"never has U\+001B \["),
        (KEY.text[:-1] + "ß", "never has ß in it"),
        (KEY.text.replace("Q", "\N{CYRILLIC CAPITAL LETTER A}"), "never has \N{CYRILLIC CAPITAL LETTER A} in it"),
        ("\ud800" + KEY.text, r"never has U\+D800"),
        ("QH!\"#$%&'()", 'never has ! " # \\$ % in it'),
        ("2" * 1_000_000, "1000000 symbols"),
    ],
)
def test_what_is_wrong_with_a_key_is_said(typed: str, reason: str) -> None:
    with pytest.raises(ProductKeyInvalidError, match=reason):
        ProductKey.parse(typed)


@given(st.text())
def test_whatever_is_typed_only_our_error_escapes(typed: str) -> None:
    with pytest.raises(ProductKeyInvalidError):
        ProductKey.parse(typed)


def test_a_key_needs_entropy_and_different_entropy_makes_different_keys() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        ProductKey.from_entropy(bytes(31))
    made = {ProductKey.from_entropy(n.to_bytes(32, "big")).text for n in range(200)}
    assert len(made) == 200


def test_a_key_is_not_told_by_accident() -> None:
    for shown in (repr(KEY), str(KEY), f"{KEY}"):
        assert shown == f"ProductKey(…-{KEY.last_five})"
    assert len({KEY.key_id, b64url(KEY.verifier), KEY.text}) == 3


def test_a_proof_is_bound_to_key_host_signing_key_and_request() -> None:
    bound = ("host", "thumbprint", "request")
    proof = key_proof(KEY.verifier, *bound)
    assert proof == key_proof(KEY.verifier, *bound)
    others = [key_proof(bytes(32), *bound)]
    for place in range(3):
        changed = list(bound)
        changed[place] = "other"
        others.append(key_proof(KEY.verifier, *changed))
    assert len({proof, *others}) == 5


# --- identities -------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=80))
def test_base64url_has_one_text_for_each_value(data: bytes) -> None:
    assert unb64url(b64url(data)) == data


@pytest.mark.parametrize("text", ["A", "AB", "AA==", "AA=", "A A", "AA\n", "A+", "A/", "é", "\ud800", "-_-!"])
def test_base64url_with_loose_bits_padding_or_foreign_characters_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|ASCII|pad"):
        unb64url(text)


@given(st.text(max_size=30))
def test_base64url_that_is_not_canonical_is_refused(text: str) -> None:
    try:
        data = unb64url(text)
    except ValueError:
        return
    assert b64url(data) == text


@given(st.text("AQgwEI089az-_+/= !\n", max_size=9))
@example("-_-_")
@example("+/+/")
@example("QQ==")
def test_base64url_is_read_exactly_where_writing_it_again_gives_the_same(text: str) -> None:
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        is_canonical = base64.urlsafe_b64encode(data).decode().rstrip("=") == text
    except ValueError:
        data, is_canonical = b"", False
    if is_canonical:
        assert unb64url(text) == data
    else:
        with pytest.raises(ValueError, match=r"base64|pad"):
            unb64url(text)


@given(st.binary(min_size=16, max_size=16))
def test_a_new_cmid_is_a_random_uuid_as_the_wire_wants_it(entropy: bytes) -> None:
    cmid = new_cmid(entropy)
    assert uuid.UUID(cmid).version == 4
    assert msgspec.convert(cmid, Cmid) == cmid


def test_a_link_is_of_one_cmid_and_one_nonce() -> None:
    links = {link_of("a", "b"), link_of("a", "c"), link_of("b", "b")}
    assert len(links) == 3
    assert all(msgspec.convert(link, Nonce) for link in links)


@pytest.mark.parametrize(
    ("shape", "bad"),
    [
        (Cmid, "0BF7A0C2-6F0E-4C5D-9D3F-1C2B3A495867"),
        (Cmid, "0bf7a0c2-6f0e-4c5d-9d3f-1c2b3a495867\n"),
        (Cmid, "{0bf7a0c2-6f0e-4c5d-9d3f-1c2b3a495867}"),
        (Cmid, "0bf7a0c26f0e4c5d9d3f1c2b3a495867"),
        (Nonce, "A" * 21),
        (Nonce, "A" * 23),
        (Nonce, "A" * 21 + "B"),
        (Nonce, "A" * 22 + "\n"),
        (Slug, ""),
        (Slug, "-x"),
        (Slug, "../x"),
        (Slug, "Acme"),
        (Slug, "x" * 65),
        (Slug, "x\n"),
        (MachineName, ""),
        (MachineName, "x" * 254),
        (MachineName, "pc\n"),
        (MachineName, "pc\x1b[31m"),
        (MachineName, "pc\x7f"),
        (MachineName, "pc\x85"),
        (MachineName, "pc\u2028"),
        (MachineName, "pc\u202efdp.exe"),
        (MachineName, "pc\u2066"),
        (MachineName, " "),
        (MachineName, "\u200b\ufeff\u3164"),
        (MachineName, "\U000e0041" * 253),
        (ShownText, ""),
        (ShownText, "Contoso\r"),
        (ShownText, "x" * 201),
    ],
)
def test_a_name_of_the_wrong_shape_is_refused(shape: object, bad: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, shape)


def test_what_cannot_be_seen_is_left_out_of_a_machines_own_name() -> None:
    assert seen("pc\u202e\x1b1", "unknown") == "pc1"
    for name in ("", "  ", "\u3164", "\u200b", "\x00\n"):
        assert seen(name, "unknown") == "unknown"
    assert msgspec.convert(seen("\u2800x" + "y" * 300, "unknown"), MachineName)


def test_a_long_name_of_nothing_is_refused_in_no_time() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("\u200b" * 100_000 + "\n", MachineName)


@pytest.mark.parametrize(
    "name", ["pc-0001.contoso.example", "PC 1", "b\N{LATIN SMALL LETTER U WITH DIAERESIS}ro", "x" * 253, "💻"]
)
def test_a_machine_may_have_any_ordinary_name(name: str) -> None:
    assert msgspec.convert(name, MachineName) == name
