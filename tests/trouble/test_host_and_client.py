"""A host's and a client's commands on a full or read-only disk; the running host is in tests/host/test_faults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate.clock import SystemClock
from tests.cli.test_host_cli import Done, quorate
from tests.firewall.room import world_of_one
from tests.support.clocks import ManualClock
from tests.support.documents import World
from tests.support.hosting import Hosted, hosting
from tests.trouble.disks import Disk, disk


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    with disk(tmp_path / "disk") as made:
        yield made


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    """What a publisher ships."""
    return shipped(tmp_path, World())


def shipped(folder: Path, world: World) -> tuple[str, ...]:
    product, trust = folder / "acme-cad.product", folder / "publisher.jwks"
    product.write_text(world.product_token)
    trust.write_bytes(world.jwks)
    return ("--product", str(product), "--trust", str(trust))


def clearly(done: Done, reason: str) -> None:
    """It failed, and said so in a person's words."""
    assert done.returncode == 1, done
    assert reason in done.stderr.lower()
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("role", ["host", "client"])
def test_set_up_on_a_full_disk_leaves_nothing_half_made_and_works_later(
    small: Disk, files: tuple[str, ...], role: str
) -> None:
    state = small.root / role
    with small.full():
        clearly(quorate(role, "init", *files, state_dir=state), "full" if role == "host" else "no space left")
    done = quorate(role, "init", *files, state_dir=state)
    assert done.returncode == 0, done.stderr
    assert quorate(role, "status", state_dir=state).returncode == 0


@pytest.mark.parametrize("role", ["host", "client"])
def test_set_up_on_a_read_only_disk_is_told(small: Disk, files: tuple[str, ...], role: str) -> None:
    with small.read_only():
        clearly(quorate(role, "init", *files, state_dir=small.root / role), "read-only")
    assert quorate(role, "init", *files, state_dir=small.root / role).returncode == 0


def test_what_is_set_on_a_hosts_full_or_read_only_disk_is_told_and_not_half_set(
    small: Disk, files: tuple[str, ...]
) -> None:
    state = small.root / "host"
    assert quorate("host", "init", *files, state_dir=state).returncode == 0
    before = settings(state)
    with small.read_only():
        clearly(quorate("host", "set", "renewal-interval", "5000", state_dir=state), "the disk is read-only")
        clearly(quorate("host", "install-key", World().product_key.text, state_dir=state), "read-only")
    with small.full():
        clearly(quorate("host", "install-key", World().product_key.text, state_dir=state), "the disk is full")
    assert settings(state) == before
    assert quorate("host", "set", "renewal-interval", "5000", state_dir=state).returncode == 0
    assert settings(state)["renewal_interval_min"] == 5000


def settings(state: Path) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(quorate("host", "status", "--json", state_dir=state).stdout)
    return {name: shown[name] for name in ("renewal_interval_min", "activation_interval_min", "port", "activated")}


@pytest.fixture
def licensed(small: Disk, tmp_path: Path) -> Iterator[tuple[Path, Hosted]]:
    """A machine on that disk that a real host has activated."""
    world = world_of_one()
    state = small.root / "client"
    with hosting(tmp_path / "kms", world, ManualClock(SystemClock().now_s())) as host:
        for words in (
            ("init", *shipped(tmp_path, world)),
            ("set-host", f"127.0.0.1:{host.port}"),
            ("activate",),
        ):
            done = quorate("client", *words, state_dir=state)
            assert done.returncode == 0, done.stderr
        yield state, host


def status(state: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(quorate("client", "status", "--json", state_dir=state).stdout)
    return found


@pytest.mark.parametrize("trouble", ["full", "read_only"])
def test_a_licensed_machine_stays_so_on_a_disk_in_trouble_and_doctor_names_it(
    small: Disk, licensed: tuple[Path, Hosted], trouble: str
) -> None:
    state, host = licensed
    before = status(state)
    with getattr(small, trouble)():
        assert (status(state)["status"], status(state)["cmid"]) == ("licensed", before["cmid"])
        asked = quorate("client", "activate", state_dir=state)
        clearly(asked, "no space left" if trouble == "full" else "read-only")
        seen = json.loads(quorate("doctor", "--role", "client", "--json", state_dir=state).stdout)
        assert (seen["cause"], seen["level"]) == ("FILE_ACCESS", "fail")
        assert "df " in seen["fix"] or "free space" in seen["fix"].lower()
    assert quorate("client", "activate", state_dir=state).returncode == 0
    assert status(state)["cmid"] == before["cmid"]
    assert len(host.administration.clients()) == 1, "it was one machine all the time"
