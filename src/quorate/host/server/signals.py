"""A host in this thread until a signal ends it, as `quorate host run` has it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import structlog

from quorate.host.process.tuning import settle_down
from quorate.host.server.server import HostServer

__all__ = ["run_until_signalled"]


def run_until_signalled(
    server: HostServer, on_ready: Callable[[], None], loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Run in this thread until SIGTERM or SIGINT; SIGHUP reloads; raises as `HostServer.run`."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        if not os.isatty(0):  # on a terminal SIGHUP says that the terminal is gone
            loop.add_signal_handler(signal.SIGHUP, server.reload)
        await server.run(settled)

    def settled() -> None:
        settle_down()
        on_ready()

    if os.geteuid() == 0:
        structlog.get_logger("quorate.host").warning("running_as_root", hint="an ordinary user is enough")
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(serve())
