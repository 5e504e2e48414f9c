"""What a machine must have for a test, and what is said where it has not."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

__all__ = ["lacking"]


def lacking(what: str) -> NoReturn:
    """This machine cannot run the test: one line says what to do. At home a skip, in CI a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"this machine cannot run the test: {what}", pytrace=False)
    pytest.skip(what)
