"""The one thread that writes: it takes what waits, commits it in one transaction, signs, and hands the answers back.

Group commit without a timer: while one batch is on disk the next gathers by itself, so a quiet host answers at once
and a busy one pays for few fsyncs (reference, section 5). An answer exists only after its transaction is on disk.
Nothing that goes wrong ends the thread: whoever waits is told, and the next batch tries again.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
import structlog

from quorate.clock import Clock
from quorate.core.decision import Decided
from quorate.core.events import HostEvent
from quorate.core.lease import Intervals
from quorate.errors import (
    HostBusyError,
    HostStoppingError,
    InternalFaultError,
    QuorateError,
    StoreUnavailableError,
)
from quorate.host.config import Limits
from quorate.host.speaker import Speaker
from quorate.host.store.store import BATCH_MAX, Arrived, Store

__all__ = ["AnswerWriter", "BatchObserver", "Chore", "Outcome", "Question"]

EVENTS_WAITING_MAX = 256  # events that belong to no request; what is more is left to the log
_IDLE_S = 1.0  # how often an idle writer looks whether a chore is due or a broken store is mended
_CHORE_PAUSE_S = 0.01
PATIENCE_S_MAX = 900  # a broken store's clients: 100,000 of them then ask 110 times a second, not 3,300

Outcome = bytes | QuorateError
"""A signed answer, or the fault that the client is told instead."""

_MENDED = "store-checked"


class BatchObserver(Protocol):
    """Who wants to know about every batch (metrics)."""

    def batch_done(self, outcomes: Counter[str], seconds: float) -> None:
        """`outcomes`: answers by code, `ACTIVATED` for leases; `seconds`: what the transaction took."""
        ...


class Chore(Protocol):
    """Small work on the store between batches (housekeeping)."""

    def step(self) -> bool:
        """One short step, if one is due; whether another one follows at once.

        Raises:
            StoreUnavailableError
        """
        ...

    def finish(self) -> None:
        """Called once, when all is written and nothing more will be.

        Raises:
            StoreUnavailableError
        """
        ...


class Question(msgspec.Struct, frozen=True):
    """One request, who answers it, and the intervals that the answer carries."""

    arrived: Arrived
    speaker: Speaker
    intervals: Intervals


class _Waiting:
    """A question whose answer somebody waits for."""

    __slots__ = ("_told", "question", "since_s")

    def __init__(self, question: Question, told: Callable[[Outcome], None], since_s: float) -> None:
        self.question = question
        self.since_s = since_s
        self._told: Callable[[Outcome], None] | None = told

    @property
    def is_told(self) -> bool:
        return self._told is None

    def tell(self, outcome: Outcome) -> None:
        """The first outcome counts. On the loop's thread."""
        told, self._told = self._told, None
        if told is not None:
            told(outcome)


