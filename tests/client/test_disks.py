"""Disks that cannot be written: full, read-only, somebody else's. A status is always had, and no lease is lost."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator

import pytest

from quorate import Client
from quorate.client.identity import Machine
from quorate.core.policy import DAY_S, HOUR_S
from quorate.errors import FileAccessError
from tests.client.parties import Installation, ScriptedHost
from tests.support.clocks import START_S

ELSEWHERE = Machine(name="pc-0002.contoso.example", identity="b" * 32, is_virtual=False)


def test_where_no_folder_can_be_made_the_lease_is_used_in_memory(here: Installation, host: ScriptedHost) -> None:
    here.state_dir.write_text("a file where the folder should be")
    client = here.client()
    status = client.status()
    assert (status.status.value, status.usable) == ("initial_grace", True)
    assert client.status().cmid == status.cmid
    with pytest.raises(FileAccessError):
        client.set_host(f"127.0.0.1:{host.port}")
    assert client.status().host is None


def test_a_record_that_may_not_be_changed_is_read_all_the_same(
    here: Installation, licensed: Client, host: ScriptedHost
) -> None:
    lock = here.record.parent / "client.lock"
    lock.unlink()
    lock.mkdir()  # what cannot be opened for writing, for root neither
    here.clock.advance(DAY_S)
    other = here.client(seed=2)
    assert other.status().status.value == "licensed"
    asked = len(host.requests)
    with pytest.raises(FileAccessError):
        other.activate()
    assert len(host.requests) == asked  # a lease that is lost would supersede the one that is kept
    assert other.status().expires_s == licensed.status().expires_s == START_S + 180 * DAY_S
    here.clock.advance(30 * DAY_S)
    assert here.client(seed=3).renew_if_due().status.value == "licensed"
    assert len(host.requests) == asked  # by itself it leaves another user's lineage alone


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow beyond 64 bytes: writing fails as on a full disk, for root too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_stops_no_activation_and_loses_no_record(here: Installation, host: ScriptedHost) -> None:
    client = here.client(host)
    before = here.record.read_bytes()
    with full_disk():
        with pytest.raises(FileAccessError):
            client.activate()
        assert client.status().status.value == "licensed"
    assert here.record.read_bytes() == before
    client.renew_if_due()  # the disk has room again: what was in memory is written
    assert here.client(seed=2).status().status.value == "licensed"


def test_a_full_disk_puts_off_a_renewal_rather_than_its_lineage(
    here: Installation, licensed: Client, host: ScriptedHost
) -> None:
    here.clock.advance(7 * DAY_S)
    with full_disk():
        status = licensed.renew_if_due()
    assert (status.status.value, status.code) == ("licensed", "FILE_ACCESS")
    assert len(host.requests) == 1
    here.clock.advance(2 * HOUR_S)
    assert licensed.renew_if_due().code is None
