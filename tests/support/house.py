"""The floors of the house: which room stands on which, between the packages and inside host, client and cli.

A room is a package or, where one file is enough, a module. A room imports only rooms that stand on a lower floor.
"""

from __future__ import annotations

__all__ = ["FLOORS", "INNER_FLOORS", "floor_of", "inner_room"]

FLOORS = {
    "errors": 0,
    "clock": 0,
    "files": 0,
    "systemd": 0,
    "core": 1,
    "host": 2,
    "client": 2,
    "publisher": 2,
    "ingest": 2,
    "quorate": 3,  # the SDK's face, `quorate/__init__.py`: names from the client's room
    "sim": 3,
    "cli": 4,
    "__main__": 5,
}

# From the top floor down; rooms of one floor never import each other.
INNER_FLOORS: dict[str, tuple[tuple[str, ...], ...]] = {
    "host": (
        ("server",),
        ("admin_api",),
        ("monitoring",),
        ("admin", "public"),
        ("eventlog", "activation", "https"),
        ("identity", "publication", "forecast", "process", "firewall"),
        ("settings", "store"),
    ),
    "client": (
        ("client", "doctor"),
        ("attempt", "settings"),
        ("storage", "transport"),
        ("identity", "discovery"),
    ),
    "cli": (
        ("main",),
        ("slmgr", "doctor"),
        ("client", "host"),
        ("services", "publisher", "demo", "simulate", "first_run"),
        ("common",),
        ("application",),
    ),
}


def inner_room(name: str) -> str | None:
    """The room inside its package: `quorate.host.store.batch` is in `store`; None where a package has no inner floors."""
    parts = name.split(".")
    return parts[2] if len(parts) > 2 and parts[1] in INNER_FLOORS else None


def floor_of(package: str, room: str) -> int | None:
    """The floor of a room inside its package, the lowest is 0; None when it has none."""
    floors = INNER_FLOORS[package]
    return next((len(floors) - 1 - at for at, rooms in enumerate(floors) if room in rooms), None)
