"""What this machine's own clock has shown, and how far it is believed. Pure.

A time counts once the clock has lived through it: come to it in small steps, or gone on from it for hours. After a jump
ahead the new time is a *run*, provisional. When the clock comes back before the run was confirmed, the run is dropped,
and nothing has happened. (`spec/protocol.md` section 7, "What may move time".)

Where the clock stands before what is confirmed, the mark counts how long, and how often it was set back, since the last
lease: that is what uses the grace up.
"""

from __future__ import annotations

import msgspec

from quorate.core.policy import DAY_S, HOUR_S

__all__ = ["BACK_GRACE_S", "CONFIRMED_AFTER_S", "GAP_S", "MARK_BYTES_MAX", "ClockMark", "decode_mark", "encode_mark"]

GAP_S = 2 * HOUR_S  # between two looks: more is a jump. An agent looks each minute, and notes the time once an hour
CONFIRMED_AFTER_S = 4 * HOUR_S  # who sets a clock wrong by mistake has noticed; a day's work confirms the next morning
BACK_GRACE_S = 7 * DAY_S  # the usual renewal interval: whoever reaches a host at all is well before it ends
STEP_S = 60  # less is time synchronisation at work
_JUMP_COUNTS_S = HOUR_S  # whoever looks once a day shows nothing but jumps
_NOTED_AFTER_S = HOUR_S
_BACK_NOTED_AFTER_S = 15 * 60

_DIGITS = 12
_FIELDS = 9
MARK_BYTES_MAX = _FIELDS * (_DIGITS + 1)


class ClockMark(msgspec.Struct, frozen=True, gc=False):
    """What the clock has shown; times are seconds since 1970 UTC, 0 where there is none.

    Attributes:
        confirmed_s: the newest time that the clock has lived through.
        run_s: after a jump ahead: the newest time that the clock came to in small steps from there.
        ahead_s: the newest time after that jump; more than `run_s` where there was another jump.
        lived_s: how long the clock went on in small steps since that jump; here_s: since the last one.
        jumps: how many further jumps ahead there were; each counts as an hour that was lived.
        back_s: the last time shown, while the clock stands before what is known.
        spent_s: how long it has stood there since the last lease.
        steps: how often it was set back there since the last lease.
    """

    confirmed_s: int = 0
    run_s: int = 0
    ahead_s: int = 0
    lived_s: int = 0
    here_s: int = 0
    jumps: int = 0
    back_s: int = 0
    spent_s: int = 0
    steps: int = 0

    @property
    def newest_s(self) -> int:
        """The newest time that has not been taken back."""
        return max(self.confirmed_s, self.ahead_s)

    def looked(self, now_s: int, proven_s: int, tolerance_s: int) -> ClockMark:
        """The mark after the clock has shown `now_s`; itself, where that says nothing new.

        Args:
            proven_s: a time that is known in another way: of a lease, or of the record's beginning.
        """
        now_s = max(now_s, 1)  # 0 is no time here
        if self.confirmed_s == now_s and proven_s <= now_s and not self.ahead_s and not self.back_s:
            return self
        mark = self if self.confirmed_s >= proven_s else _replace(self, confirmed_s=proven_s)
        if mark.ahead_s and now_s < mark.ahead_s - tolerance_s:
            mark = mark._taken_back(now_s, tolerance_s)
        if now_s < mark.confirmed_s - tolerance_s:
            return mark._turned_back(now_s)
        if mark.back_s:
            mark = _replace(mark, back_s=0)
        return mark._gone_on(now_s)

    def grace_left_s(self, tolerance_s: int) -> int:
        """How long a program stays usable while its clock is turned back; 0 when that is used up."""
        return max(BACK_GRACE_S - self.spent_s - self.steps * max(tolerance_s, HOUR_S), 0)

    def is_news_to(self, noted: ClockMark) -> bool:
        """Whether it is time to note it on disk, where `noted` stands."""
        mine = bool(self.ahead_s), bool(self.back_s), self.steps, self.jumps
        if mine != (bool(noted.ahead_s), bool(noted.back_s), noted.steps, noted.jumps):
            return True
        if self.back_s:
            return self.spent_s - noted.spent_s >= _BACK_NOTED_AFTER_S
        return abs(self.newest_s - noted.newest_s) >= _NOTED_AFTER_S or self.run_s < noted.run_s

    def _gone_on(self, now_s: int) -> ClockMark:
        """At or after what is confirmed, but for the tolerance."""
        if not self.ahead_s:
            if now_s <= self.confirmed_s:
                return self
            if now_s - self.confirmed_s <= GAP_S:
                return _replace(self, confirmed_s=now_s)
            return _replace(self, run_s=now_s, ahead_s=now_s)
        if now_s <= self.ahead_s:
            return self
        run_s, lived_s, here_s, jumps = self.run_s, self.lived_s, self.here_s, self.jumps
        step_s = now_s - self.ahead_s
        if step_s > GAP_S:
            here_s, jumps = 0, jumps + 1
        else:
            run_s = now_s if run_s == self.ahead_s else run_s
            lived_s, here_s = lived_s + step_s, here_s + step_s
        if here_s >= CONFIRMED_AFTER_S:
            run_s = now_s
        elif lived_s + jumps * _JUMP_COUNTS_S < CONFIRMED_AFTER_S:
            return _replace(self, run_s=run_s, ahead_s=now_s, lived_s=lived_s, here_s=here_s, jumps=jumps)
        mark = self._without_run(run_s)
        if run_s == now_s:
            return mark
        return _replace(mark, run_s=now_s, ahead_s=now_s, lived_s=here_s, here_s=here_s)

    def _taken_back(self, now_s: int, tolerance_s: int) -> ClockMark:
        """The clock has come back: without what was ahead. What was lived there has passed all the same."""
        if now_s >= self.run_s - tolerance_s:
            return _replace(self, ahead_s=self.run_s, here_s=0)
        return self._without_run(self.confirmed_s + self.lived_s)

    def _without_run(self, confirmed_s: int) -> ClockMark:
        return _replace(self, confirmed_s=confirmed_s, run_s=0, ahead_s=0, lived_s=0, here_s=0, jumps=0)

    def _turned_back(self, now_s: int) -> ClockMark:
        """Before what is confirmed: time is spent, and steps back are counted."""
        if not self.back_s or now_s < self.back_s - STEP_S:
            return _replace(self, back_s=now_s, steps=self.steps + 1)
        spent_s = self.spent_s + min(max(now_s - self.back_s, 0), DAY_S)
        return self if now_s == self.back_s else _replace(self, back_s=now_s, spent_s=spent_s)


def encode_mark(mark: ClockMark) -> bytes:
    """Numbers of twelve digits, `confirmed_s` first: all that a client before these rules reads."""
    values = msgspec.structs.astuple(mark)
    return b" ".join(b"%0*d" % (_DIGITS, min(max(value, 0), 10**_DIGITS - 1)) for value in values) + b"\n"


def decode_mark(data: bytes) -> ClockMark:
    """The mark in `data`; an empty one where nothing can be read.

    One number alone is of a client before these rules, which believed every time at a glance: it is provisional.
    """
    fields = data.strip().split(b" ")
    if any(not each.isdigit() or len(each) > _DIGITS for each in fields):
        return ClockMark()
    values = [int(each) for each in fields]
    if len(values) == 1:
        return ClockMark(run_s=values[0], ahead_s=values[0])
    return ClockMark(*values) if len(values) == _FIELDS else ClockMark()


_replace = msgspec.structs.replace
