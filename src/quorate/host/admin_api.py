"""The administration listener, 127.0.0.1:1689: health, metrics, and under `/api/v1` what the commands do.

`/livez`, `/readyz` and `/metrics` are open on the machine itself, for monitors; from elsewhere `/readyz` only says
whether, and `/metrics` asks for a token. `/api/v1` always does (`gate`): scope read for what looks, operate for what
changes. A request has exactly one `Host` header, and while this listens on loopback it names that, so that no web page
can reach it through a name of its own (DNS rebinding). The console's pages are at `/`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from quorate.core import admintoken
from quorate.errors import MalformedRequestError, MisdirectedRequestError, QuorateError
from quorate.host.admin_changes import AdminChanges, Publication
from quorate.host.admin_http import (
    fault_answer,
    json_answer,
    not_found,
    number_of,
    problem_answer,
    source_of_request,
    streamed_answer,
    told_answer,
    wrong_method,
)
from quorate.host.admin_tls import is_loopback
from quorate.host.administration import Administration
from quorate.host.console.pages import console_routes
from quorate.host.gate import Caller, Gate
from quorate.host.health import Health
from quorate.host.metrics import HostMetrics
from quorate.host.openapi import openapi_document
from quorate.host.views import ClientView

__all__ = ["admin_application"]

PAGE_MAX = 10_000
USER_HEADER = "quorate-user"
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"

_Endpoint = Callable[[Request], Awaitable[Response]]
_Known = Callable[[Request, Caller], Awaitable[Response]]


def admin_application(
    administration: Administration,
    health: Health,
    metrics: HostMetrics,
    gate: Gate,
    publication: Publication,
    address: str,
) -> ASGIApp:
    """The ASGI application of the administration listener.

    Args:
        address: where it listens; decides which `Host` headers are right.
    """
    door = _Door(gate)
    api = _Api(administration, health, metrics, door)
    routes = [
        Route("/livez", api.livez, methods=["GET"]),
        Route("/readyz", api.readyz, methods=["GET"]),
        Route("/metrics", api.metrics, methods=["GET"]),
        Route("/api/openapi.json", api.openapi, methods=["GET"]),
        *_read_routes(api, door),
        *_operate_routes(AdminChanges(administration, publication), door),
        *console_routes(administration, health, gate),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(_RightHost, address=address)],
        exception_handlers={QuorateError: told_answer, 404: not_found, 405: wrong_method, Exception: fault_answer},
    )


def _read_routes(api: _Api, door: _Door) -> list[BaseRoute]:
    places: dict[str, _Known] = {
        "session": api.session,
        "status": api.status,
        "settings": api.settings,
        "clients": api.clients,
        "events": api.events,
        "requests": api.requests,
    }
    return [Route(f"/api/v1/{name}", door.reading(place), methods=["GET"]) for name, place in places.items()]


def _operate_routes(changes: AdminChanges, door: _Door) -> list[BaseRoute]:
    places: dict[str, _Known] = {
        "install-key": changes.install_key,
        "forget-key": changes.forget_key,
        "request": changes.request,
        "activate": changes.activate,
        "uninstall": changes.uninstall,
        "update": changes.update,
        "dns/publish": changes.publish,
        "dns/withdraw": changes.withdraw,
    }
    return [
        Route("/api/v1/settings", door.operating(changes.settings), methods=["PATCH"]),
        Route("/api/v1/dns/check", door.reading(changes.check), methods=["GET"]),
        *(Route(f"/api/v1/{name}", door.operating(place), methods=["POST"]) for name, place in places.items()),
    ]


class _Door:
    """From a request to whoever sends it."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def reading(self, endpoint: _Known) -> _Endpoint:
        """For every good token."""
        return self._for(endpoint, admintoken.Scope.READ)

    def operating(self, endpoint: _Known) -> _Endpoint:
        """For those that may change the host."""
        return self._for(endpoint, admintoken.Scope.OPERATE)

    def caller(self, request: Request) -> Caller:
        """Raises as `Gate.admit`."""
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        token = given.strip() if kind.lower() == "bearer" else None
        return self._gate.admit(token, source_of_request(request), request.headers.get(USER_HEADER))

    def _for(self, endpoint: _Known, scope: admintoken.Scope) -> _Endpoint:
        async def only_with_token(request: Request) -> Response:
            caller = self.caller(request)
            self._gate.needs(caller, scope, f"{request.method} {request.url.path}")
            return await endpoint(request, caller)

        return only_with_token


