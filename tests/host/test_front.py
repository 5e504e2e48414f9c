"""The clients' port: how many connections, how long each may take, and that one of them never harms another.

A real socket and both event loops; what answers is a few lines of our own, so that an answer can be kept waiting.
"""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import AsyncExitStack, closing

import pytest

from quorate.host.connection import REFUSED_MAX
from quorate.host.front import Front
from quorate.host.sockets import open_socket
from tests.support.clocks import ManualClock
from tests.support.fronts import BOUND_S, LARGE, LONG, Play, Served, get, post


def test_requests_are_answered_in_their_order_even_when_the_first_takes_longest(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as client:
            client.send(get("/slow") + get("/a") + get("/nothing") + post("/b", b"body") + get("/c")[:10])
            await served.until(lambda: bool(served.echo.kept))
            assert served.echo.asked == ["/slow"]  # one at a time
            client.send(get("/c")[10:] + get("/d", "connection: close"))
            served.echo.let()
            said = await client.rest()
        assert re.findall(rb"HTTP/1\.1 (\d+)", said) == [b"200", b"200", b"404", b"200", b"200", b"200"]
        assert served.echo.asked == ["/slow", "/a", "/b", "/c", "/d"]

    play(story)


def test_what_is_sent_while_an_answer_is_awaited_is_not_read_without_end(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as client:
            client.send(get("/slow"))
            await served.until(lambda: bool(served.echo.kept))
            for _ in range(400):
                client.send(b"x" * 100_000)  # 40 MB: more than any buffer on the way
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.writer.drain()
            served.echo.let()
            assert (await client.response()).endswith(b"late")

    play(story)


def test_a_head_a_body_and_an_idle_connection_have_their_time(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as idle, served.client() as half, served.client() as body, served.client() as used:
            used.send(get("/a"))
            await used.response()
            half.send(b"GET / HT")
            body.send(post("/", b"{", length=10))
            assert await idle.rest() == b""
            assert await half.rest() == b""
            assert await used.rest() == b""
            told = await body.rest()
            assert told.startswith(b"HTTP/1.1 408 ")
            assert told.endswith(b"REQUEST_TIMEOUT")
            assert b"connection: close" in told

    play(story, headers_s=1.0, body_s=1.0)


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_client_that_drips_has_no_more_time_than_any_other(play: Play, part: str) -> None:
    async def story(served: Served) -> None:
        async with served.client() as client:
            client.send(post("/", b"", length=4000) if part == "body" else b"GET /")
            told = asyncio.get_running_loop().create_task(client.rest())
            drips = 0
            while not told.done():
                client.send(b"x")
                drips += 1
                await asyncio.sleep(0.02)
            assert told.result() == b"" or b" 408 " in told.result()
            assert drips < 4000, "it was read to its end"

    play(story, headers_s=1.0, body_s=1.0)


def test_an_answer_under_way_has_as_long_as_it_takes(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as client, served.client() as idle:
            client.send(get("/slow"))
            assert await idle.rest() == b""  # its time is over; the other one waits for us, not we for it
            served.echo.let()
            assert (await client.response()).endswith(b"late")

    play(story, headers_s=1.0, body_s=1.0)


def test_a_client_that_does_not_take_its_answer_is_closed_after_its_time(play: Play) -> None:
    async def story(served: Served) -> None:
        with closing(socket.socket()) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # and it reads nothing
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", served.front.port))
            await loop.sock_sendall(client, get("/large") + get("/large") + get("/a"))
            await served.until(lambda: bool(served.echo.asked))
            await served.until(lambda: served.front.connections == 0)
            assert served.echo.asked == ["/large"]  # the next is not asked before it is taken

    play(story, taken_s=0.3)


def test_a_client_that_takes_its_answer_slowly_gets_all_of_it(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as client:
            client.send(get("/large") + get("/a", "connection: close"))
            await asyncio.sleep(0.05)
            said = await client.rest()
        assert said.count(LARGE) == 1
        assert b"GET /a" in said[-40:]

    play(story)


def test_a_client_that_sends_no_more_still_gets_its_answers(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as client:
            client.send(get("/slow") + get("/a"))
            client.writer.write_eof()
            await served.until(lambda: bool(served.echo.kept))
            served.echo.let()
            said = await client.rest()
        assert said.count(b"HTTP/1.1 200 OK") == 2
        async with served.client() as client:
            client.send(post("/", b"{", length=10))
            client.writer.write_eof()
            assert (await client.rest()).startswith(b"HTTP/1.1 400 ")

    play(story)


def test_a_client_that_goes_away_is_forgotten_before_and_after_its_answer(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as client:
            client.send(get("/slow"))
            await served.until(lambda: bool(served.echo.kept))
            client.reset()
            await served.until(lambda: served.front.connections == 0)
            served.echo.let()  # to nobody
        async with served.client() as client:
            client.send(get("/slow"))
            await served.until(lambda: bool(served.echo.kept))
        served.echo.let()  # it has closed, which from here looks like one that sends no more

    play(story)


def test_a_refused_client_reads_why_although_it_sends_on(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as client:
            said = await client.ask(b"not HTTP at all\r\n\r\n" + b"x" * 50_000)
        assert said.startswith(b"HTTP/1.1 400 ")
        assert said.endswith(b"MALFORMED_REQUEST")
        async with served.client() as client:
            said = await client.ask(post("/nothing", b"x" * 50_000))
        assert said.startswith(b"HTTP/1.1 404 ")
        assert b"connection: close" in said

    play(story)


def test_a_refused_client_that_never_ends_is_cut_off(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as client:
            client.send(b"not HTTP at all\r\n\r\n")
            await client.response()
            with pytest.raises(ConnectionError):
                await client.send_on()

    play(story)


def test_a_fault_of_ours_costs_its_own_connection_and_no_other(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as client, served.client() as other:
            other.send(get("/slow"))
            await served.until(lambda: bool(served.echo.kept))
            assert await client.ask(get("/broken-head")) == b""
            served.echo.let()
            assert (await other.response()).endswith(b"late")

    play(story)


def test_a_head_request_gets_the_head_alone(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as client:
            said = await client.ask(b"HEAD /nothing HTTP/1.1\r\nhost: kms\r\nconnection: close\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 404 ")
        assert b"content-length: 7" in said
        assert said.endswith(b"\r\n\r\n")

    play(story)


def test_every_response_says_when(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as client:
            client.send(get("/a"))
            assert b"\r\ndate: " in await client.response()
            assert b" GMT\r\n" in await client.ask(b"garbage\r\n\r\n")

    play(story)


def test_http_1_0_may_keep_its_connection(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as client:
            client.send(b"GET /a HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
            said = await client.response()
            assert said.startswith(b"HTTP/1.0 200 ")
            assert b"connection: keep-alive" in said
            assert (await client.ask(b"GET /b HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.0 200 ")

    play(story)


# --- how many --------------------------------------------------------------------------------------------------------


def test_who_has_waited_longest_without_asking_gives_way(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as asking, served.client() as first, served.client() as second:
            asking.send(get("/slow"))
            await served.until(lambda: bool(served.echo.kept))
            await served.until(lambda: served.front.connections == 3)
            async with served.client() as fourth:
                assert await first.rest() == b""
                fourth.send(get("/a"))
                second.send(get("/b"))
                assert b" 200 " in await fourth.response()
                assert b" 200 " in await second.response()
            served.echo.let()
            assert b" 200 " in await asking.response()

    play(story, connections_max=3)


def test_where_everybody_is_being_answered_a_new_one_is_told_to_come_again(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as first, served.client() as second:
            first.send(get("/slow"))
            second.send(get("/slow"))
            await served.until(lambda: len(served.echo.kept) == 2)
            async with served.client() as third:
                said = await third.rest()
            assert said.startswith(b"HTTP/1.1 503 ")
            assert said.endswith(b"HOST_BUSY")
            served.echo.let()
            served.echo.let()
            assert b" 200 " in await first.response()
            assert b" 200 " in await second.response()

    play(story, connections_max=2)


def test_very_many_refused_ones_are_closed_without_a_word(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as first:
            first.send(get("/slow"))
            await served.until(lambda: bool(served.echo.kept))
            refused = [await asyncio.open_connection("127.0.0.1", served.front.port) for _ in range(2 * REFUSED_MAX)]
            await served.until(lambda: served.front.connections <= 1 + REFUSED_MAX)
            for _, writer in refused:
                writer.transport.abort()
            served.echo.let()
            assert b" 200 " in await first.response()

    play(story, connections_max=1)


CROWD, OTHER = "127.0.0.2", "127.0.0.3"

FILLERS = {
    "half heads": b"POST /v1/activate HT",
    "half bodies": post("/a", b"{", length=4000),
    "refused, and not gone": post("/nothing", b"{", length=4000),
    "answers not taken": get("/large"),
}


@pytest.mark.parametrize("sent", FILLERS.values(), ids=FILLERS)
def test_whatever_a_crowd_has_half_done_a_new_client_gets_its_answer(play: Play, sent: bytes) -> None:
    async def story(served: Served) -> None:
        async with AsyncExitStack() as crowd:
            for _ in range(16):
                one = await crowd.enter_async_context(served.client(CROWD))
                one.send(sent)
            await served.until(lambda: served.front.connections == 16)
            for source in (CROWD, OTHER):
                for _ in range(20):
                    async with served.client(source) as client:
                        client.send(get("/a"))
                        assert b" 200 " in await client.response()

    play(story, connections_max=16)


def test_a_crowd_of_half_requests_takes_places_from_itself_only(play: Play) -> None:
    async def story(served: Served) -> None:
        async with AsyncExitStack() as crowd, served.client(OTHER) as slow, served.client(OTHER) as idle:
            slow.send(post("/slow-body", b"{", length=2))
            await served.until(lambda: served.front.connections == 2)
            for _ in range(200):  # all of them later than those two
                one = await crowd.enter_async_context(served.client(CROWD))
                one.send(post("/a", b"{", length=4000))
                await served.until(lambda: served.front.connections <= 17)
            slow.send(b"}")
            idle.send(get("/idle"))
            assert b" 200 " in await slow.response()
            assert b" 200 " in await idle.response()

    play(story, connections_max=16)


def test_half_a_body_that_gives_way_is_told_to_come_again(play: Play) -> None:
    async def story(served: Served) -> None:
        async with served.client() as half, served.client() as asking:
            half.send(post("/a", b"{", length=4000))
            asking.send(get("/slow"))
            await served.until(lambda: bool(served.echo.kept))
            await served.until(lambda: served.front.connections == 2)
            async with served.client() as third:
                said = await half.rest()
                assert said.startswith(b"HTTP/1.1 503 ")
                assert said.endswith(b"HOST_BUSY")
                third.send(get("/b"))
                assert b" 200 " in await third.response()
            served.echo.let()
            assert b" 200 " in await asking.response()

    play(story, connections_max=2)


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_stop_answers_what_has_begun_and_closes_the_rest(play: Play) -> None:
    async def story(served: Served) -> None:
        front = Front(open_socket("127.0.0.1", 0, 16), served.echo, ManualClock(), LONG, 10)
        await front.start()
        other = Served(front, served.echo)
        async with other.client() as idle, other.client() as asked, other.client() as half:
            asked.send(get("/slow"))
            half.send(post("/half", b"{", length=2))
            await other.until(lambda: front.connections == 3 and bool(served.echo.kept))
            half.send(b"")
            await asyncio.sleep(0.05)
            stopping = asyncio.get_running_loop().create_task(front.stop(BOUND_S))
            assert await idle.rest() == b""
            with pytest.raises(ConnectionError):
                await asyncio.open_connection("127.0.0.1", front.port)
            served.echo.let()
            half.send(b"}")
            for client in (asked, half):
                said = await client.rest()
                assert b" 200 " in said
                assert b"connection: close" in said
            await stopping
        assert not front.is_serving

    play(story)


def test_a_stop_does_not_wait_longer_than_it_may(play: Play) -> None:
    async def story(served: Served) -> None:
        front = Front(open_socket("127.0.0.1", 0, 16), served.echo, ManualClock(), LONG, 10)
        await front.start()
        other = Served(front, served.echo)
        async with other.client() as asked:
            asked.send(get("/slow"))
            await other.until(lambda: bool(served.echo.kept))
            await front.stop(0.1)
            assert await asked.rest() == b""
        served.echo.let()  # too late: to nobody

    play(story)
