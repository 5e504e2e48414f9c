"""The OpenAPI document of the administration listener, made from the shapes that are really sent."""

from __future__ import annotations

from typing import Any

import msgspec

from quorate import __version__
from quorate.core.messages import Problem
from quorate.host.config import RULES
from quorate.host.health import Check
from quorate.host.views import ClientView, HostStatus

__all__ = ["openapi_document"]


class Liveness(msgspec.Struct, frozen=True):
    """Whether the host can work at all."""

    alive: bool


class Readiness(msgspec.Struct, frozen=True):
    """Whether clients get answers now."""

    ready: bool
    checks: tuple[Check, ...]


class ClientPage(msgspec.Struct, frozen=True):
    """One page of the inventory; `next` is the `after` of the page that follows."""

    clients: tuple[ClientView, ...]
    next: str | None


class EventPage(msgspec.Struct, frozen=True):
    """Events, oldest first: `id`, `event_id`, `title`, `level`, `time_s`, `code`, `info` and each one's own fields."""

    events: tuple[dict[str, Any], ...]


_SHAPES = (Liveness, Readiness, HostStatus, ClientPage, EventPage, Problem)

_PARAMETERS = {
    "search": ("string", "A part of machine name, address, edition or group, or the beginning of a CMID."),
    "limit": ("integer", "Rows at most, 1..10000."),
    "after": ("string", "Where the page begins: what `next` said, or for events the number of the last one seen."),
    "id": ("integer", "Only events of this id, such as 12290."),
}


def openapi_document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    _, schemas = msgspec.json.schema_components(_SHAPES, ref_template="#/components/schemas/{name}")
    schemas["Settings"] = {
        "type": "object",
        "properties": {name: {"description": r.allowed} for name, r in RULES.items()},
    }
    schemas["Requests"] = {"type": "object", "additionalProperties": {"type": "integer"}}
    paths: dict[str, Any] = {
        "/livez": _get("Liveness", "Does the host work?", is_open=True),
        "/readyz": _get("Readiness", "Do clients get answers, and why not?", is_open=True),
        "/metrics": {
            "get": {"summary": "Prometheus metrics", "security": [], "responses": {"200": {"description": "text"}}}
        },
        "/api/v1/status": _get("HostStatus", "The host at a glance."),
        "/api/v1/settings": _get("Settings", "All settings."),
        "/api/v1/clients": _get("ClientPage", "The inventory.", ("search", "limit", "after")),
        "/api/v1/events": _get("EventPage", "The event log.", ("id", "limit", "after")),
        "/api/v1/requests": _get("Requests", "Requests handled: total, failed, one for each license status."),
    }
    paths["/api/v1/settings"]["patch"] = {
        "summary": "Change settings, all or none; null means back to the default.",
        "requestBody": {"required": True, "content": _content("Settings")},
        "responses": _responses("Settings"),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Quorate KMS host administration", "version": __version__},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


def _get(shape: str, summary: str, parameters: tuple[str, ...] = (), *, is_open: bool = False) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": summary, "responses": _responses(shape)}
    if is_open:
        operation["security"] = []
    if parameters:
        operation["parameters"] = [
            {"name": name, "in": "query", "description": _PARAMETERS[name][1], "schema": {"type": _PARAMETERS[name][0]}}
            for name in parameters
        ]
    return {"get": operation}


def _responses(shape: str) -> dict[str, Any]:
    return {
        "200": {"description": "as asked", "content": _content(shape)},
        "default": {"description": "a problem (RFC 9457)", "content": _content("Problem", "application/problem+json")},
    }


def _content(shape: str, media_type: str = "application/json") -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": f"#/components/schemas/{shape}"}}}
