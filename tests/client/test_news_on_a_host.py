"""A publisher's word goes its whole way: into a real host, and from there to the client that asks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.core.policy import DAY_S
from quorate.core.revocation import CertificateRevoked, HostRevoked
from quorate.errors import QuorateError
from tests.client.carried import FIRST_KEY, NEXT_KEY, listed, public, trust
from tests.client.parties import Installation
from tests.support.clocks import ManualClock
from tests.support.documents import World, cmid_of
from tests.support.hosting import hosting


def test_keys_and_a_list_come_with_the_next_renewal(tmp_path: Path) -> None:
    world, clock = World(), ManualClock()
    here = Installation(tmp_path / "client", world, clock)
    with hosting(tmp_path, world, clock) as hosted:
        for number in range(1, 26):
            hosted.activate(number)
        client = here.client(hosted)
        assert client.activate().code is None
        assert "list_seen" not in here.read() or here.read()["list_seen"] is None
        rotated = trust(2, [public(FIRST_KEY), public(NEXT_KEY)])
        elsewhere = HostRevoked(id=cmid_of(9), since_s=clock.now_s(), reason="another one")
        with hosted.noticing():
            hosted.administration.keyring.take_belief([rotated], None)
        with hosted.noticing():
            hosted.administration.keyring.take_belief(None, listed(3, elsewhere, signer=NEXT_KEY))
        clock.advance(7 * DAY_S)
        assert client.activate().code is None
        assert here.read()["list_seen"] == {"number": 3, "kid": NEXT_KEY.kid}
        assert here.client().status().status.value == "licensed"


def test_a_host_that_learns_of_its_own_end_says_so_and_its_lease_runs_on(tmp_path: Path) -> None:
    world, clock = World(), ManualClock()
    here = Installation(tmp_path / "client", world, clock)
    with hosting(tmp_path, world, clock) as hosted:
        for number in range(1, 26):
            hosted.activate(number)
        client = here.client(hosted)
        client.activate()
        certificate = hosted.administration.keyring.credentials().certificate
        assert certificate is not None
        clock.advance(7 * DAY_S)
        end = CertificateRevoked(id=certificate.serial, since_s=clock.now_s(), reason="replaced")
        with hosted.noticing():
            hosted.administration.keyring.take_belief(None, listed(1, end))
        with pytest.raises(QuorateError) as caught:
            client.activate()
        assert caught.value.code == "HOST_REVOKED"
        assert client.status().status.value == "licensed"
