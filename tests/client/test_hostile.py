"""A hostile host, and a broken one: nothing it says moves a client, and every cause has its own code.

The host here listens at a real socket and says whatever a test writes (`tests.client.parties.ScriptedHost`).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quorate.core.documents import HOST_CERTIFICATE, PRODUCT, sign
from quorate.core.lease import LEASE, REFUSAL
from quorate.core.messages import ActivationRequest, Answer
from quorate.core.policy import DAY_S, HOUR_S
from tests.client.parties import Installation, ScriptedHost, fails
from tests.support.clocks import START_S
from tests.support.documents import World, cmid_of, nonce_of, signing_key

FORGER = 66  # the number of a key that nobody gave anything to


Bent = Callable[[ScriptedHost, ActivationRequest], Answer]


def _signed_by_a_stranger(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request), key=signing_key(FORGER))


def _with_a_certificate_it_made_itself(host: ScriptedHost, request: ActivationRequest) -> Answer:
    forger = signing_key(FORGER)
    return host.say(host.lease(request), forger, host.world.certificate_token(forger, jwk=forger.public()))


def _with_its_own_key_in_a_changed_certificate(host: ScriptedHost, request: ActivationRequest) -> Answer:
    forger = signing_key(FORGER)
    real = host.world.certificate_token().split(".")
    bent = sign(HOST_CERTIFICATE, host.world.certificate(jwk=forger.public()), host.world.publisher_key).split(".")
    return host.say(host.lease(request), forger, ".".join([real[0], bent[1], real[2]]))


def _of_another_group(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request), certificate=host.world.certificate_token(groups=("other",)))


def _of_yesterday(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request), certificate=host.world.certificate_token(expires_s=START_S))


def _of_the_day_after_tomorrow(host: ScriptedHost, request: ActivationRequest) -> Answer:
    certificate = host.world.certificate_token(issued_s=request.time_s + 2 * DAY_S)
    return host.say(host.lease(request), certificate=certificate)


def _another_hosts_certificate(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request), certificate=host.world.certificate_token(host_id=cmid_of(9)))


def _for_another_cmid(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request, cmid=cmid_of(9)))


def _for_another_edition(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request, edition="acme-cad-server"))


def _for_another_nonce(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request, nonce=nonce_of(9)))


def _below_the_threshold(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request, count=24))


def _with_a_threshold_of_its_own(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request, count=1, threshold=1))


def _for_a_second_too_long(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request, expires_s=request.time_s + 180 * DAY_S + 1))


def _from_five_hours_ago(host: ScriptedHost, request: ActivationRequest) -> Answer:
    then_s = START_S - 5 * HOUR_S
    return host.say(
        host.lease(
            request, issued_s=then_s, expires_s=then_s + DAY_S, renew_from_s=then_s + 60, renew_until_s=then_s + 90
        )
    )


def _a_lease_typed_as_a_refusal(host: ScriptedHost, request: ActivationRequest) -> Answer:
    answer = host.say(host.lease(request))
    lease = answer.answer.split(".")
    refusal = sign(REFUSAL, host.world.refusal(), host.world.host_key).split(".")
    return Answer(
        answer=".".join([refusal[0], lease[1], lease[2]]), host_certificate=answer.host_certificate, revocations=0
    )


def _a_refusal_typed_as_a_lease(host: ScriptedHost, request: ActivationRequest) -> Answer:
    lease = sign(LEASE, host.lease(request), host.world.host_key).split(".")
    refusal = sign(REFUSAL, host.world.refusal(), host.world.host_key).split(".")
    answer = host.say(host.lease(request))
    return Answer(
        answer=".".join([lease[0], refusal[1], refusal[2]]), host_certificate=answer.host_certificate, revocations=0
    )


def _a_lease_as_certificate(host: ScriptedHost, request: ActivationRequest) -> Answer:
    token = sign(LEASE, host.lease(request), host.world.host_key)
    return Answer(answer=token, host_certificate=token, revocations=0)


def _a_product_file_as_certificate(host: ScriptedHost, request: ActivationRequest) -> Answer:
    token = sign(LEASE, host.lease(request), host.world.host_key)
    return Answer(
        answer=token, host_certificate=sign(PRODUCT, host.world.product, host.world.publisher_key), revocations=0
    )


def _a_lease_cut_off(host: ScriptedHost, request: ActivationRequest) -> Answer:
    answer = host.say(host.lease(request))
    return Answer(answer=answer.answer[:-9], host_certificate=answer.host_certificate, revocations=0)


def _a_lease_with_one_letter_changed(host: ScriptedHost, request: ActivationRequest) -> Answer:
    answer = host.say(host.lease(request))
    head, said, signature = answer.answer.split(".")
    other = ("A" if said[20] != "A" else "B") + said[21:]
    return Answer(
        answer=f"{head}.{said[:20]}{other}.{signature}", host_certificate=answer.host_certificate, revocations=0
    )


@pytest.mark.parametrize(
    ("bent", "code"),
    [
        (_signed_by_a_stranger, "BAD_SIGNATURE"),
        (_with_a_certificate_it_made_itself, "UNKNOWN_PUBLISHER"),
        (_with_its_own_key_in_a_changed_certificate, "BAD_SIGNATURE"),
        (_of_another_group, "PRODUCT_NOT_COVERED"),
        (_of_yesterday, "HOST_CERTIFICATE_EXPIRED"),
        (_of_the_day_after_tomorrow, "HOST_CERTIFICATE_NOT_YET_VALID"),
        (_another_hosts_certificate, "ANSWER_MISMATCH"),
        (_for_another_cmid, "ANSWER_MISMATCH"),
        (_for_another_edition, "ANSWER_MISMATCH"),
        (_for_another_nonce, "ANSWER_MISMATCH"),
        (_below_the_threshold, "LEASE_INVALID"),
        (_with_a_threshold_of_its_own, "LEASE_INVALID"),
        (_for_a_second_too_long, "LEASE_INVALID"),
        (_from_five_hours_ago, "CLOCK_SKEW"),
        (_a_lease_typed_as_a_refusal, "BAD_SIGNATURE"),
        (_a_refusal_typed_as_a_lease, "BAD_SIGNATURE"),
        (_a_lease_as_certificate, "MALFORMED_DOCUMENT"),
        (_a_product_file_as_certificate, "MALFORMED_DOCUMENT"),
        (_a_lease_cut_off, "MALFORMED_DOCUMENT"),
        (_a_lease_with_one_letter_changed, "BAD_SIGNATURE"),
    ],
)
def test_an_answer_that_proves_nothing_changes_nothing(
    here: Installation, host: ScriptedHost, bent: Bent, code: str
) -> None:
    client = here.client(host)
    host.script = lambda request: bent(host, request)
    assert fails(client).code == code
    host.script = host.honest
    assert client.activate().code is None  # and it keeps nobody from asking again
    here.clock.advance(7 * DAY_S)
    host.script = lambda request: bent(host, request)
    fails(client)
    assert client.status().status.value == "licensed"  # nor does it take away what was there
    assert here.events()[-1]["code"] == here.events()[1]["code"] == client.status().code


def test_a_response_replayed_from_an_earlier_question_is_told_as_such(here: Installation, host: ScriptedHost) -> None:
    said: list[Answer] = []

    def recording(request: ActivationRequest) -> Answer:
        said.append(host.honest(request))
        return said[-1]

    client = here.client(host)
    host.script = recording
    expires_s = client.activate().expires_s
    here.clock.advance(HOUR_S)
    host.script = lambda _: said[0]
    error = fails(client)
    assert (error.code, client.status().expires_s) == ("ANSWER_MISMATCH", expires_s)


def test_a_certificate_of_another_publisher_is_not_believed(here: Installation, host: ScriptedHost) -> None:
    other = World(publisher_key=signing_key(5), host_key=signing_key(6))
    host.script = lambda request: other.answer(host.lease(request))
    assert fails(here.client(host)).code == "UNKNOWN_PUBLISHER"
