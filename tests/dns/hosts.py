"""A running KMS host for the DNS tests: in this process beside a real name server, or inside a namespace of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quorate.clock import SystemClock
from quorate.host.publication.machine import Surroundings
from tests.dns.namespace import Namespace
from tests.dns.servers import NameServer, dig
from tests.dns.support import names_at
from tests.support.clocks import ManualClock
from tests.support.documents import World
from tests.support.hosting import BOUND_S, LIMITS, Hosted, make_host, running

__all__ = ["AS_SET", "SRV", "TickingClock", "around", "publishing", "run_in", "shows", "until"]

ROOT = Path(__file__).parents[2]
SRV = "_quorate._tcp.corp.test"
STEP_S = 0.02
AS_SET = {"dns_publishing": None}
"""Overrides that let a test's host publish as its settings say."""


class TickingClock(ManualClock):
    """The system's clock in the place of one that is moved by hand: name servers compare it with their own."""

    def __init__(self) -> None:
        self._system = SystemClock()
        super().__init__(self._system.now_s())

    def now_s(self) -> int:
        return self._system.now_s()

    def monotonic_s(self) -> float:
        return self._system.monotonic_s()

    def wait(self, wake: threading.Event, timeout_s: float) -> bool:
        return self._system.wait(wake, timeout_s)


def until(is_so: Callable[[], bool], what: str) -> None:
    """Go on when it is so; it must be within a bounded time."""
    pause = threading.Event()
    for _ in range(int(BOUND_S / STEP_S)):
        if is_so():
            return
        pause.wait(STEP_S)
    raise AssertionError(f"never seen: {what}")


def shows(server: NameServer, *values: str, name: str = SRV) -> None:
    """Go on when `dig` shows exactly these values at the name server."""
    until(lambda: dig(server, name) == sorted(values), f"{name} {values} at {server.where}: {dig(server, name)}")


def around(server: NameServer, machine: str = "kms01.corp.test") -> Surroundings:
    """A machine of that name whose resolver is the server, with no keytab of its own."""
    return Surroundings(names_at(server), lambda: machine, Path("/nonexistent/krb5.keytab"))


@contextmanager
def publishing(
    folder: Path,
    surroundings: Surroundings,
    settings: Mapping[str, str | None] | None = None,
    overrides: Mapping[str, Any] | None = None,
    world: World | None = None,
) -> Iterator[Hosted]:
    """A new host in `folder`, running, with DNS publishing as its settings say: on (S28)."""
    world, clock = world or World(), TickingClock()
    make_host(folder, world, clock, settings=settings)
    with running(
        folder, world, clock, limits=LIMITS, overrides={**AS_SET, **(overrides or {})}, around=surroundings
    ) as hosted:
        yield hosted


@contextmanager
def run_in(
    namespace: Namespace, state_dir: Path, machine: str, environ: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """`quorate host run` inside a namespace, on a machine of that name; what it says when it is ready."""
    command: Sequence[str] = [
        *namespace.prefix,
        *("unshare", "--uts", "sh", "-ec", f'hostname {machine}; exec "$@"', "sh"),
        *(sys.executable, "-c", "from quorate.cli.main import run; run()"),
        *("host", "run", "--json", "--admin-port", "0", "--state-dir", str(state_dir)),
    ]
    environment = {**os.environ, **(environ or {})}
    log = state_dir.with_suffix(".log")
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, log.read_text()
            said: dict[str, Any] = json.loads(line)
            yield said
            process.terminate()
            assert process.wait(BOUND_S) == 0, log.read_text()
        finally:
            process.kill()
