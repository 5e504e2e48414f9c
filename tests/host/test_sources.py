"""Whose share a connection counts for, and who holds the most, against a count made the plain way."""

from __future__ import annotations

import random

from quorate.host.sources import Sources, share_name


def test_a_share_is_an_address_or_an_ipv6_network() -> None:
    assert share_name("10.0.0.7") == share_name("::ffff:10.0.0.7") == "10.0.0.7"
    assert share_name("2001:db8::1") == share_name("2001:db8::2") != share_name("2001:db8:0:1::1")
    assert share_name("127.0.0.1") != share_name("127.0.0.2")


def test_the_largest_is_always_one_that_holds_the_most() -> None:
    chance, sources = random.Random(1), Sources[int]()
    held: dict[str, list[int]] = {name: [] for name in "abcdefgh"}
    for number in range(5000):
        mine = held[chance.choice("abcdefgh")]
        source = next(name for name, each in held.items() if each is mine)
        is_ebb = number % 1000 >= 500
        if mine and chance.random() < (0.7 if is_ebb else 0.3):
            sources.remove(source, mine.pop(chance.randrange(len(mine))))
        else:
            mine.append(number)
            sources.add(source, number)
        most = max(map(len, held.values()))
        found = sources.largest(beyond=0)
        assert (found is None) == (most == 0)
        if found is not None:
            assert list(found[1]) == held[found[0]]
            assert len(found[1]) == most
        assert sources.largest(beyond=most) is None
