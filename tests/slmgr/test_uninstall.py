"""A client that was uninstalled (slmgr `/upk`): Unlicensed, silent, and back without a second machine being counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.client.storage.status import NEVER_S
from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S
from quorate.errors import UninstalledError
from tests.client.parties import Installation, scripted
from tests.support.clocks import START_S, ManualClock
from tests.support.documents import World


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path, World(), ManualClock())


def test_it_stays_uninstalled_for_every_process_and_every_year(here: Installation) -> None:
    with scripted(here.world, here.clock) as host:
        client = here.client(host)
        cmid = client.activate().cmid
        assert client.uninstall().status is LicenseStatus.UNLICENSED
        for days in (0, 1, 400):
            here.clock.advance(days * DAY_S)
            other = here.client(seed=2)
            status = other.renew_if_due()
            assert (status.status, status.usable, status.code) == (LicenseStatus.UNLICENSED, False, "UNINSTALLED")
            assert (status.cmid, status.expires_s, status.next_attempt_s) == (cmid, None, NEVER_S)
            with pytest.raises(UninstalledError):
                other.activate()
        assert len(host.requests) == 1


def test_settings_may_change_meanwhile_and_nothing_else_does(here: Installation) -> None:
    client = here.client()
    client.uninstall()
    assert client.set_host("kms01").host == "kms01:1688"
    assert client.set_domain("corp.example").status is LicenseStatus.UNLICENSED
    assert client.uninstall().host == "kms01:1688"
    with pytest.raises(UninstalledError):
        client.rearm()
    assert here.client(seed=3).status().status is LicenseStatus.UNLICENSED


def test_installed_again_it_is_the_same_machine_and_one_rearm_is_used(here: Installation) -> None:
    with scripted(here.world, here.clock) as host:
        client = here.client(host)
        cmid = client.status().cmid
        client.uninstall()
        status = client.install_again()
        assert (status.status, status.cmid) == (LicenseStatus.INITIAL_GRACE, cmid)
        assert status.expires_s == START_S + 30 * DAY_S
        assert here.read()["life"]["rearms"] == 1
        assert client.activate().status is LicenseStatus.LICENSED
        assert client.install_again().status is LicenseStatus.LICENSED  # which takes nothing back


def test_uninstalling_buys_no_grace_beyond_the_rearms(here: Installation) -> None:
    client = here.client()
    for _ in range(here.world.policy.rearm_limit):
        client.uninstall()
        assert client.install_again().usable
    client.uninstall()
    status = client.install_again()
    assert (status.status, status.usable) == (LicenseStatus.NOTIFICATION, False)


def test_an_uninstalled_record_on_another_machine_stays_uninstalled(here: Installation) -> None:
    client = here.client()
    client.uninstall()
    here.change(machine={"salt": "AAAAAAAAAAAAAAAAAAAAAA", "digest": "A" * 43})
    assert here.client(seed=4).status().status is LicenseStatus.UNLICENSED


def test_the_lease_is_gone_and_does_not_come_back(here: Installation) -> None:
    with scripted(here.world, here.clock) as kms:
        client = here.client(kms)
        client.activate()
        client.uninstall()
    assert here.read()["lease"] is None
    assert client.install_again().status is LicenseStatus.INITIAL_GRACE
