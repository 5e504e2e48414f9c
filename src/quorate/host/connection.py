"""One connection to the clients' port: requests are answered in their order, and each wait for the client is bounded.

What a client sends, or does not take, can end its own connection and nothing else.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol, cast

import structlog

from quorate.clock import Clock
from quorate.errors import HostBusyError, QuorateError, RequestTimeoutError
from quorate.host.config import Limits
from quorate.host.request import Request, RequestReader
from quorate.host.response import CONTINUE, Response, head_of
from quorate.host.sources import Sources, share_name

__all__ = ["Application", "Connection", "Port", "Waits"]

REFUSED_MAX: Final = 64  # connections for which there is no place are told so; more are closed without a word
UNREAD_BYTES_MAX: Final = 256 * 1024  # of a refused request are read and dropped, so that its client reads the refusal
JOINED_BYTES_MAX: Final = 64 * 1024  # a larger body is not copied behind its head

_V4_MAPPED = "::ffff:"


class Application(Protocol):
    """Who answers requests. Never raises."""

    def at_head(self, peer: str, method: str, path: str, length: int | None) -> Response | None:
        """The refusal of a request before its body is read, or None.

        Args:
            peer: the other side's IP address.
            length: of the body in bytes; None when it comes in chunks.
        """
        ...

    def answer(self, method: str, path: str, body: bytes, peer: str, told: Callable[[Response], None]) -> None:
        """Answer a whole request: `told` is called once, at once or later, on the loop's thread."""
        ...

    def refuse(self, fault: QuorateError) -> Response:
        """The problem that carries `fault`."""
        ...


class Waits(enum.Enum):
    """What a connection waits for from its client, each with its own time."""

    HEAD = enum.auto()  # a request, or the rest of its head
    BODY = enum.auto()
    TAKEN = enum.auto()  # that it takes what it was sent
    GONE = enum.auto()  # that it reads its refusal and goes
    TURNED_AWAY = enum.auto()  # the same, of one for which there was no place


class Port:
    """What the connections of one port have in common.

    Args:
        time_s: the loop's time.
        is_full: asked by each new connection: the refusal, when there is no place for it.

    Attributes:
        waiting: for each of `Waits`, who waits since when, in that order.
        sources: the connections by where they come from.
        is_stopping: no further requests are read.
        emptied: set by the last connection that ends.
    """

    def __init__(
        self,
        application: Application,
        clock: Clock,
        limits: Limits,
        time_s: Callable[[], float],
        is_full: Callable[[], QuorateError | None],
    ) -> None:
        self.application = application
        self.clock = clock
        self.limits = limits
        self.time_s = time_s
        self.is_full = is_full
        self.is_stopping = False
        self.emptied = asyncio.Event()
        self.connections: set[Connection] = set()
        self.sources: Sources[Connection] = Sources()
        self.waiting: dict[Waits, dict[Connection, float]] = {what: {} for what in Waits}


