"""The raw echo server: uvloop and nothing else. It answers each complete POST with a constant body of about 2 KB.

python -m benchmarks.servers.echo PORT
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import cast

import uvloop

__all__ = ["ANSWER", "main"]

_BODY = b'{"answer":"eyJ' + b"A" * 1984 + b'"}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(_BODY), _BODY)


class Echo(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class, of the same shape

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0 or self._transport is None:
            return
        head = self._received[:head_end]
        length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        if len(self._received) < head_end + 4 + length:
            return
        self._received = b""
        self._transport.write(ANSWER)
        if b"Connection: close" in head:
            self._transport.close()


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(Echo, "127.0.0.1", port, backlog=4096)
    async with server:
        await stop.wait()


def main() -> None:
    """Serve until SIGTERM."""
    uvloop.run(_serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
