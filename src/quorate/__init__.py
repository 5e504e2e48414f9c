"""Quorate: volume activation for the software you ship."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from quorate.errors import QuorateError

if TYPE_CHECKING:
    from quorate.client.client import Client
    from quorate.client.storage.status import Status

__version__ = "0.1.0"

__all__ = ["Client", "QuorateError", "Status", "__version__"]

_SDK = {"Client": "quorate.client.client", "Status": "quorate.client.storage.status"}


def __getattr__(name: str) -> Any:
    """The SDK's names, imported when they are first asked for: a command that needs none of them starts at once."""
    if name not in _SDK:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(_SDK[name]), name)
    globals()[name] = found
    return found
