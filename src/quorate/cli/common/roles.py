"""What this machine is: publisher, KMS host, KMS client, several of them, or nothing yet; from its state folders."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quorate.client.settings.environment import Settings
from quorate.client.storage.installed import Installed, installed
from quorate.host.settings.paths import StatePaths
from quorate.host.settings.paths import state_dir as host_state_dir
from quorate.publisher.config import state_dir as publisher_state_dir

__all__ = ["Here", "look_here"]


@dataclass(frozen=True)
class Here:
    """The folders that were looked in, and what is there.

    Attributes:
        given: the folder that was named for all roles, or None.
        client_folders: each holds one folder per product, in the order in which they are looked for.
        products: what is set up for a client, by product id.
        denied: a folder of a KMS host or a client that is there, and that this user may not enter.
    """

    given: Path | None
    publisher_folder: Path
    host_folder: Path
    client_folders: tuple[Path, ...]
    is_publisher: bool
    is_host: bool
    products: dict[str, Installed]
    denied: Path | None

    @property
    def is_client(self) -> bool:
        """Whether a product is set up here."""
        return bool(self.products)

    @property
    def host_paths(self) -> StatePaths:
        """The files of the host that is or would be here."""
        return StatePaths(self.host_folder)


def look_here(folder: Path | None, environ: Mapping[str, str]) -> Here:
    """Look; changes nothing.

    Args:
        folder: what was named with --state-dir; None: `QUORATE_STATE_DIR`, else the platform's places.
    """
    named = environ.get("QUORATE_STATE_DIR")
    given = folder if folder is not None else Path(named) if named else None
    user = 1 if sys.platform == "win32" else os.geteuid()  # there is no root there, and no KMS host
    host = StatePaths(host_state_dir(given, environ, user).absolute())
    publisher = publisher_state_dir(given, environ, user).absolute()
    roots = (given,) if given is not None else Settings.from_environment(environ).roots()
    return Here(
        given=given,
        publisher_folder=publisher,
        host_folder=host.root,
        client_folders=roots,
        is_publisher=_is_file(publisher / "publisher.key"),
        is_host=_is_file(host.identity),
        products={each.product.product: each for root in reversed(roots) for each in installed(root)},
        denied=next((each for each in (host.root, *_machine_folders(given), *roots) if _is_denied(each)), None),
    )


def _machine_folders(given: Path | None) -> tuple[Path, ...]:
    """Where a service keeps its state: an ordinary user's own folder is empty then."""
    return () if given is not None else (Path("/var/lib/quorate/host"),)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be entered
        return False


def _is_denied(folder: Path) -> bool:
    try:
        os.scandir(folder).close()
    except PermissionError:
        return True
    except OSError:  # it is not there
        return False
    return False
