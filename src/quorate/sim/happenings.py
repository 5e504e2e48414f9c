"""What goes wrong, and what people do: each happening of a scenario is done at its moment, and undone after it."""

from __future__ import annotations

from collections.abc import Callable

from quorate.core.policy import HOUR_S
from quorate.sim.chance import Chance
from quorate.sim.fleet import Fleet
from quorate.sim.host import SimHost
from quorate.sim.invariants import Watch
from quorate.sim.machine import SimMachine
from quorate.sim.network import Network
from quorate.sim.recording import Recording
from quorate.sim.scenario import Happening, Scenario, What, Wire
from quorate.sim.timeline import Phase, Timeline

__all__ = ["Happenings"]

CRASH_WITHIN_S = 2 * HOUR_S  # a host that is to die in a batch dies by itself when none comes
SWEPT_WITHIN_S = HOUR_S // 2  # a real host sweeps every few minutes, also while its clock is wrong
WRITES_MAX = 4  # an attempt writes twice, and each write has two ends to die at


class Happenings:
    """Does them."""

    def __init__(
        self,
        scenario: Scenario,
        timeline: Timeline,
        fleet: Fleet,
        hosts: list[SimHost],
        network: Network,
        watch: Watch,
        recording: Recording,
    ) -> None:
        self._scenario = scenario
        self._timeline = timeline
        self._fleet = fleet
        self._hosts = {host.plan.name: host for host in hosts}
        self._network = network
        self._watch = watch
        self._recording = recording

    def arrange(self) -> None:
        """Make their appointments."""
        for number, happening in enumerate(self._scenario.happenings):
            at_s = self._scenario.start_s + happening.at_s
            chance = Chance(self._scenario.seed, "happening", number)
            self._timeline.at(at_s, Phase.CHANGE, self._do, happening, chance)
        if self._scenario.faults_end_s is not None:
            self._timeline.at(self._scenario.start_s + self._scenario.faults_end_s, Phase.CHANGE, self._peace)

    def _peace(self) -> None:
        """What has no time of its own ends too: the wire is perfect, clocks are set right, nobody dies any more."""
        self._network.wire = Wire()
        for machine in self._fleet.of(None):
            machine.disk.on_write = None
            self._set_clock_right(machine)
        for host in self._hosts.values():
            if host.clock.error_s():
                self._host_clock_right(host)

    def _do(self, happening: Happening, chance: Chance) -> None:
        if happening.what.is_of_a_host:
            self._to_host(happening, chance, self._hosts[happening.host or next(iter(self._hosts))])
        elif happening.what.is_of_the_network:
            self._to_network(happening)
        else:
            self._to_machines(happening, chance)

    def _later(self, happening: Happening, undo: Callable[..., None], *arguments: object) -> None:
        """Undo it when its time is over; what has no time stays."""
        if happening.for_s:
            self._timeline.after(happening.for_s, Phase.CHANGE, undo, *arguments)

    def _tell(self, happening: Happening, text: str) -> None:
        self._recording.milestone(self._timeline.now_s, happening.what.value, text + _for(happening.for_s))

    # --- machines --------------------------------------------------------------------------------------------------

    def _to_machines(self, happening: Happening, chance: Chance) -> None:
        there = self._fleet.of(happening.population)
        chosen = chance.some(there, happening.machines or len(there))
        who = f"{len(chosen)} of {happening.population or 'all'}"
        self._tell(happening, f"{who}: {_WORDS[happening.what]}")
        for machine in chosen:
            self._to_machine(happening, chance, machine)

    def _to_machine(self, happening: Happening, chance: Chance, machine: SimMachine) -> None:
        match happening.what:
            case What.RETIRE:
                self._fleet.retire(machine)
            case What.REIMAGE:
                self._fleet.reimage(machine)
            case What.SNAPSHOT:
                machine.snapshot = machine.disk.copy()
            case What.ROLLBACK if machine.snapshot is not None:
                machine.disk.restore(machine.snapshot)
                machine.restart()
            case What.CLONE:
                self._fleet.clone(machine, is_identity_copied=happening.identity == "copied")
            case What.SLEEP:
                self._fleet.send_away(machine, happening.for_s)
            case What.CRASH:
                machine.crash(chance.below(WRITES_MAX))
            case What.CLOCK_STEP:
                self._watch.clients.clock_steps(machine, happening.for_s)
                machine.clock.step(happening.by_s)
                machine.noticed()
                self._later(happening, self._set_clock_right, machine)
            case What.REARM:
                machine.rearm()
            case What.TRAVEL:
                machine.is_away = True
                self._later(happening, self._home, machine)
            case What.DISK_FULL:
                machine.disk.is_full = True
                self._later(happening, self._disk_works, machine)
            case _:
                pass

    def _set_clock_right(self, machine: SimMachine) -> None:
        machine.clock.set_right()
        if machine.is_on:
            machine.look()  # as a program does, before anybody is asked
        machine.noticed()

    def _home(self, machine: SimMachine) -> None:
        machine.is_away = False

    def _disk_works(self, machine: SimMachine) -> None:
        machine.disk.is_full = False

    # --- hosts -----------------------------------------------------------------------------------------------------

    def _to_host(self, happening: Happening, chance: Chance, host: SimHost) -> None:
        self._tell(happening, f"{host.plan.name}: {_WORDS[happening.what]}")
        match happening.what:
            case What.HOST_STOP:
                host.stop()
                self._later(happening, self._started, host)
            case What.HOST_CRASH:
                host.crash_in_batch(chance.pick(("before", "after")))
                self._timeline.after(CRASH_WITHIN_S, Phase.CHANGE, self._crashed, host)
                self._timeline.after(CRASH_WITHIN_S + happening.for_s, Phase.CHANGE, self._started, host)
            case What.HOST_DISK_FULL:
                host.set_disk_full(True)
                self._later(happening, host.set_disk_full, False)
            case What.HOST_LOSES_DATABASE:
                self._watch.lost(host.plan.database)
                host.lose_database()
            case What.HOST_MOVE:
                host.move()
            case What.HOST_CLOCK_STEP:
                self._watch.clock_steps(host)
                host.clock.step(happening.by_s)
                self._timeline.after(min(SWEPT_WITHIN_S, happening.for_s), Phase.CHANGE, host.sweep)
                self._later(happening, self._host_clock_right, host)
            case _:
                pass
        self._network.publish()

    def _crashed(self, host: SimHost) -> None:
        if host.is_up:
            host.crash()

    def _host_clock_right(self, host: SimHost) -> None:
        host.clock.set_right()
        self._watch.clock_is_right(host)

    def _started(self, host: SimHost) -> None:
        host.start()
        self._watch.audit(host)
        self._network.publish()

    # --- the network -----------------------------------------------------------------------------------------------

    def _to_network(self, happening: Happening) -> None:
        network = self._network
        self._tell(happening, f"{happening.population or 'everybody'}: {_WORDS[happening.what]}")
        match happening.what:
            case What.NETWORK_DOWN:
                network.down.append(happening.population)
                self._later(happening, network.down.remove, happening.population)
            case What.DNS_DARK:
                network.names.dark += 1
                self._later(happening, self._names_again, "dark")
            case What.DNS_STALE:
                network.names.stale += 1
                self._later(happening, self._names_again, "stale")
            case What.IMPOSTOR:
                network.impostors += 1
                self._later(happening, self._impostor_leaves)
            case _:
                pass

    def _names_again(self, what: str) -> None:
        names = self._network.names
        if what == "dark":
            names.dark -= 1
        else:
            names.stale -= 1
        self._network.publish()

    def _impostor_leaves(self) -> None:
        self._network.impostors -= 1


