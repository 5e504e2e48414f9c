"""What must happen again: once faults have ended, machines of a large enough fleet become Licensed by themselves.

Two bounds. A machine that is not Licensed, but is on, connected and right about the time, is Licensed within one retry
interval, as long as every host counts enough machines. And the hosts count enough after one renewal interval, as every
machine has asked by then. What a fault may still owe after its end is added: an impostor can silence a client for a day
(nobody signs a `Retry-After`), and a clock within the tolerance is believed.
"""

from __future__ import annotations

from quorate.core.lease import Intervals
from quorate.core.lifecycle import JITTER, RETRY_AFTER_MAX_S
from quorate.core.messages import LicenseStatus
from quorate.core.policy import MINUTE_S, MachineClass
from quorate.sim.fleet import Fleet
from quorate.sim.host import SimHost
from quorate.sim.invariants import Watch
from quorate.sim.machine import SimMachine
from quorate.sim.scenario import Hours, Scenario, What

__all__ = ["Liveness"]

SLACK_S = 15 * MINUTE_S  # timeouts, network delays, a process that is started again


class Liveness:
    """Looks at the world after each sample."""

    def __init__(self, scenario: Scenario, watch: Watch, fleet: Fleet, hosts: list[SimHost]) -> None:
        self._watch = watch
        self._fleet = fleet
        self._hosts = hosts
        self._policy = scenario.policy
        self._ends_s = None if scenario.faults_end_s is None else scenario.start_s + scenario.faults_end_s
        self._within_s = bound_s(scenario)
        self._renewal_s = max(plan.renewal_interval_min for plan in scenario.hosts) * MINUTE_S
        self._databases = {plan.database for plan in scenario.hosts}
        self._office = {
            each.name for each in scenario.populations if each.hours is not Hours.ALWAYS or each.reset_daily
        }
        self._unfit: dict[int, SimMachine] = {}
        self._met_since_s: dict[MachineClass, int | None] = dict.fromkeys(MachineClass)
        self._is_told = False

    def settled(self, machine: SimMachine, now_s: int) -> None:
        """A machine looked at its record."""
        if machine.status is LicenseStatus.LICENSED:
            if machine.unfit_since_s is not None:
                machine.unfit_since_s = None
                self._unfit.pop(machine.number, None)
        elif machine.unfit_since_s is None:
            machine.unfit_since_s = now_s
            self._unfit[machine.number] = machine

    def left(self, machine: SimMachine) -> None:
        """A machine is gone for good."""
        self._unfit.pop(machine.number, None)

    def looked(self, now_s: int) -> None:
        """Hold the world against both bounds, when faults are over."""
        if self._ends_s is None or now_s < self._ends_s:
            return
        for machine_class in MachineClass:
            is_met = self._is_met(machine_class)
            if not is_met:
                self._met_since_s[machine_class] = None
            elif self._met_since_s[machine_class] is None:
                self._met_since_s[machine_class] = now_s
        for machine in self._unfit.values():
            self._check(machine, now_s, self._ends_s)
        if not self._is_told and now_s >= self._ends_s + self._renewal_s + self._within_s:
            self._is_told = True
            self._check_counts(now_s, self._ends_s)

    def _check(self, machine: SimMachine, now_s: int, ends_s: int) -> None:
        met_since_s = self._met_since_s[self._watch.class_of(machine.edition)]
        if met_since_s is None or not self._is_able(machine):
            return
        since_s = max(met_since_s, ends_s, machine.on_since_s, machine.unfit_since_s or 0)
        if now_s - since_s > self._within_s:
            self._watch.broken(
                now_s,
                "licensed-again",
                f"{machine.name} is {machine.status.value} {now_s - since_s} s after it could ask",
            )
            machine.unfit_since_s = now_s  # once for each bound that passes

    def _check_counts(self, now_s: int, ends_s: int) -> None:
        """After a renewal interval without faults, one database must count all that are able to ask."""
        if len(self._databases) > 1:
            return  # each counts its own part: that is what is wrong with them
        able = [each for each in self._fleet.present.values() if self._is_able(each) and each.on_since_s <= ends_s]
        book = self._watch.books[next(iter(self._databases))]
        for machine_class in (MachineClass.SERVER, MachineClass.CLIENT):
            threshold = self._policy.thresholds.of(machine_class)
            there = {each.cmid() for each in able if self._watch.class_of(each.edition) in threshold.counts}
            if len(there) >= threshold.minimum and book.count(threshold.counts) < len(there):
                self._watch.broken(
                    now_s,
                    "counted-again",
                    f"{book.count(threshold.counts)} are counted toward {machine_class.value}, {len(there)} are there",
                )

    def _is_able(self, machine: SimMachine) -> bool:
        is_right = abs(machine.clock.error_s()) <= self._policy.clock_tolerance_s
        return (
            machine.is_on
            and not machine.is_away
            and not machine.disk.is_full
            and is_right
            and machine.population not in self._office
        )

    def _is_met(self, machine_class: MachineClass) -> bool:
        threshold = self._policy.thresholds.of(machine_class)
        return all(
            host.is_up and self._watch.books[host.plan.database].count(threshold.counts) >= threshold.minimum
            for host in self._hosts
        )


def bound_s(scenario: Scenario) -> int:
    """Within which time a machine that can ask, and would be activated, is Licensed; samples are an hour apart."""
    kinds = {happening.what for happening in scenario.happenings}
    told_min = [plan.activation_interval_min for plan in scenario.hosts]
    interval_s = max(*told_min, Intervals().activation_min) * MINUTE_S  # the last: of who has never heard a host
    owed_s = round(RETRY_AFTER_MAX_S * (1 + JITTER)) if What.IMPOSTOR in kinds else 0
    owed_s += scenario.policy.clock_tolerance_s if What.CLOCK_STEP in kinds or _drifts(scenario) else 0
    return interval_s + owed_s + SLACK_S + scenario.sample_s + 2 * scenario.tick_s


def _drifts(scenario: Scenario) -> bool:
    """Clocks that run wrong are set right when faults end: what was due by the old time is late by the new one."""
    return any(population.drift_ppm for population in scenario.populations)
