"""The console's pages: overview, machines, events. They only show; what changes something is a command.

Whoever has the administration token may look: it is typed once (or given as `/?token=`), and a cookie that is made from
it stands for it until the browser closes. Pages carry no script and load nothing but their own style sheet.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jinja2
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from quorate.core.policy import DAY_S, HOUR_S, MINUTE_S
from quorate.host.administration import Administration
from quorate.host.health import Health

__all__ = ["console_routes"]

COOKIE = "quorate_console"
FORM_BYTES_MAX = 4096
ROWS_MAX = 200
_HERE = Path(__file__).parent
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}

_Page = Callable[[Request], Awaitable[Response]]


def console_routes(administration: Administration, health: Health, token: str) -> Sequence[BaseRoute]:
    """The console's places on the administration listener."""
    console = _Console(administration, health, token)
    return [
        Route("/", console.guarded(console.overview), methods=["GET"]),
        Route("/clients", console.guarded(console.clients), methods=["GET"]),
        Route("/events", console.guarded(console.events), methods=["GET"]),
        Route("/sign-in", console.sign_in, methods=["POST"]),
        Route("/sign-out", console.sign_out, methods=["POST"]),
        Route("/console.css", console.style, methods=["GET"]),
    ]


class _Console:
    def __init__(self, administration: Administration, health: Health, token: str) -> None:
        self._administration = administration
        self._health = health
        self._token = token
        # The cookie proves the token without being it: a stolen one opens the console's pages and nothing else.
        self._cookie = hmac.new(token.encode(), b"quorate-console", hashlib.sha256).hexdigest()
        self._style = (_HERE / "static" / "console.css").read_bytes()
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(utc=_utc, span=_span, words=_words, number=_number)

    # --- who may look ------------------------------------------------------------------------------------------

    def guarded(self, page: _Page) -> _Page:
        """The page for those who are signed in; the sign-in page for everybody else."""

        async def only_signed_in(request: Request) -> Response:
            given = request.query_params.get("token")
            if given is not None and hmac.compare_digest(given.encode(), self._token.encode()):
                return self._welcome(request.url.path)
            if not hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), self._cookie.encode()):
                return self._sign_in_page(is_wrong=given is not None)
            return await page(request)

        return only_signed_in

    async def sign_in(self, request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > FORM_BYTES_MAX:
                return self._sign_in_page(is_wrong=True)
        typed = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0].strip()
        if not hmac.compare_digest(typed.encode(), self._token.encode()):
            return self._sign_in_page(is_wrong=True)
        return self._welcome("/")

    async def sign_out(self, request: Request) -> Response:
        response = RedirectResponse("/", status_code=303, headers=_HEADERS)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    def _welcome(self, path: str) -> Response:
        response = RedirectResponse(path, status_code=303, headers=_HEADERS)
        response.set_cookie(COOKIE, self._cookie, httponly=True, samesite="strict")
        return response

    def _sign_in_page(self, *, is_wrong: bool) -> Response:
        return self._page(
            "sign_in.html", 401, is_wrong=is_wrong, token_path=self._administration.paths.token, signed_in=False
        )

    # --- pages -------------------------------------------------------------------------------------------------

    async def overview(self, request: Request) -> Response:
        status, checks, events = await run_in_threadpool(
            lambda: (
                self._administration.status(),
                self._health.checks(),
                self._administration.events(limit=10),
            )
        )
        return self._page("overview.html", status=status, checks=checks, events=events[::-1], here="overview")

    async def clients(self, request: Request) -> Response:
        search = request.query_params.get("search", "").strip()[:200]
        rows = await run_in_threadpool(self._administration.clients, search or None, ROWS_MAX + 1)
        return self._page(
            "clients.html",
            search=search,
            rows=rows[:ROWS_MAX],
            is_cut=len(rows) > ROWS_MAX,
            rows_max=ROWS_MAX,
            now_s=self._administration.now_s(),
            here="clients",
        )

    async def events(self, request: Request) -> Response:
        rows = await run_in_threadpool(self._administration.events, None, None, ROWS_MAX)
        return self._page("events.html", rows=rows[::-1], rows_max=ROWS_MAX, here="events")

    async def style(self, request: Request) -> Response:
        return Response(self._style, media_type="text/css", headers={**_HEADERS, "cache-control": "max-age=300"})

    def _page(self, template: str, status_code: int = 200, **values: Any) -> Response:
        shown = self._templates.get_template(template).render({"signed_in": True, "here": "", **values})
        return HTMLResponse(shown, status_code=status_code, headers=_HEADERS)


def _utc(time_s: int | None) -> str:
    return "-" if time_s is None else datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _span(seconds: int) -> str:
    """`3 d 4 h`, the two largest units."""
    left = max(0, seconds)
    parts: list[str] = []
    for unit_s, name in ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min"), (1, "s")):
        if left >= unit_s or (name == "s" and not parts):
            parts.append(f"{left // unit_s} {name}")
            left %= unit_s
    return " ".join(parts[:2])


def _words(name: str) -> str:
    """`initial_grace` as people read it."""
    return name.replace("_", " ").capitalize()


def _number(value: int) -> str:
    return f"{value:,}"
