"""A simulated machine: the real client (keeper, driver, lifecycle) as an agent runs it, with its own disk and clock.

What `client.agent` does with a thread that waits is done here with appointments: an attempt when the agent starts, then
one whenever the record says so. Switched off, it is a process that ended; what it knows then is on its disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

from quorate.client.attempt.attempt import (
    Accept,
    Ask,
    Attempt,
    Driver,
)
from quorate.client.attempt.eventlog import ClientEventLog
from quorate.client.discovery.target import Target
from quorate.client.identity import Machine
from quorate.client.storage.record_store import CheckStored, Keeper
from quorate.client.storage.status import Standing
from quorate.client.transport.exchange import Transport
from quorate.core.events import AnswerReceived, RequestSent
from quorate.core.lease import Lease, Refusal
from quorate.core.messages import ActivationRequest, Answer, LicenseStatus
from quorate.core.trust import Anchor, Question
from quorate.errors import FileAccessError, QuorateError, RearmLimitReachedError
from quorate.sim.chance import Chance
from quorate.sim.clocks import MachineClock
from quorate.sim.disk import MemoryDisk, ProcessDiedError
from quorate.sim.network import Network
from quorate.sim.papers import EDITIONS
from quorate.sim.scenario import Kind, Population
from quorate.sim.timeline import Phase, Timeline

__all__ = ["Desktop", "Kit", "SimMachine"]

LOOK_S = 60  # as client.agent: how soon a clock that was set is noticed
RESTART_S = 120  # a service manager starts a process that died again
SENT, RECEIVED = (str(event.__struct_config__.tag) for event in (RequestSent, AnswerReceived))
_TRANSPORT = Transport()  # never asked: the network of this world carries the steps of an attempt


class Desktop(Protocol):
    """Who is told what a machine does (`sim.world`)."""

    def arrived(self, machine: SimMachine) -> None:
        """It is there from now on, still switched off."""
        ...

    def left(self, machine: SimMachine) -> None:
        """It is gone for good."""
        ...

    def switched(self, machine: SimMachine) -> None:
        """It was switched on or off."""
        ...

    def believed(self, machine: SimMachine, said: Lease | Refusal) -> None:
        """It accepted an answer."""
        ...

    def logged(self, machine: SimMachine, number: str, error: QuorateError | None) -> None:
        """It wrote the event of that number."""
        ...

    def settled(self, machine: SimMachine, standing: Standing, error: QuorateError | None, asked: bool) -> None:
        """It looked at its record, after an attempt or a deadline."""
        ...


@dataclass(frozen=True)
class Kit:
    """What all machines of a world have in common.

    Attributes:
        keeps_processes: whether clients stay in memory between two attempts; in a very large fleet they are started for
            each attempt, as a scheduler would.
    """

    anchor: Anchor
    accept: Accept
    check: CheckStored
    timeline: Timeline
    network: Network
    desktop: Desktop
    keeps_processes: bool


class _Events(ClientEventLog):
    """The client's event log, told to the world."""

    __slots__ = ("_desktop", "_machine")

    def __init__(self, machine: SimMachine, desktop: Desktop) -> None:
        self._machine = machine
        self._desktop = desktop

    def sent(
        self, request: ActivationRequest, target: Target | None, anchor: Anchor, error: QuorateError | None
    ) -> None:
        self._desktop.logged(self._machine, SENT, error)

    def received(
        self,
        request: ActivationRequest,
        target: Target,
        said: Lease | Refusal | None,
        anchor: Anchor,
        error: QuorateError | None,
    ) -> None:
        self._desktop.logged(self._machine, RECEIVED, error)


