"""Online activation of hosts: `POST /v1/activate-host` takes a host's request and answers with its certificate.

The request proves that its maker holds the product key, and that proof is the only credential. It is worth nothing to
whoever reads it on the way: it is bound to the host's own key pair (`core.ids.key_proof`). Everything that is answered
is signed, and public but for the customer's name. Faults are RFC 9457 problems; of faults on this side only the fact
is told.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from quorate.clock import Clock, Entropy
from quorate.core.documents import HOST_REQUEST, read_host_request
from quorate.core.messages import Problem, encode
from quorate.core.publication import HostActivation, PublishedRevocations, PublishedTrust
from quorate.errors import (
    HostKeyUsedUpError,
    InternalFaultError,
    MalformedRequestError,
    MethodNotAllowedError,
    NotFoundError,
    ProductKeyBlockedError,
    ProductKeyExpiredError,
    ProductKeyInvalidError,
    PublisherUnavailableError,
    QuorateError,
    RequestTimeoutError,
    RequestTooLargeError,
    TrustError,
)
from quorate.publisher.issue import Publisher
from quorate.publisher.keysets import trust_path
from quorate.publisher.limiter import RateLimiter
from quorate.publisher.vault import key_path

__all__ = ["Desk", "activation_application"]

BODY_BYTES_MAX: Final = HOST_REQUEST.bytes_max + 2  # and its line end
BODY_TIMEOUT_S: Final = 10.0
RETRY_S: Final = 30  # after a fault on this side

_TOLD = (TrustError, ProductKeyInvalidError, ProductKeyBlockedError, ProductKeyExpiredError, HostKeyUsedUpError)
_Answer = TypeVar("_Answer")
_log = logging.getLogger("quorate.publisher")


class Desk:
    """The publisher behind the service. When its keys are exchanged or a host is revoked by a command meanwhile, the
    next question is answered accordingly.

    Args:
        state_dir, passphrase, clock, entropy: as `Publisher.open` takes them.

    Raises:
        QuorateError: as `Publisher.open`.
    """

    def __init__(self, state_dir: Path, passphrase: str, clock: Clock, entropy: Entropy) -> None:
        self._watched = (key_path(state_dir), trust_path(state_dir))

        def opened() -> Publisher:  # not `partial`, whose repr shows what it holds
            return Publisher.open(state_dir, passphrase, clock, entropy)

        self._open = opened
        self._lock = threading.Lock()
        self._stamps = self._look()
        self._publisher = self._open()

    @property
    def name(self) -> str:
        """Who signs."""
        return self._publisher.name

    def activate(self, token: str) -> HostActivation:
        """The certificate for a host's request, and what belongs to it.

        Raises:
            QuorateError: as `Publisher.confirm`.
        """
        publisher = self._current()
        return HostActivation(
            host_certificate=publisher.confirm(token),
            trust=publisher.key_sets.chain(),
            revocations=_token(publisher),
        )

    def trust(self) -> PublishedTrust:
        """Every trust document."""
        return PublishedTrust(trust=self._current().key_sets.chain())

    def revocations(self) -> PublishedRevocations:
        """The newest list."""
        return PublishedRevocations(revocations=_token(self._current()))

    def _current(self) -> Publisher:
        with self._lock:
            stamps = self._look()
            if stamps != self._stamps:
                # The stamps of before the opening: what changes while it opens is seen the next time.
                self._publisher, self._stamps = self._open(), stamps
                _log.info("the publisher's keys were exchanged; version %d is in use", self._publisher.trust.version)
            return self._publisher

    def _look(self) -> list[tuple[int, int] | None]:
        return [(path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None for path in self._watched]


def activation_application(desk: Desk, limiter: RateLimiter) -> Starlette:
    """The four routes as an ASGI application."""
    api = _Api(desk)

    def limited(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def within_the_limit(request: Request) -> Response:
            limiter.take(_peer(request))
            return await endpoint(request)

        return within_the_limit

    routes = [
        Route("/v1/activate-host", limited(api.activate), methods=["POST"]),
        Route("/v1/trust", limited(api.trust), methods=["GET"]),
        Route("/v1/revocations", limited(api.revocations), methods=["GET"]),
        Route("/livez", api.livez, methods=["GET"]),
    ]
    handlers: dict[Any, Any] = {QuorateError: _told, 404: _not_found, 405: _wrong_method, Exception: _fault}
    return Starlette(routes=routes, exception_handlers=handlers)


class _Api:
    """The endpoints. What opens files or signs runs in a thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def activate(self, request: Request) -> Response:
        body = await _body(request)
        try:
            token = body.decode("ascii").strip()
        except UnicodeDecodeError:
            raise MalformedRequestError(reason="the body is not a host request") from None
        asking = read_host_request(token)  # whatever is wrong with it is the asking side's to know
        who = f"host {asking.host_id} ({asking.machine}), key ending in {asking.last_five}, from {_peer(request)}"
        try:
            answer = await _ours(self._desk.activate, token)
        except _TOLD as fault:
            _log.warning("refused %s: %s: %s", who, fault.code, fault.message)
            raise
        _log.info("activated %s", who)
        return _json(answer)

    async def trust(self, request: Request) -> Response:
        return _json(await _ours(self._desk.trust))

    async def revocations(self, request: Request) -> Response:
        return _json(await _ours(self._desk.revocations))

    async def livez(self, request: Request) -> Response:
        return _json({"alive": True})


