"""The record on disk: damaged, foreign, copied, unwritable. A client always has an answer, and never a crash."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quorate import Client
from quorate.client.identity import Machine
from quorate.core.documents import sign
from quorate.core.lease import LEASE
from quorate.core.policy import DAY_S, Policy, Threshold, Thresholds
from quorate.errors import RearmLimitReachedError
from tests.client.parties import HERE, Installation, ScriptedHost
from tests.support.clocks import START_S
from tests.support.documents import CLIENT_EDITION, SERVER_EDITION, World, cmid_of, signing_key

ELSEWHERE = Machine(name="pc-0002.contoso.example", identity="b" * 32, is_virtual=False)


def test_a_first_status_begins_the_initial_grace_once(here: Installation) -> None:
    status = here.client().status()
    assert (status.status.value, status.usable, status.code) == ("initial_grace", True, None)
    assert status.expires_s == START_S + 30 * DAY_S
    assert (status.edition, status.threshold, status.host) == (CLIENT_EDITION, 25, None)
    here.clock.advance(10 * DAY_S)
    assert here.client(seed=2).status().cmid == status.cmid
    assert here.client(seed=2).status().expires_s == status.expires_s
    here.clock.advance(20 * DAY_S)
    status = here.client(seed=3).status()
    assert (status.status.value, status.usable, status.code) == ("notification", False, "GRACE_EXPIRED")


def test_status_is_the_same_for_every_process(here: Installation, licensed: Client) -> None:
    assert here.client(seed=2).status() == licensed.status()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "one byte short": lambda data: data[:-1],
    "garbage": lambda data: b"\x00\xff" * 700,
    "not an object": lambda data: b"[]",
    "another object": lambda data: b'{"product": "acme-cad"}',
    "deep": lambda data: b"[" * 50_000,
    "huge": lambda data: data + b" " * 70_000,
    "an unknown field": lambda data: data[:-1] + b',"more":1}',
    "a field twice": lambda data: data[:-1] + b',"attempts":1}',
    "a wrong type": lambda data: data.replace(b'"attempts":1', b'"attempts":"1"'),
    "a fraction": lambda data: data.replace(b'"attempts":1', b'"attempts":1.0'),
    "a status of its own": lambda data: data.replace(b'"licensed"', b'"notification"'),
    "no such status": lambda data: data.replace(b'"licensed"', b'"forever"'),
    "a lease too few": lambda data: msgspec.json.encode(msgspec.json.decode(data) | {"lease": None}),
    "an endless time": lambda data: msgspec.json.encode(msgspec.json.decode(data) | {"proven_s": 10**30}),
    "a host that is none": lambda data: msgspec.json.encode(msgspec.json.decode(data) | {"host": "a b"}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_is_set_aside_told_and_begun_anew(
    here: Installation, licensed: Client, host: ScriptedHost, damage: str
) -> None:
    cmid = licensed.status().cmid
    damaged = DAMAGES[damage](here.record.read_bytes())
    here.record.write_bytes(damaged)
    for client in (licensed, here.client(seed=5), here.client(seed=6)):
        status = client.status()
        assert (status.status.value, status.code, status.usable) == ("initial_grace", "LEASE_DAMAGED", True)
        assert "client.json.damaged-1" in status.hint
        assert status.cmid != cmid
    assert (here.record.parent / "client.json.damaged-1").read_bytes() == damaged
    assert not (here.record.parent / "client.json.damaged-2").exists()
    licensed.set_host(f"127.0.0.1:{host.port}")
    assert licensed.activate().code is None


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_bytes_whatever_make_status_raise(tmp_path_factory: Any, data: st.DataObject) -> None:
    here = Installation(tmp_path_factory.mktemp("pc"))
    here.client().status()
    whole = here.record.read_bytes()
    bent = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(bent) - 1))
        bent[place : place + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    here.record.write_bytes(bytes(bent))
    assert here.client(seed=2).status().status.value in ("initial_grace", "additional_grace", "notification")


def test_set_aside_records_are_bounded(here: Installation) -> None:
    for n in range(9):
        here.client(seed=n).status()
        here.record.write_bytes(b"garbage %d" % n)
    here.client().status()
    kept = sorted(here.record.parent.glob("client.json.damaged-*"))
    assert len(kept) == 5
    assert kept[-1].read_bytes() == b"garbage 8"


def test_a_lease_with_one_letter_changed_is_a_bad_signature(here: Installation, licensed: Client) -> None:
    lease = here.read()["lease"]
    head, said, signature = lease.split(".")
    here.change(lease=f"{head}.{said[:30]}{'A' if said[30] != 'A' else 'B'}{said[31:]}.{signature}")
    status = licensed.status()
    assert status.code == "BAD_SIGNATURE"
    assert status.status.value == "additional_grace"  # as after a change of hardware; no new initial grace
    assert (here.record.parent / "client.json.damaged-1").exists()


def test_a_cut_off_lease_is_damaged(here: Installation, licensed: Client) -> None:
    here.change(lease=here.read()["lease"][:-40])
    status = licensed.status()
    assert (status.code, status.status.value) == ("LEASE_DAMAGED", "additional_grace")


@pytest.mark.parametrize(
    ("lease", "code"),
    [
        ({"cmid": cmid_of(9)}, "LEASE_FOREIGN"),
        ({"edition": SERVER_EDITION}, "LEASE_FOREIGN"),
        ({"expires_s": START_S + 9000 * DAY_S}, "LEASE_INVALID"),
        ({"count": 1}, "LEASE_INVALID"),
    ],
)
def test_a_lease_put_there_by_hand_is_refused(
    here: Installation, licensed: Client, host: ScriptedHost, lease: dict[str, Any], code: str
) -> None:
    signed = sign(LEASE, host.lease(host.requests[-1], **lease), here.world.host_key)
    here.change(lease=signed)
    status = licensed.status()
    assert (status.code, status.status.value) == (code, "additional_grace")


def test_a_record_of_another_product_is_foreign(here: Installation, licensed: Client) -> None:
    here.change(product="another")
    status = licensed.status()
    assert (status.code, status.status.value) == ("LEASE_FOREIGN", "initial_grace")
    assert "its product is another" in status.message


def test_a_lease_of_another_publisher_is_named_so(here: Installation, licensed: Client) -> None:
    other = World(publisher_key=signing_key(5))
    here.change(host_certificate=other.certificate_token())
    assert licensed.status().code == "UNKNOWN_PUBLISHER"


def test_another_edition_gives_up_the_lease_and_keeps_the_cmid(here: Installation, licensed: Client) -> None:
    cmid = licensed.status().cmid
    status = here.client(edition=SERVER_EDITION).status()
    assert (status.edition, status.cmid, status.threshold) == (SERVER_EDITION, cmid, 25)
    assert (status.code, status.status.value) == ("LEASE_FOREIGN", "additional_grace")


def test_the_edition_stays_the_one_this_machine_was_set_up_with(here: Installation) -> None:
    here.client(edition=SERVER_EDITION).status()
    assert here.client().status().edition == SERVER_EDITION


def test_a_stricter_product_file_voids_a_lease_below_it_and_keeps_the_cmid(
    here: Installation, licensed: Client, host: ScriptedHost
) -> None:
    cmid = licensed.status().cmid
    base = Policy().thresholds
    stricter = Thresholds(server=base.server, client=Threshold(26, base.client.counts), ephemeral=base.ephemeral)
    here.product.write_text(World(policy=Policy(thresholds=stricter)).product_token)
    status = here.client().status()
    assert (status.code, status.cmid, status.status.value) == ("LEASE_INVALID", cmid, "additional_grace")


def test_what_stands_beside_the_lease_is_not_believed(here: Installation, licensed: Client) -> None:
    life = here.read()["life"]
    here.change(life=life | {"deadline_s": START_S + 9000 * DAY_S})
    assert licensed.status().expires_s == START_S + 180 * DAY_S
    here.clock.advance(180 * DAY_S)
    assert licensed.status().status.value == "additional_grace"


def test_an_initial_grace_is_never_longer_than_one(here: Installation) -> None:
    client = here.client()
    client.status()
    here.change(life=here.read()["life"] | {"deadline_s": START_S + 9000 * DAY_S})
    assert client.status().expires_s == START_S + 30 * DAY_S


# --- copies --------------------------------------------------------------------------------------------------------


def test_a_copy_on_another_machine_takes_a_new_cmid_and_activates_by_itself(
    here: Installation, licensed: Client, host: ScriptedHost, tmp_path: Path
) -> None:
    there = Installation(tmp_path / "copy", here.world, here.clock)
    shutil.copytree(here.state_dir, there.state_dir)
    copy = there.client(machine=ELSEWHERE, seed=7)
    status = copy.status()
    assert (status.code, status.status.value) == ("LEASE_WRONG_MACHINE", "additional_grace")
    assert status.cmid != licensed.status().cmid
    assert copy.renew_if_due().code is None  # due at once
    asked = host.requests[-1]
    assert (asked.previous_cmid, asked.link) == (None, None)  # nothing of the original's lineage
    assert there.client(machine=ELSEWHERE).status().status.value == "licensed"
    assert licensed.status().status.value == "licensed"


def test_a_copy_of_what_was_over_stays_over(here: Installation, licensed: Client) -> None:
    here.clock.advance(211 * DAY_S)
    assert licensed.status().status.value == "notification"
    status = here.client(machine=ELSEWHERE, seed=7).status()
    assert (status.status.value, status.usable) == ("notification", False)
    assert "2027" in status.message  # 30 days after the end of the lease, which is known


def test_a_machine_without_an_identity_is_not_taken_for_another(here: Installation, licensed: Client) -> None:
    nameless = Machine(name="container", identity=None, is_virtual=True)
    assert here.client(machine=nameless).status().status.value == "licensed"


def test_the_machine_identity_is_not_in_the_record(here: Installation, licensed: Client) -> None:
    assert (HERE.identity or "") not in here.record.read_text()


def test_rearms_are_limited_and_survive_a_copy(here: Installation, licensed: Client) -> None:
    cmids = {licensed.rearm().cmid for _ in range(3)}
    assert len(cmids) == 3
    with pytest.raises(RearmLimitReachedError):
        licensed.rearm()
    with pytest.raises(RearmLimitReachedError):
        here.client(machine=ELSEWHERE).rearm()
