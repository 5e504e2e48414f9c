"""A host and its publisher: keys that are exchanged, hosts that are revoked, and files that are told by their kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quorate.core.armor import armored
from quorate.core.publication import decode_revocations, decode_trust
from quorate.core.revocation import read_list
from quorate.core.succession import TrustState, follow_chain
from quorate.errors import (
    HostRevokedError,
    MalformedError,
    QuorateError,
    RetiredKeyError,
    TrustError,
    TrustOutdatedError,
    UnknownPublisherError,
)
from quorate.host.admin.administration import Administration
from quorate.host.identity.renewal import standing
from quorate.publisher.blocklist import Kind
from quorate.publisher.rotation import Step
from tests.host.publishing import Site, new_site
from tests.support.clocks import ManualClock
from tests.support.documents import World
from tests.support.hosting import running


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return new_site(tmp_path, ManualClock())


@pytest.fixture
def host(site: Site) -> Iterator[Administration]:
    with site.host() as opened:
        yield opened


def test_a_host_follows_exchanged_keys_and_takes_a_certificate_of_the_newest(site: Site) -> None:
    with site.host() as host:
        site.rotate()
        request = host.request()
        confirmation = site.publisher.confirm(request)
        with pytest.raises(UnknownPublisherError):
            host.activate(confirmation)
        updated = host.update([("publisher.trust", site.chain_text)])
        assert updated.version == 2
        host.activate(confirmation)
        assert host.status().activated
        assert host.status().keys_version == 2


def test_a_certificate_of_a_dropped_key_is_told_and_the_same_request_gets_it_anew(site: Site) -> None:
    with site.host() as host:
        request = site.confirm(host)
        site.rotate()
        host.update([("publisher.trust", site.chain_text)])
        fault = standing(host.keyring.credentials(), site.clock.now_s())
        assert isinstance(fault, RetiredKeyError)
        assert host.status().code == "RETIRED_KEY"
        used = site.publisher.ledger.keys()[0]
        assert host.keyring.answered_request() == request
        host.activate(site.publisher.confirm(request))
        assert host.status().activated
        assert site.publisher.ledger.keys()[0] == used


def test_a_key_that_stays_keeps_its_certificates_good(site: Site) -> None:
    with site.host() as host:
        site.confirm(host)
        site.rotate(Step.ADD)
        host.update([("publisher.trust", site.chain_text)])
        assert host.status().activated


def test_files_are_told_by_their_kind_in_any_order(site: Site) -> None:
    with site.host() as host:
        request = host.request()
        site.rotate()
        confirmation = site.publisher.confirm(request)
        files = [("a", armored(confirmation)), ("b", armored(site.product_token)), ("c", site.chain_text)]
        updated = host.update(files)
        assert (updated.version, updated.products) == (2, ("acme-cad",))
        assert updated.certificate == host.status().certificate_serial
        again = host.update(files)
        assert again.version is None


def test_files_of_another_kind_change_nothing(site: Site) -> None:
    with site.host() as host:
        site.rotate()
        for text in ("hello", "", site.shipped.decode(), host.request()):
            with pytest.raises(MalformedError):
                host.update([("publisher.trust", site.chain_text), ("other", text)])
        assert host.status().keys_version == 1


def test_an_older_chain_is_refused_and_an_older_list_is_nothing_new(site: Site) -> None:
    with site.host() as host:
        site.confirm(host)
        site.publisher.revoke(Kind.HOST_KEY, site.product_key.key_id, "leaked")
        older = site.list_text
        site.rotate()
        shorter = site.chain_text
        site.rotate()
        host.update([("publisher.trust", site.chain_text), ("publisher.revocations", site.list_text)])
        number = host.status().revocations
        with pytest.raises(TrustOutdatedError):
            host.update([("publisher.trust", shorter)])
        with pytest.raises(RetiredKeyError):
            host.update([("publisher.revocations", older)])
        assert host.update([("publisher.revocations", site.list_text)]).number is None
        assert (host.status().revocations, host.status().keys_version) == (number, 3)


@pytest.mark.parametrize("spoiled", ["hello", "h\u00e4", "eyJ.e30.AA"])
def test_a_chain_that_is_spoiled_where_it_is_known_already_spoils_nothing_here(site: Site, spoiled: str) -> None:
    with site.host() as host:
        site.confirm(host)
        site.rotate(Step.ADD)
        host.update([("publisher.trust", site.chain_text)])
        site.rotate(Step.ADD)
        first, second = site.chain_text.split()
        with pytest.raises((MalformedError, TrustError)):
            host.keyring.take_belief((spoiled, second), None)
        assert (host.status().keys_version, host.status().activated) == (2, True)
        host.keyring.take_belief((first, second), None)
        assert host.status().keys_version == 3


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=300) | st.sampled_from(["eyJ0eXAiOiJ0cnVzdCtqd3QifQ..", "BEGIN QUORATE", "{}"]))
def test_whatever_a_file_holds_is_told_and_changes_nothing(host: Administration, text: str) -> None:
    with pytest.raises(QuorateError):
        host.update([("file", text)])
    assert host.status().keys_version == 1


def test_a_revoked_host_signs_nothing_and_says_so_everywhere(site: Site) -> None:
    with site.host() as host:
        site.confirm(host)
    world = World()
    with running(site.state_dir, world, site.clock) as hosted:
        assert hosted.post(world.request()).status == 200
        site.publisher.revoke(Kind.HOST, hosted.administration.keyring.host_id, "sold with its disk")
        with hosted.noticing():
            hosted.administration.update([("publisher.revocations", site.list_text)])
        reply = hosted.post(world.request(2))
        assert (reply.status, reply.problem.code) == (403, "HOST_REVOKED")
        assert "sold with its disk" in reply.problem.detail
        assert hosted.administration.status().code == "HOST_REVOKED"
        ready = hosted.http("GET", "/readyz", port=hosted.admin_port)
        assert ready.status == 503
        assert b"HOST_REVOKED" in ready.body
        hosted.stop()
    with site.host() as host:
        assert [event["code"] for event in host.events(event_id=12311)] == ["HOST_REVOKED"]
        with pytest.raises(HostRevokedError):
            host.activate(site.publisher.confirm(host.request()))


def test_clients_find_keys_and_list_at_the_host_and_answers_name_its_number(site: Site) -> None:
    with site.host() as host:
        site.confirm(host)
        site.rotate(Step.ADD)
        host.update([("publisher.trust", site.chain_text)])
    world = World()
    with running(site.state_dir, world, site.clock) as hosted:
        trust = follow_chain(TrustState.shipped(site.shipped), decode_trust(hosted.http("GET", "/v1/trust").body).trust)
        assert trust.version == 2
        assert decode_revocations(hosted.http("GET", "/v1/revocations").body).revocations is None
        assert hosted.post(world.request()).answer.revocations == 0
        site.publisher.revoke(Kind.HOST_KEY, site.publisher.issue_host_key("Fabrikam", ["acme"]).key_id, "unpaid")
        with hosted.noticing():
            hosted.administration.update([("publisher.revocations", site.list_text)])
        told = decode_revocations(hosted.http("GET", "/v1/revocations").body).revocations
        assert told is not None
        assert read_list(told, trust).number == hosted.post(world.request(2)).answer.revocations == 1
        assert hosted.http("POST", "/v1/trust").status == 405


@pytest.mark.parametrize("name", ["publisher.trust", "publisher.revocations"])
@pytest.mark.parametrize("damage", [b"\xff", b"eyJ.e30.AA", b"x" * 3_000_000])
def test_a_damaged_file_is_told_and_a_good_one_mends_it(site: Site, name: str, damage: bytes) -> None:
    with site.host() as host:
        site.confirm(host)
        site.rotate(Step.ADD)
        site.publisher.revoke(Kind.HOST_KEY, site.publisher.issue_host_key("Fabrikam", ["acme"]).key_id, "unpaid")
        good = [("publisher.trust", site.chain_text), ("publisher.revocations", site.list_text)]
        host.update(good)
        (site.state_dir / name).write_bytes(damage)
        with pytest.raises(MalformedError):
            host.status()
        host.update(good)
        assert (host.status().keys_version, host.status().revocations) == (2, 1)
