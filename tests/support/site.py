"""A whole site on real parts and one clock: the publisher's room, a running KMS host, clients made with the SDK.

with site(tmp_path) as acme:
    fleet = acme.install(25)
    for machine in fleet: machine.ask()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from quorate import Client, QuorateError, Status
from quorate.client.identity import Machine
from quorate.host.admin.administration import Administration
from quorate.host.settings.paths import StatePaths
from quorate.publisher.issue import Publisher
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.documents import CLIENT_EDITION, SERVER_EDITION, World
from tests.support.hosting import Hosted, running

__all__ = ["Installed", "Site", "site"]

SOURCE = f"""\
id = "acme-cad"
name = "Acme CAD"
group = "acme"
profile = "{{profile}}"

[[edition]]
id = "{CLIENT_EDITION}"
name = "Acme CAD Professional"
class = "client"

[[edition]]
id = "{SERVER_EDITION}"
name = "Acme CAD Compute Server"
class = "server"
"""


@dataclass
class Installed:
    """One machine with the product on it. `tried_s` holds the moment of each attempt."""

    client: Client
    clock: ManualClock
    tried_s: list[int] = field(default_factory=list)

    def ask(self) -> Status:
        """One attempt now, whatever comes of it; the status after it."""
        try:
            return self.client.activate()
        except QuorateError:
            return self.client.status()

    def tick(self) -> None:
        """What an agent does when it wakes: an attempt, if one is due."""
        before = self.client.status().last_attempt_s
        after = self.client.renew_if_due().last_attempt_s
        if after is not None and after != before:
            self.tried_s.append(after)


@dataclass
class Site:
    """What `site` has set up."""

    folder: Path
    product: Path
    trust: Path
    host: Hosted
    clock: ManualClock
    installed: int = 0

    def install(self, machines: int, edition: str = CLIENT_EDITION) -> list[Installed]:
        """New machines, pointed at the host; each has its own state, identity and randomness."""
        return [self._install(edition) for _ in range(machines)]

    def _install(self, edition: str) -> Installed:
        self.installed += 1
        name = f"pc-{self.installed:03d}.acme.test"
        client = Client(
            self.product,
            self.trust,
            edition=edition,
            state_dir=self.folder / name,
            clock=self.clock,
            entropy=SeededEntropy(self.installed),
            machine=Machine(name, identity=name, is_virtual=False),
        )
        client.set_host(f"127.0.0.1:{self.host.port}")
        return Installed(client, self.clock)

    def live(self, fleet: list[Installed], seconds: int, step_s: int) -> None:
        """Let time pass in steps; after each, every machine's agent wakes."""
        for _ in range(seconds // step_s):
            self.clock.advance(step_s)
            for machine in fleet:
                machine.tick()

    def count(self) -> int:
        """The activation count toward the client threshold, as the host shows it."""
        return self.host.administration.counts()["acme"]["client"].current


@contextmanager
def site(tmp_path: Path, *, profile: str = "windows-7", more: str = "") -> Iterator[Site]:
    """Publisher, product, host key and host, the ordinary way; `more` is appended to product.toml."""
    clock, entropy = ManualClock(), SeededEntropy(7)
    publisher = Publisher.create(tmp_path / "publisher", "Acme Software", "correct horse", clock, entropy)
    source = tmp_path / "product.toml"
    source.write_text(SOURCE.format(profile=profile) + more)
    product = publisher.add_product(source)
    key = publisher.issue_host_key("Contoso", ["acme"])
    paths = StatePaths(tmp_path / "host")
    with Administration.init(paths, product.read_text(), publisher.jwks_path.read_bytes(), clock, entropy) as host:
        host.install_key(key.text)
        host.activate(publisher.confirm(host.request()))
    with running(tmp_path / "host", World(), clock) as hosted:
        yield Site(tmp_path / "machines", product, publisher.jwks_path, hosted, clock)
