"""A clock that tests move by hand, and randomness from a seed."""

from __future__ import annotations

import random
import threading

__all__ = ["ManualClock", "SeededEntropy"]

START_S = 1_800_000_000  # 2027-01-15: any fixed moment


class ManualClock:
    """Shows `START_S` until it is moved. Waiting moves it: nothing in a test ever sleeps."""

    def __init__(self, start_s: int = START_S) -> None:
        self._now = float(start_s)
        self._set_by_s = 0
        self._lock = threading.Lock()

    def now_s(self) -> int:
        return int(self._now) + self._set_by_s

    def monotonic_s(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move; negative seconds turn the clock back."""
        with self._lock:
            self._now += seconds

    def set_by(self, seconds: int) -> None:
        """Somebody sets the clock: what it shows jumps by so much, and no time passes."""
        self._set_by_s += seconds

    def wait(self, wake: threading.Event, timeout_s: float) -> bool:
        if wake.is_set():
            return True
        self.advance(timeout_s)
        return wake.is_set()


class SeededEntropy:
    """The same bytes and the same jitter for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def token(self, n_bytes: int) -> bytes:
        return self._random.randbytes(n_bytes)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)
