"""The agent of this machine: every product's client keeps its own lease fresh, and systemd hears that they all live."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping

from quorate.cli.streams import when_reader_goes
from quorate.client.client import Client
from quorate.client.standing import Status
from quorate.host.sdnotify import ServiceManager

__all__ = ["PRODUCTS_MAX", "Pulses", "run_agents"]

PRODUCTS_MAX = 100  # a thread each; a machine has a handful
END_S = 1.0  # what is cut short leaves the record whole, and its question is asked again

Tell = Callable[[str, Status], None]


class Pulses:
    """One pulse to the service manager each time that every one of the agents has given one."""

    def __init__(self, names: set[str], pulse: Callable[[], None]) -> None:
        self._names = names
        self._pulse = pulse
        self._heard: set[str] = set()
        self._lock = threading.Lock()

    def beat(self, name: str) -> None:
        """This one lives."""
        with self._lock:
            self._heard.add(name)
            if self._heard >= self._names:
                self._heard.clear()
                self._pulse()


def run_agents(
    clients: Mapping[str, Client],
    tell: Tell,
    manager: ServiceManager,
    reload: Callable[[], None],
    *,
    ends_with_reader: bool = False,
) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        clients: by product id.
        tell: called with the product id and the status after every attempt, by one agent at a time.
        reload: called at SIGHUP, in this thread.
        ends_with_reader: end, too, when nobody reads stdout any more.
    """
    stop, pulses, telling = threading.Event(), Pulses(set(clients), manager.pulse), threading.Lock()
    wake, hung_up = threading.Event(), threading.Event()

    def work(name: str, client: Client) -> None:
        def told(status: Status) -> None:
            with telling:
                tell(name, status)
                manager.status(f"{name}: {status.status.value}: {status.message}")

        try:
            client.run(stop, told, lambda: pulses.beat(name))
        finally:
            stop.set()
            wake.set()

    def end(*_: object) -> None:
        stop.set()
        wake.set()

    def hang_up(*_: object) -> None:
        hung_up.set()
        wake.set()

    # Attempts run beside the main thread: a signal must not wait for a host that is silent for 15 seconds.
    agents = [
        threading.Thread(target=work, args=each, name=f"quorate-client {each[0]}", daemon=True)
        for each in list(clients.items())[:PRODUCTS_MAX]
    ]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if hasattr(signal, "SIGHUP") and not os.isatty(0):  # on a terminal it says that the terminal is gone
        signal.signal(signal.SIGHUP, hang_up)
    if ends_with_reader:
        when_reader_goes(end)
    for agent in agents:
        agent.start()
    standing = f"keeps {', '.join(clients)} activated"
    manager.ready(standing)
    while not stop.is_set():  # bounded by `stop`: this is what runs for years
        wake.wait()
        wake.clear()
        if hung_up.is_set() and not stop.is_set():
            hung_up.clear()
            manager.reloading()
            reload()
            manager.ready(standing)
    manager.stopping()
    for agent in agents:
        agent.join(END_S / len(agents))
