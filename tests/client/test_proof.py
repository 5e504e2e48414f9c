"""A CMID is a name; that it is one's own is proved. Real clients and a real host, question by question."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from quorate.client.discovery.target import Target
from quorate.client.identity import Machine
from quorate.core.messages import ActivationRequest, Answer
from quorate.core.policy import DAY_S
from quorate.errors import CmidSupersededError, MalformedRequestError
from tests.client.clones import Copy, Host
from tests.client.test_clones_on_a_host import asked
from tests.support.clocks import ManualClock
from tests.support.documents import World
from tests.support.hosting import Hosted, hosting, make_host, running


class Wire:
    """The way to one host; all that goes over it is overheard."""

    def __init__(self, hosted: Hosted) -> None:
        self.hosted = hosted
        self.heard: list[ActivationRequest] = []

    def __call__(self, request: ActivationRequest) -> Answer:
        self.heard.append(request)
        return asked(self.hosted, request)

    def of_before(self, request: ActivationRequest) -> Answer:
        """The host of an earlier release, which knows no such members."""
        if request.commit is not UNSET or request.reveals is not UNSET:
            self.heard.append(request)
            raise MalformedRequestError(reason="Object contains unknown field 'commit'")
        return self(request)

    def machines(self) -> int:
        group = self.hosted.world.product.group
        return self.hosted.administration.status().machines[group]["client"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def wire(tmp_path: Path, world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here is about power failures
    (tmp_path / "host").mkdir(mode=0o700)
    with hosting(tmp_path / "host", world, clock) as hosted:
        for number in range(1, 26):
            hosted.activate(number)
        yield Wire(hosted)


@pytest.fixture
def copy(tmp_path: Path, world: World, clock: ManualClock, wire: Wire) -> Copy:
    """A client that was activated once."""
    copy = Copy(tmp_path / "client", Machine("pc", "1" * 32, is_virtual=False), world, clock, seed=1)
    copy.point_at_host()
    assert copy.ask(wire) is None
    return copy


def rearm(copy: Copy) -> None:
    with copy.keeper.exclusive(0):
        state = copy.keeper.standing(copy.clock.now_s(), is_locked=True).state
        copy.keeper.keep(state.rearmed(copy.clock.now_s(), copy.keeper._entropy, copy.policy), None)


def lost() -> bool:
    return True


def test_the_secret_is_the_owners_alone_and_never_travels(copy: Copy, wire: Wire) -> None:
    path = copy.folder / "client.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = path.read_text().strip()
    copy.clock.advance(7 * DAY_S)
    assert copy.ask(wire) is None
    assert secret not in "".join(map(repr, wire.heard))
    for other in copy.folder.iterdir():
        assert other == path or secret not in other.read_text()
    first, second = wire.heard
    assert first.reveals is UNSET
    assert second.reveals is not UNSET
    assert len(second.reveals) == 1


def test_a_rearm_leaves_one_record(copy: Copy, wire: Wire) -> None:
    machines = wire.machines()
    for _ in range(2):
        rearm(copy)
        assert copy.ask(wire) is None
    assert wire.machines() == machines


def test_a_rearm_whose_answers_are_lost_leaves_one_record(copy: Copy, wire: Wire) -> None:
    machines = wire.machines()
    rearm(copy)
    for _ in range(3):
        assert copy.ask(wire, lost) is not None
    assert copy.ask(wire) is None
    assert wire.machines() == machines


def test_a_second_rearm_before_the_first_was_answered_leaves_one_record(copy: Copy, wire: Wire) -> None:
    machines = wire.machines()
    rearm(copy)
    assert copy.ask(wire, lost) is not None  # the host has heard it all the same
    rearm(copy)
    assert copy.ask(wire) is None
    assert wire.machines() == machines


def test_two_rearms_without_a_host_between_leave_one_record(copy: Copy, wire: Wire) -> None:
    machines = wire.machines()
    rearm(copy)
    rearm(copy)
    assert copy.ask(wire) is None
    assert wire.machines() == machines


def test_a_pending_question_before_a_rearm_is_proved_too(copy: Copy, wire: Wire) -> None:
    machines = wire.machines()
    assert copy.ask(wire, lost) is not None
    rearm(copy)
    assert copy.ask(wire) is None
    assert wire.machines() == machines


def test_another_edition_after_a_lost_answer_is_still_the_same_machine(copy: Copy, wire: Wire) -> None:
    machines = wire.machines()
    assert copy.ask(wire, lost) is not None
    now_s = copy.clock.now_s()
    with copy.keeper.exclusive(0):
        standing = copy.keeper.standing(now_s, is_locked=True)
        copy.keeper.keep(standing.state.with_edition(standing.state.edition), standing.lease)
    rearm(copy)
    assert copy.ask(wire) is None
    assert wire.machines() == machines


def test_what_one_host_has_answered_is_not_shown_to_another(
    tmp_path: Path, copy: Copy, wire: Wire, world: World, clock: ManualClock
) -> None:
    make_host(tmp_path / "other", world, clock, seed=7)
    with running(tmp_path / "other", world, clock) as hosted:
        for number in range(1, 26):
            hosted.activate(number)
        other = Wire(hosted)
        set_host(copy, "other.test")
        for _ in range(2):
            assert copy.ask(other) is None
        first, second = other.heard
        assert first.reveals is UNSET
        assert second.reveals is not UNSET
        assert len(second.reveals) == 1
        set_host(copy, "127.0.0.1")
        assert copy.ask(wire) is None  # back, and still known there
        last = wire.heard[-1]
        assert last.reveals is not UNSET
        assert set(last.reveals).isdisjoint(second.reveals)
        machines = wire.machines()
        rearm(copy)
        assert copy.ask(wire) is None
        assert wire.machines() == machines


def set_host(copy: Copy, name: str) -> None:
    now_s = copy.clock.now_s()
    with copy.keeper.exclusive(0):
        standing = copy.keeper.standing(now_s, is_locked=True)
        copy.keeper.keep(standing.state.with_host(Target.parse(name), now_s), standing.lease)


def test_a_host_by_another_name_is_asked_once_more_before_a_cmid_is_given_up(copy: Copy, wire: Wire) -> None:
    cmid = copy.standing.state.cmid
    set_host(copy, "renamed.test")
    renamed = replace_name(wire, "pc-renamed")
    assert copy.ask(renamed) is None
    assert copy.standing.state.cmid == cmid
    assert [request.reveals is UNSET for request in wire.heard] == [True, True, False]


def replace_name(wire: Wire, name: str) -> Host:
    """A machine that got another name as well: nothing but its secret tells that it is the same."""
    return lambda request: wire(replace(request, machine=name))


def test_a_host_of_before_is_asked_once_more_without_a_proof(copy: Copy, wire: Wire) -> None:
    copy.clock.advance(7 * DAY_S)
    assert copy.ask(wire.of_before) is None
    proved, bare = wire.heard[-2:]
    assert proved.commit is not UNSET
    assert (bare.commit, bare.reveals, bare.nonce) == (UNSET, UNSET, proved.nonce)
    events = [msgspec.json.decode(line) for line in (copy.folder / "events.jsonl").read_bytes().splitlines()]
    assert not any(event.get("code") == "MALFORMED_REQUEST" for event in events)


def test_a_record_of_before_is_carried_over_and_locked_at_its_next_renewal(
    tmp_path: Path, world: World, clock: ManualClock, wire: Wire
) -> None:
    old = Copy(tmp_path / "old", Machine("pc", "1" * 32, is_virtual=False), world, clock, seed=2)
    old.point_at_host()
    assert old.ask(wire.of_before) is None
    record = msgspec.json.decode((old.folder / "client.json").read_bytes())
    for name in ("heard", "has_secret"):
        record.pop(name)
    (old.folder / "client.json").write_bytes(msgspec.json.encode(record))
    (old.folder / "client.key").unlink()
    cmid = old.standing.state.cmid
    clock.advance(7 * DAY_S)
    assert old.ask(wire) is None
    assert old.standing.state.cmid == cmid
    machines = wire.machines()
    rearm(old)
    assert old.ask(wire) is None
    assert wire.machines() == machines


def test_without_its_secret_a_machine_is_answered_all_the_same(copy: Copy, wire: Wire) -> None:
    (copy.folder / "client.key").unlink()
    cmid = copy.standing.state.cmid
    for _ in range(3):
        copy.clock.advance(7 * DAY_S)
        assert copy.ask(wire) is None
    assert copy.standing.state.cmid == cmid


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b"\xff" * 64, b"A" * 10_000])
def test_a_secret_that_is_none_is_made_anew(copy: Copy, wire: Wire, content: bytes) -> None:
    (copy.folder / "client.key").write_bytes(content)
    assert copy.ask(wire) is None
    assert len((copy.folder / "client.key").read_text().strip()) == 43


def test_copies_of_an_image_with_its_secret_end_as_machines_of_their_own(
    tmp_path: Path, copy: Copy, wire: Wire, world: World, clock: ManualClock
) -> None:
    copies = []
    for number in range(4):
        folder = tmp_path / f"copy-{number}"
        folder.mkdir()
        for path in copy.folder.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        copies.append(Copy(folder, Machine(f"vm-{number}", "1" * 32, is_virtual=True), world, clock, 50 + number))
    assert copies[0].ask(wire) is None
    for each in copies[1:]:
        assert isinstance(each.ask(wire), CmidSupersededError)
        assert each.ask(wire) is None
    assert len({each.standing.state.cmid for each in copies}) == 4
    assert len({(each.folder / "client.key").read_text() for each in copies}) == 4
