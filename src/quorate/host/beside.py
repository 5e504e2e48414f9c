"""What a running host does beside answering: it is published by DNS and multicast DNS, and hands its event log on.

Each has threads of its own. Nothing that becomes of them holds up an answer.
"""

from __future__ import annotations

from collections.abc import Callable

from quorate.clock import Clock, Entropy
from quorate.core.documents import ProductFile
from quorate.core.events import HostEvent
from quorate.host.config import Settings, machine_name
from quorate.host.export.service import EventExport
from quorate.host.publication.beside import PublicationThread
from quorate.host.publication.machine import Surroundings
from quorate.host.publication.mdns import MdnsThread
from quorate.host.publication.wanted import services_of
from quorate.host.store.store import Store

__all__ = ["Beside"]


class Beside:
    """`publishers` end before the thread that writes, as they leave events; `export` ends after it, with the last ones.

    Args:
        record_event: takes events from any thread.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        host_id: str,
        record_event: Callable[[HostEvent], object],
        around: Surroundings,
    ) -> None:
        self.publishers = (
            PublicationThread(store, clock, entropy, record_event, around),
            MdnsThread(clock, host_id, machine_name(), record_event),
        )
        self.export = EventExport(store, clock, record_event, machine_name())

    @property
    def publication_fault(self) -> str | None:
        """Why nothing is published just now although it should be; None while that goes on. From any thread."""
        return self.publishers[0].fault

    def adopt(self, settings: Settings, port: int, products: tuple[ProductFile, ...]) -> None:
        """Use these from now on: the port is the one that is really served. Returns at once."""
        services = services_of(products)
        for each in self.publishers:
            each.adopt(settings, port, services)
        self.export.adopt(settings)
