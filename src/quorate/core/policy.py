"""The publisher's policy: thresholds, counted classes, validity and grace. Signed; not the administrator's to change.

The profile `windows-7` has exactly the numbers of BEHAVIOUR.md. `combined` differs in one thing: every class counts
toward every threshold, as Microsoft's planning guide has it (3 clients + 2 servers activate the servers).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from quorate.core.ids import Slug

__all__ = ["DAY_S", "PROFILES", "MachineClass", "Policy", "SoftThreshold", "Threshold", "Thresholds"]

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400

INTERVAL_MAX_S = 30 * DAY_S  # slmgr's own bound (reference, section 2.1)
SECONDS_MAX = 100 * 366 * DAY_S
MINIMUM_MAX = 10_000  # a decision reads twice as many rows, so there is a bound

Seconds = Annotated[int, Meta(ge=0, le=SECONDS_MAX)]
Minimum = Annotated[int, Meta(ge=1, le=MINIMUM_MAX)]


class MachineClass(StrEnum):
    """What an edition runs on. Ephemeral ones (containers, CI jobs) are activated and never counted."""

    SERVER = "server"
    CLIENT = "client"
    EPHEMERAL = "ephemeral"


class SoftThreshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the publisher grants below a threshold: who is activated goes on renewing while at least `minimum` machines
    are counted, for `lasts_s` seconds after the last lease that was given at the full threshold (`core.soft`)."""

    minimum: Minimum
    lasts_s: Seconds

    def __post_init__(self) -> None:
        if not HOUR_S <= self.lasts_s <= SECONDS_MAX:
            raise ValueError("a soft threshold lasts at least an hour")


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """S5: at least `minimum` machines of the classes in `counts` must have been heard within the count window.

    `soft` is optional by absence: a policy without it is, to the byte, what it was before there was any (ADR 0015).
    """

    minimum: Minimum
    counts: Annotated[tuple[MachineClass, ...], Meta(min_length=1, max_length=2)]
    soft: SoftThreshold | UnsetType = UNSET

    def __post_init__(self) -> None:
        if not 1 <= self.minimum <= MINIMUM_MAX:  # bounds of types are checked when decoding only; this always
            raise ValueError(f"a threshold is 1 to {MINIMUM_MAX} machines")
        if not self.counts:
            raise ValueError("a threshold counts at least one class")
        if MachineClass.EPHEMERAL in self.counts:
            raise ValueError("ephemeral machines never count toward a threshold")
        if len(set(self.counts)) != len(self.counts):
            raise ValueError("a class counts once")
        if self.soft is not UNSET and not 1 <= self.soft.minimum < self.minimum:
            raise ValueError("a soft threshold is lower than the threshold, and at least 1")


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One threshold for each class that asks."""

    server: Threshold
    client: Threshold
    ephemeral: Threshold

    def of(self, machine_class: MachineClass) -> Threshold:
        """The threshold a machine of this class must meet."""
        if machine_class is MachineClass.CLIENT:
            return self.client
        return self.server if machine_class is MachineClass.SERVER else self.ephemeral


_BOTH = (MachineClass.SERVER, MachineClass.CLIENT)


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All numbers a publisher decides. Defaults are those of Windows 7 (BEHAVIOUR.md; reference, section 2)."""

    profile: Slug = "windows-7"
    thresholds: Thresholds = Thresholds(
        server=Threshold(5, (MachineClass.SERVER,)),  # S6
        client=Threshold(25, _BOTH),  # S7
        ephemeral=Threshold(25, _BOTH),  # as clients, without being counted themselves
    )
    activation_validity_s: Seconds = 180 * DAY_S  # S12
    ephemeral_validity_s: Seconds = 1 * DAY_S
    count_window_s: Seconds = 30 * DAY_S  # S18
    initial_grace_s: Seconds = 30 * DAY_S
    additional_grace_s: Seconds = 30 * DAY_S
    clock_tolerance_s: Seconds = 4 * HOUR_S
    rearm_limit: Annotated[int, Meta(ge=0, le=1000)] = 3
    interval_min_s: Seconds = 15 * MINUTE_S  # bounds for the two intervals an administrator may set
    interval_max_s: Seconds = 30 * DAY_S

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if name.endswith("_s") and not 0 <= getattr(self, name) <= SECONDS_MAX:
                raise ValueError(f"{name} is 0 to {SECONDS_MAX} seconds")
        if not 0 <= self.rearm_limit <= 1000:
            raise ValueError("a rearm limit is 0 to 1000")
        if self.activation_validity_s < HOUR_S or self.ephemeral_validity_s < HOUR_S:
            raise ValueError("an activation lasts at least an hour")
        if self.count_window_s < HOUR_S:
            raise ValueError("the count window is at least an hour")
        if not MINUTE_S <= self.interval_min_s <= self.interval_max_s <= INTERVAL_MAX_S:
            raise ValueError("the bounds of the intervals contradict each other, or leave 1 minute to 30 days")

    def validity_s(self, machine_class: MachineClass) -> int:
        """How long one activation of a machine of this class lasts."""
        return self.ephemeral_validity_s if machine_class is MachineClass.EPHEMERAL else self.activation_validity_s


PROFILES: dict[str, Policy] = {
    "windows-7": Policy(),
    "combined": Policy(
        profile="combined",
        thresholds=Thresholds(server=Threshold(5, _BOTH), client=Threshold(25, _BOTH), ephemeral=Threshold(25, _BOTH)),
    ),
}
