"""A site of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.core.policy import PROFILES
from tests.store.world import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A new store under the profile `windows-7`."""
    made = Site(tmp_path / "host.sqlite3")
    yield made
    made.store.close()


@pytest.fixture
def combined(tmp_path: Path) -> Iterator[Site]:
    """A new store under the profile `combined`."""
    made = Site(tmp_path / "combined.sqlite3", PROFILES["combined"])
    yield made
    made.store.close()
