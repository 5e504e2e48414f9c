"""The order in which hosts are tried: priority decides, weight draws, and nobody's share is lost."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from quorate.client.discovery.names import SrvRecord
from quorate.client.discovery.order import in_order
from quorate.client.discovery.target import Target
from tests.support.clocks import SeededEntropy

DRAWS = 100_000


def records(*numbers: tuple[int, int]) -> list[SrvRecord]:
    """Of these priorities and weights; each host's port is its place."""
    return [SrvRecord(Target("kms", place), *number) for place, number in enumerate(numbers, 1)]


def shares(*weights: int) -> list[float]:
    """How often each record comes first, in percent."""
    drawn, entropy = records(*((0, weight) for weight in weights)), SeededEntropy(5)
    firsts = Counter(in_order(drawn, entropy)[0].target.port for _ in range(DRAWS))
    return [100 * firsts[place] / DRAWS for place in range(1, len(weights) + 1)]


def test_weights_10_60_30_0_are_drawn_in_their_shares() -> None:
    drawn = shares(10, 60, 30, 0)
    assert all(abs(share - wanted) < 2 for share, wanted in zip(drawn, (10, 60, 30, 0), strict=True)), drawn
    assert drawn[3] > 0, "a weight of 0 is seldom, not never (RFC 2782)"


def test_weights_that_are_all_zero_are_drawn_evenly() -> None:
    drawn = shares(0, 0, 0)
    assert all(abs(share - 100 / 3) < 2 for share in drawn), drawn


def test_equal_weights_are_drawn_evenly() -> None:
    drawn = shares(65_535, 65_535, 65_535, 65_535)
    assert all(abs(share - 25) < 2 for share in drawn), drawn


def test_the_second_draw_has_the_shares_of_who_is_left() -> None:
    drawn, entropy = records((0, 10), (0, 60), (0, 30)), SeededEntropy(6)
    orders = [in_order(drawn, entropy) for _ in range(DRAWS)]
    seconds = Counter(order[1].target.port for order in orders if order[0].target.port == 2)
    assert abs(100 * seconds[3] / seconds.total() - 75) < 2, seconds  # 30 of 10 + 30


@given(st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, 65_535)), max_size=40), st.integers(0, 2**32))
def test_everybody_comes_once_and_lower_priorities_come_first(numbers: list[tuple[int, int]], seed: int) -> None:
    drawn = records(*numbers)
    ordered = in_order(drawn, SeededEntropy(seed))
    assert sorted(ordered, key=lambda each: each.target.port) == drawn
    assert [each.priority for each in ordered] == sorted(each.priority for each in drawn)


def test_the_draw_stays_within_the_list_at_both_ends_of_the_random_numbers() -> None:
    class Edge(SeededEntropy):
        def __init__(self, edge: float) -> None:
            super().__init__()
            self.edge = edge

        def uniform(self, low: float, high: float) -> float:
            return low + (high - low) * self.edge

    for edge in (0.0, 0.999_999_999, 1.0):
        assert len(in_order(records((0, 0), (0, 1), (0, 65_535)), Edge(edge))) == 3
