"""Quorate: volume activation for the software you ship."""

from quorate.client.client import Client
from quorate.client.storage.status import Status
from quorate.errors import QuorateError

__version__ = "0.1.0"

__all__ = ["Client", "QuorateError", "Status", "__version__"]
