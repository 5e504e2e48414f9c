"""From the folder a command names to the host in it, or to its DNS publication."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from quorate.cli.host_dns import OpenedPublication
from quorate.clock import SystemClock, SystemEntropy
from quorate.host.administration import Administration
from quorate.host.config import StatePaths, state_dir
from quorate.host.process import running_host
from quorate.host.publication.hello import say_hello
from quorate.host.publication.machine import Surroundings

__all__ = ["host_paths", "open_host", "open_publication"]


def host_paths(folder: Path | None) -> StatePaths:
    """Where the host's files are: the folder that was named, else the usual one."""
    return StatePaths(state_dir(folder, os.environ, os.geteuid()).absolute())


def open_host(folder: Path | None) -> Administration:
    """The host there; raises as `Administration.open`."""
    # What a library says while a command works is not for the person who typed it.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    return Administration.open(host_paths(folder), SystemClock(), SystemEntropy())


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
