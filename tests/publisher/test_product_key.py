"""What people type: every wrong symbol and every two exchanged ones are noticed before anybody is asked."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quorate.core.ids import ProductKey
from quorate.errors import ProductKeyInvalidError

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"

keys = st.binary(min_size=32, max_size=64).map(ProductKey.from_entropy)
places = st.integers(min_value=0, max_value=24)


def symbols(key: ProductKey) -> str:
    return key.text.replace("-", "")


@given(keys, places, st.sampled_from(ALPHABET))
def test_every_wrong_symbol_is_a_typing_mistake(key: ProductKey, place: int, symbol: str) -> None:
    right = symbols(key)
    assume(right[place] != symbol)
    with pytest.raises(ProductKeyInvalidError, match="typing mistake"):
        ProductKey.parse(right[:place] + symbol + right[place + 1 :])


@given(keys, places, places)
def test_every_two_exchanged_symbols_are_a_typing_mistake(key: ProductKey, one: int, other: int) -> None:
    right = list(symbols(key))
    assume(right[one] != right[other])
    right[one], right[other] = right[other], right[one]
    with pytest.raises(ProductKeyInvalidError, match="typing mistake"):
        ProductKey.parse("".join(right))


def test_every_substitution_and_every_neighbour_of_one_key() -> None:
    right = symbols(ProductKey.from_entropy(bytes(range(32))))
    wrong = {right[:n] + symbol + right[n + 1 :] for n in range(25) for symbol in ALPHABET} - {right}
    wrong |= {right[:n] + right[n + 1] + right[n] + right[n + 2 :] for n in range(24)} - {right}
    assert len(wrong) > 25 * 30
    for typed in sorted(wrong):
        with pytest.raises(ProductKeyInvalidError):
            ProductKey.parse(typed)


@given(keys)
def test_case_dashes_and_blanks_do_not_matter(key: ProductKey) -> None:
    for typed in (key.text.lower(), symbols(key), f"  {key.text.replace('-', ' ')}\r\n", key.text.replace("-", "–")):
        assert ProductKey.parse(typed) == key


@given(keys, st.sampled_from("01ILO"), places)
def test_a_symbol_that_no_key_has_is_named(key: ProductKey, symbol: str, place: int) -> None:
    right = symbols(key)
    with pytest.raises(ProductKeyInvalidError, match=f"never has {symbol} in it"):
        ProductKey.parse(right[:place] + symbol + right[place + 1 :])


@given(keys, st.integers(min_value=0, max_value=24))
def test_a_key_cut_short_is_told_by_its_length(key: ProductKey, length: int) -> None:
    with pytest.raises(ProductKeyInvalidError, match=f"has {length} symbols instead of 25"):
        ProductKey.parse(symbols(key)[:length])


@given(keys)
def test_a_key_shows_only_its_last_five(key: ProductKey) -> None:
    assert key.text[:-6] not in f"{key} {key!r}"
    assert key.last_five in repr(key)
