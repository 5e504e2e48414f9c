"""Who may ask at all, and how often: allowed networks, a rate for each source and each CMID, new CMIDs in an hour.

The rates keep one machine gone wild from filling a host's queue; their defaults let a site through that boots behind
one address. They do not make the count true: whoever may ask may invent machines (docs/explanation/threat-model.md).
Memory is bounded: beyond so many sources, the one that asked longest ago is forgotten.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from quorate.clock import Clock, Entropy
from quorate.core.events import HostEvent, SourceLimited
from quorate.errors import NetworkNotAllowedError, RateLimitedError
from quorate.host.config import Settings
from quorate.host.networks import is_among, networks_in, source_of

__all__ = ["Admission"]

SOURCES_MAX: Final = 16_384
CMIDS_MAX: Final = 65_536  # with the sources about 15 MB
_NAMES_LOOKED_AT: Final = 4096  # from so many on it is worth looking who may be forgotten
HOUR_S: Final = 3600
RETRY_S, RETRY_SPREAD_S = 30.0, 60.0  # who was refused together does not come back together


class _Buckets:
    """A bucket of questions for each name, that fills again within a minute.

    Kept is when it will be full, and nothing of those that are full: a name that asks seldom is soon forgotten.
    """

    def __init__(self, names_max: int) -> None:
        self._names_max = names_max
        self._full_s: dict[str, float] = {}
        self._look_at = _NAMES_LOOKED_AT

    def __len__(self) -> int:
        return len(self._full_s)

    def take(self, name: str, per_minute: int, now: float) -> bool:
        """Whether one more is in it. `per_minute` is also its size."""
        one_s = 60 / per_minute
        full_s = max(self._full_s.pop(name, now), now)
        is_allowed = full_s - now <= 60 - one_s * 0.99  # sums of fractions are a little off
        self._full_s[name] = full_s + one_s if is_allowed else full_s  # at the end: it was the last to ask
        if len(self._full_s) >= self._look_at:
            self._forget(now)
        return is_allowed

    def _forget(self, now: float) -> None:
        """Those that are full again; where that leaves too many, the half that asked longest ago."""
        left = [each for each in self._full_s.items() if each[1] > now]
        self._full_s = dict(left[-self._names_max // 2 :] if len(left) >= self._names_max else left)
        self._look_at = min(max(2 * len(self._full_s), _NAMES_LOOKED_AT), self._names_max)


class Admission:
    """The door of port 1688. What is not said to be from another thread is the loop's alone.

    Args:
        record_event: takes the event about a crowded source.
    """

    def __init__(
        self, clock: Clock, entropy: Entropy, settings: Settings, record_event: Callable[[HostEvent], object]
    ) -> None:
        self._clock = clock
        self._entropy = entropy
        self._record = record_event
        self._sources = _Buckets(SOURCES_MAX)
        self._cmids = _Buckets(CMIDS_MAX)
        self._lock = threading.Lock()
        self._records = 0
        self._newcomers: OrderedDict[str, tuple[float, int]] = OrderedDict()  # source: (since, how many)
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """Use these from the next question on."""
        self._settings = settings
        self._networks = networks_in(settings.allowed_networks)

    def at_the_door(self, address: str) -> None:
        """Before anything is read.

        Raises:
            NetworkNotAllowedError: `address` is in none of the networks that are served.
            RateLimitedError: its source asks too often. This machine itself (a proxy, an administrator) never does.
        """
        if self._networks and not is_among(address, self._networks):
            raise NetworkNotAllowedError(address=address)
        rate = self._settings.source_rate
        source = source_of(address)
        if rate and source is not None and not self._sources.take(source, rate, self._clock.monotonic_s()):
            raise self._later()

    def question(self, cmid: str, address: str) -> None:
        """Once it is known who asks.

        Raises:
            RateLimitedError: one CMID asks too often from one source: a client gone wild. A stranger who knows a CMID
                takes nothing of its machine's rate away from another address.
        """
        rate = self._settings.cmid_rate
        name = f"{cmid} {source_of(address) or ''}"
        if rate and not self._cmids.take(name, rate, self._clock.monotonic_s()):
            raise self._later()

    def is_crowded(self, address: str) -> bool:
        """Whether this source has brought as many new CMIDs as it may within an hour, or there is no room for any."""
        if self.inventory_fault() is not None:
            return True
        most = self._settings.new_cmids_per_hour
        source = source_of(address)
        if not most or source is None:
            return False
        with self._lock:
            since, number = self._newcomers.get(source, (0.0, 0))
        return number >= most and self._clock.monotonic_s() - since < HOUR_S

    def note_inventory(self, number: int) -> None:
        """So many records there are; from the writer's thread."""
        with self._lock:
            self._records = number

    def inventory_fault(self) -> str | None:
        """What is wrong with the number of records; None while there is room. From any thread."""
        most = self._settings.clients_max
        if self._records < most:
            return None
        return f"{self._records} machines are in the inventory, and no more than {most} may be: new ones are refused"

    def refuse_newcomer(self) -> RateLimitedError:
        """What a new CMID of a crowded source is told."""
        return RateLimitedError(retry_after_s=round(self._entropy.uniform(HOUR_S / 4, HOUR_S)))

    def note_newcomers(self, addresses: Iterable[str]) -> None:
        """Count machines that were never heard before, once they have records; from the writer's thread. Beyond the
        limit that is an event."""
        addresses = list(addresses)
        with self._lock:
            self._records += len(addresses)
        self._count_newcomers(addresses)

    def refused_unheard(self, address: str) -> None:
        """Somebody without a record was refused and gets none, as its product is not covered: a newcomer all the same,
        as each leaves an event."""
        self._count_newcomers([address])

    def _count_newcomers(self, addresses: list[str]) -> None:
        now = self._clock.monotonic_s()
        most = self._settings.new_cmids_per_hour
        for address in addresses:
            source = source_of(address)
            if source is None:
                continue
            with self._lock:
                since, number = self._newcomers.pop(source, (now, 0))
                if now - since >= HOUR_S:
                    since, number = now, 0
                self._newcomers[source] = (since, number + 1)
                if len(self._newcomers) > SOURCES_MAX:
                    self._newcomers.popitem(last=False)
            if most and number + 1 == most:
                self._record(
                    SourceLimited(time_s=self._clock.now_s(), code="RATE_LIMITED", address=address, new_cmids=most)
                )

    def _later(self) -> RateLimitedError:
        return RateLimitedError(retry_after_s=round(RETRY_S + self._entropy.uniform(0, RETRY_SPREAD_S)))
