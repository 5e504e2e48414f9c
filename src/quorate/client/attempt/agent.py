"""Keeps a lease fresh by itself: attempts when they are due, for as long as it runs, whatever goes wrong."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from quorate.client.attempt.network_watch import LOOK_S as WATCH_LOOK_S
from quorate.client.attempt.network_watch import NetworkWatch
from quorate.client.storage.status import Status
from quorate.clock import Clock

__all__ = ["Agent"]

LOOK_S = 60.0  # between two looks at the record: a host set meanwhile, or a clock set right, is noticed within a minute

_log = logging.getLogger("quorate.client")


class Agent:
    """The loop.

    Args:
        renew_if_due: makes an attempt when it is time to, and tells where the client stands.
        look_s: the longest wait between two looks.
        again: makes an attempt whether it is due or not; together with `found_nobody`, whether the last one found
            nobody, and `watch`, which says when. Without them only what is due is done.
    """

    def __init__(
        self,
        renew_if_due: Callable[[], Status],
        clock: Clock,
        look_s: float = LOOK_S,
        *,
        again: Callable[[], Status] | None = None,
        found_nobody: Callable[[], bool] = lambda: False,
        watch: NetworkWatch | None = None,
    ) -> None:
        self._renew_if_due = renew_if_due
        self._clock = clock
        self._look_s = look_s
        self._again = again or renew_if_due
        self._found_nobody = found_nobody
        self._watch = watch

    def run(
        self,
        stop: threading.Event,
        *,
        begin: Callable[[], Status] | None = None,
        tell: Callable[[Status], None] | None = None,
        beat: Callable[[], None] | None = None,
    ) -> None:
        """Run until `stop` is set; an attempt under way is finished first.

        Args:
            begin: called once instead of the first look (an agent asks when it starts, due or not).
            tell: called with the status after every attempt.
            beat: called each time round: a sign of life.
        """
        look = begin or self._renew_if_due
        told_s: int | None = None
        watch = self._watch
        while not stop.is_set():  # bounded by `stop`: this is what runs for years
            wait_s = self._look_s
            try:
                status = look()
                if status.last_attempt_s is not None and status.last_attempt_s != told_s:
                    told_s = status.last_attempt_s
                    if watch is not None:
                        watch.attempted(found_nobody=self._found_nobody())
                    if tell is not None:
                        tell(status)
                wait_s = min(max(status.next_attempt_s - self._clock.now_s(), 1), self._look_s)
            except Exception:  # noqa: BLE001 - an agent that dies of a surprise renews nothing any more
                _log.exception("the attempt failed unexpectedly; the next one comes in %d s", wait_s)
            look = self._renew_if_due
            if beat is not None:
                beat()
            self._clock.wait(stop, wait_s if watch is None or not watch.is_open else min(wait_s, WATCH_LOOK_S))
            if watch is not None and watch.is_time():
                look = self._again
