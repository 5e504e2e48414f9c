"""What a KMS host says on port 1688: five routes, and a clear problem for everything else.

The seam is narrow on purpose, `answer(method, path, body, peer) -> (status, headers, body)`, so that the HTTP server
underneath can be replaced. Faults are RFC 9457 problems. Nothing a client sends can end more than its own connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog
from granian._granian import RSGIProtocolClosed

from quorate.core.messages import BODY_BYTES_MAX, Problem, encode
from quorate.errors import (
    InternalFaultError,
    MalformedRequestError,
    MethodNotAllowedError,
    NotFoundError,
    QuorateError,
    RequestTimeoutError,
    RequestTooLargeError,
)
from quorate.host.admission import Admission
from quorate.host.config import Limits
from quorate.host.listener import peer_address
from quorate.host.service import ActivationService

__all__ = ["FaultObserver", "PublicApi", "Response"]

Headers = list[tuple[str, str]]
Response = tuple[int, Headers, bytes]
_ReadBody = Callable[[], Awaitable[bytes]]

_JSON: Headers = [("content-type", "application/json")]
_CLOSE = ("connection", "close")


class FaultObserver(Protocol):
    """Who wants to know which faults were told (metrics)."""

    def fault_told(self, code: str) -> None:
        """One problem with this code was sent."""
        ...


class PublicApi:
    """The routes of port 1688, and their RSGI face (`__rsgi__`)."""

    def __init__(
        self, service: ActivationService, limits: Limits, observer: FaultObserver, admission: Admission
    ) -> None:
        self._admission = admission
        self._service = service
        self._limits = limits
        self._observer = observer
        self._log = structlog.get_logger("quorate.host.public")

    async def answer(self, method: str, path: str, read_body: _ReadBody, peer: str) -> Response:
        """The response to one request; never raises.

        Args:
            read_body: the request's body, bounded in size and time; called only where a body is expected.
            peer: the other side's IP address.
        """
        try:
            self._admission.at_the_door(peer)
            match path, method:
                case "/v1/activate", "POST":
                    return 200, _JSON, await self._service.activate(await read_body(), peer)
                case "/v1/probe", "POST":
                    return 200, _JSON, await self._service.probe(await read_body())
                case "/v1/host", "GET":
                    return 200, _JSON, self._service.describe()
                case "/v1/trust", "GET":
                    return 200, _JSON, self._service.trust()
                case "/v1/revocations", "GET":
                    return 200, _JSON, self._service.revocations()
                case "/v1/activate" | "/v1/probe", _:
                    raise MethodNotAllowedError(path=path, allowed="POST")
                case "/v1/host" | "/v1/trust" | "/v1/revocations", _:
                    raise MethodNotAllowedError(path=path, allowed="GET")
                case _:
                    raise NotFoundError(path=_shown(path))
        except QuorateError as fault:
            return self._told(fault)
        except Exception:  # noqa: BLE001  (the client is told, the log has the rest, the host goes on)
            self._log.exception("request_failed", path=_shown(path))
            return self._told(InternalFaultError())

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """One request, as Granian hands it over."""
        read_body = _Body(scope, protocol, self._limits.body_s)
        status, headers, body = await self.answer(scope.method, scope.path, read_body, peer_address(scope.client))
        protocol.response_bytes(status, headers, body)

    def _told(self, fault: QuorateError) -> Response:
        self._observer.fault_told(fault.code)
        problem = Problem.of(fault)
        headers: Headers = [("content-type", "application/problem+json")]
        if problem.retry_after_s is not None:
            headers.append(("retry-after", str(problem.retry_after_s)))
        if isinstance(fault, MethodNotAllowedError):
            headers.append(("allow", str(fault.values["allowed"])))
        if isinstance(fault, RequestTooLargeError | RequestTimeoutError):
            headers.append(_CLOSE)  # what is left of the body is not read
        return fault.http_status, headers, encode(problem)


class _Body:
    """A request's body: at most `BODY_BYTES_MAX` bytes, within so many seconds, and all of it or nothing.

    Raises (when called):
        RequestTooLargeError: without reading on.
        RequestTimeoutError: it came too slowly.
        MalformedRequestError: the client went away in the middle.
    """

    def __init__(self, scope: Any, protocol: Any, timeout_s: float) -> None:
        self._scope = scope
        self._protocol = protocol
        self._timeout_s = timeout_s

    async def __call__(self) -> bytes:
        said = self._scope.headers.get("content-length")  # hyper lets one canonical number through, or none
        length = None if said is None else int(said)
        if length is not None and length > BODY_BYTES_MAX:
            raise RequestTooLargeError(body_bytes_max=BODY_BYTES_MAX)
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await self._protocol() if length is not None else await self._stream()
        except TimeoutError:
            raise RequestTimeoutError(timeout_s=f"{self._timeout_s:g}") from None
        except RSGIProtocolClosed:
            raise MalformedRequestError(reason="the client went away before the body had ended") from None
        if length is not None and len(body) != length:
            raise MalformedRequestError(reason=f"the body ended after {len(body)} of {length} bytes")
        return bytes(body)

    async def _stream(self) -> bytes:
        """A body without a length: chunks, until the end or until it is too much."""
        body = bytearray()
        async for chunk in self._protocol:
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                raise RequestTooLargeError(body_bytes_max=BODY_BYTES_MAX)
        return bytes(body)


def _shown(path: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in path)[:100]
