"""The network between machines and hosts: names, ways, and what becomes of messages underway.

Every message can be lost, delayed, doubled, overtaken, or meet an impostor; names can be dark or old. A client sees
what it would see: no answer in time, a refused connection, a name that does not resolve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from quorate.client.attempt.attempt import Ask
from quorate.client.transport.exchange import read_answer
from quorate.core.messages import Answer, Problem, encode
from quorate.errors import HostUnreachableError, QuorateError
from quorate.host.activation.writer import Outcome
from quorate.sim.badhost import BadHost
from quorate.sim.chance import Dice
from quorate.sim.host import Message, SimHost
from quorate.sim.names import SimNames, address_of
from quorate.sim.scenario import Wire
from quorate.sim.timeline import Phase, Timeline

__all__ = ["Asking", "Network"]

TIMEOUT_S = 15  # as client.transport
CONNECT_TIMEOUT_S = 5
DUPLICATE_AFTER_MAX_S = 6 * 3600  # beyond the clock tolerance, so that old questions come back too
IMPOSTOR_PERMILLE = 400


class Asking(Protocol):
    """A machine, as the network knows it."""

    name: str

    @property
    def population(self) -> str: ...

    is_away: bool

    def told(self, ticket: int, answer: Answer | QuorateError) -> None:
        """The answer to the question of that ticket, or why there is none."""
        ...


class Network:
    """All ways from machines to hosts."""

    def __init__(self, timeline: Timeline, wire: Wire, hosts: list[SimHost], bad_host: BadHost, chance: Dice) -> None:
        self._timeline = timeline
        self.wire = wire
        self._hosts = hosts
        self._bad_host = bad_host
        self._chance = chance
        self.names = SimNames()
        self.down: list[str | None] = []  # populations that are cut off, None for all
        self.impostors = 0
        self.publish()

    def publish(self) -> None:
        """What hosts that run say of themselves arrives in DNS, unless DNS is stale."""
        self._by_address = {address_of(host.address): host for host in self._hosts}
        self.names.publish([host.address for host in self._hosts if host.is_up])

    def is_cut_off(self, machine: Asking) -> bool:
        """Whether a machine reaches nobody."""
        if not self.down:
            return machine.is_away
        return machine.is_away or None in self.down or machine.population in self.down

    def ask(self, machine: Asking, ask: Ask, ticket: int) -> None:
        """Carry a question; the machine is told later what came of it."""
        route = self._route(machine, ask)
        if isinstance(route, str):
            self._fail(machine, ticket, ask, route, CONNECT_TIMEOUT_S)
            return
        if self.impostors and self._chance.happens(IMPOSTOR_PERMILLE):
            status, headers, body = self._bad_host.reply(ask.request, self._timeline.now_s)
            self._deliver(machine, ticket, ask, status, headers, body)
            return
        body = encode(ask.request)
        wire, chance = self.wire, self._chance
        if chance.happens(wire.duplicate_permille):
            again = Message(ask.request, body, machine.name, _nobody)
            self._timeline.after(chance.below(DUPLICATE_AFTER_MAX_S), Phase.WAKE, self._arrive, route, again)
        if chance.happens(wire.loss_permille):
            self._fail(machine, ticket, ask, "no answer in time", TIMEOUT_S)
            return
        message = Message(ask.request, body, machine.name, self._way_back(machine, ticket, ask))
        delay_s = self._delay_s()
        if delay_s < self._timeline.tick_s:
            self._arrive(route, message)
        else:
            self._timeline.after(delay_s, Phase.WAKE, self._arrive, route, message)

    def _route(self, machine: Asking, ask: Ask) -> SimHost | str:
        """The host that is meant, or why it is not reached."""
        host = None if self.is_cut_off(machine) else self._by_address.get(ask.target.host)
        if host is None:
            return "no answer in time"
        return host if host.is_up else "connection refused"

    def _arrive(self, host: SimHost, message: Message) -> None:
        if host.is_up:
            host.hear(message)
        else:
            message.answer(None)

    def _way_back(self, machine: Asking, ticket: int, ask: Ask) -> Callable[[Outcome | None], None]:
        def answer(outcome: Outcome | None) -> None:
            if outcome is None or self._chance.happens(self.wire.loss_permille):
                self._fail(machine, ticket, ask, "no answer in time", TIMEOUT_S)
            elif isinstance(outcome, bytes):
                self._bad_host.overhear(outcome)
                self._deliver(machine, ticket, ask, 200, {}, outcome)
            else:
                status, headers, body = told(outcome)
                self._deliver(machine, ticket, ask, status, headers, body)

        return answer

    def _deliver(
        self, machine: Asking, ticket: int, ask: Ask, status: int, headers: dict[str, str], body: bytes
    ) -> None:
        delay_s = self._delay_s()
        if delay_s > TIMEOUT_S:
            self._fail(machine, ticket, ask, "no answer in time", TIMEOUT_S)
        elif delay_s < self._timeline.tick_s:
            self._hand_over(machine, ticket, ask, status, headers, body)
        else:
            self._timeline.after(delay_s, Phase.ANSWER, self._hand_over, machine, ticket, ask, status, headers, body)

    def _delay_s(self) -> int:
        """How long a message is under way; what cannot be told apart in this world is not drawn."""
        most_s = self.wire.delay_max_s
        return 0 if most_s < self._timeline.tick_s else self._chance.between(0, most_s)

    def _hand_over(
        self, machine: Asking, ticket: int, ask: Ask, status: int, headers: dict[str, str], body: bytes
    ) -> None:
        try:
            answer = read_answer(ask.target, status, headers, body, ask.now_s)
        except QuorateError as error:
            machine.told(ticket, error)
        else:
            machine.told(ticket, answer)

    def _fail(self, machine: Asking, ticket: int, ask: Ask, reason: str, after_s: int) -> None:
        error = HostUnreachableError(tried=f"{ask.target}: {reason}", port=ask.target.port)
        self._timeline.after(after_s, Phase.ANSWER, machine.told, ticket, error)


def told(fault: QuorateError) -> tuple[int, dict[str, str], bytes]:
    """How a host's public API says a fault (`host.public_api`): status, headers, body."""
    problem = Problem.of(fault)
    headers = {"content-type": "application/problem+json"}
    if problem.retry_after_s is not None:
        headers["retry-after"] = str(problem.retry_after_s)
    return fault.http_status, headers, encode(problem)


def _nobody(outcome: Outcome | None) -> None:
    """Nobody waits for the answer to a doubled question."""