async def _ours(work: Callable[..., _Answer], *given: str) -> _Answer:
    """Work in a thread. A path, a lock, a full disk, a damaged file of ours are nobody's business: the log has them."""
    try:
        return await run_in_threadpool(work, *given)
    except _TOLD:
        raise
    except QuorateError as fault:
        _log.error("cannot answer: %s: %s", fault.code, fault.message)
        raise PublisherUnavailableError(retry_after_s=RETRY_S) from None


def _token(publisher: Publisher) -> str | None:
    newest = publisher.revocation_list()
    return None if newest is None else newest[1]


def _peer(request: Request) -> str:
    return "unknown" if request.client is None else request.client.host


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    raise RequestTooLargeError(body_bytes_max=BODY_BYTES_MAX)
    except TimeoutError:
        raise RequestTimeoutError(timeout_s=f"{BODY_TIMEOUT_S:g}") from None
    except ClientDisconnect:
        raise MalformedRequestError(reason="the body ended too early") from None
    return bytes(body)


def _json(value: Any) -> Response:
    return Response(encode(value), media_type="application/json", headers={"cache-control": "no-store"})


async def _told(request: Request, fault: Exception) -> Response:
    if not isinstance(fault, QuorateError):
        return await _fault(request, fault)
    problem = Problem.of(fault)
    headers = {} if problem.retry_after_s is None else {"retry-after": str(problem.retry_after_s)}
    if isinstance(fault, MethodNotAllowedError):
        headers["allow"] = str(fault.values["allowed"])
    if isinstance(fault, RequestTooLargeError | RequestTimeoutError):
        headers["connection"] = "close"  # what is left of the body is not read
    return Response(encode(problem), fault.http_status, headers, "application/problem+json")


async def _not_found(request: Request, fault: Exception) -> Response:
    shown = "".join(c if c.isprintable() else "?" for c in request.url.path)[:100]
    return await _told(request, NotFoundError(path=shown))


async def _wrong_method(request: Request, fault: Exception) -> Response:
    allowed = (getattr(fault, "headers", None) or {}).get("Allow", "another method")
    return await _told(request, MethodNotAllowedError(path=request.url.path[:100], allowed=allowed))


async def _fault(request: Request, fault: Exception) -> Response:
    _log.error("request failed", exc_info=fault)
    return Response(encode(Problem.of(InternalFaultError())), 500, media_type="application/problem+json")
