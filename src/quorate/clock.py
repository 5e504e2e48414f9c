"""Time and randomness: the only module that asks the operating system for either (tests/test_architecture.py).

Everything else is given a `Clock` and an `Entropy` by its constructor, so that the simulator and the tests can run a
year of a fleet in seconds with the same code.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from typing import Protocol

__all__ = ["Clock", "Entropy", "SystemClock", "SystemEntropy"]


class Clock(Protocol):
    """What the time is, and how to wait."""

    def now_s(self) -> int:
        """Whole seconds since 1970 UTC, as this machine's clock shows them (it may be wrong, or be set back)."""
        ...

    def monotonic_s(self) -> float:
        """Seconds on a clock that never goes back; only differences mean something."""
        ...

    def wait(self, wake: threading.Event, timeout_s: float) -> bool:
        """Wait until `wake` is set or `timeout_s` seconds have passed; whether `wake` was set."""
        ...


class Entropy(Protocol):
    """Where identities, nonces and jitter come from."""

    def token(self, n_bytes: int) -> bytes:
        """`n_bytes` unpredictable bytes, good enough for keys."""
        ...

    def uniform(self, low: float, high: float) -> float:
        """A random number in [low, high]: jitter, nothing secret."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_s(self) -> int:
        return int(time.time())

    def monotonic_s(self) -> float:
        return time.monotonic()

    def wait(self, wake: threading.Event, timeout_s: float) -> bool:
        # Waits are cut at a day: the operating system refuses absurd ones, and every caller looks again anyway.
        return wake.wait(min(max(timeout_s, 0.0), 86_400.0))


class SystemEntropy:
    """The operating system's random source."""

    def token(self, n_bytes: int) -> bytes:
        return secrets.token_bytes(n_bytes)

    def uniform(self, low: float, high: float) -> float:
        return random.SystemRandom().uniform(low, high)
