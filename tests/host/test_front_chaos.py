"""The clients' port under clients that do anything: nothing of them stays."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random

import pytest

from quorate.host.connection import Connection
from tests.support.fronts import Play, Served, get, post


@pytest.mark.parametrize("seed", range(4))
def test_whatever_many_clients_do_at_once_the_port_is_empty_and_well_afterwards(play: Play, seed: int) -> None:
    chance = random.Random(seed)
    pieces = [
        *(get("/a"), post("/b", b"{}"), post("/b", b"x" * 5000), get("/large"), get("/nothing"), get("/slow")),
        *(
            b"\r\n",
            b"\x00" * 50,
            b"GET / HTTP/1.1\r\nhost: kms\r\n",
            b"x: " + b"y" * 5000,
            post("/b", b"{", length=9),
            b"{}",
        ),
        post("/b", b"{}", None, "expect: 100-continue"),
        post("/b", b"", None, "transfer-encoding: chunked"),
        b"POST / HTTP/1.1\r\nhost: kms\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ]

    async def one(served: Served) -> None:
        async with served.client() as client:
            for _ in range(chance.randint(1, 8)):
                data = chance.choice(pieces)
                cut = chance.randint(0, len(data))
                for part in (data[:cut], data[cut:]):
                    client.send(part)
                    await asyncio.sleep(0)
                if chance.random() < 0.2 and served.echo.kept:
                    served.echo.let()
                if chance.random() < 0.3:
                    with contextlib.suppress(TimeoutError, ConnectionError):
                        await asyncio.wait_for(client.reader.read(1000), timeout=0.01)
            if chance.random() < 0.3:
                with contextlib.suppress(OSError, RuntimeError):  # closed by the other side
                    client.writer.write_eof()
            await asyncio.sleep(chance.random() / 50)

    async def story(served: Served) -> None:
        await asyncio.gather(*(one(served) for _ in range(150)))
        while served.front.connections:
            while served.echo.kept:
                served.echo.let()
            await asyncio.sleep(0.01)

    play(story, connections_max=60, headers_s=1.0, body_s=1.0, taken_s=1.0)


def test_a_connection_that_ends_leaves_nothing_behind_that_only_the_collector_finds(play: Play) -> None:
    """The interpreter's collector runs seldom in a host (`process.settle_down`), so circles would be a leak."""

    async def story(served: Served) -> None:
        gc_enabled = gc.isenabled()
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                assert await served.is_well()
            await served.until(lambda: served.front.connections == 0)
            await asyncio.sleep(0.05)
            left = [each for each in gc.get_objects() if isinstance(each, Connection)]
            assert len(left) <= 1  # the loop's last one
        finally:
            if gc_enabled:
                gc.enable()

    play(story)
