"""The administration listener, 127.0.0.1:1689: health, metrics, and under `/api/v1` what the commands do.

`/livez`, `/readyz` and `/metrics` are open, for monitors; `/api/v1` asks for the token in `admin.token`. While it
listens on loopback, requests whose `Host` header names anything else are refused, so that no web page can reach it
through a name of its own (DNS rebinding). The console's pages are at `/`.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from quorate.core.messages import Problem
from quorate.errors import (
    InternalFaultError,
    MalformedRequestError,
    MethodNotAllowedError,
    MisdirectedRequestError,
    NotFoundError,
    QuorateError,
    RequestTooLargeError,
    UnauthorizedError,
)
from quorate.host.administration import Administration
from quorate.host.config import shown_value
from quorate.host.console.pages import console_routes
from quorate.host.health import Health
from quorate.host.metrics import HostMetrics
from quorate.host.openapi import openapi_document

__all__ = ["admin_application"]

BODY_BYTES_MAX = 64 * 1024
PAGE_MAX = 10_000
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"

_Endpoint = Callable[[Request], Awaitable[Response]]


def admin_application(
    administration: Administration, health: Health, metrics: HostMetrics, token: str, address: str
) -> ASGIApp:
    """The ASGI application of the administration listener.

    Args:
        token: what `Authorization: Bearer` must carry for `/api/v1`.
        address: where it listens; decides which `Host` headers are right.
    """
    api = _Api(administration, health, metrics)

    def guarded(endpoint: _Endpoint) -> _Endpoint:
        async def only_with_token(request: Request) -> Response:
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
                raise UnauthorizedError
            return await endpoint(request)

        return only_with_token

    routes = [
        Route("/livez", api.livez, methods=["GET"]),
        Route("/readyz", api.readyz, methods=["GET"]),
        Route("/metrics", api.metrics, methods=["GET"]),
        Route("/api/openapi.json", api.openapi, methods=["GET"]),
        Route("/api/v1/status", guarded(api.status), methods=["GET"]),
        Route("/api/v1/settings", guarded(api.settings), methods=["GET"]),
        Route("/api/v1/settings", guarded(api.change_settings), methods=["PATCH"]),
        Route("/api/v1/clients", guarded(api.clients), methods=["GET"]),
        Route("/api/v1/events", guarded(api.events), methods=["GET"]),
        Route("/api/v1/requests", guarded(api.requests), methods=["GET"]),
        *console_routes(administration, health, token),
    ]
    application = Starlette(
        routes=routes,
        exception_handlers={QuorateError: _told, 404: _not_found, 405: _wrong_method, Exception: _fault},
    )
    return _RightHost(application, address) if _is_loopback(address) else application


class _Api:
    """The endpoints. What reads the store runs in a thread, so that the clients' answers never wait for it."""

    def __init__(self, administration: Administration, health: Health, metrics: HostMetrics) -> None:
        self._administration = administration
        self._health = health
        self._metrics = metrics

    async def livez(self, request: Request) -> Response:
        is_alive = self._health.is_alive()
        return _json({"alive": is_alive}, 200 if is_alive else 503)

    async def readyz(self, request: Request) -> Response:
        checks = await run_in_threadpool(self._health.checks)
        is_ready = all(check.ok for check in checks if check.required)
        return _json({"ready": is_ready, "checks": checks}, 200 if is_ready else 503)

    async def metrics(self, request: Request) -> Response:
        return Response(await run_in_threadpool(self._metrics.exposition), media_type=_METRICS_TYPE)

    async def openapi(self, request: Request) -> Response:
        return _json(openapi_document())

    async def status(self, request: Request) -> Response:
        return _json(await run_in_threadpool(self._administration.status))

    async def settings(self, request: Request) -> Response:
        return _json(await run_in_threadpool(self._administration.shown_settings))

    async def change_settings(self, request: Request) -> Response:
        try:
            wanted = msgspec.json.decode(await _body(request), type=dict[str, bool | int | str | None])
        except msgspec.MsgspecError as fault:
            raise MalformedRequestError(reason=str(fault)[:200]) from None
        texts = {name: None if value is None else str(shown_value(value)) for name, value in wanted.items()}
        return _json(await run_in_threadpool(self._administration.set_settings, texts))

    async def clients(self, request: Request) -> Response:
        query = request.query_params
        after = query.get("after")
        key = None
        if after is not None:
            group, _, cmid = after.rpartition("/")
            key = (group, cmid)
        limit = _number(query.get("limit"), "limit", 1, PAGE_MAX) or 1000
        try:
            rows = await run_in_threadpool(self._administration.clients, query.get("search"), limit, key)
        except ValueError:
            raise MalformedRequestError(reason="after is GROUP/CMID of the last row of the page before") from None
        last = f"{rows[-1].group}/{rows[-1].cmid}" if len(rows) == limit else None
        return _json({"clients": rows, "next": last})

    async def events(self, request: Request) -> Response:
        query = request.query_params
        event_id = _number(query.get("id"), "id", 1, 99_999)
        after_id = _number(query.get("after"), "after", 0, 2**62)
        limit = _number(query.get("limit"), "limit", 1, PAGE_MAX) or 100
        rows = await run_in_threadpool(self._administration.events, event_id, after_id, limit)
        return _json({"events": rows})

    async def requests(self, request: Request) -> Response:
        return _json(await run_in_threadpool(self._administration.requests))


class _RightHost:
    """Lets only requests through whose `Host` header names this machine's loopback."""

    def __init__(self, application: ASGIApp, address: str) -> None:
        self._application = application
        self._names = _LOOPBACK_NAMES | {f"[{address}]" if ":" in address else address}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name in self._names:
            await self._application(scope, receive, send)
            return
        shown = "".join(c if c.isprintable() else "?" for c in host)[:100] or "a request without Host header"
        response = _problem(MisdirectedRequestError(host=shown, allowed="localhost or 127.0.0.1"))
        await response(scope, receive, send)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise RequestTooLargeError(body_bytes_max=BODY_BYTES_MAX)
    return bytes(body)


def _number(text: str | None, name: str, low: int, high: int) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):
        raise MalformedRequestError(reason=f"{name} is a whole number, {low}..{high}")
    return int(text)


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


def _problem(fault: QuorateError, headers: dict[str, str] | None = None) -> Response:
    body = msgspec.json.encode(Problem.of(fault))
    return Response(body, status_code=fault.http_status, media_type="application/problem+json", headers=headers)


async def _told(request: Request, fault: Exception) -> Response:
    if not isinstance(fault, QuorateError):
        return await _fault(request, fault)
    headers = {}
    if isinstance(fault, UnauthorizedError):
        headers["www-authenticate"] = "Bearer"
    retry = fault.values.get("retry_after_s")
    if retry is not None:
        headers["retry-after"] = str(retry)
    return _problem(fault, headers)


async def _not_found(request: Request, fault: Exception) -> Response:
    return _problem(NotFoundError(path=request.url.path[:100]))


async def _wrong_method(request: Request, fault: Exception) -> Response:
    allowed = (getattr(fault, "headers", None) or {}).get("Allow", "another method")
    return _problem(MethodNotAllowedError(path=request.url.path[:100], allowed=allowed), {"allow": allowed})


async def _fault(request: Request, fault: Exception) -> Response:
    structlog.get_logger("quorate.host.admin").error("request_failed", path=request.url.path[:100], exc_info=fault)
    return _problem(InternalFaultError())


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
