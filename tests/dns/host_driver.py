"""`quorate host dns` for tests inside a namespace: the real commands, with settings from a JSON file.

    python -m tests.dns.host_driver publish --json --state-dir FOLDER

FOLDER/settings.json holds the settings by name, and `machine`; FOLDER/published.json is the memory, events.jsonl the
event log.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.resolver

from quorate.cli.common.output import exit_code, report
from quorate.cli.host.dns import dns_app
from quorate.cli.host.open import OpenedPublication
from quorate.clock import SystemClock, SystemEntropy
from quorate.core.events import HostEvent
from quorate.core.messages import encode
from quorate.errors import QuorateError
from quorate.host.publication.name_servers import Names
from quorate.host.publication.probe import say_hello
from quorate.host.publication.publisher import DnsPublisher
from quorate.host.publication.settings import PublicationSettings


class FileMemory:
    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self) -> str | None:
        return self._path.read_text() if self._path.exists() else None

    def change(self, edit: Callable[[str | None], str]) -> None:
        self._path.write_text(edit(self.get()))


@contextmanager
def open_publication(state_dir: Path | None) -> Iterator[OpenedPublication]:
    folder = state_dir or Path.cwd()
    values = json.loads((folder / "settings.json").read_text())
    machine, service = values.pop("machine"), values.pop("service", "_quorate._tcp")
    machine_keytab = values.pop("machine_keytab", None)
    settings = PublicationSettings.parse(
        values,
        machine=machine,
        services=(service,),
        machine_keytab=Path(machine_keytab) if machine_keytab else None,
    )
    clock = SystemClock()
    resolver = dns.resolver.Resolver()
    resolver.port = int(os.environ.get("TEST_DNS_PORT", "53"))
    names = Names(resolver, clock, port=resolver.port)

    def record_event(event: HostEvent) -> None:
        with (folder / "events.jsonl").open("ab") as log:
            log.write(encode(event) + b"\n")

    publisher = DnsPublisher(
        settings,
        names=names,
        memory=FileMemory(folder / "published.json"),
        clock=clock,
        entropy=SystemEntropy(),
        record_event=record_event,
    )
    yield OpenedPublication(settings, publisher, names, say_hello, "00000000-0000-4000-8000-000000000001")


if __name__ == "__main__":
    try:
        dns_app(open_publication)()
    except QuorateError as error:
        report(error, "--json" in sys.argv)
        sys.exit(exit_code(error))
