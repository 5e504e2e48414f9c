"""The OpenAPI document of the administration listener, made from the shapes that are really sent."""

from __future__ import annotations

from typing import Any

import msgspec

from quorate import __version__
from quorate.core.admintoken import Scope
from quorate.core.messages import Problem
from quorate.host.admin.views import ClientView, HostStatus
from quorate.host.admin_api.operations import (
    ActivateBody,
    Activated,
    CheckResults,
    InstalledKey,
    InstallKeyBody,
    MadeRequest,
    PublicationResults,
    Removed,
    UpdateBody,
    UpdateTaken,
)
from quorate.host.monitoring.readiness import Check
from quorate.host.settings.settings import RULES

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


class Session(msgspec.Struct, frozen=True):
    """Whose token it is, what it may do, and from which address it came."""

    name: str
    scope: Scope
    source: str


_SHAPES = (
    Liveness,
    Readiness,
    HostStatus,
    ClientPage,
    EventPage,
    Session,
    InstallKeyBody,
    InstalledKey,
    Removed,
    MadeRequest,
    ActivateBody,
    Activated,
    UpdateBody,
    UpdateTaken,
    PublicationResults,
    CheckResults,
    Problem,
)

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
    return {
        "openapi": "3.1.0",
        "info": {"title": "Quorate KMS host administration", "version": __version__},
        "paths": _looking() | _changing(),
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


def _looking() -> dict[str, Any]:
    """The settings' PATCH stands with their GET."""
    settings = _get("Settings", "All settings.")
    settings["patch"] = {
        "summary": "Change settings, all or none; null means back to the default. Needs scope operate.",
        "requestBody": {"required": True, "content": _content("Settings")},
        "responses": _responses("Settings"),
    }
    return {
        "/livez": _get("Liveness", "Does the host work?", is_open=True),
        "/readyz": _get(
            "Readiness", "Do clients get answers? Why not is told with a token or on the host itself.", is_open=True
        ),
        "/metrics": {
            "get": {
                "summary": "Prometheus metrics; open on the host itself, with a token from elsewhere",
                "security": [{}, {"token": []}],
                "responses": {"200": {"description": "text"}},
            }
        },
        "/api/v1/session": _get("Session", "Whose token is this?"),
        "/api/v1/status": _get("HostStatus", "The host at a glance."),
        "/api/v1/settings": settings,
        "/api/v1/clients": _get("ClientPage", "The inventory.", ("search", "limit", "after")),
        "/api/v1/events": _get("EventPage", "The event log.", ("id", "limit", "after")),
        "/api/v1/requests": _get("Requests", "Requests handled: total, failed, one for each license status."),
        "/api/v1/dns/check": _get("CheckResults", "What clients find in DNS, each target tried. Changes nothing."),
    }


def _changing() -> dict[str, Any]:
    """Each needs scope operate, and leaves event 12315."""
    return {
        "/api/v1/install-key": _post("InstalledKey", "Install a host key; a former one is replaced.", "InstallKeyBody"),
        "/api/v1/forget-key": _post("Removed", "Remove the text of the host key from the disk."),
        "/api/v1/request": _post("MadeRequest", "Make the request that the publisher confirms."),
        "/api/v1/activate": _post(
            "Activated", "Take the publisher's confirmation, or ask for it online.", "ActivateBody"
        ),
        "/api/v1/uninstall": _post("Removed", "Remove host key and activation; clients keep their leases."),
        "/api/v1/update": _post("UpdateTaken", "Take what the publisher sent, or ask it what is new.", "UpdateBody"),
        "/api/v1/dns/publish": _post("PublicationResults", "Publish the record in every domain now."),
        "/api/v1/dns/withdraw": _post("PublicationResults", "Take this host's record away in every domain."),
    }


def _post(shape: str, summary: str, body: str | None = None) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": f"{summary} Needs scope operate.", "responses": _responses(shape)}
    if body is not None:
        operation["requestBody"] = {"required": False, "content": _content(body)}
    return {"post": operation}


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
