"""The client's life as a table: state x event -> state + effects. Everything about transitions is in this file.

Run by the agent and by the simulator; the drawing in `docs/reference/client-states.md` is made from it, so it cannot
lie. This module knows no clock and no chance: both are handed in.

States are named as Windows names them; numbers and transitions: reference, sections 2 and 8; S11-S15, S23, S26.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from quorate.core.lease import Intervals, Lease
from quorate.core.messages import LicenseStatus, TimeS
from quorate.core.policy import DAY_S, MINUTE_S, Policy
from quorate.errors import RearmLimitReachedError

__all__ = [
    "TRANSITIONS",
    "USABLE",
    "Effect",
    "Event",
    "Life",
    "advance",
    "attempt_within_s",
    "step",
    "told_wait_s",
    "unlicensed",
]


class Event(Enum):
    """What can happen to a client."""

    INSTALLED = "product file installed"
    ACTIVATED = "host answered with a lease"
    REFUSED = "host answered with a refusal"
    UNANSWERED = "no host answered"
    DEADLINE = "the state's time is over"
    REARMED = "rearm"
    LEASE_VOID = "lease of another machine, damaged, or taken back"
    SUPERSEDED = "host knows another machine of this CMID"
    UNINSTALLED = "product file removed"


class Effect(Enum):
    """What follows besides the new state."""

    START_INITIAL_GRACE = "initial grace begins"
    START_VALIDITY = "the lease's validity begins"
    START_ADDITIONAL_GRACE = "additional grace begins"
    NO_DEADLINE = "no end"
    ATTEMPT_NOW = "ask now"
    ATTEMPT_SOON = "ask within five minutes"
    ATTEMPT_AT_RETRY = "ask again after the activation interval"
    ATTEMPT_AT_RENEWAL = "ask again in the renewal window"
    NO_ATTEMPT = "ask no more"
    COUNT_REARM = "one rearm used"


_S, _E, _F = LicenseStatus, Event, Effect
_Transitions = dict[Event, tuple[LicenseStatus, tuple[Effect, ...]]]


def _common(stay: LicenseStatus) -> _Transitions:
    """What is the same in every installed state: one success leads straight to Licensed, a failure changes nothing."""
    return {
        _E.ACTIVATED: (_S.LICENSED, (_F.START_VALIDITY, _F.ATTEMPT_AT_RENEWAL)),
        _E.REFUSED: (stay, (_F.ATTEMPT_AT_RETRY,)),
        _E.UNANSWERED: (stay, (_F.ATTEMPT_AT_RETRY,)),
        _E.REARMED: (_S.INITIAL_GRACE, (_F.START_INITIAL_GRACE, _F.COUNT_REARM, _F.ATTEMPT_NOW)),
        _E.LEASE_VOID: (stay, (_F.ATTEMPT_NOW,)),  # no new grace: spoiling a file must not buy time
        _E.SUPERSEDED: (stay, (_F.ATTEMPT_SOON,)),  # a new CMID buys no new grace
        _E.UNINSTALLED: (_S.UNLICENSED, (_F.NO_DEADLINE, _F.NO_ATTEMPT)),
    }


TRANSITIONS: dict[LicenseStatus, _Transitions] = {
    _S.UNLICENSED: {
        _E.INSTALLED: (_S.INITIAL_GRACE, (_F.START_INITIAL_GRACE, _F.ATTEMPT_NOW)),
    },
    _S.INITIAL_GRACE: {
        **_common(_S.INITIAL_GRACE),
        _E.DEADLINE: (_S.NOTIFICATION, (_F.NO_DEADLINE,)),
    },
    _S.LICENSED: {
        **_common(_S.LICENSED),  # S23: a refused renewal leaves the lease running
        _E.DEADLINE: (_S.ADDITIONAL_GRACE, (_F.START_ADDITIONAL_GRACE,)),  # S13
        # As Windows does when the hardware is no longer the activated one (reference, section 8.2).
        _E.LEASE_VOID: (_S.ADDITIONAL_GRACE, (_F.START_ADDITIONAL_GRACE, _F.ATTEMPT_NOW)),
    },
    _S.ADDITIONAL_GRACE: {
        **_common(_S.ADDITIONAL_GRACE),
        _E.DEADLINE: (_S.NOTIFICATION, (_F.NO_DEADLINE,)),
    },
    _S.NOTIFICATION: _common(_S.NOTIFICATION),
}

USABLE = frozenset({_S.INITIAL_GRACE, _S.LICENSED, _S.ADDITIONAL_GRACE})
"""States in which the application should do its work. What it does in the others is the publisher's choice."""

SOON_S = 300  # copies of one image that were started together do not come back together
RETRY_AFTER_MAX_S = DAY_S  # nobody signs a Retry-After: one forged reply must not silence a client for longer
RETRY_AFTER_MIN_S = MINUTE_S  # nor make it ask each second; twice as long each time, up to the policy's least interval
JITTER = 0.05  # the last twentieth of an interval, so that machines refused together do not come back together


