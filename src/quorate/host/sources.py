"""How many connections each source holds, and which holds the most: known at once, however many there are."""

from __future__ import annotations

from functools import lru_cache
from typing import Generic, TypeVar

from quorate.host.networks import source_of

__all__ = ["Sources", "share_name"]

_Held = TypeVar("_Held")


@lru_cache(maxsize=4096)
def share_name(address: str) -> str:
    """Whose share a connection from `address` counts for: its source (`networks.source_of`); of this machine itself
    each address by itself."""
    return source_of(address) or address


class Sources(Generic[_Held]):
    """What each source holds, in the order it came. Every call takes the same time."""

    def __init__(self) -> None:
        self._held: dict[str, dict[_Held, None]] = {}
        self._by_number: dict[int, dict[str, None]] = {}
        self._most = 0

    def add(self, source: str, one: _Held) -> None:
        """`source` holds one more."""
        held = self._held.setdefault(source, {})
        self._recount(source, len(held), len(held) + 1)
        held[one] = None

    def remove(self, source: str, one: _Held) -> None:
        """It is gone."""
        held = self._held[source]
        del held[one]
        self._recount(source, len(held) + 1, len(held))
        if not held:
            del self._held[source]

    def largest(self, beyond: int) -> tuple[str, dict[_Held, None]] | None:
        """The source that holds the most and what it holds, where that is more than `beyond`."""
        if self._most <= beyond:
            return None
        source = next(iter(self._by_number[self._most]))
        return source, self._held[source]

    def _recount(self, source: str, before: int, after: int) -> None:
        if before:
            same = self._by_number[before]
            del same[source]
            if not same:
                del self._by_number[before]
        if after:
            self._by_number.setdefault(after, {})[source] = None
        if after > self._most or self._most not in self._by_number:
            self._most = after  # one more than the most, or the one that had the most alone has one less
