"""Root works on a state folder that belongs to a service's user: whatever root makes there, the service can use."""

from __future__ import annotations

import os
from pathlib import Path

from quorate.clock import SystemClock, SystemEntropy
from quorate.host.admin.administration import Administration
from quorate.host.settings.paths import StatePaths
from tests.dns.namespace import need_root
from tests.firewall.room import world_of_one
from tests.support.hosting import certificate_for, make_host

SERVICE_USER = 61_234  # nobody has it; a dynamic user is as anonymous


def owners(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.lstat().st_uid, path.lstat().st_gid) for path in sorted(folder.rglob("*"))
    }


def test_what_root_makes_in_the_services_folder_is_the_services(tmp_path: Path) -> None:
    need_root()
    state, world, clock = tmp_path / "host", world_of_one(), SystemClock()
    state.mkdir(mode=0o700)
    os.chown(state, SERVICE_USER, SERVICE_USER)

    make_host(state, world, clock, activated=False)  # `host init`, as root, in a folder that the service has had
    with Administration.open(StatePaths(state), clock, SystemEntropy()) as host:
        host.install_key(world.product_key.text)
        host.activate(certificate_for(world, host.request(), clock.now_s()))
        host.set_settings({"renewal-interval": "5000"})
        beside = {path.name for path in state.iterdir()}
        assert {"host.db-wal", "host.db-shm"} <= beside, "while it is open, SQLite's own files are there"
        found = owners(state)
    assert set(found.values()) == {(SERVICE_USER, SERVICE_USER)}, found
    assert {"host.key", "product.key", "host.cert", "host.db", "products", "requests"} <= set(found)


def test_in_roots_own_folder_all_stays_roots(tmp_path: Path) -> None:
    need_root()
    make_host(tmp_path / "host", world_of_one(), SystemClock())
    assert set(owners(tmp_path / "host").values()) == {(0, 0)}
