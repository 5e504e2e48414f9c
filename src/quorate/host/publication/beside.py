"""Publication beside a running host: a thread of its own, so that no name server ever delays an answer or a stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from quorate.clock import Clock, Entropy
from quorate.core.events import HostEvent
from quorate.errors import HostStoppingError, QuorateError
from quorate.host.config import Settings
from quorate.host.publication.machine import Surroundings
from quorate.host.publication.publisher import DnsPublisher, DomainResult
from quorate.host.publication.settings import PublicationSettings
from quorate.host.publication.state import DomainState, StoreMemory, change_state
from quorate.host.publication.wanted import wanted_publication
from quorate.host.store.store import Store

__all__ = ["PublicationThread"]

ABANDON_S = 1.0  # how long a stop waits for a name server when nothing is to be withdrawn
AGAIN_FIRST_S = 60.0  # after the publisher has ended with an error; doubled each time, and at once when settings change
AGAIN_MAX_S = 3600.0


@dataclass(frozen=True)
class _Served:
    settings: Settings
    port: int
    services: tuple[str, ...]


class PublicationThread:
    """Keeps the record of what this process serves. `adopt` and `stop` are the host's, one at a time.

    Args:
        record_event: takes events from the publishing thread.

    Attributes:
        fault: why it could not go on, and goes on later; None while it works.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        record_event: Callable[[HostEvent], object],
        around: Surroundings,
    ) -> None:
        self._store = store
        self._around = around
        self._log = structlog.get_logger("quorate.host.dns")
        self._clock = clock
        self._is_closed = False
        self._stirred = threading.Event()  # settings changed, or a stop was asked for
        self.fault: str | None = None
        self._served: _Served | None = None
        self._thread: threading.Thread | None = None
        self._publisher = DnsPublisher(
            PublicationSettings("unknown.", enabled=False),
            names=around.names,
            memory=_OpenMemory(store, self),
            clock=clock,
            entropy=entropy,
            record_event=record_event,
            on_results=self._keep,
        )

    @property
    def is_closed(self) -> bool:
        """Whether the host has gone on without this thread: it must leave the store alone."""
        return self._is_closed

    def adopt(self, settings: Settings, port: int, services: tuple[str, ...]) -> None:
        """Keep the record of this from now on. Returns at once; a host that never publishes never has the thread."""
        self._served = _Served(settings, port, services)
        self._stirred.set()
        if self._thread is not None:
            self._publisher.wake()
        elif settings.dns_publishing:
            self._thread = threading.Thread(target=self._run, name="quorate-dns", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End it, after the record was taken away if the settings say so. Returns in time, whatever DNS does.

        A change under way is abandoned then: it was remembered before it was sent, so the next start finishes it.
        """
        self._publisher.stop()
        self._stirred.set()
        if self._thread is None or self._served is None:
            return
        is_withdrawing = self._served.settings.dns_publishing and self._served.settings.dns_withdraw_on_stop
        self._thread.join(timeout_s if is_withdrawing else min(ABANDON_S, timeout_s))
        self._is_closed = True
        if self._thread.is_alive():
            self._log.warning("dns_abandoned", withdrawn=False if is_withdrawing else None)

    def _run(self) -> None:
        wait_s = AGAIN_FIRST_S
        while True:
            self._stirred.clear()
            try:
                self._publisher.run(self._latest)
            except Exception as fault:  # noqa: BLE001  (a host serves its clients, whatever becomes of its record)
                said = fault.message if isinstance(fault, QuorateError) else f"{type(fault).__name__}: {fault}"
                self.fault = f"publishing ended with an error, and is tried again: {said}"
                self._log.exception("dns_publishing_failed", next_try_s=wait_s)
            else:
                return
            if self._publisher.is_stopping:
                return
            self._clock.wait(self._stirred, wait_s)
            wait_s = min(2 * wait_s, AGAIN_MAX_S)

    def _latest(self) -> PublicationSettings:
        served = self._served
        assert served is not None, "adopt() comes first"  # noqa: S101  (our own mistake only)
        return wanted_publication(served.settings, port=served.port, services=served.services, around=self._around)

    def _keep(self, results: tuple[DomainResult, ...], next_s: int | None) -> None:
        self.fault = None
        for each in results:
            self._say(DomainState.of(each), next_s)
        if self._is_closed:
            return
        try:
            change_state(self._store, lambda state: state.after(results, next_s))
        except QuorateError as fault:  # the writer tells it as well; the record stands all the same
            self._log.warning("dns_state_not_kept", message=fault.message)

    def _say(self, state: DomainState, next_s: int | None) -> None:
        done = "published" if state.action == "publish" else "withdrawn"
        if state.code is None:
            self._log.info(
                f"dns_{done}", domain=state.domain, record=state.record, server=state.server, note=state.note
            )
        else:
            self._log.warning(
                f"dns_not_{done}",
                domain=state.domain,
                code=state.code,
                message=state.message,
                hint=state.hint,
                record=state.record,
                next_try_s=next_s,
            )


class _OpenMemory(StoreMemory):
    """The memory until the host has closed the store."""

    def __init__(self, store: Store, thread: PublicationThread) -> None:
        super().__init__(store)
        self._thread = thread

    def get(self) -> str | None:
        self._check()
        return super().get()

    def change(self, edit: Callable[[str | None], str]) -> None:
        self._check()
        super().change(edit)

    def _check(self) -> None:
        if self._thread.is_closed:
            raise HostStoppingError(retry_after_s=1)
