"""When a host will not do and the next one is asked, and what is said when nobody would do."""

from __future__ import annotations

import socket
from collections.abc import Callable

import msgspec
import pytest

from quorate.client.discovery.search import SEARCH_S, TARGETS_MAX
from quorate.core.messages import ActivationRequest, Answer, Problem, encode
from quorate.core.policy import DAY_S, HOUR_S
from quorate.errors import HostBusyError, HostNotActivatedError, QuorateError, RateLimitedError
from tests.client.parties import RawReply, ScriptedHost, closed_port, fails
from tests.client.sites import SRV, Site
from tests.support.clocks import START_S
from tests.support.documents import World, signing_key

# --- who lets the next one try ---------------------------------------------------------------------------------------


def _problem(error: QuorateError) -> Callable[[ScriptedHost, ActivationRequest], RawReply]:
    told = Problem.of(error)
    said = RawReply(encode(told), told.status, {"Content-Type": "application/problem+json"})
    return lambda host, request: said


def _not_covered(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.claims(request, "PRODUCT_NOT_COVERED"))


def _wrong_clock(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.claims(request, "CLOCK_SKEW"))


def _rogue(host: ScriptedHost, request: ActivationRequest) -> Answer:
    other = World(publisher_key=signing_key(5), host_key=signing_key(6))
    return other.answer(host.lease(request))


def _forged(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request), key=signing_key(66))


def _expired(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request), certificate=host.world.certificate_token(expires_s=START_S))


def _other_group(host: ScriptedHost, request: ActivationRequest) -> Answer:
    return host.say(host.lease(request), certificate=host.world.certificate_token(groups=("other",)))


def _web(host: ScriptedHost, request: ActivationRequest) -> RawReply:
    return RawReply(b"<html>", headers={"Content-Type": "text/html"})


WILL_NOT_DO = [
    (_problem(HostNotActivatedError()), "HOST_NOT_ACTIVATED"),
    (_problem(RateLimitedError(retry_after_s=60)), "RATE_LIMITED"),
    (_problem(HostBusyError(waiting=9, retry_after_s=30)), "HOST_BUSY"),
    (_not_covered, "PRODUCT_NOT_COVERED"),
    (_other_group, "PRODUCT_NOT_COVERED"),
    (_wrong_clock, "CLOCK_SKEW"),
    (_rogue, "UNKNOWN_PUBLISHER"),
    (_forged, "BAD_SIGNATURE"),
    (_expired, "HOST_CERTIFICATE_EXPIRED"),
    (_web, "NOT_A_QUORATE_HOST"),
]


@pytest.mark.parametrize(("says", "code"), WILL_NOT_DO)
def test_a_host_that_will_not_do_lets_the_next_one_try(
    site: Site, says: Callable[[ScriptedHost, ActivationRequest], Answer | RawReply], code: str
) -> None:
    first, second = site.host("kms01", priority=0), site.host("kms02", priority=1)
    first.script = lambda request: says(first, request)
    client = site.client()
    status = client.activate()
    assert (status.code, status.host, len(first.requests)) == (None, f"kms02.corp.test:{second.port}", 1)
    assert {each["code"] for each in site.here.events()} == {code, None}, "both are in the event log"
    assert second.requests[0].nonce == first.requests[0].nonce, "one question, however many are asked"


@pytest.mark.parametrize(("says", "code"), WILL_NOT_DO)
def test_alone_it_is_the_error_and_it_is_not_remembered(
    site: Site, says: Callable[[ScriptedHost, ActivationRequest], Answer | RawReply], code: str
) -> None:
    first = site.host("kms01")
    first.script = lambda request: says(first, request)
    client = site.client()
    assert fails(client).code == code
    assert client.status().host is None
    second = site.host("kms02", priority=0)
    site.records[SRV, "SRV"].pop(0)
    assert client.activate().host == f"kms02.corp.test:{second.port}"


def test_a_refusal_for_count_ends_the_search_for_asking_has_counted_there(site: Site) -> None:
    first, second = site.host("kms01", priority=0), site.host("kms02", priority=1)
    first.count = 7
    client = site.client()
    error = fails(client)
    assert (error.code, second.requests) == ("COUNT_INSUFFICIENT", [])
    assert client.status().host == f"kms01.corp.test:{first.port}", "and this host is asked again in two hours"
    site.here.clock.advance(2 * HOUR_S)
    first.count = 25
    client.renew_if_due()
    assert (client.status().status.value, len(first.requests), second.requests) == ("licensed", 2, [])


