"""A real publisher beside a host: its vault in a folder, and its activation service on a port of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quorate.clock import Clock
from quorate.core.ids import ProductKey
from quorate.host.administration import Administration
from quorate.host.config import StatePaths
from quorate.publisher.activation_api import Desk, activation_application
from quorate.publisher.issue import Publisher
from quorate.publisher.limiter import RateLimiter
from quorate.publisher.rotation import Step
from quorate.publisher.serve import listen, serve_until
from tests.publisher.world import PASSPHRASE, new_publisher
from tests.support.clocks import ManualClock, SeededEntropy

__all__ = ["Site", "new_site", "serving"]

BOUND_S = 60.0


@dataclass
class Site:
    """A publisher with its product, one host key, and a host that has it installed."""

    folder: Path
    clock: ManualClock
    publisher: Publisher
    product_key: ProductKey
    shipped: bytes = field(repr=False)

    @property
    def state_dir(self) -> Path:
        return self.folder / "host"

    @property
    def product_token(self) -> str:
        return next((self.publisher.state_dir / "products").glob("*.product")).read_text().strip()

    @property
    def chain_text(self) -> str:
        return self.publisher.trust_path.read_text()

    @property
    def list_text(self) -> str:
        return self.publisher.revocations_path.read_text()

    def host(self) -> Administration:
        """The host's administration, as a command opens it."""
        return Administration.open(StatePaths(self.state_dir), self.clock, SeededEntropy(int(self.clock.now_s())))

    def rotate(self, step: Step = Step.REPLACE) -> None:
        """The publisher exchanges its signing key."""
        self.publisher.rotate(step, PASSPHRASE)

    def confirm(self, host: Administration) -> str:
        """One request, confirmed by hand and taken; the request."""
        request = host.request()
        host.activate(self.publisher.confirm(request))
        return request


def new_site(folder: Path, clock: ManualClock, **key: Any) -> Site:
    publisher = new_publisher(folder, clock)
    product_key = publisher.issue_host_key("Contoso", ["acme"], **key)
    site = Site(folder, clock, publisher, product_key, publisher.jwks_path.read_bytes())
    with Administration.init(
        StatePaths(site.state_dir), site.product_token, site.shipped, clock, SeededEntropy(3)
    ) as host:
        host.install_key(product_key.text)
    return site


@contextmanager
def serving(site: Site, per_minute: int = 1000, clock: Clock | None = None, **listening: Any) -> Iterator[str]:
    """The publisher's service, running; its URL."""
    desk = Desk(site.publisher.state_dir, PASSPHRASE, site.clock, SeededEntropy(21))
    opened = listen("127.0.0.1", 0, **listening)
    application = activation_application(desk, RateLimiter(per_minute, clock or site.clock))
    ready, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve_until(stop, opened, application, ready.set))

    thread = threading.Thread(target=run, name="publisher")
    thread.start()
    try:
        assert ready.wait(BOUND_S)
        yield opened.url.rstrip("/")
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(BOUND_S)
        assert not thread.is_alive()
