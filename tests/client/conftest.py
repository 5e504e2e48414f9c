"""What most of a client's tests begin with: a clock moved by hand, a host that says what it is told, a machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate import Client
from tests.client.nameserver import nameserver, reply
from tests.client.parties import Installation, ScriptedHost, scripted
from tests.client.sites import Site
from tests.support.clocks import ManualClock
from tests.support.documents import World


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def host(clock: ManualClock) -> Iterator[ScriptedHost]:
    with scripted(World(), clock) as host:
        yield host


@pytest.fixture
def here(tmp_path: Path, clock: ManualClock) -> Installation:
    return Installation(tmp_path, World(), clock)


@pytest.fixture
def licensed(here: Installation, host: ScriptedHost) -> Client:
    """A client with a lease, whose record is on disk."""
    client = here.client(host)
    client.activate()
    return client


@pytest.fixture
def site(here: Installation) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        names = stack.enter_context(nameserver(lambda question, _: reply(question, rcode="REFUSED")))
        yield Site(here, names, stack)
