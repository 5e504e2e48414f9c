"""The two parties of a client's tests: a client with its files and its clock, and a host that does what it is told.

`ScriptedHost` answers over real sockets: honestly by count (from the rules of core), or as hostile as a test likes.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dns.resolver
import msgspec
import pytest

from quorate import Client, QuorateError
from quorate.client.discovery.network import Network
from quorate.client.identity import Machine
from quorate.client.transport import TransportSettings
from quorate.clock import Clock, SystemClock
from quorate.core.decision import Decided, answer_for
from quorate.core.documents import SigningKey
from quorate.core.lease import Intervals, Lease, Refusal, RefusalCode
from quorate.core.messages import ActivationRequest, Answer, decode_request, encode
from tests.support.clocks import START_S, ManualClock, SeededEntropy
from tests.support.documents import HOST_ID, World

__all__ = [
    "BOUND_S",
    "HERE",
    "NOWHERE",
    "PATIENT",
    "QUICK",
    "FixedClock",
    "Installation",
    "RawReply",
    "RealWaits",
    "ScriptedHost",
    "closed_port",
    "fails",
    "scripted",
]

BOUND_S = 60.0
HERE = Machine(name="pc-0001.contoso.example", identity="a" * 32, is_virtual=False)
NOWHERE = Network(lambda: dns.resolver.Resolver(configure=False), own_name=lambda: "pc-0001")
"""A machine without a DNS domain: nothing is asked, and no packet leaves it."""
PATIENT = TransportSettings(connect_timeout_s=30.0, total_timeout_s=90.0)
"""A host that answers is heard, however busy this machine is."""
QUICK = TransportSettings(connect_timeout_s=1.0, total_timeout_s=2.0)
"""For tests of hosts that do not answer, and for no others."""


class FixedClock(SystemClock):
    """The fixed moment of the test documents, with waits that are real: for tests with several processes."""

    def now_s(self) -> int:
        return START_S


class RealWaits:
    """A clock that stands still while waits take their time."""

    def __init__(self, clock: ManualClock, waited: threading.Event | None = None) -> None:
        self._clock = clock
        self._waited = waited or threading.Event()

    def now_s(self) -> int:
        return self._clock.now_s()

    def monotonic_s(self) -> float:
        return self._clock.monotonic_s()

    def wait(self, wake: threading.Event, timeout_s: float) -> bool:
        self._waited.set()
        return wake.wait(min(timeout_s, BOUND_S))


@dataclass
class Installation:
    """The files of one machine, and clients on them."""

    folder: Path
    world: World = field(default_factory=World)
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.product.write_text(self.world.product_token + "\n")
        self.trust.write_bytes(self.world.jwks)

    @property
    def product(self) -> Path:
        return self.folder / "acme-cad.product"

    @property
    def trust(self) -> Path:
        return self.folder / "publisher.jwks"

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    @property
    def record(self) -> Path:
        return self.state_dir / "acme-cad" / "client.json"

    def client(self, host: object = None, *, seed: int = 1, clock: Clock | None = None, **changes: Any) -> Client:
        """A client, as a program makes one; `host`: something with a port on 127.0.0.1 to be set as its host."""
        arguments: dict[str, Any] = {
            "state_dir": self.state_dir,
            "clock": clock or self.clock,
            "entropy": SeededEntropy(seed),
            "machine": HERE,
            "transport": PATIENT,
            "network": NOWHERE,
        }
        client = Client(self.product, self.trust, **(arguments | changes))
        if host is not None:
            client.set_host(f"127.0.0.1:{getattr(host, 'port', host)}")
        return client

    def read(self) -> dict[str, Any]:
        """The record as it stands on disk."""
        read: dict[str, Any] = msgspec.json.decode(self.record.read_bytes())
        return read

    def change(self, **changes: Any) -> None:
        """Write other values into the record, as somebody with an editor would."""
        self.record.write_bytes(msgspec.json.encode(self.read() | changes))

    def events(self) -> list[dict[str, Any]]:
        """The client's event log."""
        lines = (self.record.parent / "events.jsonl").read_text().splitlines()
        return [msgspec.json.decode(line) for line in lines]


