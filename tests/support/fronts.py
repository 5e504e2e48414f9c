"""A clients' port by itself: a real front on a real socket, and an application that answers when the test wants it.

with asyncio.Runner(loop_factory=...) as runner:
    runner.run(play(story))
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from quorate.errors import QuorateError
from quorate.host.config import Limits
from quorate.host.front import Front
from quorate.host.response import Response
from quorate.host.sockets import open_socket
from tests.support.clocks import ManualClock

__all__ = ["BOUND_S", "LARGE", "LONG", "Client", "Echo", "Play", "Served", "Story", "get", "play", "post"]

BOUND_S = 60.0  # of a whole story; reached only when something is broken
LONG = Limits(headers_s=50.0, body_s=50.0, taken_s=50.0, backlog=512)
OK = (("content-type", "text/plain"),)
LARGE = b"x" * 8_000_000  # more than the kernel takes for a client that reads nothing


class Echo:
    """Says what it was asked: at once, or after `slow` when it is let."""

    def __init__(self) -> None:
        self.kept: list[Callable[[Response], None]] = []
        self.asked: list[str] = []

    def at_head(self, peer: str, method: str, path: str, length: int | None) -> Response | None:
        if path == "/broken-head":
            raise ZeroDivisionError
        return Response(404, OK, b"nothing") if path == "/nothing" else None

    def answer(self, method: str, path: str, body: bytes, peer: str, told: Callable[[Response], None]) -> None:
        self.asked.append(path)
        if path == "/slow":
            self.kept.append(told)
        elif path == "/large":
            told(Response(200, OK, LARGE))
        else:
            told(Response(200, OK, f"{method} {path} {body.decode('latin-1')} {peer}".encode()))

    def refuse(self, fault: QuorateError) -> Response:
        return Response(fault.http_status, OK, fault.code.encode())

    def let(self, text: bytes = b"late") -> None:
        """Answer the one that was kept first."""
        self.kept.pop(0)(Response(200, OK, text))


class Served:
    """A running front."""

    def __init__(self, front: Front, echo: Echo) -> None:
        self.front = front
        self.echo = echo

    @asynccontextmanager
    async def client(self, source: str = "127.0.0.1") -> AsyncIterator[Client]:
        """A connection from this address of the machine."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.front.port, local_addr=(source, 0))
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it; the test's own bound ends the wait."""
        while not condition():
            await asyncio.sleep(0.005)

    async def is_well(self) -> bool:
        async with self.client() as client:
            return b" 200 " in await client.ask(get("/well", "connection: close"))


class Client:
    """One connection to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def reset(self) -> None:
        """Close without a goodbye."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def ask(self, data: bytes) -> bytes:
        """Send, and read until the host closes; a reset is a close as well."""
        self.send(data)
        return await self.rest()

    async def send_on(self) -> None:
        while True:
            self.send(b"x" * 100_000)
            await self.writer.drain()

    async def rest(self) -> bytes:
        received = b""
        try:
            while piece := await self.reader.read(65_536):
                received += piece
        except ConnectionResetError:
            pass
        return received

    async def response(self) -> bytes:
        """The next response, head and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return head + await self.reader.readexactly(length)


Story = Callable[[Served], Awaitable[None]]
Play = Callable[..., None]


async def play(story: Story, connections_max: int = 100, **limits: Any) -> None:
    """A story on a front of its own; whatever it was, in the end the front is empty and well.

    Args:
        limits: fields of `Limits` to bend; all others are too long to matter.
    """
    echo = Echo()
    front = Front(open_socket("127.0.0.1", 0, 512), echo, ManualClock(), replace(LONG, **limits), connections_max)
    await front.start()
    served = Served(front, echo)
    try:
        async with asyncio.timeout(BOUND_S):
            await story(served)
            await served.until(lambda: front.connections == 0)
            assert await served.is_well()
            assert front.is_serving
    finally:
        await front.stop(0.0)
    assert (front.is_serving, front.connections) == (False, 0)


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "host: kms", *headers, "", ""]).encode()


def post(path: str, body: bytes, length: int | None = None, *headers: str) -> bytes:
    size = len(body) if length is None else length
    head = [f"POST {path} HTTP/1.1", "host: kms", f"content-length: {size}", *headers, "", ""]
    return "\r\n".join(head).encode() + body
