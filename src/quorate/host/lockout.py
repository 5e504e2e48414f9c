"""Who has sent too many wrong tokens has to wait: by source, in bounded memory, and never on the machine itself.

A token has 256 random bits, so nobody guesses one, slowly or fast. What this is for: a script with an old token does
not fill the event log, and whoever tries is seen (event 12316). So a right token never waits (`gate`): many may stand
behind one address.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from quorate.clock import Clock
from quorate.errors import LockedOutError
from quorate.host.admin_tls import is_loopback

__all__ = ["FAILURES_MAX", "LOCKED_S", "WINDOW_S", "Lockout"]

FAILURES_MAX: Final = 10
WINDOW_S: Final = 600
LOCKED_S: Final = 900
SOURCES_MAX: Final = 4096  # a megabyte; the one that was heard longest ago goes


@dataclass
class _Failures:
    number: int
    since_s: float
    until_s: float = 0.0


class Lockout:
    """One listener's memory of failures. From one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sources: OrderedDict[str, _Failures] = OrderedDict()

    def check(self, address: str) -> None:
        """That one more wrong token from there is worth an event.

        Raises:
            LockedOutError: not now.
        """
        source = source_of(address)
        found = self._sources.get(source)
        if found is None:
            return
        left_s = found.until_s - self._clock.monotonic_s()
        if left_s > 0:
            raise LockedOutError(source=source, retry_after_s=max(1, round(left_s)))

    def failed(self, address: str) -> int | None:
        """A wrong token came from there. The number of them, if that was one too many; else None."""
        if is_loopback(address):  # where any local program could lock out everybody, and the tunnel's other end is
            return None
        source, now_s = source_of(address), self._clock.monotonic_s()
        found = self._sources.pop(source, None)
        if found is None or now_s - found.since_s >= WINDOW_S or found.until_s:
            found = _Failures(0, now_s)
        found.number += 1
        if found.number >= FAILURES_MAX:
            found.until_s = now_s + LOCKED_S
        self._sources[source] = found
        while len(self._sources) > SOURCES_MAX:
            self._sources.popitem(last=False)
        return found.number if found.until_s else None

    def succeeded(self, address: str) -> None:
        """A right token came from there: what was mistyped before it is forgotten; a lock stays as long as it is."""
        source = source_of(address)
        found = self._sources.get(source)
        if found is not None and not found.until_s:
            del self._sources[source]


def source_of(address: str) -> str:
    """What is locked out together: an IPv4 address, or the /64 of an IPv6 one, as a machine may use all of that."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
