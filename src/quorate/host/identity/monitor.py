"""The running host's look at its own papers: an event when something is wrong with them, a daily question online.

Called once a second by the host's loop; the question runs in a thread of its own, so that no publisher ever delays an
answer or a stop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog

from quorate.clock import Clock, Entropy
from quorate.core.events import HostEvent, PapersChanged, PapersNeedAttention
from quorate.core.policy import DAY_S
from quorate.errors import HostNotActivatedError, QuorateError
from quorate.host.identity.credentials import Credentials
from quorate.host.identity.keyring import HostKeyring
from quorate.host.identity.publisher_client import PublisherAddress, PublisherLink, publisher_address
from quorate.host.identity.renewal import refresh, standing
from quorate.host.settings.settings import Settings

__all__ = ["PapersWatch"]

RETRY_S: Final = 3600.0
SPREAD: Final = 0.1  # of a day: hosts that were started together do not ask together for ever


class PapersWatch:
    """`look` is the loop's alone.

    Args:
        record_event: takes events from any thread.
        machine: what this machine calls itself, for a new request.
    """

    def __init__(
        self,
        keyring: HostKeyring,
        clock: Clock,
        entropy: Entropy,
        record_event: Callable[[HostEvent], object],
        machine: str,
    ) -> None:
        self._keyring = keyring
        self._clock = clock
        self._entropy = entropy
        self._record = record_event
        self._machine = machine
        self._log = structlog.get_logger("quorate.host.papers")
        self._told: dict[str, tuple[str, float]] = {}  # by what was looked at: the code, and when it is told again
        self._ask_due_s = clock.monotonic_s()
        self._asked: PublisherAddress | None = None
        self._thread: threading.Thread | None = None

    def look(self, credentials: Credentials, settings: Settings) -> None:
        """Tell what is wrong, once a day and when it changes; ask the publisher when that is due. Returns at once."""
        fault = standing(credentials, self._clock.now_s())
        # A host that never was activated: nothing that was good has gone bad.
        self._tell("papers", None if isinstance(fault, HostNotActivatedError) else fault)
        address = publisher_address(settings)
        if address != self._asked:
            self._asked, self._ask_due_s = address, self._clock.monotonic_s()
        is_free = self._thread is None or not self._thread.is_alive()
        if address is not None and is_free and self._clock.monotonic_s() >= self._ask_due_s:
            self._ask_due_s = self._clock.monotonic_s() + DAY_S * self._entropy.uniform(1 - SPREAD, 1)
            self._thread = threading.Thread(target=self._ask, args=(address,), name="quorate-papers", daemon=True)
            self._thread.start()

    def _tell(self, what: str, fault: QuorateError | None) -> None:
        if fault is None:
            self._told.pop(what, None)
            return
        code, due_s = self._told.get(what, ("", 0.0))
        if fault.code != code or self._clock.monotonic_s() >= due_s:
            self._told[what] = fault.code, self._clock.monotonic_s() + DAY_S
            self._note(fault)

    def _ask(self, address: PublisherAddress) -> None:
        try:
            link = PublisherLink(address, self._clock)
            found = refresh(self._keyring, link, self._clock.now_s(), self._machine).words()
        except QuorateError as fault:
            self._ask_due_s = min(self._ask_due_s, self._clock.monotonic_s() + RETRY_S)
            self._tell("publisher", fault)
        except Exception:  # noqa: BLE001  (a host serves its clients, whatever becomes of its papers)
            self._log.exception("papers_not_refreshed")
        else:
            self._tell("publisher", None)
            if found is not None:
                self._log.info("papers_refreshed", message=found)
                self._record(PapersChanged(time_s=self._clock.now_s(), message=found))

    def _note(self, fault: QuorateError) -> None:
        self._log.warning("papers_need_attention", code=fault.code, message=fault.message, hint=fault.hint)
        self._record(
            PapersNeedAttention(
                time_s=self._clock.now_s(), code=fault.code, hresult=fault.hresult or 0, message=fault.message
            )
        )
