"""Time that goes on at a client of the tests, and what the client has noted of it."""

from __future__ import annotations

from quorate import Client
from quorate.client.clockmark import ClockMark, decode_mark
from quorate.core.policy import HOUR_S
from tests.client.parties import Installation

__all__ = ["lives", "mark"]


def lives(here: Installation, client: Client, hours: int) -> None:
    """The clock goes on, and is looked at once an hour."""
    for _ in range(hours):
        here.clock.advance(HOUR_S)
        client.status()


def mark(here: Installation) -> ClockMark:
    """What is noted on disk of what the clock has shown."""
    return decode_mark((here.record.parent / "seen").read_bytes())
