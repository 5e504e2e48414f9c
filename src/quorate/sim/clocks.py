"""A machine's own clock in virtual time: it may run fast or slow, be wrong, be stepped, and be set right again."""

from __future__ import annotations

import threading

from quorate.sim.timeline import Timeline

__all__ = ["MachineClock"]


class MachineClock:
    """A `Clock` that shows the timeline's time, bent.

    Args:
        drift_ppm: seconds it gains in a million; negative: loses.
    """

    __slots__ = ("_drift_ppm", "_offset_s", "_since_s", "_timeline")

    def __init__(self, timeline: Timeline, offset_s: int = 0, drift_ppm: int = 0) -> None:
        self._timeline = timeline
        self._offset_s = offset_s
        self._drift_ppm = drift_ppm
        self._since_s = timeline.now_s

    def now_s(self) -> int:
        true_s = self._timeline.now_s
        return true_s + self._offset_s + self._drift_ppm * (true_s - self._since_s) // 1_000_000

    def monotonic_s(self) -> float:
        return float(self._timeline.now_s)

    def wait(self, wake: threading.Event, timeout_s: float) -> bool:
        raise AssertionError("nobody waits in virtual time: machines make appointments")

    def error_s(self) -> int:
        """How far it is from the true time; positive: ahead."""
        return self.now_s() - self._timeline.now_s

    def step(self, by_s: int) -> None:
        """Jump; negative: back."""
        self._offset_s += by_s

    def set_right(self) -> None:
        """Show the true time, and begin to drift anew: what time synchronisation does."""
        self._offset_s = 0
        self._since_s = self._timeline.now_s

    def true_s(self, shown_s: int) -> int:
        """When it will show `shown_s`, never before now."""
        wait_s = shown_s - self.now_s()
        if self._drift_ppm:
            wait_s = -(-wait_s * 1_000_000 // (1_000_000 + self._drift_ppm))
        return self._timeline.now_s + max(wait_s, 0)