class Life(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where one client stands.

    Attributes:
        deadline_s: when the state ends by itself.
        next_attempt_s: when to ask again; appointed_s: when that was decided, None in a record from before it was kept.
        told_to_wait: how often in a row hosts told this client when to come back, instead of an answer.
    """

    status: LicenseStatus
    deadline_s: TimeS | None = None
    next_attempt_s: TimeS | None = None
    appointed_s: TimeS | None = None
    told_to_wait: Annotated[int, Meta(ge=0, le=1000)] = 0
    intervals: Intervals = Intervals()
    rearms: Annotated[int, Meta(ge=0, le=1000)] = 0


def unlicensed() -> Life:
    """A client before its product file is installed."""
    return Life(status=LicenseStatus.UNLICENSED)


def step(
    life: Life,
    event: Event,
    now_s: int,
    policy: Policy,
    *,
    chance: float = 0.0,
    lease: Lease | None = None,
    intervals: Intervals | None = None,
    retry_after_s: int | None = None,
) -> Life:
    """The life after one event.

    Args:
        chance: a uniformly random number in [0, 1): where in its window the next attempt falls.
        lease: the new lease, with `ACTIVATED`.
        intervals: the host's, with any answer; adopted at once, within the publisher's bounds.
        retry_after_s: what a busy host asked for; honoured instead of the activation interval, up to a day, and not
            below a minute, which doubles with each time in a row.

    Raises:
        ValueError: an event this state does not know (our own mistake).
        RearmLimitReachedError: a rearm beyond the policy's limit.
    """
    if event not in TRANSITIONS[life.status]:
        raise ValueError(f"{event.name} cannot happen in state {life.status.value}")
    if event is Event.REARMED and life.rearms >= policy.rearm_limit:
        raise RearmLimitReachedError(rearm_limit=policy.rearm_limit)
    status, effects = TRANSITIONS[life.status][event]
    adopted = _bounded(life.intervals if intervals is None else intervals, policy)
    changes: dict[str, Any] = {"status": status, "intervals": adopted}
    for effect in effects:
        changes |= _change(life, effect, now_s, policy, chance, lease, adopted, retry_after_s)
    if "next_attempt_s" in changes:
        changes["appointed_s"] = now_s
        changes["told_to_wait"] = 0 if retry_after_s is None else min(life.told_to_wait + 1, 1000)
    return msgspec.structs.replace(life, **changes)


def advance(life: Life, now_s: int, policy: Policy) -> Life:
    """The life at `now_s`, when nothing happened but time: deadlines fire in their order, each at its own moment."""
    for _ in range(len(LicenseStatus)):  # each deadline leads to a later state, so the table ends the loop
        if life.deadline_s is None or now_s < life.deadline_s:
            break
        life = step(life, Event.DEADLINE, life.deadline_s, policy)
    return life


def attempt_within_s(policy: Policy) -> int:
    """How far away the next attempt is at the most, whatever was said and by whom."""
    return max(policy.interval_max_s, round(RETRY_AFTER_MAX_S * (1 + JITTER)))


def told_wait_s(retry_after_s: int, told_to_wait: int, interval_min_s: int) -> int:
    """The least wait in seconds after a problem with `Retry-After`, when hosts said so `told_to_wait` times before."""
    least_s = min(RETRY_AFTER_MIN_S << min(told_to_wait, 16), interval_min_s)
    return min(max(retry_after_s, least_s), RETRY_AFTER_MAX_S)


def grace_s(life: Life, policy: Policy) -> int:
    """How long a grace lasts, of a life without a lease."""
    is_initial = life.status is LicenseStatus.INITIAL_GRACE
    return policy.initial_grace_s if is_initial else policy.additional_grace_s


def due(life: Life, now_s: int) -> Life:
    """The same life, with its next attempt now."""
    return msgspec.structs.replace(life, next_attempt_s=now_s, appointed_s=now_s)


def _change(
    life: Life,
    effect: Effect,
    now_s: int,
    policy: Policy,
    chance: float,
    lease: Lease | None,
    adopted: Intervals,
    retry_after_s: int | None,
) -> dict[str, int | None]:
    """What an effect makes of which field."""
    match effect:
        case Effect.START_VALIDITY:
            return {"deadline_s": _given(lease).expires_s}  # S12, S15
        case Effect.ATTEMPT_AT_RENEWAL:  # S14
            start_s, end_s = _given(lease).renew_from_s, _given(lease).renew_until_s
            # The window is the host's word; the bound is the publisher's (a window opens at half its interval at most).
            earliest_s = now_s + policy.interval_min_s // 2
            chosen_s = max(earliest_s, start_s + int((end_s - start_s) * chance))
            return {"next_attempt_s": min(chosen_s, now_s + attempt_within_s(policy))}
        case Effect.ATTEMPT_AT_RETRY:  # S11, S22
            interval_s = adopted.activation_min * 60
            if retry_after_s is not None:  # never earlier than asked for
                wait_s = told_wait_s(retry_after_s, life.told_to_wait, policy.interval_min_s) * (1 + JITTER * chance)
            else:
                wait_s = interval_s * (1 - JITTER * chance)
            return {"next_attempt_s": now_s + max(1, round(wait_s))}
        case Effect.START_INITIAL_GRACE:
            return {"deadline_s": now_s + policy.initial_grace_s}
        case Effect.START_ADDITIONAL_GRACE:
            return {"deadline_s": now_s + policy.additional_grace_s}
        case Effect.NO_DEADLINE:
            return {"deadline_s": None}
        case Effect.ATTEMPT_NOW:
            return {"next_attempt_s": now_s}
        case Effect.ATTEMPT_SOON:
            return {"next_attempt_s": now_s + max(1, round(SOON_S * chance))}
        case Effect.NO_ATTEMPT:
            return {"next_attempt_s": None}
        case Effect.COUNT_REARM:
            return {"rearms": life.rearms + 1}


def _given(lease: Lease | None) -> Lease:
    if lease is None:
        raise ValueError("ACTIVATED comes with its lease")
    return lease


def _bounded(intervals: Intervals, policy: Policy) -> Intervals:
    low = -(-policy.interval_min_s // 60)  # rounded up: never more often than the policy allows
    high = max(low, policy.interval_max_s // 60)
    if low <= intervals.activation_min <= high and low <= intervals.renewal_min <= high:
        return intervals
    return Intervals(min(max(intervals.activation_min, low), high), min(max(intervals.renewal_min, low), high))