class _Api:
    """The endpoints that look. What reads the store runs in a thread: the clients' answers never wait for it."""

    def __init__(self, administration: Administration, health: Health, metrics: HostMetrics, door: _Door) -> None:
        self._administration = administration
        self._health = health
        self._metrics = metrics
        self._door = door

    async def livez(self, request: Request) -> Response:
        is_alive = self._health.is_alive()
        return json_answer({"alive": is_alive}, 200 if is_alive else 503)

    async def readyz(self, request: Request) -> Response:
        checks = await run_in_threadpool(self._health.checks)
        is_ready = all(check.ok for check in checks if check.required)
        shown = checks if self._is_trusted(request) else []
        return json_answer({"ready": is_ready, "checks": shown}, 200 if is_ready else 503)

    async def metrics(self, request: Request) -> Response:
        if not is_loopback(source_of_request(request)):
            self._door.caller(request)
        return Response(await run_in_threadpool(self._metrics.exposition), media_type=_METRICS_TYPE)

    def _is_trusted(self, request: Request) -> bool:
        """Whether it comes from this machine, or with a token; a wrong one is refused."""
        if is_loopback(source_of_request(request)):
            return True
        return "authorization" in request.headers and bool(self._door.caller(request))

    async def openapi(self, request: Request) -> Response:
        return json_answer(openapi_document())

    async def session(self, request: Request, caller: Caller) -> Response:
        return json_answer({"name": caller.name, "scope": caller.scope, "source": caller.source})

    async def status(self, request: Request, caller: Caller) -> Response:
        return json_answer(await run_in_threadpool(self._administration.status))

    async def settings(self, request: Request, caller: Caller) -> Response:
        return json_answer(await run_in_threadpool(self._administration.shown_settings))

    async def clients(self, request: Request, caller: Caller) -> Response:
        query = request.query_params
        after = query.get("after")
        key = None
        if after is not None:
            group, _, cmid = after.rpartition("/")
            key = (group, cmid)
        limit = number_of(query.get("limit"), "limit", 1, PAGE_MAX) or 1000
        try:
            rows = _Counted(self._administration.iter_clients(query.get("search"), key), limit)
            return await streamed_answer(b'{"clients":[', rows, lambda: _end_of(rows))
        except ValueError:
            raise MalformedRequestError(reason="after is GROUP/CMID of the last row of the page before") from None

    async def events(self, request: Request, caller: Caller) -> Response:
        query = request.query_params
        event_id = number_of(query.get("id"), "id", 1, 99_999)
        after_id = number_of(query.get("after"), "after", 0, 2**62)
        limit = number_of(query.get("limit"), "limit", 1, PAGE_MAX) or 100
        newest = limit if after_id is None else None
        rows = self._administration.iter_events(event_id, after_id, newest)
        return await streamed_answer(b'{"events":[', islice(rows, limit), lambda: b"]}")

    async def requests(self, request: Request, caller: Caller) -> Response:
        return json_answer(await run_in_threadpool(self._administration.requests))


class _Counted:
    """At most so many rows; which was the last, and how many there were."""

    def __init__(self, rows: Iterator[ClientView], limit: int) -> None:
        self._rows = islice(rows, limit)
        self._limit = limit
        self._number = 0
        self.last: ClientView | None = None

    def __iter__(self) -> Iterator[ClientView]:
        return self

    def __next__(self) -> ClientView:
        self.last = next(self._rows)
        self._number += 1
        return self.last

    @property
    def is_full(self) -> bool:
        return self._number == self._limit


def _end_of(rows: _Counted) -> bytes:
    """Where the next page begins, when there may be one."""
    last = f"{rows.last.group}/{rows.last.cmid}" if rows.last is not None and rows.is_full else None
    return b'],"next":' + msgspec.json.encode(last) + b"}"


class _RightHost:
    """Lets only requests through whose one `Host` header is well formed, and on loopback names this machine's."""

    def __init__(self, app: ASGIApp, address: str) -> None:
        self._application = app
        own = _LOOPBACK_NAMES | {f"[{address}]" if ":" in address else address}
        self._names = own if is_loopback(address) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        fault = self._fault([value for name, value in scope["headers"] if name.lower() == b"host"])
        if fault is None:
            await self._application(scope, receive, send)
        else:
            await problem_answer(fault)(scope, receive, send)

    def _fault(self, given: list[bytes]) -> QuorateError | None:
        if len(given) != 1 or not given[0].strip():  # where there is none, Granian hands on an empty one
            return MalformedRequestError(reason="it has not exactly one Host header")
        host = given[0].decode("latin-1").strip().lower()
        found = _HOST.fullmatch(host)
        if self._names is None and found is not None:
            return None
        if self._names is not None and found is not None and found["name"] in self._names:
            return None
        shown = "".join(c if c.isprintable() else "?" for c in host)[:100]
        allowed = "a name of this host" if self._names is None else "localhost or 127.0.0.1"
        return MisdirectedRequestError(host=shown, allowed=allowed)
