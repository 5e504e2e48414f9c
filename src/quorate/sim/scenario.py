"""A scenario: who is there, what happens when, and what the publisher and the administrator decided. Data only.

`sim.scenario_file` reads it from TOML, `sim.swarm` makes it up, `sim.world` plays it. Times are seconds from the
beginning.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from quorate.core.policy import DAY_S, HOUR_S, MINUTE_S, PROFILES, MachineClass, Policy

__all__ = ["Chapter", "Happening", "HostPlan", "Hours", "Kind", "Population", "Scenario", "What", "Wire"]

START_S = 1_798_761_600  # 2027-01-01 00:00 UTC, a Friday
MACHINES_MAX = 200_000
REPEATS_MAX = 10_000


class Kind(StrEnum):
    """What sort of machine."""

    SERVER = "server"
    PC = "pc"
    LAPTOP = "laptop"
    VDI = "vdi"
    CI = "ci"

    @property
    def machine_class(self) -> MachineClass:
        """What it is counted as."""
        if self is Kind.SERVER:
            return MachineClass.SERVER
        return MachineClass.EPHEMERAL if self is Kind.CI else MachineClass.CLIENT


class Hours(StrEnum):
    """When a machine runs."""

    ALWAYS = "always"
    OFFICE = "office"  # switched on about eight, off about six, Monday to Friday


class What(StrEnum):
    """What can happen."""

    RETIRE = "retire"
    REIMAGE = "reimage"
    SNAPSHOT = "snapshot"
    ROLLBACK = "rollback"
    CLONE = "clone"
    SLEEP = "sleep"
    CRASH = "crash"
    CLOCK_STEP = "clock-step"
    REARM = "rearm"
    TRAVEL = "travel"
    DISK_FULL = "disk-full"
    HOST_STOP = "host-stop"
    HOST_CRASH = "host-crash"
    HOST_DISK_FULL = "host-disk-full"
    HOST_LOSES_DATABASE = "host-loses-database"
    HOST_MOVE = "host-move"
    HOST_CLOCK_STEP = "host-clock-step"
    NETWORK_DOWN = "network-down"
    DNS_DARK = "dns-dark"
    DNS_STALE = "dns-stale"
    IMPOSTOR = "impostor"

    @property
    def is_of_a_host(self) -> bool:
        """Whether it happens to a host."""
        return self.value.startswith("host-")

    @property
    def is_of_the_network(self) -> bool:
        """Whether it happens between them."""
        return self in (What.NETWORK_DOWN, What.DNS_DARK, What.DNS_STALE, What.IMPOSTOR)


@dataclass(frozen=True)
class HostPlan:
    """One KMS host. Hosts that name the same database share one count."""

    name: str
    database: str
    activation_interval_min: int = 120
    renewal_interval_min: int = 10_080


@dataclass(frozen=True)
class Population:
    """Machines of one sort.

    Attributes:
        machines: how many come; with `daily`, how many come each day and go when their job is done.
        join_s, join_over_s: when the first one comes, and over which span they all do.
        stay_s: how long each stays; None: to the end.
        drift_ppm: clocks run wrong by up to that, in both directions.
        reset_daily: each morning's start begins with the golden image again (VDI).
        image: what the golden image holds: nothing of ours, or an installation that was already heard.
    """

    name: str
    kind: Kind
    machines: int
    join_s: int = 0
    join_over_s: int = HOUR_S
    stay_s: int | None = None
    daily: bool = False
    hours: Hours = Hours.ALWAYS
    drift_ppm: int = 0
    reset_daily: bool = False
    image: str = "clean"


@dataclass(frozen=True)
class Happening:
    """One thing that happens at `at_s`.

    Attributes:
        population, machines: to how many machines of which population (None: of any; 0 machines: all of them).
        host: to which host, where it is one of a host.
        for_s: how long; 0: for good, or a moment.
        by_s: by how much a clock jumps.
        identity: of clones: their own, or copied with the disk.
    """

    at_s: int
    what: What
    population: str | None = None
    machines: int = 0
    host: str | None = None
    for_s: int = 0
    by_s: int = 0
    identity: str = "own"


@dataclass(frozen=True)
class Wire:
    """What the network does to each message, in thousandths, and how long it takes at most."""

    loss_permille: int = 0
    duplicate_permille: int = 0
    delay_max_s: int = 0


@dataclass(frozen=True)
class Chapter:
    """Words for the report, beside what happens at that moment."""

    at_s: int
    title: str
    text: str


@dataclass(frozen=True)
class Scenario:
    """The whole of it.

    Attributes:
        is_quick: quick proofs instead of real signatures (`sim.papers`).
        sweep_s: how often a host removes lapsed records.
        faults_end_s: from when on nothing goes wrong any more, so that all must become well; None: no such promise.
        source: how it is asked for again: a name, or the path of its file; empty for a made-up one.
    """

    name: str
    title: str
    about: str
    length_s: int
    hosts: tuple[HostPlan, ...]
    populations: tuple[Population, ...]
    happenings: tuple[Happening, ...] = ()
    wire: Wire = Wire()
    policy: Policy = PROFILES["windows-7"]
    chapters: tuple[Chapter, ...] = ()
    seed: int = 1
    start_s: int = START_S
    tick_s: int = 1
    is_quick: bool = False
    sweep_s: int = DAY_S
    faults_end_s: int | None = None
    source: str = field(default="", compare=False)

    @property
    def machines_max(self) -> int:
        """How many machines there can be in all, clones left out."""
        days = -(-self.length_s // DAY_S)
        return sum(each.machines * (days if each.daily else 1) for each in self.populations)

    @property
    def sample_s(self) -> int:
        """How often the world is looked at: every hour, or every tick where that is longer; at most 20,000 times."""
        least_s = max(HOUR_S if self.length_s > 3 * DAY_S else 5 * MINUTE_S, -(-self.length_s // 20_000))
        return -(-least_s // self.tick_s) * self.tick_s
