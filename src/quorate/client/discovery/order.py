"""The order in which SRV records are tried: by priority, and drawn by weight within one (RFC 2782). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Protocol, TypeVar

from quorate.clock import Entropy

__all__ = ["in_order"]


class _Weighted(Protocol):
    @property
    def priority(self) -> int: ...

    @property
    def weight(self) -> int: ...


_Record = TypeVar("_Record", bound=_Weighted)


def in_order(records: Iterable[_Record], entropy: Entropy) -> list[_Record]:
    """All of them: the lowest priority first; within one, each draw takes a record with a chance of its weight's share.

    A weight of 0 beside others has the small chance that RFC 2782 gives it, one in the sum plus one. Where all weights
    are 0 the draw is even: the RFC's own algorithm would always take the first of the list, so it is shuffled before.
    """
    ordered: list[_Record] = []
    for _, group in groupby(sorted(records, key=lambda record: record.priority), key=lambda record: record.priority):
        shuffled = sorted(group, key=lambda _: entropy.uniform(0.0, 1.0))
        left = sorted(shuffled, key=lambda record: record.weight > 0)  # those of weight 0 stand first (RFC 2782)
        while left:
            total = sum(record.weight for record in left)
            point = min(int(entropy.uniform(0.0, total + 1.0)), total)
            place = 0
            while point > left[place].weight:
                point -= left[place].weight
                place += 1
            ordered.append(left.pop(place))
    return ordered
