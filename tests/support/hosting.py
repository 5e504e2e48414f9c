"""A real KMS host in this process: its own thread, its own event loop, ports the system chose, a clock moved by hand.

    with hosting(tmp_path) as host:
        lease = host.activate(number=1)

Everything between is real: files, SQLite, signatures, TCP.
"""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from quorate.clock import Clock
from quorate.core.documents import HOST_CERTIFICATE, HostCertificate, read_host_request, sign
from quorate.core.lease import Lease, Refusal
from quorate.core.messages import ActivationRequest, Answer, Problem, decode_answer, decode_problem, encode
from quorate.core.policy import DAY_S
from quorate.core.trust import Question, accept_answer
from quorate.host.administration import Administration
from quorate.host.config import Limits, StatePaths
from quorate.host.publication.machine import Surroundings
from quorate.host.serve import HostServer
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.documents import CLIENT_EDITION, World

__all__ = ["BOUND_S", "LIMITS", "Hosted", "Reply", "certificate_for", "hosting", "make_host", "running"]

BOUND_S = 60.0  # for every wait on a thread or socket; reached only when something is broken
LIMITS = Limits(poll_s=0.05, body_s=60.0, headers_s=60.0, answer_s=60.0, stop_s=30.0, disk_free_min=0)
"""A change is noticed at once; who is slow because this machine is busy is waited for."""


@dataclass(frozen=True)
class Reply:
    """One HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def answer(self) -> Answer:
        assert self.status == 200, self.body
        return decode_answer(self.body)

    @property
    def problem(self) -> Problem:
        assert self.headers["content-type"] == "application/problem+json", self.body
        return decode_problem(self.body)

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def certificate_for(world: World, request_token: str, at_s: int, **changes: Any) -> str:
    """The publisher's confirmation of a host's request file."""
    request = read_host_request(request_token.strip())
    claims: dict[str, Any] = {
        "publisher": "Acme Software",
        "issued_s": at_s,
        "expires_s": at_s + 730 * DAY_S,
        "host_id": request.host_id,
        "serial": request.request_id,
        "request_id": request.request_id,
        "customer": "Contoso",
        "groups": (world.product.group,),
        "key_id": request.key_id,
        "jwk": request.jwk,
    }
    return sign(HOST_CERTIFICATE, HostCertificate.grant(**(claims | changes)), world.publisher_key)


def make_host(
    state_dir: Path,
    world: World,
    clock: Clock,
    *,
    activated: bool = True,
    seed: int = 1,
    settings: Mapping[str, str | None] | None = None,
) -> None:
    """`quorate host init`, and unless told otherwise the road to activation."""
    paths, entropy = StatePaths(state_dir), SeededEntropy(seed)
    with Administration.init(paths, world.product_token, world.jwks, clock, entropy) as administration:
        if activated:
            administration.install_key(world.product_key.text)
            administration.activate(certificate_for(world, administration.request(), clock.now_s()))
        if settings:
            administration.set_settings(settings)


@dataclass
class Hosted:
    """A running host and how to talk to it."""

    world: World
    clock: ManualClock
    state_dir: Path
    server: HostServer
    thread: threading.Thread = field(repr=False)
    changed: threading.Event = field(default_factory=threading.Event, repr=False)

    @contextmanager
    def noticing(self) -> Iterator[None]:
        """Do something that the running host is to notice by itself; go on when it has."""
        self.changed.clear()
        yield
        assert self.changed.wait(BOUND_S), "the host did not notice"

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def admin_port(self) -> int:
        return self.server.admin_port

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def token(self) -> str:
        return self.administration.keyring.admin_token()

    @property
    def administration(self) -> Administration:
        return self.server.administration

    def http(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> Reply:
        """One request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=BOUND_S)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def admin(
        self, path: str, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request to the administration listener, with its token."""
        sent = {"authorization": f"Bearer {self.token}", **(headers or {})}
        data = None if body is None else msgspec.json.encode(body)
        return self.http(method, path, data, sent, self.admin_port)

    def request(self, number: int = 1, edition: str = CLIENT_EDITION, **changes: Any) -> ActivationRequest:
        """Client `number`'s request at this moment, with a nonce of this moment."""
        request = self.world.request(number, edition, time_s=self.clock.now_s())
        nonce = self.world.request(number * 1_000_000_007 + self.clock.now_s()).nonce
        return msgspec.structs.replace(request, **({"nonce": nonce} | changes))

    def post(self, request: ActivationRequest, path: str = "/v1/activate") -> Reply:
        """Send it."""
        return self.http("POST", path, encode(request))

    def activate(self, number: int = 1, edition: str = CLIENT_EDITION, **changes: Any) -> Lease | Refusal:
        """Client `number` asks; what it accepts after every check of `core.trust`."""
        request = self.request(number, edition, **changes)
        return self.accept(request, self.post(request).answer)

    def accept(self, request: ActivationRequest, answer: Answer) -> Lease | Refusal:
        """The answer, as a client with the publisher's keys believes it."""
        question = Question(request.cmid, request.edition, request.nonce)
        return accept_answer(answer, question, self.world.anchor, self.clock.now_s())

    def stop(self) -> None:
        """Stop it and wait for its end."""
        self.server.stop()
        self.thread.join(BOUND_S)
        assert not self.thread.is_alive(), "the host did not stop"


@contextmanager
def running(
    state_dir: Path,
    world: World,
    clock: ManualClock,
    *,
    limits: Limits = LIMITS,
    overrides: Mapping[str, Any] | None = None,
    loop_factory: Any = uvloop.new_event_loop,
    around: Surroundings | None = None,
) -> Iterator[Hosted]:
    """The host of a state folder, running; raises what its start raised.

    It publishes nothing in DNS, unless `overrides` say so; `around` then is the machine it believes to be on.
    """
    usual = {"address": "127.0.0.1", "port": 0, "admin_port": 0, "dns_publishing": False}
    ready, changed = threading.Event(), threading.Event()
    server = HostServer(
        state_dir,
        clock,
        SeededEntropy(2),
        overrides={**usual, **(overrides or {})},
        limits=limits,
        on_change=changed.set,
        around=around,
    )
    failed: list[BaseException] = []

    def serve() -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(server.run(ready.set))
        except BaseException as fault:  # noqa: BLE001  (raised again in the test's own thread)
            failed.append(fault)
        finally:
            ready.set()

    thread = threading.Thread(target=serve, name="host")
    thread.start()
    hosted = Hosted(world, clock, state_dir, server, thread, changed)
    try:
        assert ready.wait(BOUND_S), "the host did not start"
        if failed:
            raise failed[0]
        yield hosted
    finally:
        hosted.stop()
    if failed:
        raise failed[0]


@contextmanager
def hosting(
    tmp_path: Path,
    world: World | None = None,
    clock: ManualClock | None = None,
    *,
    activated: bool = True,
    settings: Mapping[str, str | None] | None = None,
    overrides: Mapping[str, Any] | None = None,
    **limits: Any,
) -> Iterator[Hosted]:
    """A new host below `tmp_path`, running.

    Args:
        settings: made before it starts.
        overrides: as of `HostServer`; ports are chosen by the system unless they say otherwise, and nothing is
            published in DNS.
        limits: fields of `Limits` to bend.
    """
    world, clock = world or World(), clock or ManualClock()
    make_host(tmp_path / "host", world, clock, activated=activated, settings=settings)
    with running(tmp_path / "host", world, clock, limits=replace(LIMITS, **limits), overrides=overrides) as hosted:
        yield hosted
