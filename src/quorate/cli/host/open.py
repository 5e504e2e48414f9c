"""From the folder a command names to the host in it, or to its DNS publication."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from quorate.clock import SystemClock, SystemEntropy
from quorate.core.documents import ProductFile
from quorate.errors import QuorateError
from quorate.host.admin.administration import Administration
from quorate.host.admin.configuration import Configuration, config_path
from quorate.host.identity.keyring import HostKeyring
from quorate.host.process.lock import running_host
from quorate.host.publication.check import Hello
from quorate.host.publication.local_machine import Surroundings
from quorate.host.publication.name_servers import Names
from quorate.host.publication.probe import say_hello
from quorate.host.publication.publisher import DnsPublisher, DomainResult
from quorate.host.publication.settings import PublicationSettings
from quorate.host.settings.paths import StatePaths, state_dir
from quorate.host.settings.precedence import Said

__all__ = [
    "OpenedPublication",
    "Opener",
    "configuration_in_use",
    "host_configuration",
    "host_paths",
    "open_host",
    "open_publication",
    "products_of",
    "stronger_note",
]


def host_paths(folder: Path | None) -> StatePaths:
    """Where the host's files are: the folder that was named, else the usual one."""
    return StatePaths(state_dir(folder, os.environ, os.geteuid()).absolute())


def host_configuration(
    paths: StatePaths, named: Path | None = None, flags: Mapping[str, Said] | None = None
) -> Configuration:
    """What this command line says of settings beside the host's store; not read yet."""
    file, is_named = config_path(named, paths.root, os.environ)
    return Configuration(file, os.environ, flags, is_named=is_named)


def open_host(folder: Path | None, *, is_quiet: bool = False) -> Administration:
    """The host there, with the configuration that a running one told, or that one started here would have; raises as
    `Administration.open`. A configuration with a mistake in it is told as a warning, unless this is to be quiet."""
    # What a library says while a command works is not for the person who typed it.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    paths = host_paths(folder)
    host = Administration.open(paths, SystemClock(), SystemEntropy())
    host.configuration, fault = configuration_in_use(paths, products_of(host.keyring))
    if fault is not None and running_host(paths) is None and not is_quiet:
        sys.stderr.write(f"warning: {fault.message}\nhint: {fault.hint}\n")
    return host


def configuration_in_use(
    paths: StatePaths, products: tuple[ProductFile, ...]
) -> tuple[Configuration, QuorateError | None]:
    """What a running host told, or what one started here would have; and what is wrong with the file as it is now."""
    running = running_host(paths)
    if running is None:
        configuration = host_configuration(paths)
        return configuration, configuration.look(products)
    file = None if running.config is None else Path(running.config)
    return Configuration.of_running(running.layers, file), Configuration(file).look(products)


def stronger_note(host: Administration, name: str) -> str | None:
    """After a setting was stored: that it does not take effect as long as something stronger says otherwise."""
    stronger = host.configuration.layers.stronger(name)
    if stronger is None:
        return None
    return (
        f"note: stored, but {name} stays {stronger.value or 'empty'} as long as {stronger.where} says so, which is "
        "stronger. `quorate host config show` tells who says what."
    )


def products_of(keyring: HostKeyring) -> tuple[ProductFile, ...]:
    """What the host serves; nothing where that cannot be read, which is told elsewhere."""
    try:
        return keyring.credentials().products
    except QuorateError:
        return ()


@contextmanager
def open_publication(folder: Path | None) -> Iterator[OpenedPublication]:
    """Its DNS publication; raises as `Administration.open`."""
    around = Surroundings.of_this_machine(SystemClock())
    with open_host(folder) as host:
        settings, publisher = host.publication(around, SystemEntropy())
        yield OpenedPublication(
            settings,
            publisher,
            around.names,
            say_hello,
            host.keyring.host_id,
            will_publish=host.settings().dns_publishing and running_host(host.paths) is not None,
            note=host.note_publication,
        )


@dataclass(frozen=True)
class OpenedPublication:
    """What the commands work on: one host's publication, opened from its state folder.

    `will_publish`: the host runs, and publishes by itself. `note` keeps a record of what was asked for.
    """

    settings: PublicationSettings
    publisher: DnsPublisher
    names: Names
    hello: Hello
    host_id: str
    will_publish: bool = False
    note: Callable[[str, Sequence[DomainResult]], None] = lambda action, results: None

    def publish(self) -> tuple[DomainResult, ...]:
        """Publish now, on record."""
        results = self.publisher.publish()
        self.note("publish", results)
        return results

    def withdraw(self) -> tuple[DomainResult, ...]:
        """Withdraw now, on record."""
        results = self.publisher.withdraw()
        self.note("withdraw", results)
        return results


Opener = Callable[[Path | None], AbstractContextManager[OpenedPublication]]
"""Opens the publication of the host in a state folder (None: the usual one) and closes its store in the end."""
