"""Every decoder at every `make test`: what is good is taken, and whatever the bytes, nothing but our errors escapes.

The corpus is the same at each run. `tests/fuzz/decoders.py`, run by hand, lets coverage lead the way instead.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.decoders import DECODERS, takes
from tests.fuzz.inputs import good_inputs, vector_inputs

GOOD = good_inputs()
BENDS = 300  # of each good input; about a second for each decoder on a slow machine
VECTORS_STEP = 6  # each decoder gets every sixth input of the vectors, and another sixth than the one before


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The client warns of each damaged file, thousands of times here."""
    before = logging.root.manager.disable
    logging.disable()
    yield
    logging.disable(before)


def bent(data: bytes, chance: random.Random) -> bytes:
    """A byte changed, taken out, doubled; a piece cut off, repeated, or put elsewhere."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(made) + 1)
        piece = made[at : at + chance.randint(1, 8)]
        action = chance.randrange(6)
        if action == 0 and at < len(made):
            made[at] ^= 1 << chance.randrange(8)
        elif action == 1:
            del made[at : at + len(piece)]
        elif action == 2:
            made[at:at] = piece * chance.randint(1, 40)
        elif action == 3:
            made[at:at] = chance.choice(
                [b"\x00", b'"', b"\\ud800", b"[" * 500, b"9" * 400, b"\xff", b".", b"-1", b"null"]
            )
        elif action == 4:
            del made[at:]
        else:
            made[:0] = piece
    return bytes(made)


def test_every_decoder_has_a_good_input() -> None:
    assert GOOD.keys() == DECODERS.keys()


@pytest.mark.parametrize("name", DECODERS)
def test_what_is_good_is_taken(name: str) -> None:
    assert takes(DECODERS[name], GOOD[name])


@pytest.mark.parametrize("name", DECODERS)
def test_a_bent_input_is_taken_or_refused_and_nothing_else(name: str) -> None:
    chance = random.Random(name)
    for _ in range(BENDS):
        takes(DECODERS[name], bent(GOOD[name], chance))


@pytest.mark.parametrize("name", DECODERS)
def test_what_the_vectors_hold_is_taken_or_refused_by_every_decoder(name: str) -> None:
    first = list(DECODERS).index(name) % VECTORS_STEP
    for data in vector_inputs()[first::VECTORS_STEP]:
        takes(DECODERS[name], data)


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_bytes_only_our_errors_escape(name: str, data: bytes) -> None:
    takes(DECODERS[name], data)
