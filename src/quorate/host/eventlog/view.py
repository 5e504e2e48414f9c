"""An event as JSON and text show it: what the export, the commands and the API print."""

from __future__ import annotations

from typing import Any

import msgspec

from quorate.core.events import EVENT_TITLES, HostEvent, info_text, is_failure
from quorate.host.store.reports import StoredEvent

__all__ = ["event_view"]


def event_view(stored: StoredEvent) -> dict[str, Any]:
    """An event as JSON: its number, title and level, its own named fields, and Microsoft's comma-separated `info`."""
    event: HostEvent = stored.event
    fields: dict[str, Any] = msgspec.to_builtins(event)
    return {
        "id": stored.id,
        "title": EVENT_TITLES[fields["event_id"]],
        "level": "error" if is_failure(event) else "information",
        **fields,
        "info": info_text(event),
    }
