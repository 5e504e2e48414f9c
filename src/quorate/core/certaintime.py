"""Certain time: what a host knows to have passed, whatever its clock shows. Nothing is deleted by any other time.

A host's clock may be wrong by any amount, and a clock that jumped cannot be told from a host that was switched off. So
the certain time goes on only with the seconds that the host really ran, and comes up with the clock when machines
that were known before confirm it: their own clocks agree with it (a request is accepted within the clock tolerance
only), and they keep doing so for a while. It is then never later than the true time, and an hour at a wrong clock
removes nothing. Nothing else confirms a clock: the publisher's HTTP `Date` is not signed.

Beyond the end of the host certificate no request is accepted, so no such clock is ever confirmed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from quorate.core.policy import DAY_S, HOUR_S

__all__ = ["KNOWN_FOR_S", "TOLERANCE_S", "WITNESSES", "CertainTime"]

TOLERANCE_S: Final = 4 * HOUR_S  # as clients and hosts have it among each other
NOISE_S: Final = 60  # what a clock that is kept right may differ by: nobody needs to confirm that
OFF_MAX_S: Final = 4 * DAY_S  # a long weekend: so long a host may have been off without a word about it
WITNESSES: Final = 3  # machines that confirm a clock
KNOWN_FOR_S: Final = DAY_S  # so long before a machine must have been heard first: nobody makes witnesses in a hurry
HOLD_MAX_S: Final = DAY_S  # the clock must hold so long, or a quarter of what it is ahead by where that is less
FEW_HOLD_S: Final = 30 * DAY_S  # after which one machine is enough, at a site that has no three


class CertainTime(msgspec.Struct, frozen=True):
    """What is certain at one moment, and how far the course of the clock that is to be confirmed has come.

    Attributes:
        certain_s: at least so late it is.
        ahead_s: how far the clock is ahead of that on its present course; negative: behind.
        off_s: how much of it is explained by times at which the host was off.
        ran_s: how long the host has run on this course, restarts included.
        witnesses: known machines that asked meanwhile, by the hex of their CMIDs.
    """

    certain_s: Annotated[int, Meta(ge=0, le=2**53)]
    ahead_s: Annotated[int, Meta(ge=-(2**53), le=2**53)] = 0
    off_s: Annotated[int, Meta(ge=0, le=2**53)] = 0
    ran_s: Annotated[int, Meta(ge=0, le=2**53)] = 0
    witnesses: Annotated[tuple[str, ...], Meta(max_length=WITNESSES)] = ()

    def resumed(self, now_s: int) -> CertainTime:
        """At a start: the time since the last look may be that of a host that was off, or of a clock that was set."""
        ahead_s = now_s - self.certain_s
        is_explained = -TOLERANCE_S <= ahead_s - self.off_s <= OFF_MAX_S
        off_s = max(ahead_s, 0) if is_explained else self.off_s
        if -TOLERANCE_S <= ahead_s - self.ahead_s <= OFF_MAX_S:
            return msgspec.structs.replace(self, ahead_s=ahead_s, off_s=off_s)
        return CertainTime(self.certain_s, ahead_s, off_s)

    def ran(self, seconds: float, now_s: int) -> CertainTime:
        """After the host ran for so long, by a clock that nobody sets (monotonic), and its own shows `now_s`.

        A clock that has jumped since is on a new course, for which nobody has said anything yet.
        """
        passed_s = max(int(seconds), 0)
        certain_s = self.certain_s + passed_s
        ahead_s = now_s - certain_s
        if abs(ahead_s - self.ahead_s) > TOLERANCE_S:
            return CertainTime(certain_s, ahead_s, self.off_s)
        return self._confirmed(now_s, certain_s, self.ran_s + passed_s, self.witnesses)

    def heard(self, machines: Iterable[str], now_s: int) -> CertainTime:
        """Known machines have asked, and were accepted at this time."""
        witnesses = tuple(dict.fromkeys((*self.witnesses, *machines)))[:WITNESSES]
        return self._confirmed(now_s, self.certain_s, self.ran_s, witnesses)

    def needs_witnesses(self, now_s: int) -> bool:
        """Whether it matters who asks now."""
        return len(self.witnesses) < WITNESSES and abs(now_s - self.certain_s) > NOISE_S

    def is_doubtful(self, now_s: int) -> bool:
        """Whether the clock shows what neither running nor an ordinary time off explains."""
        return not -TOLERANCE_S <= now_s - self.certain_s - self.off_s <= TOLERANCE_S

    def deletes_at_s(self, now_s: int) -> int:
        """The time by which something may be old enough to be deleted."""
        return min(now_s, self.certain_s)

    def _confirmed(self, now_s: int, certain_s: int, ran_s: int, witnesses: tuple[str, ...]) -> CertainTime:
        hold_s = min(HOLD_MAX_S, abs(now_s - certain_s) // 4)
        if (len(witnesses) >= WITNESSES and ran_s >= hold_s) or (witnesses and ran_s >= FEW_HOLD_S):
            return CertainTime(now_s)
        return msgspec.structs.replace(self, certain_s=certain_s, ran_s=ran_s, witnesses=witnesses)