@dataclass(frozen=True)
class RawReply:
    """Any HTTP response; `Content-Length` is added unless the headers hold one."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


Script = Callable[[ActivationRequest], Answer | RawReply]


class ScriptedHost:
    """A host at a real socket whose answers a test writes.

    Attributes:
        script: what it answers with; honest at `count` unless a test puts something else there.
        describes: what it says to a hello.
        serves: what else it has to be asked for, by path; a function takes over the socket.
        number: of the newest revocation list, as it says in its answers.
        requests: what it has heard.
    """

    def __init__(self, world: World, clock: Clock, address: str = "127.0.0.1") -> None:
        self.world = world
        self.clock = clock
        self.count = 25
        self.intervals = Intervals()
        self.certificate: str | None = None  # None: the world's
        self.requests: list[ActivationRequest] = []
        self.paths: list[str] = []
        self.heard = threading.Event()
        self.script: Script = self.honest
        self.describes = b"Not here"
        self.serves: dict[str, RawReply | Callable[[socket.socket], None]] = {}
        self.number = 0
        self.raw: Callable[[socket.socket], None] | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer._handle(self)

            def do_GET(self) -> None:
                outer._serve(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
            daemon_threads = True

        self.server = Server((address, 0), Handler)
        self.port: int = self.server.server_address[1]

    # --- what it may say -------------------------------------------------------------------------------------------

    def honest(self, request: ActivationRequest) -> Answer:
        """A lease from the threshold on, a refusal below it."""
        product = self.world.product
        edition = product.edition(request.edition)
        assert edition is not None
        threshold = product.policy.thresholds.of(edition.machine_class).minimum
        code: RefusalCode | None = None if self.count >= threshold else "COUNT_INSUFFICIENT"
        return self.say(self.claims(request, code, threshold))

    def claims(self, request: ActivationRequest, code: RefusalCode | None, threshold: int = 25) -> Lease | Refusal:
        """What an honest host would sign."""
        product = self.world.product
        edition = product.edition(request.edition)
        assert edition is not None
        decided = Decided(code, self.count, threshold, self.clock.now_s())
        return answer_for(request, decided, (product, edition), HOST_ID, self.intervals)

    def lease(self, request: ActivationRequest, **changes: Any) -> Lease:
        """A lease, bent."""
        said = self.claims(request, None)
        assert isinstance(said, Lease)
        return msgspec.structs.replace(said, **changes)

    def say(self, said: Lease | Refusal, key: SigningKey | None = None, certificate: str | None = None) -> Answer:
        """Signed, with the certificate beside it."""
        answer = self.world.answer(said, key, certificate or self.certificate)
        return msgspec.structs.replace(answer, revocations=self.number)

    def say_raw(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Answer everything with this."""
        names = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        self.script = lambda _: RawReply(body, status, names)

    # --- the wire --------------------------------------------------------------------------------------------------

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        self.paths.append(handler.path)
        handler.close_connection = True
        found = self.serves.get(handler.path, RawReply(b"no such page", 404, {"Content-Type": "text/plain"}))
        reply = RawReply(self.describes) if handler.path == "/v1/host" else found
        with contextlib.suppress(OSError):  # the client may have gone
            if isinstance(reply, RawReply):
                self._reply(handler, reply)
            else:
                reply(handler.connection)

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        request = decode_request(body)
        self.requests.append(request)
        self.paths.append(handler.path)
        self.heard.set()
        handler.close_connection = True
        with contextlib.suppress(OSError):  # the client may have gone
            if self.raw is not None:
                self.raw(handler.connection)
                return
            reply = self.script(request)
            if isinstance(reply, Answer):
                reply = RawReply(encode(reply))
            self._reply(handler, reply)

    @staticmethod
    def _reply(handler: BaseHTTPRequestHandler, reply: RawReply) -> None:
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if not {"Content-Length", "Transfer-Encoding"} & set(reply.headers):
            handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        handler.wfile.write(reply.body)


@contextlib.contextmanager
def scripted(
    world: World | None = None, clock: Clock | None = None, address: str = "127.0.0.1"
) -> Iterator[ScriptedHost]:
    """A scripted host, listening."""
    host = ScriptedHost(world or World(), clock or ManualClock(), address)
    thread = threading.Thread(target=host.server.serve_forever, kwargs={"poll_interval": 0.02}, name="scripted-host")
    thread.start()
    try:
        yield host
    finally:
        host.server.shutdown()
        thread.join(BOUND_S)
        host.server.server_close()


def closed_port() -> int:
    """A port of 127.0.0.1 at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def fails(client: Client) -> QuorateError:
    """The error of an attempt; and that the client stands where it stood."""
    before = client.status()
    with pytest.raises(QuorateError) as caught:
        client.activate()
    after = client.status()
    assert (after.status, after.expires_s, after.cmid) == (before.status, before.expires_s, before.cmid)
    assert after.code == caught.value.code
    assert after.hint
    return caught.value
