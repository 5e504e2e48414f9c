"""What mends what a client's checkup has found, more exactly than the error's own hint can say it.

A hint knows the cause; a checkup has also seen how it showed itself: a refused connection is a host that is not
running, silence is a firewall, and a wrong clock that the KMS host agrees with needs nothing but one contact.
"""

from __future__ import annotations

from quorate.core.checkup import Check, failed
from quorate.errors import ClockSkewError, ClockTurnedBackError, HostUnreachableError, QuorateError

__all__ = ["CLOCK_ACCEPTED", "CLOCK_PROVEN", "SET_CLOCK", "found_failed"]

SET_CLOCK = "`timedatectl set-ntp true` on the machine that is wrong (the time zone does not matter)"
CLOCK_PROVEN = "The clock is right now, and a lease proves it: `quorate client activate`."
CLOCK_ACCEPTED = "Where this clock is right and no KMS host can be reached: `quorate client accept-clock`"


def found_failed(step: str, error: QuorateError) -> Check:
    """The error as a failed check of a step, with the fix that fits what was seen."""
    check = failed(step, error)
    fix = _fix(error)
    return check if fix is None else Check(check.step, check.level, check.seen, check.code, fix)


def _fix(error: QuorateError) -> str | None:
    if isinstance(error, ClockSkewError | ClockTurnedBackError):
        return SET_CLOCK
    if isinstance(error, HostUnreachableError):
        tried, port = str(error.values.get("tried", "")), error.values.get("port")
        if tried.endswith("connection refused"):
            return (
                "Nothing listens there. On the host: `systemctl start quorate-host` (or `quorate host run`), then "
                f"`quorate doctor --role host` (TCP {port})."
            )
        if tried.endswith("no answer in time"):
            return (
                "A firewall drops it, or the machine is off. On the host: `quorate host firewall --enable` "
                f"(TCP {port}), then `quorate doctor --role host`."
            )
    return None
