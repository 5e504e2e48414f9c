"""The world: a scenario played from its beginning to its end. Composition root of the simulator.

with World(scenario, folder) as world:
    result = world.run()
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TextIO

from msgspec import UNSET

from quorate.client.standing import Standing
from quorate.core.events import CountFalling
from quorate.core.lease import Lease, Refusal
from quorate.core.messages import ActivationRequest, LicenseStatus
from quorate.core.policy import MachineClass
from quorate.errors import QuorateError
from quorate.host.writer import Outcome
from quorate.sim.badhost import BadHost
from quorate.sim.chance import Chance, Dice
from quorate.sim.fleet import Fleet
from quorate.sim.happenings import Happenings
from quorate.sim.host import Shelf, SimHost
from quorate.sim.invariants import Violation, Watch, lapsed_at_s
from quorate.sim.liveness import Liveness
from quorate.sim.machine import Kit, SimMachine
from quorate.sim.network import Network
from quorate.sim.papers import Desk
from quorate.sim.recording import Recording
from quorate.sim.scenario import Scenario
from quorate.sim.timeline import Phase, Timeline

__all__ = ["Result", "World"]

PROCESSES_MAX = 20_000  # clients kept in memory between attempts; beyond, each attempt starts its own
THOROUGH_MAX = 2_000  # machines up to which every look asks for the full status


@dataclass(frozen=True)
class Result:
    """What came of it. `is_finished`: played to its end; else everything is told up to where it was left."""

    scenario: Scenario
    recording: Recording
    violations: tuple[Violation, ...]
    appointments: int
    is_finished: bool = True

    @property
    def trace_hash(self) -> str:
        """The same for the same scenario and seed."""
        return self.recording.trace_hash


class World:
    """One scenario being played.

    Args:
        folder: for the hosts' databases; empty, and thrown away by the caller.
        trace: where each thing that happens is written as a line; None: nowhere.
    """

    def __init__(self, scenario: Scenario, folder: Path, trace: TextIO | None = None) -> None:
        self.scenario = scenario
        self.timeline = timeline = Timeline(scenario.start_s, scenario.tick_s)
        self.recording = Recording(trace)
        desk = Desk.open(scenario.policy, scenario.start_s, scenario.seed, is_quick=scenario.is_quick)
        self.watch = Watch(desk.anchor, [plan.database for plan in scenario.hosts])
        self.shelf = Shelf(folder)
        self.hosts = [
            SimHost(
                plan,
                desk.credentials(plan.name, scenario.start_s, scenario.seed),
                self.shelf,
                timeline,
                self._answered,
                self._announced,
            )
            for plan in scenario.hosts
        ]
        bad_host = BadHost(desk.anchor, Chance(scenario.seed, "impostor"))
        self.network = Network(timeline, scenario.wire, self.hosts, bad_host, Dice(scenario.seed, "network"))
        keeps_processes = scenario.machines_max <= PROCESSES_MAX
        kit = Kit(desk.anchor, desk.accept, desk.check, timeline, self.network, self, keeps_processes)
        self.fleet = Fleet(scenario, kit, [host.certificate_token for host in self.hosts])
        self.happenings = Happenings(
            scenario, timeline, self.fleet, self.hosts, self.network, self.watch, self.recording
        )
        self.liveness = Liveness(scenario, self.watch, self.fleet, self.hosts)
        self._running = 0
        self._is_thorough = scenario.machines_max <= THOROUGH_MAX
        self._deadlines: list[tuple[int, int, SimMachine]] = []
        self._dated: set[int] = set()
        self._standing: dict[tuple[str, str], str] = {}

    def __enter__(self) -> World:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.shelf.close()

    def run(
        self,
        progress: Callable[[int, Recording], None] | None = None,
        is_over: Callable[[], bool] | None = None,
    ) -> Result:
        """Play it to the end.

        Args:
            progress: told about every sample: seconds since the beginning, and the recording so far.
            is_over: asked often; the rest is left when it says so.
        """
        scenario, timeline = self.scenario, self.timeline
        self.fleet.arrange()
        self.happenings.arrange()
        timeline.at(timeline.now_s, Phase.LOOK, self._sample, progress)
        timeline.at(timeline.now_s + scenario.sweep_s, Phase.LOOK, self._sweep)
        is_finished = timeline.run(scenario.start_s + scenario.length_s, is_over)
        for host in self.hosts:
            self.watch.audit(host)
        return Result(scenario, self.recording, tuple(self.watch.violations), timeline.kept, is_finished)

    # --- what hosts and machines tell ------------------------------------------------------------------------------

    def _answered(self, host: SimHost, request: ActivationRequest, address: str, outcome: Outcome) -> None:
        said = self.watch.answered(host, request, address, outcome)
        now_s = self.timeline.now_s
        if isinstance(said, QuorateError):
            self.recording.answered(now_s, request.machine, said.code, 0)
            return
        code = "ACTIVATED" if isinstance(said, Lease) else said.code
        if isinstance(said, Refusal):
            self.recording.host_errors[said.code] += 1
        self.recording.answered(now_s, request.machine, code, said.count)
        if code in ("ACTIVATED", "COUNT_INSUFFICIENT"):
            self._mark_threshold(host, request, said)

    def _announced(self, host: SimHost, event: CountFalling) -> None:
        text = event.message.removeprefix(f"{event.group}: ")
        self.recording.milestone(self.timeline.now_s, "forecast", f"{host.plan.name}, event 12314: {text}")

    def arrived(self, machine: SimMachine) -> None:
        """A machine is there from now on."""
        self.recording.statuses[machine.status] += 1
        self.recording.note(self.timeline.now_s, "arrived", machine.name)

    def left(self, machine: SimMachine) -> None:
        """A machine is gone for good."""
        self.recording.statuses[machine.status] -= 1
        self.recording.note(self.timeline.now_s, "left", machine.name)
        self.liveness.left(machine)

    def switched(self, machine: SimMachine) -> None:
        """A machine was switched on or off."""
        self._running += 1 if machine.is_on else -1
        self.watch.clients.forgets(machine)

    def believed(self, machine: SimMachine, said: Lease | Refusal) -> None:
        """A client accepted an answer."""
        self.watch.believed(machine, said)

    def logged(self, machine: SimMachine, number: str, error: QuorateError | None) -> None:
        """A client wrote the event of that number."""
        self.recording.client_events[number] += 1
        if error is not None:
            self.recording.client_errors[f"{number} {error.code}"] += 1

    def settled(self, machine: SimMachine, standing: Standing, error: QuorateError | None, asked: bool) -> None:
        """A machine looked at its record."""
        now_s = self.timeline.now_s
        if asked:
            self.recording.attempts += 1
            if error is not None and error.code not in _SIGNED:
                self.recording.unanswered(now_s, machine.name, error.code)
        status, deadline_s = self.watch.looked(machine, standing, is_thorough=self._is_thorough)
        if status is not machine.status:
            outcome = standing.state.outcome
            reason = "lease" if asked and error is None else outcome.code if outcome is not None else "time"
            self.recording.changed(now_s, machine.name, machine.status, status, reason)
            machine.status = status
        self.liveness.settled(machine, now_s)
        if deadline_s is not None and machine.number not in self._dated:
            self._dated.add(machine.number)
            heapq.heappush(self._deadlines, (machine.clock.true_s(deadline_s), machine.number, machine))

    # --- looking ---------------------------------------------------------------------------------------------------

    def _sample(self, progress: Callable[[int, Recording], None] | None) -> None:
        now_s = self.timeline.now_s
        while self._deadlines and self._deadlines[0][0] <= now_s:
            _, number, machine = heapq.heappop(self._deadlines)
            self._dated.discard(number)
            if not machine.is_retired:
                machine.look()
        counts = {}
        thresholds = self.scenario.policy.thresholds
        for host in self.hosts:
            book = self.watch.books[host.plan.database]
            book.lapse(lapsed_at_s(host))
            counts[host.plan.database] = (
                book.count(thresholds.of(MachineClass.CLIENT).counts),
                book.count(thresholds.of(MachineClass.SERVER).counts),
            )
        self.recording.sample(now_s, len(self.fleet.present), self._running, counts)
        self.liveness.looked(now_s)
        if progress is not None:
            progress(now_s - self.scenario.start_s, self.recording)
        self.timeline.at(now_s + self.scenario.sample_s, Phase.LOOK, self._sample, progress)

    def _sweep(self) -> None:
        for host in self.hosts:
            host.sweep()
            self.watch.swept(host)
        self.timeline.at(self.timeline.now_s + self.scenario.sweep_s, Phase.LOOK, self._sweep)

    def _mark_threshold(self, host: SimHost, request: ActivationRequest, said: Lease | Refusal) -> None:
        """A line in the story when a host begins to activate, when it only renews (a soft threshold), and when it
        stops. While it only renews, the refusal of a machine that is not activated changes nothing."""
        key = host.plan.name, request.edition
        before = self._standing.get(key)
        if isinstance(said, Lease):
            now = "met" if said.full_s is UNSET else "missed" if before == "missed" else "soft"
        else:
            now = "soft" if before == "soft" and request.status is not LicenseStatus.LICENSED else "missed"
        if now == before:
            return
        self._standing[key] = now
        threshold = self.scenario.policy.thresholds.of(self.watch.class_of(request.edition)).minimum
        text = f"{host.plan.name}: count {said.count} of {threshold}; {request.edition.removeprefix('sim-')} machines "
        self.recording.milestone(self.timeline.now_s, f"threshold-{now}", f"{text}{_STANDING_WORDS[now]}")


_STANDING_WORDS = {
    "met": "are activated from now on",
    "soft": "are only renewed from now on, no new ones activated",
    "missed": "are refused from now on",
}
_SIGNED = frozenset({"COUNT_INSUFFICIENT", "PRODUCT_NOT_COVERED", "CLOCK_SKEW", "CMID_SUPERSEDED"})
