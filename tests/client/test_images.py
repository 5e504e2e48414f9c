"""Golden images: a client that was set up while the image was made, where no machine has an identity yet."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from quorate.client.identity import Machine
from quorate.core.messages import ActivationRequest, Answer
from tests.client.clones import Copy
from tests.client.test_clones_on_a_host import asked
from tests.support.clocks import ManualClock
from tests.support.documents import World
from tests.support.hosting import hosting

COPIES = 30


def golden(folder: Path, world: World, clock: ManualClock, identity: str | None = None) -> Copy:
    image = Copy(folder, Machine("localhost", identity, is_virtual=True), world, clock, seed=1)
    image.point_at_host()
    return image


@pytest.mark.parametrize("has_asked", [False, True])
@pytest.mark.parametrize("identity", [None, "0" * 32])
def test_thirty_machines_of_one_image_are_thirty_machines(
    tmp_path: Path, has_asked: bool, identity: str | None
) -> None:
    """With /etc/machine-id empty or `uninitialized` in the image; and with one that all copies share."""
    world, clock = World(), ManualClock()
    with hosting(tmp_path, world, clock, settings={"new-cmids-per-hour": "1000"}) as hosted:

        def host(request: ActivationRequest) -> Answer:
            return asked(hosted, request)

        image = golden(tmp_path / "golden", world, clock, identity)
        if has_asked:
            image.ask(host)
        copies = []
        for number in range(COPIES):
            folder = tmp_path / f"{number}"
            shutil.copytree(image.folder, folder)
            own = identity or f"{number:032x}"
            copies.append(Copy(folder, Machine(f"pc-{number:04}", own, is_virtual=True), world, clock, 100 + number))
        for _ in range(2):
            for copy in copies:
                copy.ask(host)
            clock.advance(300)
        for copy in copies:
            copy.ask(host)
        cmids = {copy.standing.state.cmid for copy in copies}
        assert len(cmids) == COPIES
        known = {client.cmid for client in hosted.administration.clients()}
        assert cmids <= known
        assert len(known) <= COPIES + 1, "and the image itself, where it has asked"
        assert {copy.standing.lease is not None for copy in copies} == {True}
    marks = {copy.standing.state.machine for copy in copies}
    assert None not in marks


def test_a_machine_that_gets_its_identity_later_keeps_the_cmid_that_a_host_knows(tmp_path: Path) -> None:
    world, clock = World(), ManualClock()
    with hosting(tmp_path, world, clock) as hosted:

        def host(request: ActivationRequest) -> Answer:
            return asked(hosted, request)

        before = golden(tmp_path / "pc", world, clock)
        before.ask(host)
        cmid = before.standing.state.cmid
        after = Copy(tmp_path / "pc", Machine("localhost", "1" * 32, is_virtual=True), world, clock, seed=2)
        after.ask(host)
        assert after.standing.state.cmid == cmid
        assert after.standing.state.machine is not None
        assert len(hosted.administration.clients()) == 1


def test_where_nothing_has_an_identity_a_record_stays_as_it_is(tmp_path: Path) -> None:
    world, clock = World(), ManualClock()
    with hosting(tmp_path, world, clock) as hosted:
        container = golden(tmp_path / "pc", world, clock)
        cmid = container.standing.state.cmid
        for _ in range(3):
            container.ask(lambda request: asked(hosted, request))
        assert container.standing.state.cmid == cmid
        assert len(hosted.administration.clients()) == 1


def test_looking_from_another_machine_changes_nothing_of_a_shared_record(tmp_path: Path) -> None:
    """A home on NFS, a roaming profile: B's `client status`, also without a network, leaves A's lease alone."""
    world, clock = World(), ManualClock()
    with hosting(tmp_path, world, clock) as hosted:
        for number in range(1, 26):
            hosted.activate(number)
        here = Copy(tmp_path / "home", Machine("a", "a" * 32, is_virtual=False), world, clock, seed=1)
        here.point_at_host()
        here.ask(lambda request: asked(hosted, request))
        assert here.standing.lease is not None
        before = {path: path.read_bytes() for path in (tmp_path / "home").iterdir() if path.is_file()}
        there = Copy(tmp_path / "home", Machine("b", "b" * 32, is_virtual=False), world, clock, seed=2)
        standing = there.standing
        assert (standing.lease, standing.state.cmid == here.standing.state.cmid) == (None, False)
        assert {path: path.read_bytes() for path in before} == before
        assert here.standing.lease is not None