class SimMachine:
    """One machine. It exists from its first start to its retirement.

    Attributes:
        identity: the number of the machine whose identity it has: its own, unless all of a disk was copied.
    """

    __slots__ = (
        *("_attempt", "_driver", "_keeper", "_kit", "_ticket", "_wish"),
        *("chance", "clock", "disk", "identity", "image", "is_away", "is_on"),
        *("is_retired", "lease_expires_s", "name", "number", "on_since_s", "plan", "snapshot"),
        *("status", "unfit_since_s"),
    )

    def __init__(
        self,
        kit: Kit,
        number: int,
        name: str,
        plan: Population,
        disk: MemoryDisk,
        clock: MachineClock,
        chance: Chance,
    ) -> None:
        self._kit = kit
        self.number = number
        self.name = name
        self.plan = plan
        self.identity = number
        self.disk = disk
        self.clock = clock
        self.chance = chance
        self.is_on = self.is_away = self.is_retired = False
        self.snapshot: MemoryDisk | None = None
        self.image: MemoryDisk | None = None
        self.status = LicenseStatus.UNLICENSED
        self.on_since_s = kit.timeline.now_s
        self.lease_expires_s: int | None = None
        self.unfit_since_s: int | None = None
        self._keeper: Keeper | None = None
        self._driver: Driver | None = None
        self._attempt: Attempt | None = None
        self._ticket = 0
        self._wish = 0

    @property
    def population(self) -> str:
        """The name of its population."""
        return self.plan.name

    @property
    def edition(self) -> str:
        """The edition of the product that is installed."""
        return EDITIONS[self.plan.kind.machine_class]

    # --- switched on and off ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Switch it on: its agent begins with an attempt, due or not."""
        if self.is_on or self.is_retired:
            return
        self._switch(is_on=True)
        self.on_since_s = self._kit.timeline.now_s
        if self.image is not None:
            self.disk.restore(self.image)
        self._ask(is_due=False)

    def stop(self) -> None:
        """Switch it off; an attempt under way dies with its process."""
        self._switch(is_on=False)
        self._end()

    def retire(self) -> None:
        """Gone for good."""
        self.stop()
        self.is_retired = True

    def crash(self, writes: int) -> None:
        """The process dies at its `writes`-th disk access from now; its service manager starts it again."""
        left = writes

        def die() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                self.disk.on_write = None
                raise ProcessDiedError

        self.disk.on_write = die

    def restart(self) -> None:
        """Off and on again."""
        if self.is_on:
            self.stop()
            self.start()

    def cmid(self) -> str:
        """The CMID in its record."""
        return self._reader().standing(self.clock.now_s()).state.cmid

    def noticed(self) -> None:
        """Something changed around it (its clock was set); its agent looks within a minute."""
        if self.is_on and self._attempt is None:
            self._wake_at(self._kit.timeline.now_s + LOOK_S)

    def rearm(self) -> None:
        """`quorate client rearm`: a new CMID and a new grace, as often as the policy allows."""
        if not self.is_on or self._attempt is not None:
            return
        keeper = self._reader()
        now_s, policy = self.clock.now_s(), self._kit.anchor.product.policy
        try:
            with keeper.exclusive(0):
                state = keeper.standing(now_s, is_locked=True).state
                keeper.keep(state.rearmed(now_s, self.chance, policy), None)
        except (RearmLimitReachedError, FileAccessError):
            return
        except ProcessDiedError:
            self._died()
            return
        self._settle(None, asked=False)
        self.noticed()

    # --- attempts --------------------------------------------------------------------------------------------------

    def told(self, ticket: int, answer: Answer | QuorateError) -> None:
        """The network's word on the question of that ticket; what comes too late is passed over."""
        attempt = self._attempt
        if attempt is None or ticket != self._ticket:
            return
        self._ticket += 1
        try:
            ask = attempt.throw(answer) if isinstance(answer, QuorateError) else attempt.send(answer)
        except StopIteration as end:
            self._finished(end.value)
        except FileAccessError as fault:
            self._finished(fault)
        except ProcessDiedError:
            self._died()
        else:
            self._kit.network.ask(self, ask, self._ticket)

    def look(self) -> None:
        """What its application sees now: told to the world."""
        try:
            self._settle(None, asked=False)
        except ProcessDiedError:
            self._died()

    def _wake(self, wish: int) -> None:
        if wish == self._wish and self.is_on and self._attempt is None:
            self._ask(is_due=True)

    def _ask(self, *, is_due: bool) -> None:
        try:
            driver = self._started()
        except ProcessDiedError:
            self._died()
        else:
            self._begin(driver.steps_if_due() if is_due else driver.steps_now())

    def _begin(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._ticket += 1
        ask: Ask
        try:
            ask = next(attempt)
        except StopIteration as end:
            self._attempt = None
            self._rest(end.value, asked=end.value is not None)  # None: it was not due; else nobody was found to ask
        except FileAccessError as fault:
            self._finished(fault)
        except ProcessDiedError:
            self._died()
        else:
            self._kit.network.ask(self, ask, self._ticket)

    def _finished(self, error: QuorateError | None) -> None:
        self._attempt = None
        self._rest(error, asked=True)

    def _rest(self, error: QuorateError | None, *, asked: bool) -> None:
        """Until the next attempt is due."""
        try:
            standing = self._settle(error, asked=asked)
        except ProcessDiedError:
            self._died()
            return
        now_s = self.clock.now_s()
        due_s = standing.next_attempt_s(now_s, self._kit.anchor.product.policy)
        self._wake_at(max(self.clock.true_s(due_s), self._kit.timeline.now_s + 1))
        if not self._kit.keeps_processes:
            self._keeper = self._driver = None

    def _settle(self, error: QuorateError | None, *, asked: bool) -> Standing:
        now_s = self.clock.now_s()
        standing = self._reader().standing(now_s)
        self._kit.desktop.settled(self, standing, error, asked)
        return standing

    def _wake_at(self, time_s: int) -> None:
        self._wish += 1
        self._kit.timeline.at(time_s, Phase.WAKE, self._wake, self._wish)

    def _switch(self, *, is_on: bool) -> None:
        if self.is_on is not is_on:
            self.is_on = is_on
            self._kit.desktop.switched(self)

    def _died(self) -> None:
        self._end()
        if self.is_on:
            self._switch(is_on=False)
            self._kit.timeline.after(RESTART_S, Phase.WAKE, self.start)

    def _end(self) -> None:
        attempt, self._attempt = self._attempt, None
        self._ticket += 1
        self._wish += 1
        self._keeper = self._driver = None
        if attempt is not None:
            attempt.close()

    # --- the client's parts ----------------------------------------------------------------------------------------

    def _started(self) -> Driver:
        if self._driver is None:
            kit, machine = self._kit, self._here()
            keeper = self._reader()
            events = _Events(self, kit.desktop)
            names = kit.network.names.seen_by(partial(kit.network.is_cut_off, self))
            self._driver = Driver(
                keeper,
                kit.anchor,
                _TRANSPORT,
                machine,
                events,
                self.clock,
                self.chance,
                accept=self._accept,
                network=names,
            )
        return self._driver

    def _reader(self) -> Keeper:
        if self._keeper is None:
            kit, machine = self._kit, self._here()
            self._keeper = Keeper(
                self.disk, kit.anchor, self.edition, machine, self.clock, self.chance, check=kit.check
            )
        return self._keeper

    def _here(self) -> Machine:
        return Machine(self.name, f"machine {self.identity}", self.plan.kind is Kind.VDI)

    def _accept(self, answer: Answer, question: Question, anchor: Anchor, now_s: int) -> Lease | Refusal:
        said = self._kit.accept(answer, question, anchor, now_s)
        self._kit.desktop.believed(self, said)
        return said