class Connection(asyncio.Protocol):
    """One client's connection. All of it runs on the loop's thread.

    Attributes:
        source: whose share of the places it takes.
    """

    def __init__(self, port: Port) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._reader: RequestReader
        self._peer = self.source = ""
        self._answering: Request | None = None
        self._waits: Waits | None = None
        self._unread = 0
        self._is_blocked = False  # the client does not take what it was sent
        self._is_paused = False  # nothing is read
        self._is_closing = False
        self._is_proceeding = False
        self._has_place = False
        self._has_ended = False  # the client sends no more

    # --- called by the transport -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        port = self._port
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class, of the same shape
        peer = self._transport.get_extra_info("peername")
        self._peer = "" if peer is None else peer[0].removeprefix(_V4_MAPPED)
        self._reader = RequestReader(partial(port.application.at_head, self._peer), port.application.refuse)
        refusal = port.is_full()
        self._has_place = refusal is None
        port.connections.add(self)
        self.source = share_name(self._peer)
        port.sources.add(self.source, self)
        self._transport.set_write_buffer_limits(0)  # to be told at once when a client does not take what it is sent
        if refusal is None and peer is not None:
            self._wait_for(Waits.HEAD)
        elif refusal is not None and len(port.waiting[Waits.TURNED_AWAY]) < REFUSED_MAX:
            self._refuse(refusal)
        else:  # it is gone already, or one of too many
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_for(None)
        self._port.connections.discard(self)
        self._port.sources.remove(self.source, self)
        if not self._port.connections:
            self._port.emptied.set()
        self._is_closing = True
        self._transport = None
        self._reader.close()

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if reader.is_deaf:
            self._unread += len(data)
            if self._unread > UNREAD_BYTES_MAX:
                self.abort()
            return
        if self._waits is Waits.HEAD and not reader.has_begun:
            self._wait_for(None)  # an idle connection begins to ask: the head has all its time
        try:
            reader.feed(data)
        except Exception:  # noqa: BLE001  (our own mistake costs this connection and no other)
            structlog.get_logger("quorate.host.public").exception("connection_failed")
            self.abort()
        if self._answering is not None or self._is_blocked:
            self._pause_reading()  # one packet ahead is enough
        else:
            self._proceed()

    def eof_received(self) -> bool:
        """The client sends no more; it may still read. Whether the connection stays for that."""
        self._has_ended = True
        self._reader.end()
        if self._answering is None:
            self._proceed()
        return self._answering is not None or self._is_blocked

    def pause_writing(self) -> None:
        self._is_blocked = True
        self._wait_for(Waits.TAKEN)

    def resume_writing(self) -> None:
        self._is_blocked = False
        self._proceed()

    # --- called by the front -----------------------------------------------------------------------------------------

    def overdue(self, what: Waits) -> None:
        """The client has not done in time what it was to do."""
        if what is Waits.HEAD:  # nobody has asked anything, so there is nobody to tell
            self.close()
        elif what is Waits.BODY:
            self._refuse(RequestTimeoutError(timeout_s=f"{self._port.limits.body_s:g}"))
        else:
            self.abort()

    @property
    def may_give_way(self) -> bool:
        """Whether it has a place, and it is its client's turn: who waits for our answer keeps it."""
        return self._has_place and self._waits is not None

    def give_way(self, fault: HostBusyError) -> None:
        """Its place goes to another: close now, without waiting for the client. Half a request is told why."""
        if self._waits is Waits.HEAD:
            self.close()
        elif self._waits is Waits.BODY and self._transport is not None:
            response = self._port.application.refuse(fault)
            self._transport.write(head_of(response, self._port.clock.now_s(), is_1_0=False, is_last=True))
            self._transport.write(response.body)
            self.close()
        else:
            self.abort()

    def finish(self) -> None:
        """The host stops: close at once, or with the answer to what has begun to come."""
        if not (self._reader.has_begun or self._reader.is_deaf or self._answering or self._is_blocked):
            self.close()

    def close(self) -> None:
        """Close when all that was written is taken."""
        self._is_closing = True
        if not self._is_blocked:
            self._wait_for(None)
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close without another word."""
        self._is_closing = True
        self._wait_for(None)
        if self._transport is not None:
            self._transport.abort()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _refuse(self, fault: QuorateError) -> None:
        self._reader.refuse(fault)
        self._proceed()

    def _proceed(self) -> None:
        """Ask what waits, one after the other, as long as answers come at once."""
        if self._is_proceeding:
            return
        self._is_proceeding = True
        requests, application = self._reader.requests, self._port.application
        while requests and self._answering is None and not (self._is_blocked or self._is_closing):
            self._answering = request = requests.pop(0)
            self._wait_for(None)
            if request.refusal is not None:
                self._told(request.refusal)
            else:
                application.answer(request.method, request.path, request.body, self._peer, self._told)
        self._is_proceeding = False
        if self._answering is None and not (self._is_blocked or self._is_closing):
            self._rest()

    def _told(self, response: Response) -> None:
        request, self._answering = self._answering, None
        transport, reader = self._transport, self._reader
        if request is None or transport is None or self._is_closing or transport.is_closing():
            return  # the client has gone away
        is_last = request.is_last or (not reader.requests and self._is_at_its_end())
        head = head_of(response, self._port.clock.now_s(), is_1_0=request.is_1_0, is_last=is_last)
        body = b"" if request.method == "HEAD" else response.body
        if len(body) <= JOINED_BYTES_MAX:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        if not is_last:
            self._proceed()
        elif request.is_unread and not self._has_ended:
            self._take_leave(transport)
        else:
            self.close()

    def _take_leave(self, transport: asyncio.Transport) -> None:
        """Say that nothing more comes, and drop what the client still sends until it goes: closed with bytes unread the
        connection would be reset, and the answer be lost on the way."""
        self._is_closing = self._reader.is_deaf = True
        self._wait_for(Waits.GONE if self._has_place else Waits.TURNED_AWAY)
        try:
            transport.write_eof()
        except OSError:  # it has gone already
            self.abort()
        else:
            self._resume_reading()

    def _is_at_its_end(self) -> bool:
        """Whether no request comes after those that are whole."""
        return self._reader.is_deaf or self._has_ended or (self._port.is_stopping and not self._reader.has_begun)

    def _rest(self) -> None:
        """Nothing is to be answered: what has the client to do?"""
        reader = self._reader
        if self._has_ended:
            self.close()
            return
        self._wait_for(Waits.HEAD if reader.coming is None else Waits.BODY)
        if reader.expects and reader.coming is not None and self._transport is not None:
            reader.expects = False
            self._transport.write(CONTINUE)
        self._resume_reading()

    def _wait_for(self, what: Waits | None) -> None:
        """The time for `what` begins; no second time for the same."""
        if what is self._waits:
            return
        if self._waits is not None:
            del self._port.waiting[self._waits][self]
        if what is not None:
            self._port.waiting[what][self] = self._port.time_s()
        self._waits = what

    def _pause_reading(self) -> None:
        if not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