_WORDS = {
    What.RETIRE: "retired, without a word to the host",
    What.REIMAGE: "installed anew",
    What.SNAPSHOT: "a snapshot of the disk is taken",
    What.ROLLBACK: "set back to the snapshot",
    What.CLONE: "copied to another machine",
    What.SLEEP: "switched off",
    What.CRASH: "the client's process dies while it writes",
    What.CLOCK_STEP: "the clock jumps",
    What.REARM: "rearmed",
    What.TRAVEL: "away from the network",
    What.DISK_FULL: "the disk is full",
    What.HOST_STOP: "the host is stopped",
    What.HOST_CRASH: "the host loses power",
    What.HOST_DISK_FULL: "the host's disk is full",
    What.HOST_LOSES_DATABASE: "the host loses its database",
    What.HOST_MOVE: "the host moves to another address",
    What.HOST_CLOCK_STEP: "the host's clock jumps",
    What.NETWORK_DOWN: "cut off from the hosts",
    What.DNS_DARK: "DNS does not answer",
    What.DNS_STALE: "DNS tells what is over",
    What.IMPOSTOR: "an impostor answers in the host's place",
}


def _for(seconds: int) -> str:
    if not seconds:
        return ""
    days, rest = divmod(seconds, 24 * HOUR_S)
    hours, rest = divmod(rest, HOUR_S)
    parts = [(days, "d"), (hours, "h"), (rest // 60, "min")]
    return ", for " + (" ".join(f"{n} {unit}" for n, unit in parts if n) or f"{seconds} s")
