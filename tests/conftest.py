"""What every test starts from."""

from __future__ import annotations

import pytest
import structlog
from hypothesis import settings

# No test is timed: this machine may be busy with others. In CI Hypothesis does so by itself.
settings.register_profile("untimed", settings(deadline=None))
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _logs_as_at_start() -> None:
    """Commands run in this process set up structlog for all of it; the next test must not find it so."""
    structlog.reset_defaults()
