"""How long it still is, in words: one way for every place that says so, so that no two of them differ by a day."""

from __future__ import annotations

from quorate.core.policy import DAY_S, HOUR_S, MINUTE_S
from quorate.core.trust import utc_text
from quorate.core.words import counted

__all__ = ["left_text", "minutes_of", "when_text", "whole_days"]


def minutes_of(span_s: int) -> int:
    """Minutes, the one that has begun included: a lease of 180 days has 259,200 when it comes, not one less."""
    return -(-span_s // MINUTE_S)


def whole_days(span_s: int) -> int:
    """Whole days of these minutes, as slmgr has them."""
    return minutes_of(span_s) * MINUTE_S // DAY_S


def left_text(span_s: int) -> str:
    """`180 days`, `47 hours`, `1 minute`; whole ones, rounded down."""
    span_s = minutes_of(span_s) * MINUTE_S
    unit_s, unit = (
        (DAY_S, "day") if span_s >= 2 * DAY_S else (HOUR_S, "hour") if span_s >= 2 * HOUR_S else (MINUTE_S, "minute")
    )
    return counted(span_s // unit_s, unit)


def when_text(time_s: int, now_s: int) -> str:
    """`2027-05-23 09:14:00 UTC (in 180 days)`."""
    span = left_text(abs(time_s - now_s))
    return f"{utc_text(time_s)} ({f'in {span}' if time_s > now_s else f'{span} ago'})"
