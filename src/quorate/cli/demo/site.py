"""The demo's throw-away site on real parts: a publisher, a KMS host with both its ports, and a fleet of clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quorate.client.client import Client
from quorate.client.identity import Machine
from quorate.clock import Clock, Entropy
from quorate.core.ids import b64url
from quorate.core.messages import LicenseStatus
from quorate.errors import CountInsufficientError, PortTakenError
from quorate.host.admin.administration import Administration
from quorate.host.server.server import HostServer
from quorate.host.settings.paths import StatePaths
from quorate.publisher.issue import Publisher

__all__ = ["DemoClient", "DemoSite", "demo_site"]

START_PATIENCE_S = 30.0
STOP_PATIENCE_S = 30.0

PRODUCT = """\
id = "demo-cad"
name = "Demo CAD"
group = "demo"
profile = "windows-7"

[[edition]]
id = "demo-cad-pro"
name = "Demo CAD Professional"
class = "client"

[threshold.client]
minimum = {threshold}
counts = ["server", "client"]
"""


@dataclass
class DemoClient:
    """One machine of the fleet and what became of its attempts."""

    name: str
    client: Client
    attempts: int = 0
    count_told: int | None = None
    is_activated: bool = False

    def ask(self) -> bool:
        """One attempt over the network; whether it was activated. Any fault but a small count is raised."""
        self.attempts += 1
        try:
            status = self.client.activate()
        except CountInsufficientError as refused:
            told = refused.values.get("count")
            self.count_told = told if isinstance(told, int) else None
            return False
        self.count_told, self.is_activated = status.count, status.status is LicenseStatus.LICENSED
        return self.is_activated


class DemoSite:
    """What `demo_site` has set up; `port` and `admin_port` are those that were free."""

    def __init__(self, folder: Path, product: Path, trust: Path, server: HostServer, clock: Clock, entropy: Entropy):
        self.folder, self.product, self.trust, self.server = folder, product, trust, server
        self._clock, self._entropy = clock, entropy

    def new_client(self, number: int) -> DemoClient:
        """One more machine, with a state folder of its own, pointed at the host."""
        name = f"pc-{number:04d}.demo.test"
        client = self._client(name)
        client.set_host(f"127.0.0.1:{self.server.port}")
        return DemoClient(name, client)

    def is_lease_good(self, machine: DemoClient) -> bool:
        """Read the machine's lease back from disk and check the whole chain, as a program that starts does."""
        return self._client(machine.name).status().status is LicenseStatus.LICENSED

    def machines(self) -> int:
        """Distinct machines the host has heard."""
        return sum(self.server.administration.status().machines["demo"].values())

    def count(self) -> int:
        """The activation count, as the host shows it: at most twice the threshold."""
        return self.server.administration.counts()["demo"]["client"].current

    def _client(self, name: str) -> Client:
        return Client(
            self.product,
            self.trust,
            state_dir=self.folder / "clients" / name,
            clock=self._clock,
            entropy=self._entropy,
            machine=Machine(name, identity=f"demo {name}", is_virtual=True),
        )


@contextmanager
def demo_site(
    folder: Path, threshold: int, port: int, admin_port: int, clock: Clock, entropy: Entropy
) -> Iterator[DemoSite]:
    """Set a site up in `folder`, serve it, and take it down at the end.

    The ports are wishes: where one is taken, the operating system chooses another.
    """
    publisher = Publisher.create(folder / "publisher", "Demo Software", b64url(entropy.token(16)), clock, entropy)
    source = folder / "product.toml"
    source.write_text(PRODUCT.format(threshold=threshold), encoding="utf-8")
    product = publisher.add_product(source)
    host_key = publisher.issue_host_key("Demo site", ["demo"])
    paths = StatePaths(folder / "host")
    with Administration.init(
        paths, product.read_text(encoding="utf-8"), publisher.jwks_path.read_bytes(), clock, entropy
    ) as host:
        host.install_key(host_key.text)
        host.activate(publisher.confirm(host.request()))
    with _served(paths, port, admin_port, clock, entropy) as server:
        yield DemoSite(folder, product, publisher.jwks_path, server, clock, entropy)


@contextmanager
def _served(paths: StatePaths, port: int, admin_port: int, clock: Clock, entropy: Entropy) -> Iterator[HostServer]:
    ready = threading.Event()
    faults: list[BaseException] = []

    def serve(server: HostServer) -> None:
        try:
            asyncio.run(server.run(ready.set))
        except BaseException as fault:  # noqa: BLE001  (handed to the thread that waits)
            faults.append(fault)
        finally:
            ready.set()

    for wish in ((port, admin_port), (0, 0)):
        ready.clear()
        faults.clear()
        overrides = {"address": "127.0.0.1", "port": wish[0], "admin_port": wish[1], "dns_publishing": False}
        server = HostServer(paths.root, clock, entropy, overrides=overrides)
        thread = threading.Thread(target=serve, args=(server,), name="quorate-demo-host", daemon=True)
        thread.start()
        ready.wait(START_PATIENCE_S)
        if not faults:
            break
        if not isinstance(faults[0], PortTakenError) or wish == (0, 0):
            raise faults[0]
    try:
        yield server
    finally:
        server.stop()
        thread.join(STOP_PATIENCE_S)
