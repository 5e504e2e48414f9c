"""Randomness from a seed: the same names give the same numbers, whoever drew before.

Each machine, host and fault has a stream of its own, so that one more draw somewhere changes nothing elsewhere. A
stream is a key and a counter, a few dozen bytes, and needs neither the operating system nor Python's hash seed.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["Chance", "Dice"]

_T = TypeVar("_T")
_UNIT = 2.0**-53
_SIXTEEN = struct.Struct(">16I")


class Chance:
    """One stream; it is an `Entropy`."""

    __slots__ = ("_drawn", "_key")

    def __init__(self, seed: int, *names: str | int) -> None:
        said = "/".join([str(seed), *map(str, names)])
        self._key = hashlib.blake2b(said.encode(), digest_size=16).digest()
        self._drawn = 0

    def token(self, n_bytes: int) -> bytes:
        """`n_bytes`, at most 64, that look random."""
        self._drawn += 1
        return hashlib.blake2b(self._drawn.to_bytes(8, "big"), key=self._key, digest_size=n_bytes).digest()

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * (int.from_bytes(self.token(8), "big") >> 11) * _UNIT

    def below(self, end: int) -> int:
        """A whole number in [0, end)."""
        return int(self.uniform(0, end))

    def between(self, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        return low + self.below(high - low + 1)

    def happens(self, permille: int) -> bool:
        """Whether something happens that does so `permille` times in a thousand; 0 draws nothing."""
        return permille > 0 and self.below(1000) < permille

    def pick(self, choices: Sequence[_T]) -> _T:
        """One of them."""
        return choices[self.below(len(choices))]

    def some(self, choices: Sequence[_T], number: int) -> list[_T]:
        """`number` different ones of them, all if there are fewer, in their order."""
        number = min(number, len(choices))
        places = list(range(len(choices)))
        for place in range(number):
            other = place + self.below(len(places) - place)
            places[place], places[other] = places[other], places[place]
        return [choices[place] for place in sorted(places[:number])]


class Dice(Chance):
    """A stream for the network, which asks several times for each message whether something `happens`: it draws sixteen
    answers at once."""

    __slots__ = ("_answers",)

    def __init__(self, seed: int, *names: str | int) -> None:
        super().__init__(seed, *names)
        self._answers: list[int] = []

    def happens(self, permille: int) -> bool:
        if permille <= 0:
            return False
        if not self._answers:
            self._answers = list(_SIXTEEN.unpack(self.token(_SIXTEEN.size)))
        return self._answers.pop() * 1000 < permille << 32
