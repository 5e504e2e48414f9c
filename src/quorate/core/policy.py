"""The publisher's policy: thresholds, counted classes, validity and grace. Signed; not the administrator's to change.

The profile `windows-7` has exactly the numbers of BEHAVIOUR.md. `combined` differs in one thing: every class counts
toward every threshold, as Microsoft's planning guide has it (3 clients + 2 servers activate the servers).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["DAY_S", "PROFILES", "MachineClass", "Policy", "Threshold", "Thresholds"]

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400

Seconds = Annotated[int, Meta(ge=0, le=100 * 366 * DAY_S)]
Minimum = Annotated[int, Meta(ge=1, le=10_000)]  # a decision reads twice as many rows, so there is a bound


class MachineClass(StrEnum):
    """What an edition runs on. Ephemeral ones (containers, CI jobs) are activated and never counted."""

    SERVER = "server"
    CLIENT = "client"
    EPHEMERAL = "ephemeral"


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """S5: at least `minimum` machines of the classes in `counts` must have been heard within the count window."""

    minimum: Minimum
    counts: Annotated[tuple[MachineClass, ...], Meta(min_length=1, max_length=2)]

    def __post_init__(self) -> None:
        if MachineClass.EPHEMERAL in self.counts:
            raise ValueError("ephemeral machines never count toward a threshold")
        if len(set(self.counts)) != len(self.counts):
            raise ValueError("a class counts once")


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One threshold for each class that asks."""

    server: Threshold
    client: Threshold
    ephemeral: Threshold

    def of(self, machine_class: MachineClass) -> Threshold:
        """The threshold a machine of this class must meet."""
        threshold: Threshold = getattr(self, machine_class.value)
        return threshold


_BOTH = (MachineClass.SERVER, MachineClass.CLIENT)


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All numbers a publisher decides. Defaults are those of Windows 7 (BEHAVIOUR.md; reference, section 2)."""

    profile: str = "windows-7"
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
        if self.activation_validity_s < HOUR_S or self.ephemeral_validity_s < HOUR_S:
            raise ValueError("an activation lasts at least an hour")
        if self.count_window_s < HOUR_S:
            raise ValueError("the count window is at least an hour")
        if not MINUTE_S <= self.interval_min_s <= self.interval_max_s:
            raise ValueError("the bounds of the intervals contradict each other")

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
