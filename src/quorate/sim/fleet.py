"""The fleet: which machines there are, when they come and go, and when they are switched on."""

from __future__ import annotations

from quorate.client.identity import Machine
from quorate.client.storage.record import fresh
from quorate.core.messages import encode
from quorate.core.policy import DAY_S, HOUR_S, MINUTE_S
from quorate.sim.chance import Chance
from quorate.sim.clocks import MachineClock
from quorate.sim.disk import MemoryDisk, SharedText
from quorate.sim.machine import Kit, SimMachine
from quorate.sim.papers import EDITIONS
from quorate.sim.scenario import Hours, Population, Scenario
from quorate.sim.timeline import Phase

__all__ = ["Fleet"]

JOB_S = 2 * HOUR_S  # how long a machine of a daily population stays, unless it says so
_MONDAY_0 = 3  # 1970-01-01 was a Thursday


class Fleet:
    """All machines, present and gone."""

    def __init__(self, scenario: Scenario, kit: Kit, certificates: list[str]) -> None:
        self._scenario = scenario
        self._kit = kit
        self._timeline = kit.timeline
        self._shared = SharedText()
        if not kit.keeps_processes:  # a fleet so large that space is worth more than time
            for certificate in certificates:
                self._shared.learn(certificate)
        self._made = 0
        self._golden: dict[str, MemoryDisk] = {}
        self.present: dict[int, SimMachine] = {}
        self.on_leave: set[int] = set()

    def arrange(self) -> None:
        """Make the appointments of all arrivals."""
        for population in self._scenario.populations:
            self._golden[population.name] = self._golden_image(population)
            self._timeline.at(self._scenario.start_s + population.join_s, Phase.CHANGE, self._join, population, 0)

    def of(self, population: str | None) -> list[SimMachine]:
        """The machines of a population that are here, or all, oldest first."""
        return [each for each in self.present.values() if population is None or each.population == population]

    def retire(self, machine: SimMachine) -> None:
        """It leaves, without a word."""
        if self.present.pop(machine.number, None) is not None:
            machine.retire()
            self._kit.desktop.left(machine)

    def clone(self, original: SimMachine, *, is_identity_copied: bool) -> SimMachine:
        """A copy of its disk in another machine, with the machine identity copied or its own."""
        population = original.plan
        copy = self._make(population)
        copy.disk.restore(original.disk)
        if is_identity_copied:
            copy.identity = original.identity
        self._switch_on(copy, population)
        return copy

    def reimage(self, machine: SimMachine) -> None:
        """Everything on its disk is new: for its host another machine, until the old record lapses."""
        machine.stop()
        machine.disk.wipe()
        machine.lease_expires_s = None
        machine.start()

    def send_away(self, machine: SimMachine, for_s: int) -> None:
        """Off for some time, whatever its hours are; then on again."""
        machine.stop()
        self.on_leave.add(machine.number)
        self._timeline.after(for_s, Phase.CHANGE, self._back, machine)

    def _back(self, machine: SimMachine) -> None:
        self.on_leave.discard(machine.number)
        if not machine.is_retired and machine.plan.hours is Hours.ALWAYS:
            machine.start()  # others start on their next morning

    # --- coming and going ------------------------------------------------------------------------------------------

    def _join(self, population: Population, number: int) -> None:
        machine = self._make(population)
        if population.reset_daily or population.image != "clean":
            machine.image = self._golden[population.name]
            machine.disk.restore(machine.image)
        if not population.reset_daily:
            machine.image = None
        self._switch_on(machine, population)
        stay_s = JOB_S if population.stay_s is None and population.daily else population.stay_s
        if stay_s is not None:
            self._timeline.after(stay_s, Phase.CHANGE, self.retire, machine)
        following = number + 1
        if population.daily:
            day, place = divmod(following, population.machines)
            at_s = population.join_s + day * DAY_S + place * population.join_over_s // max(population.machines, 1)
        elif following < population.machines:
            at_s = population.join_s + following * population.join_over_s // max(population.machines - 1, 1)
        else:
            return
        self._timeline.at(self._scenario.start_s + at_s, Phase.CHANGE, self._join, population, following)

    def _make(self, population: Population) -> SimMachine:
        self._made += 1
        number = self._made
        chance = Chance(self._scenario.seed, "machine", number)
        drift_ppm = chance.between(-population.drift_ppm, population.drift_ppm) if population.drift_ppm else 0
        name = f"{population.name}-{number:0{max(3, len(str(self._scenario.machines_max)))}d}"
        machine = SimMachine(
            self._kit,
            number,
            name,
            population,
            MemoryDisk(self._shared),
            MachineClock(self._timeline, 0, drift_ppm),
            chance,
        )
        self.present[number] = machine
        self._kit.desktop.arrived(machine)
        return machine

    def _golden_image(self, population: Population) -> MemoryDisk:
        """Empty; or with a client that was set up in it, and no machine identity: a template that was not cleaned."""
        disk = MemoryDisk(self._shared)
        if population.image == "with-cmid":
            chance = Chance(self._scenario.seed, "image", population.name)
            template = Machine("template", None, is_virtual=True)
            edition = EDITIONS[population.kind.machine_class]
            disk.write(encode(fresh(self._kit.anchor, edition, template, self._scenario.start_s, chance)))
        return disk

    # --- hours -----------------------------------------------------------------------------------------------------

    def _switch_on(self, machine: SimMachine, population: Population) -> None:
        if population.hours is Hours.ALWAYS:
            machine.start()
            return
        self._timeline.at(self._timeline.now_s, Phase.CHANGE, self._morning, machine, population)

    def _morning(self, machine: SimMachine, population: Population) -> None:
        """On, if it is a working time; then off in the evening, and on again the next morning."""
        if machine.is_retired:
            return
        now_s = self._timeline.now_s
        day, second = divmod(now_s, DAY_S)
        evening_s = 18 * HOUR_S + machine.chance.between(-HOUR_S, HOUR_S)
        is_workday = (day + _MONDAY_0) % 7 < 5
        if is_workday and 7 * HOUR_S <= second < evening_s and machine.number not in self.on_leave:
            machine.start()
            self._timeline.at(day * DAY_S + evening_s, Phase.CHANGE, self._evening, machine)
        morning_s = 8 * HOUR_S + machine.chance.between(-20 * MINUTE_S, 40 * MINUTE_S)
        next_day = day if is_workday and second < 7 * HOUR_S else day + 1
        self._timeline.at(next_day * DAY_S + morning_s, Phase.CHANGE, self._morning, machine, population)

    def _evening(self, machine: SimMachine) -> None:
        if not machine.is_retired:
            machine.stop()
