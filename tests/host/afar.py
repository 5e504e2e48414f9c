"""Requests to administration as another machine's: the real application of a real host, called with that address.

What the network, TLS and the HTTP server do is tested over real sockets (`test_admin_tls`, `test_admin_room`); here the
host's clock can be moved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from starlette.types import ASGIApp

from quorate.core.admintoken import Scope
from quorate.core.policy import HOUR_S
from quorate.host.admin_api import admin_application
from quorate.host.admin_changes import Publication
from quorate.host.gate import Gate
from quorate.host.publication.hello import say_hello
from quorate.host.publication.machine import Surroundings
from quorate.host.tokens import AdminTokens
from tests.support.clocks import SeededEntropy
from tests.support.hosting import BOUND_S, Hosted, Reply, hosting

__all__ = ["AFAR", "Afar", "afar"]

AFAR = "10.0.0.7"


@dataclass
class Afar:
    """A running host, and its administration as others reach it."""

    hosted: Hosted
    application: ASGIApp
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, name: str, scope: Scope, expires_s: int | None = None) -> str:
        """Make one, as `quorate host token add` does."""
        seed = len(self.tokens) + 100
        self.tokens[name] = self.hosted.administration.add_token(name, scope, expires_s, SeededEntropy(seed))
        return self.tokens[name]

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        source: str = AFAR,
        raw: bytes | None = None,
    ) -> Reply:
        """One request from `source`."""
        sent = {"host": "kms01.contoso.example:1689", **(headers or {})}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        data = raw if raw is not None else b"" if body is None else msgspec.json.encode(body)
        return asyncio.run(asyncio.wait_for(self._asked(method, path, sent, data, source), BOUND_S))

    async def _asked(self, method: str, path: str, headers: Mapping[str, str], body: bytes, source: str) -> Reply:
        place, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": place,
            "raw_path": place.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            "client": (source, 4711),
            "server": ("10.0.0.1", 1689),
        }
        sent: list[Any] = []

        asked: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            while not asked:  # who reads a streamed answer stays until its end
                await asyncio.sleep(HOUR_S)
            return asked.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        await self.application(scope, receive, send)
        start = next(each for each in sent if each["type"] == "http.response.start")
        content = b"".join(each.get("body", b"") for each in sent if each["type"] == "http.response.body")
        found = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], found, content)

    def audit(self) -> list[dict[str, Any]]:
        """The host's events 12315, but for what was done on the machine itself."""
        rows = self.hosted.administration.events(12315, None, 1000)
        return [row for row in rows if row["source"] != "local"]


@contextmanager
def afar(folder: Path, **host: Any) -> Iterator[Afar]:
    """A new host below `folder`, running."""
    with hosting(folder, **host) as hosted:
        server = hosted.server
        around = Surroundings.of_this_machine(hosted.clock)
        administration = server.administration
        # The running host hands these events to its writer; here they are on disk before the answer.
        gate = Gate(
            AdminTokens(administration.paths),
            administration.keyring.admin_token(),
            hosted.clock,
            SeededEntropy(4),
            administration.record,
        )
        publication = Publication(
            lambda: administration.publication(around, SeededEntropy(3)), names=around.names, hello=say_hello
        )
        application = admin_application(administration, server.health, server.metrics, gate, publication, "10.0.0.1")
        yield Afar(hosted, application)
