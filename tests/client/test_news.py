"""What a publisher has said since the software shipped reaches its clients through any host: exchanged keys, and the
hosts that are believed no more."""

from __future__ import annotations

import time

import msgspec
import pytest

from quorate import Client, QuorateError
from quorate.core.documents import SigningKey
from quorate.core.lease import Refusal
from quorate.core.policy import DAY_S
from quorate.core.revocation import ENTRIES_MAX
from tests.client.carried import (
    FIRST_KEY,
    NEXT_KEY,
    carry_chain,
    carry_list,
    listed,
    other,
    public,
    revoked,
    trust,
)
from tests.client.parties import Installation, ScriptedHost, fails
from tests.support.clocks import START_S

ROTATED = trust(2, [public(FIRST_KEY), public(NEXT_KEY)])
DROPPED = trust(3, [public(NEXT_KEY)], NEXT_KEY)


def failing(client: Client) -> QuorateError:
    """The error of an attempt that may change the state."""
    with pytest.raises(QuorateError) as caught:
        client.activate()
    return caught.value


def certified_by(host: ScriptedHost, key: SigningKey) -> None:
    """The host's certificate from now on."""
    host.certificate = host.world.certificate_token(key)


# --- revocation ------------------------------------------------------------------------------------------------------


def test_a_revoked_host_gives_no_lease_and_the_one_it_gave_is_void(
    here: Installation, host: ScriptedHost, licensed: Client
) -> None:
    cmid = licensed.status().cmid
    here.clock.advance(7 * DAY_S)
    carry_list(host, listed(1, revoked()), 1)
    assert failing(licensed).code == "HOST_REVOKED"
    status = licensed.status()
    assert (status.status.value, status.code, status.cmid) == ("additional_grace", "HOST_REVOKED", cmid)
    assert "sold with its disk" in status.message
    assert status.expires_s == here.clock.now_s() + 30 * DAY_S
    here.clock.advance(3 * DAY_S)
    fails(licensed)  # and asking again buys no new grace
    assert here.client().status().expires_s == status.expires_s
    assert host.paths.count("/v1/revocations") == 1


def test_a_lease_from_before_runs_its_time(here: Installation, host: ScriptedHost, licensed: Client) -> None:
    here.clock.advance(7 * DAY_S)
    carry_list(host, listed(1, revoked(since_s=START_S + 1)), 1)
    assert fails(licensed).code == "HOST_REVOKED"
    assert here.client().status().status.value == "licensed"


def test_a_refusal_of_a_revoked_host_is_not_believed_either(here: Installation, host: ScriptedHost) -> None:
    host.count = 3
    carry_list(host, listed(1, revoked()), 1)
    client = here.client(host)
    assert fails(client).code == "HOST_REVOKED"
    assert client.status().count is None


def test_a_revoked_hosts_lease_put_back_by_hand_is_void_whenever_it_is_read(
    here: Installation, host: ScriptedHost, licensed: Client
) -> None:
    record = here.record.read_bytes()
    here.clock.advance(7 * DAY_S)
    carry_list(host, listed(1, revoked()), 1)
    failing(licensed)
    here.record.write_bytes(record)
    for client in (licensed, here.client()):
        assert (client.status().status.value, client.status().code) == ("additional_grace", "HOST_REVOKED")


def test_another_host_serves_on_after_one_was_revoked(here: Installation, host: ScriptedHost, licensed: Client) -> None:
    here.clock.advance(7 * DAY_S)
    carry_list(host, listed(1, other()), 1)
    assert licensed.activate().code is None
    assert here.read()["list_seen"]["number"] == 1


def test_a_list_that_came_with_a_refusal_takes_back_the_lease_of_another_host(
    here: Installation, host: ScriptedHost, licensed: Client
) -> None:
    here.clock.advance(7 * DAY_S)
    newcomer = host.world.certificate_token(host_id=(id_ := "0b2d3c9e-0000-4000-8000-00000000000b"))
    carry_list(host, listed(1, revoked()), 1)

    def refuses(request: object) -> object:
        said = host.claims(request, "COUNT_INSUFFICIENT")  # type: ignore[arg-type]  # the script's own request
        assert isinstance(said, Refusal)
        return host.say(msgspec.structs.replace(said, host_id=id_), certificate=newcomer)

    host.script = refuses  # type: ignore[assignment]  # as above
    assert failing(licensed).code == "COUNT_INSUFFICIENT"
    assert licensed.status().status.value == "additional_grace"


# --- lists are remembered --------------------------------------------------------------------------------------------


