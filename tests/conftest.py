"""What every test starts from."""

from __future__ import annotations

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logs_as_at_start() -> None:
    """Commands run in this process set up structlog for all of it; the next test must not find it so."""
    structlog.reset_defaults()
