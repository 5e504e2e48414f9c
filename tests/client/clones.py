"""Machines that were copied from one image, with the real client inside, and a host that tells copies by lineage.

An attempt is carried by hand, question by question (`client.driver`), so that replies can be lost where a test wants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from quorate.client.attempt.attempt import Driver
from quorate.client.attempt.eventlog import ClientEventLog
from quorate.client.discovery.target import Target
from quorate.client.identity import Machine
from quorate.client.storage.files import LeaseFile
from quorate.client.storage.record_store import Keeper
from quorate.client.storage.status import Standing
from quorate.client.transport.exchange import Transport
from quorate.core.decision import Decided, answer_for
from quorate.core.ids import link_of
from quorate.core.lease import Intervals
from quorate.core.messages import ActivationRequest, Answer
from quorate.core.policy import HOUR_S
from quorate.core.trust import accept_answer
from quorate.errors import HostUnreachableError, QuorateError
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.documents import HOST_ID, World

__all__ = ["Copy", "Host", "LineageHost", "image_of"]

Host = Callable[[ActivationRequest], Answer]


class Copy:
    """One machine: its disk, its identity, its agent."""

    def __init__(self, folder: Path, machine: Machine, world: World, clock: ManualClock, seed: int) -> None:
        self.folder = folder
        self.machine = machine
        self.clock = clock
        self.policy = world.policy
        entropy = SeededEntropy(seed)
        self.keeper = Keeper(LeaseFile(folder), world.anchor, None, machine, clock, entropy)
        # Nothing of the publisher's is learnt here: questions beside the activation would leave the test.
        self.driver = Driver(
            self.keeper,
            world.anchor,
            Transport(),
            machine,
            ClientEventLog(folder / "events.jsonl"),
            clock,
            entropy,
            accept=accept_answer,
        )

    @property
    def standing(self) -> Standing:
        return self.keeper.standing(self.clock.now_s())

    @property
    def is_due(self) -> bool:
        now_s = self.clock.now_s()
        return self.standing.next_attempt_s(now_s, self.policy) <= now_s

    def point_at_host(self) -> None:
        """Set its host by hand."""
        now_s = self.clock.now_s()
        with self.keeper.exclusive(0):
            standing = self.keeper.standing(now_s, is_locked=True)
            self.keeper.keep(standing.state.with_host(Target.parse("127.0.0.1"), now_s), standing.lease)

    def ask(self, host: Host, is_lost: Callable[[], bool] = lambda: False) -> QuorateError | None:
        """One attempt; where `is_lost` says so, the host has answered and nobody hears it."""
        attempt = self.driver.steps_now()
        try:
            ask = next(attempt)
            while True:  # bounded: one host was set by hand
                try:
                    answer = host(ask.request)
                    if is_lost():
                        raise HostUnreachableError(tried="the answer was lost", port=1688)
                except QuorateError as fault:
                    ask = attempt.throw(fault)
                else:
                    ask = attempt.send(answer)
        except StopIteration as end:
            error: QuorateError | None = end.value
            return error


@dataclass
class _Record:
    nonce: str
    link: str
    answer: Answer
    issued_s: int


@dataclass
class LineageHost:
    """A host that keeps the rule and nothing else: whoever comes with another link than that of the last lease of a
    CMID is told that another machine goes on with it. The same question again is a lost reply: it gets the same answer,
    or after the clock tolerance a new one."""

    world: World
    clock: ManualClock
    records: dict[str, _Record] = field(default_factory=dict)
    superseded: int = 0

    def __call__(self, request: ActivationRequest) -> Answer:
        record = self.records.get(request.cmid)
        is_again = record is not None and record.nonce == request.nonce
        if record is not None and is_again and self.clock.now_s() - record.issued_s < 4 * HOUR_S:
            return record.answer
        product = self.world.product
        edition = product.edition(request.edition)
        assert edition is not None
        is_fork = record is not None and not is_again and request.link not in (None, record.link)
        self.superseded += is_fork
        count = min(max(25, len(self.records)), 50)
        decided = Decided("CMID_SUPERSEDED" if is_fork else None, count, 25, self.clock.now_s())
        answer = self.world.answer(answer_for(request, decided, (product, edition), HOST_ID, Intervals()))
        if not is_fork:
            link = link_of(request.cmid, request.nonce)
            self.records[request.cmid] = _Record(request.nonce, link, answer, self.clock.now_s())
        return answer


def image_of(copy: Copy, folder: Path, random: Random) -> None:
    """Put the record of this machine on another disk, as an image does."""
    folder.mkdir(parents=True)
    (folder / "client.json").write_bytes((copy.folder / "client.json").read_bytes())
    if random.random() < 0.5:  # not every image holds what is only noted now and then
        (folder / "seen").write_bytes((copy.folder / "seen").read_bytes())
