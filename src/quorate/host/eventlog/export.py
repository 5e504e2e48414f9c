"""All targets of one running host: begun, ended and looked after as the settings change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from quorate.clock import Clock
from quorate.core.events import HostEvent
from quorate.host.eventlog.export_settings import wanted_targets
from quorate.host.eventlog.exporter import Exporter
from quorate.host.eventlog.targets import DEV_LOG, JOURNAL
from quorate.host.settings.settings import Settings
from quorate.host.store.store import Store

__all__ = ["EventExport"]


class EventExport:
    """`adopt` and `stop` are the host's, one at a time; `faults` from any thread.

    Args:
        record_event: takes event 12317 from the targets' threads.
        hostname: what this machine calls itself.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        record_event: Callable[[HostEvent], object],
        hostname: str,
        *,
        journal: Path = JOURNAL,
        dev_log: Path = DEV_LOG,
    ) -> None:
        self._store = store
        self._clock = clock
        self._record = record_event
        self._hostname = hostname
        self._sockets = {"journal": journal, "dev_log": dev_log}
        self._running: dict[str, Exporter] = {}
        self._ending: list[Exporter] = []

    def adopt(self, settings: Settings) -> None:
        """Hand the log on to these targets from now on. Returns at once."""
        wanted = wanted_targets(settings, self._hostname, **self._sockets)
        for name in self._running.keys() - wanted.keys():
            exporter = self._running.pop(name)
            exporter.drop()
            self._ending.append(exporter)
        self._ending = [each for each in self._ending if each.is_alive]
        for name in wanted.keys() - self._running.keys():
            exporter = Exporter(name, wanted[name], self._store, self._clock, self._record)
            self._running[name] = exporter
            exporter.start()

    def faults(self) -> list[str]:
        """Why which target does not take events just now."""
        return [each.fault for each in list(self._running.values()) if each.fault is not None]

    def targets(self) -> list[str]:
        """The targets, by name."""
        return sorted(self._running)

    def stop(self, timeout_s: float) -> bool:
        """Hand on what was written last, and end. Whether all ended in time; those that did not are left alone."""
        everybody = [*self._running.values(), *self._ending]
        for each in everybody:
            each.ask_to_stop()
        until_s = self._clock.monotonic_s() + timeout_s
        ended = [each.join(max(until_s - self._clock.monotonic_s(), 0.0)) for each in everybody]
        return all(ended)
