"""A copied machine: a host says that another one goes on with its CMID, and it takes one of its own by itself."""

from __future__ import annotations

import pytest

from quorate import Client
from quorate.core.lease import Refusal
from quorate.core.messages import ActivationRequest, Answer
from quorate.core.policy import DAY_S
from quorate.errors import CmidSupersededError
from tests.client.parties import Installation, ScriptedHost
from tests.support.clocks import START_S


def supersede(host: ScriptedHost) -> None:
    """Let the host say it to everybody."""

    def script(request: ActivationRequest) -> Answer:
        said = host.claims(request, "CMID_SUPERSEDED")
        assert isinstance(said, Refusal)
        return host.say(said)

    host.script = script


def told(client: Client) -> CmidSupersededError:
    with pytest.raises(CmidSupersededError) as caught:
        client.activate()
    return caught.value


def test_a_licensed_copy_stays_licensed_and_asks_soon_with_a_cmid_of_its_own(
    here: Installation, host: ScriptedHost, licensed: Client
) -> None:
    before = licensed.status()
    here.clock.advance(7 * DAY_S)
    supersede(host)
    assert before.cmid in told(licensed).message
    for client in (licensed, here.client()):
        status = client.status()
        assert (status.status.value, status.expires_s) == ("licensed", before.expires_s)
        assert status.cmid != before.cmid
        assert status.code == "CMID_SUPERSEDED"
        assert here.clock.now_s() < status.next_attempt_s <= here.clock.now_s() + 300
    assert here.events()[-1]["code"] == "CMID_SUPERSEDED"
    here.clock.advance(301)
    host.script = host.honest
    status = here.client().renew_if_due()
    asked = host.requests[-1]
    assert (asked.cmid, asked.previous_cmid, asked.link) == (status.cmid, None, None)
    assert asked.nonce != host.requests[-2].nonce
    assert (status.code, status.expires_s) == (None, here.clock.now_s() + 180 * DAY_S)
    here.clock.advance(7 * DAY_S)
    here.client().activate()
    assert host.requests[-1].link is not None


def test_no_grace_is_won_by_it(here: Installation, host: ScriptedHost) -> None:
    client = here.client(host)
    expires_s = client.status().expires_s
    supersede(host)
    here.clock.advance(DAY_S)
    told(client)
    assert (client.status().status.value, client.status().expires_s) == ("initial_grace", expires_s)


def test_a_host_that_says_it_again_and_again_does_not_make_many_machines_of_one(
    here: Installation, host: ScriptedHost, licensed: Client
) -> None:
    supersede(host)
    told(licensed)
    first = licensed.status()
    for _ in range(11):
        here.clock.advance(7200)
        told(licensed)
        assert licensed.status().cmid == first.cmid
        assert licensed.status().next_attempt_s > here.clock.now_s() + 300
    here.clock.advance(DAY_S)
    told(licensed)
    assert licensed.status().cmid != first.cmid
    assert licensed.status().expires_s == first.expires_s


def test_an_unsigned_word_of_it_moves_nobody(here: Installation, host: ScriptedHost, licensed: Client) -> None:
    cmid = licensed.status().cmid
    body = (
        b'{"type":"urn:quorate:error:CMID_SUPERSEDED","title":"x","status":409,"detail":"x","code":"CMID_SUPERSEDED",'
        b'"hint":"x"}'
    )
    host.say_raw(body, 409, Content_Type="application/problem+json")
    with pytest.raises(Exception, match="CMID_SUPERSEDED"):
        licensed.activate()
    assert (licensed.status().cmid, licensed.status().code) == (cmid, "NOT_A_QUORATE_HOST")


def test_a_rearm_after_it_leaves_the_other_machines_record_alone(
    here: Installation, host: ScriptedHost, licensed: Client
) -> None:
    supersede(host)
    told(licensed)
    own = licensed.status().cmid
    licensed.rearm()
    host.script = host.honest
    licensed.activate()
    assert host.requests[-1].previous_cmid in (None, own)
    assert here.clock.now_s() == START_S
