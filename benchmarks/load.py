"""The load generator, a process of its own: raw non-blocking sockets and epoll, requests built before the clock starts.

It reads one job per line on stdin and prints one line before the load (`{"ready": true}`, then waits for an empty line)
and one after it. *Closed loop*: a fixed number of connections, each asks again as soon as it is answered. *Open loop*:
a fixed rate; latency counts from the moment a request was due, so a slow server cannot hide by slowing the load down.
Bounded in requests and seconds. Its own CPU is reported, to be taken off the machine's.
"""

from __future__ import annotations

import errno
import gc
import select
import socket
import sys
import time
from collections import Counter

import msgspec

from benchmarks.questions import Question, http_request, question

__all__ = ["Job", "Outcome", "Sample", "main"]

DRAIN_S = 5.0  # how long answers may come in after the last request was sent
SAMPLES = 5  # answers handed back whole, for the full check of signature, chain and nonce
ADDRESSES = 250  # requests come from 127.1.0.1 ..: many machines, as a host would see them
ERRORS_MAX = 1000  # then a closed loop gives up: the server is gone
IN_FLIGHT_MAX = 4000  # of the open loop: beyond that the server is overloaded, and more would measure nothing else


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One load. `rate` is None in the closed loop.

    Machines `first`, `first + 1`, .. ask once each; after `distinct` of them the same requests are sent again, which
    only a calibration server may be given (0: never again).
    """

    port: int
    path: str = "/v1/activate"
    seconds: float
    requests_max: int
    distinct: int = 0
    connections: int = 64
    rate: int | None = None
    keep_alive: bool = False
    first: int = 0
    renews: bool = False
    name_answered: bool = False


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, whole."""

    number: int
    nonce: str
    body: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a job. Latencies in milliseconds, exact percentiles of all answers."""

    answered: int
    seconds: float
    cpu_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    errors: dict[str, int]
    samples: list[Sample]
    answer_bytes: int
    answered_numbers: list[int]


class _Connection:
    __slots__ = ("asked", "due", "number", "received", "request", "socket", "total")

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.request = b""
        self.number = 0
        self.due = 0.0
        self.asked = False
        self.received = b""
        self.total = 0


class Generator:
    """Runs one job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        now_s = int(time.time())
        count = job.distinct or job.requests_max
        self._questions: list[Question] = [question(job.first + n, now_s, renews=job.renews) for n in range(count)]
        self._requests = [http_request(q.body, job.port, job.path, keep_alive=job.keep_alive) for q in self._questions]
        self._target = ("127.0.0.1", job.port)
        self._epoll = select.epoll()
        self._open: dict[int, _Connection] = {}
        self._failed: list[_Connection] = []
        self._next = 0
        self._latencies: list[float] = []
        self._answered: list[int] = []
        self._errors: Counter[str] = Counter()
        self._samples: list[Sample] = []
        self._answer_bytes = 0
        self._end = 0.0

    def run(self) -> Outcome:
        """The load, to its end."""
        gc.collect()
        gc.disable()  # everything is made before; a collection in the middle would be taken for the server's delay
        cpu, begin = time.process_time(), time.perf_counter()
        self._end = begin + self._job.seconds
        last = self._open_loop(begin, self._job.rate) if self._job.rate else self._closed_loop()
        cpu = time.process_time() - cpu
        gc.enable()
        if self._open:
            self._errors["no answer"] += len(self._open)
        for connection in list(self._open.values()):
            self._close(connection)
        self._epoll.close()
        return self._outcome(max(last - begin, 1e-9), cpu)

    def _closed_loop(self) -> float:
        for _ in range(self._job.connections):
            self._begin(_Connection(), time.perf_counter())
        while (self._open or self._failed) and (now := time.perf_counter()) < self._end + DRAIN_S:
            again, self._failed = self._failed, []
            for connection in again if now < self._end and self._errors.total() < ERRORS_MAX else ():
                self._begin(connection, now)
            self._events(self._epoll.poll(0 if self._failed else 0.1))
        return min(time.perf_counter(), self._end) if self._next < self._job.requests_max else time.perf_counter()

    def _open_loop(self, begin: float, rate: int) -> float:
        for n in range(min(self._job.requests_max, int(self._job.seconds * rate))):
            due = begin + n / rate
            while (wait := due - time.perf_counter()) > 0:
                select.select([self._epoll.fileno()], [], [], wait)  # epoll's own timeout has only milliseconds
                self._events(self._epoll.poll(0))
            if len(self._open) >= IN_FLIGHT_MAX:
                self._errors["overloaded"] += 1
                continue
            self._begin(_Connection(), due)
        last = time.perf_counter()
        while self._open and time.perf_counter() < last + DRAIN_S:
            self._events(self._epoll.poll(0.1))
        return last

    def _begin(self, connection: _Connection, due: float) -> None:
        """Ask the next question on this connection, which is opened if it is not open."""
        if self._next >= self._job.requests_max:
            self._close(connection)
            return
        number = self._next % len(self._questions)
        self._next += 1
        connection.number, connection.due, connection.request = number, due, self._requests[number]
        connection.received, connection.total, connection.asked = b"", 0, False
        is_new = connection.socket is None
        if connection.socket is None:
            connection.socket = self._connect(number)
            self._open[connection.socket.fileno()] = connection
        try:
            connection.asked = connection.socket.send(connection.request) == len(connection.request)
        except (BlockingIOError, BrokenPipeError, ConnectionError) as fault:
            if fault.errno not in (errno.EAGAIN, errno.ENOTCONN):
                self._fail(connection, type(fault).__name__)
                return
        mask = select.EPOLLIN if connection.asked else select.EPOLLIN | select.EPOLLOUT
        if is_new:
            self._epoll.register(connection.socket.fileno(), mask)
        elif not connection.asked:
            self._epoll.modify(connection.socket.fileno(), mask)

    def _connect(self, number: int) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
        made.bind((f"127.1.0.{1 + number % ADDRESSES}", 0))
        made.connect_ex(self._target)  # EINPROGRESS; on loopback it is connected all the same when this returns
        return made

    def _events(self, events: list[tuple[int, int]]) -> None:
        for fd, mask in events:
            connection = self._open.get(fd)
            if connection is None or connection.socket is None:
                continue
            if not connection.asked and mask & select.EPOLLOUT:
                self._ask_late(connection, fd)
            elif mask & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                self._hear(connection)

    def _ask_late(self, connection: _Connection, fd: int) -> None:
        assert connection.socket is not None
        try:
            connection.asked = connection.socket.send(connection.request) == len(connection.request)
        except OSError as fault:
            self._fail(connection, type(fault).__name__)
            return
        self._epoll.modify(fd, select.EPOLLIN)

    def _hear(self, connection: _Connection) -> None:
        assert connection.socket is not None
        try:
            data = connection.socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError as fault:
            self._fail(connection, type(fault).__name__)
            return
        if not data:
            self._fail(connection, "closed early")
            return
        connection.received += data
        if not connection.total:
            connection.total = _total_length(connection.received)
        if connection.total and len(connection.received) >= connection.total:
            self._answered_on(connection)

    def _answered_on(self, connection: _Connection) -> None:
        now = time.perf_counter()
        answer = connection.received
        if not (answer.startswith(b"HTTP/1.1 200") and b'"answer":"eyJ' in answer):
            self._fail(connection, answer[9:12].decode("latin-1"))
            return
        if now <= self._end or self._job.rate:
            self._latencies.append(now - connection.due)
        if self._job.name_answered:
            self._answered.append(self._job.first + connection.number)
        if len(self._samples) < SAMPLES and len(self._latencies) % 97 == 1:
            asked = self._questions[connection.number]
            body = answer.partition(b"\r\n\r\n")[2].decode("latin-1")
            self._samples.append(Sample(number=asked.number, nonce=asked.nonce, body=body))
            self._answer_bytes = len(answer)
        self._again(connection, now)

    def _again(self, connection: _Connection, now: float) -> None:
        if not self._job.keep_alive or now >= self._end:
            self._close(connection)
        if now < self._end and not self._job.rate:
            self._begin(connection, now)

    def _fail(self, connection: _Connection, kind: str) -> None:
        self._errors[kind] += 1
        self._close(connection)
        if not self._job.rate:
            self._failed.append(connection)  # begun again by the loop, not from here: a dead server fails at once

    def _close(self, connection: _Connection) -> None:
        if connection.socket is not None:
            del self._open[connection.socket.fileno()]
            connection.socket.close()
            connection.socket = None

    def _outcome(self, seconds: float, cpu_s: float) -> Outcome:
        ordered = sorted(self._latencies)
        return Outcome(
            answered=len(ordered),
            seconds=seconds,
            cpu_s=cpu_s,
            p50_ms=_percentile(ordered, 0.50) * 1000,
            p99_ms=_percentile(ordered, 0.99) * 1000,
            max_ms=(ordered[-1] if ordered else 0.0) * 1000,
            errors=dict(self._errors),
            samples=self._samples,
            answer_bytes=self._answer_bytes,
            answered_numbers=self._answered,
        )


def _total_length(received: bytes) -> int:
    """Bytes of the whole answer, or 0 while its head is not complete."""
    head_end = received.find(b"\r\n\r\n")
    if head_end < 0:
        return 0
    head = received[:head_end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return head_end + 4
    return head_end + 4 + int(head[at + 17 :].partition(b"\r\n")[0])


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def main() -> None:
    """Jobs in, outcomes out, until stdin ends."""
    for line in sys.stdin.buffer:
        generator = Generator(msgspec.json.decode(line, type=Job))
        sys.stdout.buffer.write(b'{"ready":true}\n')
        sys.stdout.buffer.flush()
        sys.stdin.buffer.readline()
        sys.stdout.buffer.write(msgspec.json.encode(generator.run()) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
