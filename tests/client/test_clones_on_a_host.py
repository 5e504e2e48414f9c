"""The two hundred copies once more, before a real host with its limits: only lineage tells them apart there."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from quorate.client.identity import Machine
from quorate.core.messages import ActivationRequest, Answer, LicenseStatus
from quorate.core.policy import DAY_S
from tests.client.clones import Copy, image_of
from tests.support.clocks import ManualClock
from tests.support.documents import World
from tests.support.hosting import Hosted, hosting

COPIES, OTHERS = 200, 25
LOST = 0.3  # of all replies
ROUNDS_MAX = 3000
ONE_FOR_ALL = "0" * 32


def asked(hosted: Hosted, request: ActivationRequest) -> Answer:
    """The host's answer, or the problem it reports, raised."""
    reply = hosted.post(request)
    if reply.status == 200:
        return reply.answer
    error = reply.problem.error()
    assert error is not None, reply.body
    error.values["retry_after_s"] = reply.problem.retry_after_s
    raise error


def test_copies_of_one_identity_end_as_machines_of_their_own_and_are_counted_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here is about power failures
    world, clock, random = World(), ManualClock(), Random(3)

    def is_lost() -> bool:
        return random.random() < LOST

    with hosting(tmp_path, world, clock) as hosted:

        def host(request: ActivationRequest) -> Answer:
            return asked(hosted, request)

        for number in range(1, OTHERS + 1):
            hosted.activate(number)
        origin = Copy(tmp_path / "golden", Machine("golden", ONE_FOR_ALL, is_virtual=True), world, clock, seed=1)
        origin.point_at_host()
        assert origin.ask(host) is None
        clock.advance(DAY_S)
        copies = []
        for number in range(1, COPIES + 1):
            image_of(origin, tmp_path / f"{number}", random)
            machine = Machine(f"pc-{number:04}", ONE_FOR_ALL, is_virtual=True)
            copies.append(Copy(tmp_path / f"{number}", machine, world, clock, 3000 + number))
        random.shuffle(copies)
        begun_s = clock.now_s()
        for copy in copies:
            copy.ask(host, is_lost)
        for _ in range(ROUNDS_MAX):
            now_s = clock.now_s()
            if _are_settled(copies):
                break
            due_s = min(copy.standing.next_attempt_s(now_s, world.policy) for copy in copies)
            clock.advance(max(due_s - now_s, 0))
            for copy in copies:
                assert copy.standing.life_at(clock.now_s(), world.policy).status is LicenseStatus.LICENSED
                if copy.is_due:
                    copy.ask(host, is_lost)
        assert _are_settled(copies)
        assert clock.now_s() - begun_s < 15 * DAY_S  # two renewals
        cmids = {copy.standing.state.cmid for copy in copies}
        assert len(cmids) == COPIES
        machines = hosted.administration.status().machines[world.product.group]["client"]
        assert machines == OTHERS + len(cmids | {origin.standing.state.cmid})


def _are_settled(copies: list[Copy]) -> bool:
    """Whether each has a CMID of its own, and a lease for it."""
    states = [copy.standing.state for copy in copies]
    return len({state.cmid for state in states}) == len(states) and all(state.superseded_s is None for state in states)
