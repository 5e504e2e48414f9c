"""The kernel's share: accept, receive, send 2 KB, close, in the smallest loop the standard library allows.

What Python adds shows as user time; the kernel's own time for the connection is this process's system time.

    python -m benchmarks.servers.tcp PORT
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import sys

from benchmarks.servers.echo import ANSWER

__all__ = ["main"]


def main() -> None:
    """Serve until SIGTERM."""
    stopping: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
    listener.setblocking(False)
    poller = select.epoll()
    poller.register(listener.fileno(), select.EPOLLIN)
    connections: dict[int, socket.socket] = {}
    while not stopping:
        for fd, _ in poller.poll(0.5):
            if fd == listener.fileno():
                with contextlib.suppress(BlockingIOError):
                    for _ in range(64):
                        connection, _ = listener.accept()
                        poller.register(connection.fileno(), select.EPOLLIN)
                        connections[connection.fileno()] = connection
                continue
            data = connections[fd].recv(65_536)
            if data:  # one segment on loopback holds the whole request
                connections[fd].send(ANSWER)
            if not data or b"Connection: close" in data:
                connections.pop(fd).close()


if __name__ == "__main__":
    main()
