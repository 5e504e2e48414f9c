"""What `Client.discover` tells: every query, answer, choice and failure, in order; and that it counts nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.client.attempt.survey import Discovery
from quorate.client.discovery.names import SrvRecord
from quorate.client.discovery.target import Target
from quorate.client.discovery.trail import STEPS_MAX, Step, Trail
from quorate.core.messages import HostDescription, encode
from tests.client.nameserver import ScriptedNameServer, asking, nameserver, zone
from tests.client.parties import NOWHERE, Installation, closed_port, fails
from tests.client.sites import SRV, Site
from tests.support.clocks import START_S
from tests.support.documents import World
from tests.support.hosting import Hosted, hosting


@pytest.fixture
def hosted(tmp_path: Path, here: Installation) -> Iterator[Hosted]:
    """A real host."""
    with hosting(tmp_path / "real", here.world, here.clock) as running:
        yield running


def steps(discovery: Discovery) -> list[str]:
    return [step.step for step in discovery.steps]


def test_every_step_is_told_in_order(site: Site, hosted: Hosted) -> None:
    dead = closed_port()
    site.publish("kms01", dead)
    site.publish("kms02", hosted.port, priority=1)
    discovery = site.client(search=["a.test"]).discover()
    assert discovery.error is None
    assert steps(discovery) == [
        *("cached", "domains", "query", "choice"),
        *("target", "target"),  # kms01: its address, and that it will not do
        *("target", "target"),  # kms02: its address, and that it is one
        "query",  # a.test
    ]
    told = "\n".join(step.text for step in discovery.steps)
    for words in (
        "corp.test (this machine's own domain); a.test (from the DNS search list)",
        f"SRV {SRV}. -> 0 0 kms01.corp.test:{dead}; 1 0 kms02.corp.test:{hosted.port}",
        f"kms01.corp.test:{dead} will not do: connection refused",
        f"kms02.corp.test:{hosted.port} is a KMS host for Acme CAD",
        "SRV _quorate._tcp.a.test. -> the name does not exist",
    ):
        assert words in told
    assert json.dumps([step.json() for step in discovery.steps]), "and all of it is fit for JSON"
    assert [(each.found.target.port, each.addresses) for each in discovery.hosts] == [
        (dead, ("127.0.0.1",)),
        (hosted.port, ("127.0.0.1",)),
    ]


def test_greeting_counts_nobody_and_changes_nothing(site: Site, hosted: Hosted) -> None:
    site.publish("kms01", hosted.port)
    client = site.client()
    before = client.status()
    assert client.discover().error is None
    assert client.status() == before
    assert hosted.administration.counts()["acme"]["client"].current == 0


def test_a_host_that_is_set_or_remembered_is_shown_as_such(site: Site, hosted: Hosted) -> None:
    client = site.client()
    client.set_host(f"127.0.0.1:{hosted.port}")
    discovery = client.discover()
    assert (steps(discovery), [each.origin for each in discovery.hosts]) == (["set", "target"], ["set by hand"])
    assert site.names.asked == []
    client.clear_host()
    scripted = site.host("kms01")
    client.activate()
    discovery = client.discover()
    assert discovery.hosts[0].origin == "cached, DNS corp.test"
    assert discovery.steps[0].facts["host"] == f"kms01.corp.test:{scripted.port}"
    client.set_caching(False)
    assert "host caching is off" in client.discover().steps[0].text


def test_a_host_without_a_certificate_and_one_of_another_publisher_are_told_apart(
    site: Site, tmp_path: Path, here: Installation
) -> None:
    with hosting(tmp_path / "bare", here.world, here.clock, activated=False) as bare:
        site.publish("kms01", bare.port)
        host = site.host("kms02", priority=1)
        stranger = World(publisher_key=host.world.host_key)
        description = HostDescription(
            service="quorate",
            version="1",
            protocol=(1,),
            host_id="x",
            activated=True,
            host_certificate=stranger.certificate_token(),
            products=(),
            time_s=START_S,
        )
        host.describes = encode(description)
        discovery = site.client().discover()
    codes = [None if each.error is None else each.error.code for each in discovery.hosts]
    assert codes == ["HOST_NOT_ACTIVATED", "UNKNOWN_PUBLISHER"]
    assert discovery.error is not None
    assert discovery.error.code == "HOST_NOT_ACTIVATED", "the most telling"
    assert steps(discovery)[-1] == "end"


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[" * 60_000])
def test_what_is_no_description_is_no_host(site: Site, body: bytes) -> None:
    host = site.host("kms01")
    host.describes = body
    error = site.client().discover().error
    assert error is not None
    assert error.code == "NOT_A_QUORATE_HOST"


def test_a_machine_without_a_domain_is_told_so(here: Installation) -> None:
    discovery = here.client(network=NOWHERE).discover()
    assert steps(discovery) == ["cached", "domains", "end"]
    assert discovery.error is not None
    assert discovery.error.code == "DNS_NAME_DOES_NOT_EXIST"
    assert fails(here.client()).message == discovery.error.message


def test_a_failing_name_server_is_named_with_what_it_said(here: Installation) -> None:
    with nameserver(lambda question, _: None) as silent, nameserver(zone({}), address="127.0.0.2", port=silent.port):
        network = asking(silent, ("127.0.0.2", silent.port))
        discovery = here.client(network=network).discover()
        assert discovery.error is not None
        assert discovery.error.code == "DNS_NAME_DOES_NOT_EXIST", "the second server gets its turn within the 3 s"
    nobody: ScriptedNameServer | tuple[str, int] = ("127.0.0.1", closed_port())
    error = here.client(network=asking(nobody)).discover().error
    assert error is not None
    assert (error.code, "did not answer" in error.message) == ("DNS_SERVER_FAILURE", True)


def test_the_steps_of_a_search_are_bounded_and_the_first_are_kept() -> None:
    trail = Trail()
    for number in range(STEPS_MAX + 100):
        trail.end(str(number))
    assert trail.steps == [Step("end", str(number)) for number in range(STEPS_MAX)]


def test_a_step_tells_what_was_so_when_it_was_taken() -> None:
    trail = Trail()
    records = [SrvRecord(Target("kms01"), 0, 0), SrvRecord(Target("::1"), 0, 0)]
    trail.order(records)
    heard = [each.target for each in records]
    trail.mdns("heard", heard)
    records.clear()
    heard.clear()
    assert [step.facts["hosts"] for step in trail.steps] == [["kms01:1688", "[::1]:1688"]] * 2
