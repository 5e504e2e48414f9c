"""The machine's own clock and randomness, as far as anybody can say something about them."""

from __future__ import annotations

import threading
import time

from quorate.clock import SystemClock, SystemEntropy


def test_the_systems_clock_shows_whole_seconds_and_never_turns_its_other_hand_back() -> None:
    clock = SystemClock()
    before = int(time.time())
    assert before <= clock.now_s() <= int(time.time())
    assert isinstance(clock.now_s(), int)
    first = clock.monotonic_s()
    assert clock.monotonic_s() >= first


def test_a_wait_ends_at_once_when_it_is_woken_and_when_its_time_is_past() -> None:
    clock, wake = SystemClock(), threading.Event()
    assert clock.wait(wake, -5.0) is False
    wake.set()
    assert clock.wait(wake, 1e12) is True  # cut at a day: the operating system refuses absurd ones


def test_the_systems_entropy_gives_as_many_bytes_as_asked_and_no_two_alike() -> None:
    entropy = SystemEntropy()
    assert [len(entropy.token(n)) for n in (0, 16, 32)] == [0, 16, 32]
    assert len({entropy.token(16) for _ in range(100)}) == 100
    assert all(2.0 <= entropy.uniform(2.0, 3.0) <= 3.0 for _ in range(100))
