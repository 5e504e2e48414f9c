"""How often one source may ask: a bucket of questions that fills again with time. Bounded memory, whoever asks."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from math import ceil
from typing import Final

from quorate.clock import Clock
from quorate.errors import RateLimitedError

__all__ = ["PER_MINUTE_DEFAULT", "RateLimiter"]

PER_MINUTE_DEFAULT: Final = 30  # a host asks once in months; a person who tries again and again stays below it
SOURCES_MAX: Final = 4096  # about 1 MB; beyond it the source that asked longest ago is forgotten


class RateLimiter:
    """Buckets by source.

    Args:
        per_minute: questions that one source may ask at once, and again in each following minute.
    """

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # source: (left, as of)
        self._lock = threading.Lock()
        self.adopt(per_minute)

    def adopt(self, per_minute: int) -> None:
        """Let so many through from now on; what was asked before is forgotten."""
        with self._lock:
            self._buckets.clear()
            self._capacity, self._per_second = float(per_minute), per_minute / 60

    def take(self, address: str) -> str:
        """The source that `address` belongs to, if it may ask now.

        Raises:
            RateLimitedError: with the seconds after which it may.
        """
        source = _source(address)
        now = self._clock.monotonic_s()
        with self._lock:
            left, as_of = self._buckets.pop(source, (self._capacity, now))
            left = min(self._capacity, left + (now - as_of) * self._per_second)
            allowed = left >= 1
            self._buckets[source] = (left - 1 if allowed else left, now)
            if len(self._buckets) > SOURCES_MAX:
                self._buckets.popitem(last=False)
        if not allowed:
            raise RateLimitedError(retry_after_s=max(1, ceil((1 - left) / self._per_second)))
        return source


def _source(address: str) -> str:
    """An IPv4 address; of an IPv6 address the /64, as everybody has as many of them as he likes."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if ip.version == 4:
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))
