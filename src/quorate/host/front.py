"""The clients' port: a socket, its connections, and the time that each of them has.

What protects it (docs/adr/0019-own-front.md): a bound on connections, where one that keeps us waiting gives way to a
new one, and first one of a source that holds more than its share; a time for a head, for a body, for taking an answer;
and all the bounds of `host/connection.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import operator
import socket
from typing import Final

import structlog

from quorate.clock import Clock
from quorate.errors import HostBusyError
from quorate.host.config import Limits
from quorate.host.connection import Application, Connection, Port, Waits

__all__ = ["Front"]

GONE_S = 2.0  # for a client that was refused, to read that and go
LOOKS = 20  # within the shortest time: nobody has much more than his time
LOOK_S_MAX = 0.5
SHARES: Final = 8  # a source that holds more than an eighth of the places is the first to give one back
LOOKED_AT_MAX: Final = 32  # connections, for one that may be closed: what a new one costs stays the same


class Front:
    """One application on one listening socket, in the running event loop.

    Args:
        connections_max: open at once.
    """

    def __init__(
        self, sock: socket.socket, application: Application, clock: Clock, limits: Limits, connections_max: int
    ) -> None:
        self.address, self.port = sock.getsockname()[:2]
        self._socket = sock
        self._limits = limits
        self._connections_max = connections_max
        self._state = Port(application, clock, limits, asyncio.get_running_loop().time, self._make_room)
        self._times_s = {
            Waits.HEAD: limits.headers_s,
            Waits.BODY: limits.body_s,
            Waits.TAKEN: limits.taken_s,
            Waits.GONE: GONE_S,
            Waits.TURNED_AWAY: GONE_S,
        }
        self._server: asyncio.Server | None = None
        self._looking: asyncio.Task[None] | None = None

    @property
    def is_serving(self) -> bool:
        """Whether connections are taken, and their times kept."""
        is_listening = self._server is not None and self._server.is_serving()
        return is_listening and self._looking is not None and not self._looking.done()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._state.connections)

    async def start(self) -> None:
        """Begin to serve."""
        loop = asyncio.get_running_loop()
        backlog = self._limits.backlog
        self._server = await loop.create_server(lambda: Connection(self._state), sock=self._socket, backlog=backlog)
        self._looking = loop.create_task(self._look())

    async def stop(self, timeout_s: float) -> None:
        """Take no more connections, close the idle ones, and wait until the requests under way are answered.

        After `timeout_s` seconds those that are not are given up.
        """
        if self._server is not None:
            self._server.close()
        self._state.is_stopping = True
        for connection in list(self._state.connections):
            connection.finish()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._until_empty()
        for connection in list(self._state.connections):
            connection.abort()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        self._socket.close()

    async def _until_empty(self) -> None:
        while self._state.connections:
            self._state.emptied.clear()
            await self._state.emptied.wait()

    @property
    def _look_s(self) -> float:
        return min(LOOK_S_MAX, min(self._times_s.values()) / LOOKS)

    async def _look(self) -> None:
        """Again and again: who has had his time?"""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._look_s)
            for what, since in self._state.waiting.items():
                late_s = loop.time() - self._times_s[what]
                for connection in self._until(since, late_s):
                    try:
                        connection.overdue(what)
                    except Exception:  # noqa: BLE001  (one connection's fault must not keep the others open)
                        structlog.get_logger("quorate.host.public").exception("connection_failed")
                        connection.abort()

    @staticmethod
    def _until(since: dict[Connection, float], late_s: float) -> list[Connection]:
        """Those who wait since before `late_s`: they stand first."""
        late = []
        for connection, since_s in since.items():
            if since_s > late_s:
                break
            late.append(connection)
        return late

    def _make_room(self) -> HostBusyError | None:
        """For one more connection: somebody we wait for gives way. The refusal when everybody waits for us."""
        number = len(self._state.connections)
        if number < self._connections_max:
            return None
        busy = HostBusyError(waiting=number, retry_after_s=self._limits.retry_after_s)
        found = self._who_gives_way()
        if found is None:
            return busy
        found.give_way(busy)
        return None

    def _who_gives_way(self) -> Connection | None:
        """Whom we have waited for longest, for whatever it is: of the source that holds the most where that is more
        than its share, else of all. So many half requests of one sender take their places from each other only."""
        oldest = sorted(
            (
                found
                for what, since in self._state.waiting.items()
                if what is not Waits.TURNED_AWAY
                for found in itertools.islice(since.items(), LOOKED_AT_MAX)
            ),
            key=operator.itemgetter(1),
        )
        crowd = self._state.sources.largest(beyond=self._connections_max // SHARES)
        if crowd is not None:
            source, held = crowd
            some = itertools.islice(held, LOOKED_AT_MAX)
            theirs = [each for each, _ in oldest if each.source == source] or [
                each for each in some if each.may_give_way
            ]
            if theirs:
                return theirs[0]
        return oldest[0][0] if oldest else None
