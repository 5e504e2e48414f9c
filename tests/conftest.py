"""What every test starts from."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from hypothesis import settings

from tests.support import surroundings

# No test is timed: this machine may be busy with others. In CI Hypothesis does so by itself.
settings.register_profile("untimed", settings(deadline=None))
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Before any test, and before pytest-xdist starts processes: they inherit what is set here."""
    surroundings.as_at_log_in(getattr(config, "workerinput", {}).get("outer"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Processes of pytest-xdist are told of the environment outside."""
    node.workerinput["outer"] = surroundings.outer()


@pytest.fixture(autouse=True)
def _logs_as_at_start() -> None:
    """Commands run in this process set up structlog for all of it; the next test must not find it so."""
    structlog.reset_defaults()