def test_an_older_list_is_never_taken_again_even_where_the_newer_was_lost(
    here: Installation, host: ScriptedHost, licensed: Client
) -> None:
    carry_list(host, listed(5, other(9), other(8)), 5)
    licensed.activate()
    kept = here.record.with_name("publisher.json")
    kept.unlink()
    carry_list(host, listed(4, other(9)), 2**53 - 1)
    again = here.client()
    assert again.activate().code is None  # nor does it keep anybody from being licensed
    assert not kept.exists()
    carry_list(host, listed(5, other(9), other(8)), 5)  # the lost one itself is taken again
    again.activate()
    assert kept.exists()
    assert here.read()["list_seen"]["number"] == 5


def test_a_number_written_with_a_stolen_key_binds_nobody_once_that_key_was_dropped(
    here: Installation, host: ScriptedHost, licensed: Client
) -> None:
    carry_list(host, listed(2**53 - 1), 2**53 - 1)
    licensed.activate()
    carry_chain(host, ROTATED, DROPPED)
    certified_by(host, NEXT_KEY)
    here.clock.advance(7 * DAY_S)
    assert licensed.activate().code is None
    carry_list(host, listed(7, other(), signer=NEXT_KEY), 7)
    licensed.activate()
    assert here.read()["list_seen"]["number"] == 7


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\xff" * 100, b'{"v":1,"after":1,"trust":["a.b.c"],"revocations":null}']
)
def test_a_damaged_file_of_news_is_set_aside_and_learnt_again(
    here: Installation, host: ScriptedHost, licensed: Client, damage: bytes
) -> None:
    carry_list(host, listed(3, other()), 3)
    licensed.activate()
    kept = here.record.with_name("publisher.json")
    kept.write_bytes(damage)
    again = here.client()
    assert again.status().status.value == "licensed"
    assert again.activate().code is None
    assert kept.with_name("publisher.json.damaged-1").read_bytes() == damage
    assert b"revocations" in kept.read_bytes()


def test_a_long_list_is_read_once_and_a_status_stays_quick(
    here: Installation, host: ScriptedHost, licensed: Client
) -> None:
    carry_list(host, listed(1, *(other(number) for number in range(ENTRIES_MAX))), 1)
    assert licensed.activate().code is None
    client = here.client()
    client.status()
    took_s = []
    for _ in range(50):
        begun = time.perf_counter()
        client.status()
        took_s.append(time.perf_counter() - begun)
    assert min(took_s) < 0.001


# --- exchanged keys --------------------------------------------------------------------------------------------------


def test_a_certificate_by_a_new_key_is_believed_after_the_chain_was_followed(
    here: Installation, host: ScriptedHost
) -> None:
    carry_chain(host, ROTATED)
    certified_by(host, NEXT_KEY)
    client = here.client(host)
    assert client.activate().code is None
    assert here.client().status().status.value == "licensed"  # read anew, without a question
    assert host.paths == ["/v1/activate", "/v1/trust"]


def test_a_renewal_brings_new_keys_and_a_dropped_ones_lease_is_replaced(
    here: Installation, host: ScriptedHost, licensed: Client
) -> None:
    here.clock.advance(7 * DAY_S)
    carry_chain(host, ROTATED, DROPPED)
    certified_by(host, NEXT_KEY)
    assert licensed.activate().code is None
    assert here.client().status().status.value == "licensed"


def test_a_lease_whose_publishers_key_was_dropped_is_void(
    here: Installation, host: ScriptedHost, licensed: Client
) -> None:
    cmid = licensed.status().cmid
    here.clock.advance(7 * DAY_S)
    carry_chain(host, ROTATED, DROPPED)
    assert failing(licensed).code == "RETIRED_KEY"
    status = here.client().status()
    assert (status.status.value, status.code, status.cmid) == ("additional_grace", "RETIRED_KEY", cmid)


def test_keys_are_followed_before_the_list_they_sign(here: Installation, host: ScriptedHost, licensed: Client) -> None:
    carry_chain(host, ROTATED)
    carry_list(host, listed(1, other(), signer=NEXT_KEY), 1)
    here.clock.advance(7 * DAY_S)
    assert licensed.activate().code is None
    assert here.read()["list_seen"]["number"] == 1


def test_a_host_that_carries_nothing_is_no_fault(here: Installation, host: ScriptedHost, licensed: Client) -> None:
    host.number = 2**53 - 1
    here.clock.advance(7 * DAY_S)
    assert licensed.activate().code is None
    assert host.paths[-3:] == ["/v1/activate", "/v1/trust", "/v1/revocations"]
    assert not here.record.with_name("publisher.json").exists()
