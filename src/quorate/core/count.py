"""The activation count: how many distinct CMIDs of the counted classes a host has heard within the count window.

The requester is counted before it is answered. An answer shows the count up to twice the threshold, as Microsoft's
hosts do: beyond that, a larger number decides nothing (reference, section 3). So a host reads only that many records
of its store (`rows_max`), however large the fleet; the machines of one batch are added on top, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable

from quorate.core.policy import MachineClass, Threshold

__all__ = ["ActivationCount", "is_in_window", "shown_max"]


def is_in_window(last_heard_s: int, now_s: int, window_s: int) -> bool:
    """S18: a record counts while it is younger than the window: present at 30 d - 1 s, gone at 30 d.

    A record from the future (the host's clock was set back) counts: the machine was heard.
    """
    return now_s - last_heard_s < window_s


def shown_max(threshold: Threshold) -> int:
    """The greatest count an answer shows: twice the threshold."""
    return 2 * threshold.minimum


class ActivationCount:
    """The count toward one threshold while one batch of requests is answered.

    Args:
        threshold: which classes count, and how many are needed.
        heard: distinct CMIDs of those classes inside the window, at most `rows_max(threshold, batch)` of them. When
            fewer than that were found they are all there are, and the count is exact.
        batch: how many requests this object will hear at most.
        others: so many more were found, and nothing will be heard of them in this batch: their names matter to nobody.
    """

    def __init__(self, threshold: Threshold, heard: Iterable[bytes | str], batch: int, others: int = 0) -> None:
        self._threshold = threshold
        self._others = others
        self._rows_max = self.rows_max(threshold, batch)
        self._members: set[bytes | str] = set(heard)

    @staticmethod
    def rows_max(threshold: Threshold, batch: int) -> int:
        """Records to read: each request of the batch may take two away (its own, by another class, and its previous
        one, by a rearm), and the count must still be right up to what is shown."""
        return shown_max(threshold) + 2 * batch

    def hear(self, cmid: bytes | str, machine_class: MachineClass, previous: bytes | str | None = None) -> None:
        """One request: this machine is now known under this CMID and class, and no longer under `previous`."""
        if previous is not None and previous != cmid:
            self._members.discard(previous)
        if machine_class not in self._threshold.counts:
            self._members.discard(cmid)
        elif self._others + len(self._members) < self._rows_max:
            self._members.add(cmid)

    @property
    def current(self) -> int:
        """The count as an answer shows it."""
        return min(self._others + len(self._members), shown_max(self._threshold))

    @property
    def is_met(self) -> bool:
        """S5: whether activation works now."""
        return self._others + len(self._members) >= self._threshold.minimum
