"""A checkup: what was looked at, in order, what was seen, what mends it, and which of it is the cause.

Made by host and client each for itself, printed by `quorate doctor`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from quorate.errors import QuorateError

__all__ = ["RESOLV_CONF_FIX", "Check", "Level", "cause_of", "failed", "judged", "skipped"]


RESOLV_CONF_FIX = (
    "Correct that line where it is made: /etc/resolv.conf itself, NetworkManager, netplan, or the DHCP server."
)
"""What mends a line of this machine's DNS settings, whichever side has seen it."""


class Level(StrEnum):
    """How it stands. `SKIP`: it cannot be judged, and why is said."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        step: what kind of thing, in one word.
        seen: what was seen, in one sentence.
        code: the stable code of what is wrong, as `quorate.errors` has it; None when nothing is.
        fix: what mends it, with the exact command; empty when nothing has to be done.
    """

    step: str
    level: Level
    seen: str
    code: str | None = None
    fix: str = ""


def failed(step: str, error: QuorateError, level: Level = Level.FAIL) -> Check:
    """An error as a check."""
    return Check(step, level, error.message, error.code, error.hint)


def skipped(step: str, reason: str) -> Check:
    """What could not be judged."""
    return Check(step, Level.SKIP, reason)


def judged(step: str, look: Callable[[], str]) -> Check:
    """What `look` saw, or the error that it met."""
    try:
        return Check(step, Level.OK, look())
    except QuorateError as error:
        return failed(step, error)


def cause_of(checks: Sequence[Check]) -> Check | None:
    """The cause of all trouble: the first failure, as each step needs those before it; else the first warning; None
    when all is well."""
    for level in (Level.FAIL, Level.WARN):
        for check in checks:
            if check.level is level:
                return check
    return None
