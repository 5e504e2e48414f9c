"""The console's pages: overview, machines, events. They only show; what changes something is a command.

Whoever has a token of administration may look: it is typed once, and a cookie stands for it until it is signed out, the
browser closes or the host ends, for twelve hours at most. On the machine itself `/?token=` does as well, but not from
another site's page. The cookie is good for pages only, and pages change nothing. They carry no script and load nothing
but their own style sheet.
"""

from __future__ import annotations

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
from quorate.errors import (
    LockedOutError,
    RequestTimeoutError,
    RequestTooLargeError,
    TokenDamagedError,
    UnauthorizedError,
)
from quorate.host.admin_http import body_of, source_of_request
from quorate.host.admin_tls import is_loopback
from quorate.host.administration import Administration
from quorate.host.gate import Gate
from quorate.host.health import Health

__all__ = ["console_routes"]

COOKIE = "quorate_console"
FORM_BYTES_MAX = 4096
ROWS_MAX = 200
_OPEN_IT = "Open this page itself, and sign in there."
_HERE = Path(__file__).parent
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}

_Page = Callable[[Request], Awaitable[Response]]


def console_routes(administration: Administration, health: Health, gate: Gate) -> Sequence[BaseRoute]:
    """The console's places on the administration listener."""
    console = _Console(administration, health, gate)
    return [
        Route("/", console.guarded(console.overview), methods=["GET"]),
        Route("/clients", console.guarded(console.clients), methods=["GET"]),
        Route("/events", console.guarded(console.events), methods=["GET"]),
        Route("/sign-in", console.sign_in, methods=["POST"]),
        Route("/sign-out", console.sign_out, methods=["POST"]),
        Route("/console.css", console.style, methods=["GET"]),
    ]


class _Console:
    def __init__(self, administration: Administration, health: Health, gate: Gate) -> None:
        self._administration = administration
        self._health = health
        self._gate = gate
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
            source = source_of_request(request)
            given = request.query_params.get("token")
            if given is not None and is_loopback(source):  # elsewhere it would stand in logs on its way
                if _is_cross_site(request):
                    return self._sign_in_page(request, _OPEN_IT, 403)
                return self._enter(request, given, request.url.path)
            if self._gate.admit_cookie(request.cookies.get(COOKIE, ""), source) is None:
                return self._sign_in_page(request)
            return await page(request)

        return only_signed_in

    async def sign_in(self, request: Request) -> Response:
        if _is_cross_site(request):
            return self._sign_in_page(request, _OPEN_IT, 403)
        try:
            body = await body_of(request, FORM_BYTES_MAX)
        except (RequestTooLargeError, RequestTimeoutError):
            return self._sign_in_page(request, "That was not the token.")
        typed = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0].strip()
        return self._enter(request, typed, "/")

    async def sign_out(self, request: Request) -> Response:
        response = RedirectResponse("/", status_code=303, headers=_HEADERS)
        if not _is_cross_site(request):
            self._gate.sign_out(request.cookies.get(COOKIE, ""))
            response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_encrypted(request))
        return response

    def _enter(self, request: Request, given: str, path: str) -> Response:
        try:
            caller = self._gate.admit(given, source_of_request(request))
        except LockedOutError as locked:
            page = self._sign_in_page(request, f"{locked.message[0].upper()}{locked.message[1:]}.", 429)
            page.headers["retry-after"] = str(locked.values["retry_after_s"])
            return page
        except TokenDamagedError as damaged:
            return self._sign_in_page(request, f"{damaged.message[0].upper()}{damaged.message[1:]}.")
        except UnauthorizedError:
            return self._sign_in_page(request, "That was not the token.")
        response = RedirectResponse(path, status_code=303, headers=_HEADERS)
        cookie = self._gate.cookie(caller)
        response.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", secure=_is_encrypted(request))
        return response

    def _sign_in_page(self, request: Request, wrong: str = "", status_code: int = 401) -> Response:
        return self._page(
            "sign_in.html",
            status_code,
            wrong=wrong,
            is_local=is_loopback(source_of_request(request)),
            token_path=self._administration.paths.token,
            signed_in=False,
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


def _is_cross_site(request: Request) -> bool:
    """Whether another site's page has made the browser ask: as it says itself, or else by where that page is from."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    page = request.headers.get("origin") or request.headers.get("referer")
    return page is not None and _authority(page) != request.headers.get("host", "").lower()


def _authority(url: str) -> str:
    """`localhost:1689` of `http://localhost:1689/events`; nothing of what is no such address."""
    return url.partition("://")[2].partition("/")[0].lower()


def _is_encrypted(request: Request) -> bool:
    return request.url.scheme == "https"


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
