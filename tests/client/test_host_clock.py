"""A KMS host whose clock is wrong: what it answers moves nothing at a client."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from quorate import Client
from quorate.core.lease import RefusalCode
from quorate.core.messages import ActivationRequest, Answer
from quorate.core.policy import DAY_S, HOUR_S
from quorate.errors import ClockSkewError, QuorateError
from tests.client.lived import lives, mark
from tests.client.parties import Installation, ScriptedHost


def without_what_an_attempt_may_change(record: dict[str, Any]) -> dict[str, Any]:
    asked = {
        "nonce",
        "heard",
        "has_secret",
        "attempts",
        "last_attempt_s",
        "outcome",
        "count",
        "threshold",
        "previous_cmid",
    }
    where = {"cached_host", "cached_source", "cached_domain"}
    life = {"next_attempt_s", "appointed_s", "told_to_wait", "intervals"}
    rest = {name: value for name, value in record.items() if name not in asked | where}
    return rest | {"life": {name: value for name, value in record["life"].items() if name not in life}}


@pytest.mark.parametrize("apart_s", [288 * 60, -100 * DAY_S, 3650 * DAY_S, -3650 * DAY_S, -1, 1])
@pytest.mark.parametrize("code", ["CLOCK_SKEW", "COUNT_INSUFFICIENT", "PRODUCT_NOT_COVERED"])
@pytest.mark.parametrize("is_licensed", [True, False])
def test_a_refusal_of_a_host_whose_clock_is_wrong_changes_nothing(
    here: Installation, host: ScriptedHost, apart_s: int, code: RefusalCode, is_licensed: bool
) -> None:
    client = here.client(host)
    if is_licensed:
        client.activate()
    lives(here, client, 5 * 24)
    before, record, seen = client.status(), here.read(), mark(here)

    def refuses(request: ActivationRequest) -> Answer:
        said = host.claims(request, code, 25)
        return host.say(msgspec.structs.replace(said, issued_s=here.clock.now_s() + apart_s))

    host.script = refuses
    with pytest.raises(QuorateError):
        client.activate()
    for each in (client, here.client(seed=5)):
        after = each.status()
        assert (after.status, after.usable, after.expires_s) == (before.status, True, before.expires_s)
        assert after.code == code or apart_s not in (-1, 1)  # the certificate may not have been in force then
    assert without_what_an_attempt_may_change(here.read()) == without_what_an_attempt_may_change(record)
    assert mark(here) == seen
    lives(here, client, 24)
    assert client.status().usable


@pytest.mark.parametrize("apart_s", [5 * HOUR_S, -5 * HOUR_S, 100 * DAY_S, -100 * DAY_S])
def test_a_lease_from_another_time_is_refused_and_nothing_is_lost(
    here: Installation, licensed: Client, host: ScriptedHost, apart_s: int
) -> None:
    here.clock.advance(7 * DAY_S)
    before, record = licensed.status(), here.read()

    def elsewhen(request: ActivationRequest) -> Answer:
        at_s = here.clock.now_s() + apart_s
        lease = host.lease(request, issued_s=at_s, expires_s=at_s + DAY_S, renew_from_s=at_s, renew_until_s=at_s)
        return host.say(lease)

    host.script = elsewhen
    with pytest.raises(ClockSkewError):
        licensed.activate()
    status = licensed.status()
    assert (status.status, status.usable, status.expires_s) == (before.status, True, before.expires_s)
    assert without_what_an_attempt_may_change(here.read()) == without_what_an_attempt_may_change(record)
