"""What most tests of this room start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.publisher.issue import Publisher
from tests.publisher.world import new_publisher
from tests.support.clocks import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def publisher(tmp_path: Path, clock: ManualClock) -> Publisher:
    return new_publisher(tmp_path, clock)