class AnswerWriter:
    """Hands requests to the store, batch by batch.

    Args:
        chore: done between batches.
    """

    def __init__(self, store: Store, clock: Clock, limits: Limits, chore: Chore, observer: BatchObserver) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._chore = chore
        self._observer = observer
        self._log = structlog.get_logger("quorate.host.writer")
        self._wake = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._events: deque[HostEvent] = deque(maxlen=EVENTS_WAITING_MAX)
        self._in_flight: Sequence[_Waiting] = ()
        self._is_stopping = self._is_waking = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="quorate-writer", daemon=True)
        self._broken_since_s = 0.0
        self.fault: StoreUnavailableError | None = None
        """What the last write failed with; None when it went well."""

    # --- from the event loop -----------------------------------------------------------------------------------

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin; answers are handed to `loop`."""
        self._loop = loop
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn, the batch in flight not counted."""
        return len(self._queue)

    def submit(self, question: Question, told: Callable[[Outcome], None]) -> None:
        """Have one request decided. Call it on the loop's own thread.

        Args:
            told: called once and later, on the loop's thread: the answer when it is on disk, or the fault.

        Raises:
            HostBusyError: as many wait as may wait.
            HostStoppingError: this host takes no more.
        """
        assert self._loop is not None, "start() comes first"  # noqa: S101  (our own mistake only)
        if self._is_stopping:
            raise HostStoppingError(retry_after_s=self._limits.retry_after_s)
        if len(self._queue) >= self._limits.waiting_max:
            raise HostBusyError(waiting=len(self._queue), retry_after_s=self._limits.retry_after_s)
        waiting = _Waiting(question, told, self._loop.time())
        self._queue.append(waiting)
        if not self._is_waking:
            self._is_waking = True
            self._loop.call_soon(self._wake_up)  # after all that has come at this moment: it shares one transaction

    def _wake_up(self) -> None:
        self._is_waking = False
        with self._wake:
            if not self._in_flight:  # a busy writer looks by itself
                self._wake.notify()

    def record(self, event: HostEvent) -> None:
        """Keep an event that belongs to no counted request; soon, and not at any price."""
        with self._wake:
            self._events.append(event)
            self._wake.notify()

    def give_up_stale(self) -> int:
        """Tell those who have waited too long that the disk does not answer; how many there were.

        What is in flight may still be committed: the client asks again with the same nonce and gets the same answer.
        """
        assert self._loop is not None, "start() comes first"  # noqa: S101  (our own mistake only)
        oldest_s = self._loop.time() - self._limits.answer_s
        with self._wake:
            stale = [each for each in (*self._in_flight, *self._queue) if each.since_s < oldest_s]
            while self._queue and self._queue[0].since_s < oldest_s:
                self._queue.popleft()
        untold = [each for each in stale if not each.is_told]
        self._tell([(each, self._stalled()) for each in untold])
        return len(untold)

    def stop(self) -> None:
        """Take no more; the thread ends when all that waits is answered. Returns at once."""
        with self._wake:
            self._is_stopping = True
            self._wake.notify()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; whether it came in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # --- in the thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        chore_follows = False
        while True:
            batch = self._take(_CHORE_PAUSE_S if chore_follows else _IDLE_S)
            if batch:
                self._answer(batch)
            elif self._is_stopping and not self._queue:
                self._guarded(self._write_events)
                self._guarded(self._chore.finish)
                return
            chore_follows = self.rest(is_idle=not batch)

    def rest(self, *, is_idle: bool) -> bool:
        """What is done between two batches: one short step; whether another one follows at once. Never raises.

        Only the thread that writes calls it, or whoever takes its place (`quorate.sim`, which knows no threads).
        """
        self._guarded(self._write_events)
        if is_idle:  # whoever writes looks by itself
            self._guarded(self._find_store)
        if self.fault is not None and is_idle:
            self._guarded(self._try_store)
        return bool(self._guarded(self._chore.step))

    def _take(self, timeout_s: float) -> Sequence[_Waiting]:
        """All that waits, up to a full batch; nothing when the time is up."""
        size_max = min(self._limits.batch_max, BATCH_MAX)
        with self._wake:
            self._in_flight = ()
            has_work = self._queue or (self._events and self.fault is None)
            if not has_work and not self._is_stopping:
                self._wake.wait(timeout_s)
            batch = [self._queue.popleft() for _ in range(min(size_max, len(self._queue)))]
            self._in_flight = batch
        return batch

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        outcomes = self.outcomes([each.question for each in batch])
        assert self._loop is not None, "start() comes first"  # noqa: S101  (our own mistake only)
        pairs = list(zip(batch, outcomes, strict=True))
        try:
            self._loop.call_soon_threadsafe(self._tell, pairs)
        except RuntimeError:  # the loop ended before us: nobody waits any more
            self._log.warning("answers_without_taker", answers=len(pairs))

    def outcomes(self, batch: Sequence[Question]) -> list[Outcome]:
        """What each of the batch is told: decided and on disk, then signed. Never raises.

        Called by whom `rest` is.
        """
        started_s = self._clock.monotonic_s()
        try:
            decided = self._store.decide([each.arrived for each in batch], self._clock.now_s())
        except StoreUnavailableError as fault:
            self._store_failed(fault, len(batch))
            reason, path, advice = fault.values["reason"], fault.values["path"], fault.advice
            wait_s = self._patience_s()
            return [StoreUnavailableError(reason=reason, path=path, retry_after_s=wait_s, advice=advice) for _ in batch]
        except Exception:  # noqa: BLE001  (whoever waits is told; the thread must live)
            self._log.exception("batch_failed", requests=len(batch))
            if len(batch) == 1:
                return [InternalFaultError()]
            # One request that we cannot handle must not cost the others their answer.
            return [outcome for each in batch for outcome in self.outcomes([each])]
        seconds = self._clock.monotonic_s() - started_s
        self._store_works()
        outcomes: list[Outcome] = [self._say(each, verdict) for each, verdict in zip(batch, decided, strict=True)]
        self._observer.batch_done(Counter(verdict.code or "ACTIVATED" for verdict in decided), seconds)
        return outcomes

    def _say(self, question: Question, decided: Decided) -> Outcome:
        arrived = question.arrived
        try:
            return question.speaker.say(arrived.request, arrived.verdict, decided, question.intervals)
        except Exception:  # noqa: BLE001  (as above, and the others of the batch get their answers)
            self._log.exception("signing_failed", cmid=arrived.request.cmid)
            return InternalFaultError()

    def _tell(self, pairs: Sequence[tuple[_Waiting, Outcome]]) -> None:
        """On the loop's thread: everybody gets his outcome."""
        for waiting, outcome in pairs:
            try:
                waiting.tell(outcome)
            except Exception:  # noqa: BLE001  (one that cannot be told must not cost the others their answer)
                self._log.exception("telling_failed")

    def _write_events(self) -> None:
        while self._events:
            self._store.record(self._events[0])
            self._events.popleft()  # only now: a store that fails keeps it waiting

    def _find_store(self) -> None:
        """An idle host notices by itself that its database was moved away."""
        self._store.database.check_in_place(is_thorough=True)

    def _try_store(self) -> None:
        """A small write after a fault: an idle host notices by itself that its disk is well again."""
        self._store.set_setting(_MENDED, self._clock.now_s())
        self._store_works()

    def _guarded(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except StoreUnavailableError as fault:
            self._store_failed(fault, 0)
        except Exception:  # noqa: BLE001  (the next one may work; the thread must live)
            self._log.exception("chore_failed")
        return None

    def _stalled(self) -> StoreUnavailableError:
        return StoreUnavailableError(
            reason=f"the disk has not answered for {self._limits.answer_s:.0f} s",
            path=self._store.database.path,
            retry_after_s=self._limits.retry_after_s,
        )

    def _store_failed(self, fault: StoreUnavailableError, requests: int) -> None:
        if self.fault is None or self.fault.message != fault.message:  # not once for each batch of a storm
            self._log.error("store_unavailable", reason=fault.message, requests=requests)
        if self.fault is None:
            self._broken_since_s = self._clock.monotonic_s()
        self.fault = fault

    def _patience_s(self) -> int:
        """When clients shall ask again: a quarter of the time that the store has been broken for, within bounds."""
        broken_s = self._clock.monotonic_s() - self._broken_since_s
        return max(self._limits.retry_after_s, min(round(broken_s / 4), PATIENCE_S_MAX))

    def _store_works(self) -> None:
        if self.fault is not None:
            self._log.info("store_works_again")
            self.fault = None
