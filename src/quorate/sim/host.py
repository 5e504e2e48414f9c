"""A simulated KMS host: the real service, writer and store of `quorate.host`, on one thread and in virtual time.

What is simulated is only what is around them: whether the machine runs, where it dies, whether its disk is full, and
when the network hands it something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from quorate.core.decision import Decided
from quorate.core.events import CountFalling, HostEvent
from quorate.core.messages import ActivationRequest
from quorate.errors import StoreUnavailableError
from quorate.host.chores import StoreChores
from quorate.host.config import Limits, Settings
from quorate.host.keyring import Credentials
from quorate.host.service import ActivationService
from quorate.host.store.database import Database
from quorate.host.store.store import Arrived, Store
from quorate.host.writer import AnswerWriter, Outcome
from quorate.sim.clocks import MachineClock
from quorate.sim.scenario import HostPlan
from quorate.sim.timeline import Phase, Timeline

__all__ = ["Answered", "Message", "Shelf", "SimHost"]

EVENT_DAYS = 2  # a simulation counts events itself; the store shall stay small
RETRY_AFTER_S = 30
SWEEP_STEPS_MAX = 10_000


class Message(msgspec.Struct, frozen=True):
    """One request on its way, and where its answer goes."""

    request: ActivationRequest
    body: bytes
    address: str
    answer: Callable[[Outcome | None], None]


Answered = Callable[["SimHost", ActivationRequest, str, Outcome], None]
"""Who watches: called with every outcome that is on disk, whether it is then sent or not."""


class _SimStore(Store):
    """The real store, on a disk that may be full."""

    is_full = False

    def decide(self, batch: Sequence[Arrived], now_s: int) -> list[Decided]:
        self._check()
        return super().decide(batch, now_s)

    def record(self, event: HostEvent) -> None:
        self._check()
        super().record(event)

    def change_settings(self, changes: Mapping[str, Any]) -> None:
        self._check()
        super().change_settings(changes)

    def _check(self) -> None:
        if self.is_full:
            raise StoreUnavailableError(reason="the disk is full", path=self.database.path, retry_after_s=RETRY_AFTER_S)


class Shelf:
    """The databases of a world. Hosts that name the same one share one count, as on a database server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stores: dict[str, _SimStore] = {}
        self._users: dict[str, list[SimHost]] = {}
        self._made = 0

    def use(self, name: str, host: SimHost) -> None:
        """That host works on that database."""
        self._users.setdefault(name, []).append(host)

    def store(self, name: str) -> _SimStore:
        """The open store of that name, made when it is first asked for."""
        if name not in self._stores:
            self._made += 1
            path = self._folder / f"{name}-{self._made}.db"
            self._stores[name] = _SimStore(Database.create(path, is_durable=False))
        return self._stores[name]

    def reopen(self, name: str) -> None:
        """What a host finds after a crash: the file, and only what was committed. A database server lives on."""
        if len(self._users[name]) > 1:
            return
        store = self._stores[name]
        store.close()
        again = _SimStore(Database.open(store.database.path, is_durable=False))
        again.is_full = store.is_full
        self._stores[name] = again

    def lose(self, name: str) -> None:
        """The file is gone; all who work on it go on with an empty one."""
        if name in self._stores:
            store = self._stores.pop(name)
            store.close()
            for path in self._folder.glob(store.database.path.name + "*"):
                path.unlink()
        for host in self._users[name]:
            host.serve()

    def close(self) -> None:
        """Let go of all files."""
        for store in self._stores.values():
            store.close()


def _at_once(work: Callable[[], None]) -> None:
    work()


class _Silent:
    """Metrics that nobody reads."""

    def batch_done(self, outcomes: Counter[str], seconds: float) -> None:
        pass


class SimHost:
    """One host. `address` changes when it moves."""

    def __init__(
        self,
        plan: HostPlan,
        credentials: Credentials,
        shelf: Shelf,
        timeline: Timeline,
        answered: Answered,
        announced: Callable[[SimHost, CountFalling], None],
    ) -> None:
        self.plan = plan
        self.address = f"{plan.name}-1"
        self.clock = MachineClock(timeline)
        self.is_up = True
        self._credentials = credentials
        self._shelf = shelf
        self._timeline = timeline
        self._answered = answered
        self._announced = partial(announced, self)
        self._inbox: list[Message] = []
        self._dies: str | None = None
        self._moves = 1
        shelf.use(plan.database, self)
        self.serve()

    def hear(self, message: Message) -> None:
        """A request arrives; it is answered together with all that arrive at this moment."""
        if not self._inbox:
            self._timeline.at(self._timeline.now_s, Phase.HOST, self._work)
        self._inbox.append(message)

    def stop(self) -> None:
        """End in good order; the store is closed and opened again at the next start."""
        self._end()

    def crash(self) -> None:
        """Power is cut: what was not committed is gone."""
        self._end()
        self._inbox.clear()

    def crash_in_batch(self, when: str) -> None:
        """Power is cut at the next batch, `before` its commit or `after` it, and nobody is answered."""
        self._dies = when

    def start(self) -> None:
        """Run again, on what the disk holds."""
        self._dies = None
        if not self.is_up:
            self.is_up = True
            self.serve()

    def lose_database(self) -> None:
        """The disk was exchanged: same papers, no records."""
        self._end()
        self._shelf.lose(self.plan.database)
        self.start()

    def set_disk_full(self, is_full: bool) -> None:
        """Nothing can be written, or everything again."""
        self._shelf.store(self.plan.database).is_full = is_full

    def move(self) -> None:
        """Another machine with the same papers and records takes its place."""
        self._moves += 1
        self.address = f"{self.plan.name}-{self._moves}"

    def sweep(self) -> None:
        """Housekeeping, until it is done."""
        if not self.is_up:
            return
        for _ in range(SWEEP_STEPS_MAX):
            if not self._writer.rest(is_idle=True):
                break

    @property
    def certificate_token(self) -> str:
        """Its host certificate, as every answer carries it."""
        return self._credentials.certificate_token or ""

    @property
    def store(self) -> Store:
        """Its records, for whoever audits them."""
        return self._shelf.store(self.plan.database)

    def serve(self) -> None:
        """Put the service together, on the database as it is now."""
        store = self._shelf.store(self.plan.database)
        settings = Settings(
            activation_interval_min=self.plan.activation_interval_min,
            renewal_interval_min=self.plan.renewal_interval_min,
            event_days=EVENT_DAYS,
        )
        chores = StoreChores(store, self.clock, self._credentials, settings, _at_once)
        chores.falling.on_news = self._announced
        self._writer = AnswerWriter(store, self.clock, Limits(), chores, _Silent())
        self._service = ActivationService(store, self._writer, self.clock, Limits(), self._credentials, settings)

    def _end(self) -> None:
        if self.is_up:
            self.is_up = False
            self._service.close()
            self._shelf.reopen(self.plan.database)

    def _work(self) -> None:
        inbox, self._inbox = self._inbox, []
        if not self.is_up or self._dies == "before":
            if self.is_up and inbox:
                self.crash()
            for message in inbox:
                message.answer(None)
            return
        outcomes = self._service.activate_all([(message.body, message.address) for message in inbox])
        for message, outcome in zip(inbox, outcomes, strict=True):
            self._answered(self, message.request, message.address, outcome)
        if self._dies == "after" and inbox:
            self.crash()
            outcomes = [None] * len(inbox)  # type: ignore[list-item]  # nobody is answered by a machine without power
        for message, outcome in zip(inbox, outcomes, strict=True):
            message.answer(outcome)
