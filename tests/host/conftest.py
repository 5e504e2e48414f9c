"""What tests of the host share."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop

from tests.support import fronts
from tests.support.fronts import Play, Story


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Play:
    """Plays a story on a front of its own; see `tests/support/fronts.py`."""

    def run(story: Story, connections_max: int = 100, **limits: Any) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(fronts.play(story, connections_max, **limits))

    return run
