"""A running KMS host for the DNS tests: in this process beside a real name server, or inside a namespace of its own."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quorate.clock import SystemClock
from quorate.core.policy import MachineClass, Policy, Threshold, Thresholds
from quorate.host.publication.machine import Surroundings
from tests.dns.namespace import Namespace
from tests.dns.servers import NameServer, dig
from tests.dns.support import names_at
from tests.support.child import Child
from tests.support.clocks import ManualClock
from tests.support.documents import World
from tests.support.hosting import LIMITS, Hosted, make_host, running
from tests.support.waiting import until

__all__ = [
    "AS_SET",
    "OF_TWO",
    "SRV",
    "TickingClock",
    "around",
    "client",
    "publishing",
    "quorate",
    "run_in",
    "shows",
    "site",
]

ROOT = Path(__file__).parents[2]
SRV = "_quorate._tcp.corp.test"
AS_SET = {"dns_publishing": None}
"""Overrides that let a test's host publish as its settings say."""
_TWO = Threshold(2, (MachineClass.SERVER, MachineClass.CLIENT))
OF_TWO = World(policy=Policy(thresholds=Thresholds(server=_TWO, client=_TWO, ephemeral=_TWO)))
"""A product that two machines activate."""


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


def site(folder: Path, settings: Mapping[str, str | None], world: World = OF_TWO) -> Path:
    """What a publisher ships, and an activated host of its in `folder`/host; the host's folder."""
    (folder / "acme-cad.product").write_text(world.product_token)
    (folder / "publisher.jwks").write_bytes(world.jwks)
    make_host(folder / "host", world, SystemClock(), settings=settings)
    return folder / "host"


def on_machine(name: str, *words: str) -> list[str]:
    """A `quorate` command on a machine of that name."""
    program = (sys.executable, "-c", "from quorate.cli.main import run; run()")
    return ["unshare", "--uts", "sh", "-ec", f'hostname {name}; exec "$@"', "sh", *program, *words]


def quorate(namespace: Namespace, *words: str, machine: str = "kms01") -> str:
    """What a command prints inside the namespace, errors included; whether it worked or not."""
    return namespace.run(*on_machine(machine, *words), check=False)


def client(namespace: Namespace, folder: Path, number: int, domain: str = "corp.test") -> dict[str, Any]:
    """One more client with no setting but the product's files of `site`: what its first attempt comes to."""
    name = f"pc-{number}.{domain}"
    state = ("--state-dir", str(folder / f"pc-{number}"))
    files = ("--product", str(folder / "acme-cad.product"), "--trust", str(folder / "publisher.jwks"))
    quorate(namespace, "client", "init", *files, "--edition", "acme-cad-pro", *state, machine=name)
    quorate(namespace, "client", "activate", *state, machine=name)
    status: dict[str, Any] = json.loads(quorate(namespace, "client", "status", "--json", *state, machine=name))
    return status


@contextmanager
def run_in(
    namespace: Namespace, state_dir: Path, machine: str, environ: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """`quorate host run` inside a namespace, on a machine of that name; what it says when it is ready."""
    words = ("host", "run", "--json", "--admin-port", "0", "--state-dir", str(state_dir))
    command = [*namespace.prefix, *on_machine(machine, *words)]
    environment = {**os.environ, **(environ or {})}
    with Child(command, environ=environment) as process:
        yield process.told()
        assert process.terminate() == 0, process.err
