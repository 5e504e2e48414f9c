"""From the folder a command names to the host in it, or to its DNS publication."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import structlog

from quorate.cli.host_dns import OpenedPublication
from quorate.clock import SystemClock, SystemEntropy
from quorate.core.documents import ProductFile
from quorate.errors import QuorateError
from quorate.host.administration import Administration
from quorate.host.config import StatePaths, state_dir
from quorate.host.configuration import Configuration, config_path
from quorate.host.keyring import HostKeyring
from quorate.host.layers import Said
from quorate.host.process import running_host
from quorate.host.publication.hello import say_hello
from quorate.host.publication.machine import Surroundings
from quorate.host.store.store import Store
from quorate.owner import as_asker, working_as_owner

__all__ = [
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


class _Opened(Administration):
    """Until it is closed root works with the rights of the folder's owner (`quorate.owner`)."""

    lent: ExitStack | None = None

    @classmethod
    def of(cls, paths: StatePaths) -> _Opened:
        """Raises as `Administration.open`."""
        keyring = HostKeyring(paths, SystemClock(), SystemEntropy())
        return cls(keyring, Store.open(paths.database), SystemClock())

    def close(self) -> None:
        super().close()
        lent, self.lent = self.lent, None
        if lent is not None:
            lent.close()


def open_host(folder: Path | None, *, is_quiet: bool = False) -> Administration:
    """The host there, with the configuration that a running one told, or that one started here would have; raises as
    `Administration.open`. A configuration with a mistake in it is told as a warning, unless this is to be quiet."""
    # What a library says while a command works is not for the person who typed it.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    paths = host_paths(folder)
    with ExitStack() as lent:
        lent.enter_context(working_as_owner(paths.root))
        host = _Opened.of(paths)
        lent.push(host)
        host.configuration, fault = configuration_in_use(paths, products_of(host.keyring))
        if fault is not None and running_host(paths) is None and not is_quiet:
            sys.stderr.write(f"warning: {fault.message}\nhint: {fault.hint}\n")
        host.lent = lent.pop_all()
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
        will_publish = host.settings().dns_publishing and running_host(host.paths) is not None
        with as_asker():  # the machine's own keytab is root's
            settings, publisher = host.publication(around, SystemEntropy())
            yield OpenedPublication(
                settings,
                publisher,
                around.names,
                say_hello,
                host.keyring.host_id,
                will_publish=will_publish,
                note=host.note_publication,
            )
