"""Random scenarios: a small fleet, some hosts, and whatever can go wrong, made up from one number.

All faults end at `faults_end_s`; then follows a renewal interval of peace, in which everything must become well again.
"""

from __future__ import annotations

import dataclasses

import msgspec

from quorate.core.policy import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    PROFILES,
    MachineClass,
    Policy,
    SoftThreshold,
    Threshold,
    Thresholds,
)
from quorate.sim.chance import Chance
from quorate.sim.scenario import Happening, HostPlan, Hours, Kind, Population, Scenario, What, Wire

__all__ = ["random_scenario"]

REAL_EACH = 4  # the others have quick proofs, so that more of them are played
PEACE_S = 10 * DAY_S  # a renewal interval, a retry interval, and what an impostor's last word may still cost
_MACHINE_FAULTS = (
    *(What.RETIRE, What.REIMAGE, What.SNAPSHOT, What.ROLLBACK, What.CLONE, What.SLEEP, What.CRASH),
    *(What.CLOCK_STEP, What.REARM, What.TRAVEL, What.DISK_FULL),
)
_HOST_FAULTS = (What.HOST_STOP, What.HOST_CRASH, What.HOST_DISK_FULL, What.HOST_LOSES_DATABASE, What.HOST_MOVE)
_NETWORK_FAULTS = (What.NETWORK_DOWN, What.DNS_DARK, What.DNS_STALE, What.IMPOSTOR)


def random_scenario(seed: int) -> Scenario:
    """Scenario number `seed`: always the same. Every fourth has real signatures."""
    chance = Chance(seed, "swarm")
    policy = _softened(_policy(chance), Chance(seed, "soft"))
    databases = chance.between(1, 2)
    hosts = tuple(
        HostPlan(f"kms{n}", f"db{chance.between(1, databases)}", chance.pick((30, 120, 120, 120)), 10_080)
        for n in range(1, chance.between(1, 3) + 1)
    )
    trouble_s = chance.between(1, chance.pick((6, 25, 50))) * DAY_S
    populations = tuple(_population(chance, n, policy) for n in range(1, chance.between(1, 3) + 1))
    happenings = [_happening(chance, trouble_s, populations, hosts) for _ in range(chance.between(0, 25))]
    return Scenario(
        name=f"swarm-{seed}",
        title=f"Random scenario {seed}",
        about="",
        length_s=trouble_s + PEACE_S,
        hosts=hosts,
        populations=populations,
        happenings=tuple(sorted(happenings, key=lambda each: each.at_s)),
        wire=_wire(chance),
        policy=policy,
        seed=seed,
        is_quick=bool(seed % REAL_EACH),
        sweep_s=chance.pick((HOUR_S, DAY_S, 7 * DAY_S)),
        faults_end_s=trouble_s,
    )


def _policy(chance: Chance) -> Policy:
    policy = PROFILES[chance.pick(tuple(PROFILES))]
    client, server = chance.pick((1, 2, 5, 10, 25)), chance.pick((1, 3, 5))
    both = (MachineClass.SERVER, MachineClass.CLIENT)
    thresholds = Thresholds(
        server=Threshold(server, policy.thresholds.server.counts),
        client=Threshold(client, both),
        ephemeral=Threshold(client, both),
    )
    if chance.happens(500):  # everything faster, so that expiry and grace are reached within weeks
        policy = msgspec.structs.replace(
            policy,
            activation_validity_s=chance.pick((8, 15, 30)) * DAY_S,
            count_window_s=chance.pick((8, 15, 30)) * DAY_S,
            initial_grace_s=chance.pick((1, 5, 30)) * DAY_S,
            additional_grace_s=chance.pick((1, 5, 30)) * DAY_S,
        )
    return msgspec.structs.replace(policy, thresholds=thresholds)


def _softened(policy: Policy, chance: Chance) -> Policy:
    """In every other world the publisher has a soft threshold. A chance of its own: the rest of the world stays."""
    client = policy.thresholds.client
    if client.minimum == 1 or chance.happens(500):
        return policy
    soft = SoftThreshold(chance.between(1, client.minimum - 1), chance.pick((1, 5, 30)) * DAY_S)
    softened = msgspec.structs.replace(client, soft=soft)
    thresholds = msgspec.structs.replace(policy.thresholds, client=softened, ephemeral=softened)
    return msgspec.structs.replace(policy, thresholds=thresholds)


def _wire(chance: Chance) -> Wire:
    """What the network does in the time of trouble; afterwards it is perfect (`sim.happenings`)."""
    if chance.happens(300):
        return Wire()
    return Wire(chance.pick((0, 10, 100, 300)), chance.pick((0, 10, 200)), chance.pick((0, 2, 14)))


def _population(chance: Chance, number: int, policy: Policy) -> Population:
    kind = chance.pick((Kind.PC, Kind.PC, Kind.SERVER, Kind.LAPTOP, Kind.VDI, Kind.CI))
    minimum = policy.thresholds.of(kind.machine_class).minimum
    return Population(
        name=f"{kind.value}s{number}",
        kind=kind,
        machines=max(1, minimum + chance.between(-3, 6)),
        join_over_s=chance.pick((0, HOUR_S, DAY_S)),
        hours=Hours.OFFICE if kind is Kind.LAPTOP else Hours.ALWAYS,
        drift_ppm=chance.pick((0, 0, 100, 5000)),
        reset_daily=kind is Kind.VDI and chance.happens(500),
        image=chance.pick(("clean", "with-cmid")) if kind is Kind.VDI else "clean",
    )


def _happening(
    chance: Chance, trouble_s: int, populations: tuple[Population, ...], hosts: tuple[HostPlan, ...]
) -> Happening:
    what = chance.pick(chance.pick((_MACHINE_FAULTS, _HOST_FAULTS, _NETWORK_FAULTS)))
    at_s = chance.below(trouble_s)
    for_s = min(chance.pick((MINUTE_S, HOUR_S, 6 * HOUR_S, DAY_S, 7 * DAY_S, 40 * DAY_S)), trouble_s - at_s)
    happening = Happening(at_s, what, for_s=max(for_s, 1))
    if what.is_of_a_host:
        if what is What.HOST_CRASH:  # it dies within two hours, and is started again after them
            at_s = max(0, min(at_s, trouble_s - 3 * HOUR_S))
            happening = dataclasses.replace(happening, at_s=at_s, for_s=min(for_s, HOUR_S))
        return dataclasses.replace(happening, host=chance.pick(hosts).name)
    everybody = chance.happens(300)
    happening = dataclasses.replace(happening, population=None if everybody else chance.pick(populations).name)
    if what.is_of_the_network:
        return happening
    return dataclasses.replace(
        happening,
        machines=chance.between(1, 5),
        by_s=chance.pick((-1, 1)) * chance.pick((HOUR_S, 3 * HOUR_S, 5 * HOUR_S, DAY_S, 45 * DAY_S, 400 * DAY_S)),
        identity=chance.pick(("own", "copied")),
    )
