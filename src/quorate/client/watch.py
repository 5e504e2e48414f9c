"""The quarter of an hour after nobody was reached: the network may be about to come, or the host about to start.

A machine that starts before its network is up, or with its host after a power cut, would otherwise wait for the whole
activation interval. Microsoft's client watches for 15 minutes as well. Once an outage, so that a host that is gone for
good is not asked more often than every two hours: docs/adr/0017.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

import dns.exception

from quorate.clock import Clock, Entropy
from quorate.errors import DnsNameDoesNotExistError, DnsServerFailureError, HostUnreachableError
from quorate.resolver import machine_resolver

__all__ = ["ON_THE_WAY", "WATCH_S", "NetworkWatch", "network_picture"]

ON_THE_WAY: Final = frozenset({HostUnreachableError.code, DnsNameDoesNotExistError.code, DnsServerFailureError.code})
"""What says that nobody was reached. A host that answered, whatever it said, is no reason to ask again soon."""

WATCH_S: Final = 900.0
RETRIES_S: Final = (30.0, 60.0, 120.0, 240.0)  # each after the one before; jittered: machines start together
LOOK_S: Final = 5.0
GAP_S: Final = 10.0  # a network that comes and goes is not followed more often than this
SERVERS_MAX: Final = 3  # as many as a resolver asks

Picture = tuple[object, ...]


class NetworkWatch:
    """When to ask again although it is not due. Used by one agent, from its thread.

    Args:
        picture: how the network looks from here; an attempt is made as soon as it is another one.
    """

    def __init__(self, clock: Clock, entropy: Entropy, picture: Callable[[], Picture] | None = None) -> None:
        self._clock = clock
        self._entropy = entropy
        self._look = picture or network_picture
        self._is_spent = False  # this outage has had its watch
        self._until_s: float | None = None
        self._retries: list[float] = []
        self._again_s = 0.0
        self._asked_s = 0.0
        self._picture: Picture = ()

    def attempted(self, *, found_nobody: bool) -> None:
        """An attempt is over. The first that finds nobody opens the watch; an answer of any kind ends the outage."""
        now_s = self._asked_s = self._clock.monotonic_s()
        if not found_nobody:
            self._is_spent, self._until_s = False, None
            return
        if not self._is_spent:
            self._is_spent, self._until_s, self._retries = True, now_s + WATCH_S, list(RETRIES_S)
        self._picture = self._look()
        self._again_s = now_s + (self._retries.pop(0) * self._entropy.uniform(0.5, 1.0) if self._retries else WATCH_S)

    @property
    def is_open(self) -> bool:
        """Whether it is to be looked again within `LOOK_S`."""
        if self._until_s is not None and self._clock.monotonic_s() >= self._until_s:
            self._until_s = None
        return self._until_s is not None

    def is_time(self) -> bool:
        """Whether to ask now: the next retry has come, or the network has changed. Says so once, then waits again."""
        if not self.is_open:
            return False
        now_s = self._clock.monotonic_s()
        if now_s < self._again_s and (now_s < self._asked_s + GAP_S or self._look() == self._picture):
            return False
        self._asked_s, self._again_s, self._picture = now_s, now_s + WATCH_S, self._look()
        return True


def network_picture() -> Picture:
    """This machine's name servers, and its own addresses toward them and toward everybody. Nothing is sent."""
    try:
        resolver = machine_resolver()
        names = tuple(str(each) for each in (*resolver.nameservers, *resolver.search))
        servers = [str(each) for each in resolver.nameservers[:SERVERS_MAX]]
    except dns.exception.DNSException:  # no DNS settings yet
        names, servers = (), []
    # RFC 5737 and 3849: nobody is there. The name servers are what a network without a way out has.
    return names, tuple(_own_address(each) for each in ("192.0.2.1", "2001:db8::1", *servers))


def _own_address(elsewhere: str) -> str | None:
    """From which address a packet would leave; None where there is no route."""
    family = socket.AF_INET6 if ":" in elsewhere else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            return str(probe.getsockname()[0])
    except (OSError, UnicodeError):
        return None
