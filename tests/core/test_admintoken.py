"""A token of administration: one that lost something on its way is told from a wrong one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.admintoken import PREFIX, TOKEN_CHARACTERS, Scope, check_token, token_hash, token_text
from quorate.errors import TokenDamagedError

SECRETS = st.binary(min_size=32, max_size=32)


@given(SECRETS)
def test_a_token_is_known_by_its_beginning_and_passes_its_own_check(secret: bytes) -> None:
    text = token_text(secret)
    assert text.startswith(PREFIX)
    assert len(text) == TOKEN_CHARACTERS == 54
    check_token(text)


@given(SECRETS, st.integers(min_value=len(PREFIX), max_value=TOKEN_CHARACTERS - 1))
def test_a_cut_off_token_is_told_with_its_length(secret: bytes, length: int) -> None:
    with pytest.raises(TokenDamagedError, match=f"cut off, with {length} of 54"):
        check_token(token_text(secret)[:length])
    with pytest.raises(TokenDamagedError, match="too long, with 55 of 54"):
        check_token(token_text(secret) + "x")


@given(SECRETS, st.integers(min_value=len(PREFIX), max_value=TOKEN_CHARACTERS - 1), st.sampled_from("aZ0-_\u00e9"))
def test_a_changed_character_is_found(secret: bytes, place: int, other: str) -> None:
    text = token_text(secret)
    changed = text[:place] + other + text[place + 1 :]
    if changed != text:
        with pytest.raises(TokenDamagedError, match="not what it was"):
            check_token(changed)


def test_what_does_not_begin_like_a_token_is_left_to_whoever_knows_it() -> None:
    for text in ("", "wrong", "A" * 43, "qad", "Qadm_" + "A" * 49):
        check_token(text)


def test_a_token_is_kept_as_the_sha_256_of_its_text() -> None:
    assert token_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert re.fullmatch("[0-9a-f]{64}", token_hash("\ud800"))
    with pytest.raises(ValueError, match="32 secret bytes"):
        token_text(b"short")


def test_a_scope_includes_what_needs_less() -> None:
    wanted = {(Scope.READ, Scope.READ), (Scope.OPERATE, Scope.READ), (Scope.OPERATE, Scope.OPERATE)}
    assert {(has, needs) for has in Scope for needs in Scope if has.includes(needs)} == wanted
