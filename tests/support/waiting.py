"""Waits for what another thread or process brings about: generous bounds, and a failure that says what did not come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

__all__ = ["PATIENCE_S", "until"]

PATIENCE_S = 120.0  # reached only when something is broken: a loaded machine takes ten times as long as a free one
_STEP_S = 0.02


def until(is_so: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
    """Ask again and again until it is so; the test fails with `what` was waited for when it never is."""
    pause, end_s = threading.Event(), time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > end_s:
            pytest.fail(f"waited {within_s:g} s in vain for {what}")
        pause.wait(_STEP_S)