def test_a_cached_host_that_will_not_do_any_more_lets_dns_decide(site: Site) -> None:
    first = site.host("kms01")
    client = site.client()
    client.activate()
    site.withdraw()
    second = site.host("kms02")
    first.script = lambda request: _not_covered(first, request)
    site.here.clock.advance(DAY_S)
    assert client.activate().host == f"kms02.corp.test:{second.port}"


# --- when nobody would do --------------------------------------------------------------------------------------------


def test_s31_every_target_that_was_tried_is_named_with_its_reason(site: Site) -> None:
    ports = [closed_port() for _ in range(2)]
    site.publish("kms01", ports[0])
    site.publish("kms02", ports[1], priority=1)
    site.publish("kms03", 1688, priority=2)
    del site.records["kms03.corp.test", "A"]
    error = fails(site.client())
    assert (error.code, error.hresult) == ("HOST_UNREACHABLE", 0xC004F074)
    for words in (
        f"kms01.corp.test:{ports[0]}: connection refused",
        f"kms02.corp.test:{ports[1]}: connection refused",
        "kms03.corp.test:1688: its name does not exist in DNS",
    ):
        assert words in error.message


def test_the_most_telling_error_names_all_the_others(site: Site) -> None:
    rogue, busy, silent = site.host("kms01"), site.host("kms02", priority=1), closed_port()
    site.publish("kms03", silent, priority=2)
    rogue.script = lambda request: _rogue(rogue, request)
    busy.script = lambda request: _problem(HostBusyError(waiting=9, retry_after_s=300))(busy, request)
    client = site.client()
    error = fails(client)
    assert error.code == "HOST_BUSY"
    for words in ("kms01.corp.test", "kms02.corp.test", f"kms03.corp.test:{silent}: connection refused"):
        assert words in error.message
    assert 300 <= client.status().next_attempt_s - START_S <= 316, "and its word on when to come back is kept"


def test_a_signed_no_among_silence_is_believed_and_names_all(site: Site) -> None:
    host, silent = site.host("kms01"), closed_port()
    site.publish("kms02", silent)
    host.script = lambda request: _not_covered(host, request)
    host.intervals = msgspec.structs.replace(host.intervals, activation_min=15)
    client = site.client()
    error = fails(client)
    assert error.code == "PRODUCT_NOT_COVERED"
    assert f"kms02.corp.test:{silent}: connection refused" in error.message
    assert client.status().next_attempt_s - START_S <= 15 * 60, "the host's interval is adopted"


def test_a_silent_cached_host_is_named_beside_a_dns_that_knows_no_other(site: Site) -> None:
    host = site.host("kms01")
    client = site.client()
    client.activate()
    site.withdraw()
    host.server.shutdown()
    host.server.server_close()
    error = fails(client)
    assert error.code == "HOST_UNREACHABLE"
    assert f"kms01.corp.test:{host.port}: connection refused" in error.message
    assert f"{SRV}. does not exist" in error.message
    assert client.status().host == f"kms01.corp.test:{host.port}", "one silence does not make it forgotten"


def test_fifty_targets_are_bounded(site: Site) -> None:
    port = closed_port()
    for number in range(50):
        site.publish(f"kms{number:02}", port)
    error = fails(site.client())
    assert error.code == "HOST_UNREACHABLE"
    assert error.message.count("connection refused") == TARGETS_MAX
    assert f"others were not tried: {TARGETS_MAX} hosts were asked" in error.message
    assert [each.split()[1] for each in site.names.asked].count("SRV") == 1


def test_of_fifty_targets_the_one_that_lives_is_found_when_its_turn_comes(site: Site) -> None:
    port = closed_port()
    for number in range(TARGETS_MAX - 1):
        site.publish(f"kms{number:02}", port)
    host = site.host("alive", priority=1)
    assert site.client().activate().host == f"alive.corp.test:{host.port}"


def test_time_bounds_a_search_too(site: Site) -> None:
    slow, never = site.host("slow"), site.host("never", priority=1)

    def long(connection: socket.socket) -> None:
        site.here.clock.advance(SEARCH_S + 1)

    slow.raw = long
    error = fails(site.client(search=["a.test"]))
    assert "others were not tried: 40 s were over" in error.message
    assert (never.requests, site.queries) == ([], [f"{SRV}."])


def test_the_remembered_host_is_not_asked_again_when_dns_names_it_too(site: Site) -> None:
    host = site.host("kms01")
    client = site.client()
    client.activate()
    host.server.shutdown()
    host.server.server_close()
    assert fails(client).message.count("connection refused") == 1


def test_two_records_of_one_host_are_asked_once(site: Site) -> None:
    port = closed_port()
    site.publish("kms01", port)
    site.publish("KMS01", port, priority=3)
    assert fails(site.client()).message.count("connection refused") == 1
