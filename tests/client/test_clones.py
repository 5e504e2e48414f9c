"""Two hundred machines from one activated image: none is blocked, and each ends as a machine of its own."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from quorate.client.identity import Machine
from quorate.core.messages import LicenseStatus
from quorate.core.policy import DAY_S, MINUTE_S
from tests.client.clones import Copy, LineageHost, image_of
from tests.support.clocks import ManualClock
from tests.support.documents import World

COPIES = 200
LOST = 0.3  # of all replies
ROUNDS_MAX = 500


def identity_of(number: int) -> str:
    return f"{number:032x}"


def an_image(folder: Path, world: World, clock: ManualClock, host: LineageHost, *, is_asking: bool) -> Copy:
    """A machine that was activated; `is_asking`: and had asked again, without an answer, when its image was made."""
    origin = Copy(folder, Machine("golden.contoso.example", identity_of(0), is_virtual=True), world, clock, seed=1)
    origin.point_at_host()
    assert origin.ask(host) is None
    if is_asking:
        clock.advance(7 * DAY_S)
        assert origin.ask(host, lambda: True) is not None
    return origin


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is about power failures, and two hundred disks are one here."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.parametrize(
    ("seed", "is_same_identity", "is_asking"),
    [(1, False, False), (2, False, True), (3, True, False), (4, True, True)],
    ids=["sysprepped", "sysprepped while asking", "one identity for all", "one identity, while asking"],
)
def test_two_hundred_copies_of_an_activated_image_end_as_two_hundred_machines(
    tmp_path: Path, seed: int, is_same_identity: bool, is_asking: bool
) -> None:
    world, clock, random = World(), ManualClock(), Random(seed)
    host = LineageHost(world, clock)
    origin = an_image(tmp_path / "golden", world, clock, host, is_asking=is_asking)
    original = origin.standing.state.cmid
    clock.advance(DAY_S)
    copies = []
    for number in range(1, COPIES + 1):
        folder = tmp_path / f"{number}"
        image_of(origin, folder, random)
        machine = Machine(f"pc-{number:04}", identity_of(0 if is_same_identity else number), is_virtual=True)
        copies.append(Copy(folder, machine, world, clock, seed * 1000 + number))
    random.shuffle(copies)
    waiting = list(copies)
    for _ in range(ROUNDS_MAX):  # a minute each
        for _ in range(random.randrange(8)):
            if waiting:
                waiting.pop().ask(host, lambda: random.random() < LOST)
        started = [copy for copy in copies if copy not in waiting]
        for copy in started:
            status = copy.standing.life_at(clock.now_s(), world.policy).status
            assert status in (LicenseStatus.LICENSED, LicenseStatus.ADDITIONAL_GRACE)
            if is_same_identity:
                assert status is LicenseStatus.LICENSED  # not for a moment was it blocked
            if copy.is_due:
                copy.ask(host, lambda: random.random() < LOST)
        clock.advance(MINUTE_S)
    clock.advance(7 * DAY_S)  # who shares an answer with another is told at its renewal
    for _ in range(12):
        for copy in random.sample(copies, COPIES):
            if copy.is_due:
                copy.ask(host, lambda: random.random() < LOST)
        clock.advance(2 * 3600)
    cmids = {copy.standing.state.cmid for copy in copies}
    assert len(cmids) == COPIES
    assert cmids | {original} == set(host.records)  # nobody counts twice, and no record was taken away
    assert all(copy.standing.life_at(clock.now_s(), world.policy).status is LicenseStatus.LICENSED for copy in copies)
    assert (original in cmids) is is_same_identity  # one of them has gone on with it
    assert (host.superseded > 0) is is_same_identity


def test_a_lost_reply_is_no_fork(tmp_path: Path) -> None:
    world, clock, random = World(), ManualClock(), Random(5)
    host = LineageHost(world, clock)
    machine = an_image(tmp_path / "golden", world, clock, host, is_asking=False)
    cmid = machine.standing.state.cmid
    for _ in range(100):
        clock.advance(DAY_S)
        machine.ask(host, lambda: random.random() < 0.7)
    assert host.superseded == 0
    assert machine.standing.state.cmid == cmid
    assert set(host.records) == {cmid}
