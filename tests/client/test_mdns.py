"""The local link as a last resort: after DNS, only when wished for, and believed for signatures alone."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable

import pytest

from quorate import Client
from quorate.client.discovery.network import Network
from quorate.client.discovery.target import Found, Source, Target
from quorate.clock import Clock
from quorate.core.messages import ActivationRequest, Answer
from quorate.errors import MdnsNotInstalledError
from tests.client.nameserver import asking
from tests.client.parties import NOWHERE, Installation, ScriptedHost, closed_port, fails
from tests.client.sites import Site
from tests.dns.namespace import Namespace
from tests.support.documents import World, signing_key
from tests.support.source import ROOT

Heard = list[tuple[Found, int, int]]

IN_A_NAMESPACE = """
import json, socket
from zeroconf import IPVersion, ServiceInfo, Zeroconf
from quorate.client.discovery.mdns import browse
from quorate.clock import SystemClock

with Zeroconf(interfaces=["10.53.7.1"], ip_version=IPVersion.V4Only) as link:
    for number in (1, 2):
        link.register_service(ServiceInfo(
            "_quorate._tcp.local.", f"kms0{number}._quorate._tcp.local.", addresses=[socket.inet_aton("10.53.7.1")],
            port=1687 + number, priority=number, weight=10 * number, server=f"KMS0{number}.local.",
        ))
    heard = browse("_quorate._tcp", SystemClock(), ["10.53.7.1"])
    print(json.dumps(sorted((str(each.target), each.addresses, priority, weight) for each, priority, weight in heard)))
    print(json.dumps([str(found.target) for found, _, _ in browse("_other._tcp", SystemClock(), ["10.53.7.1"])]))
"""


def on_link(*hosts: ScriptedHost | int, priorities: tuple[int, ...] = ()) -> Callable[[str, Clock], Heard]:
    """What `browse` gives when these are on the link."""
    ports = [host if isinstance(host, int) else host.port for host in hosts]

    def browse(service: str, _: Clock) -> Heard:
        assert service == "_quorate._tcp"
        return [
            (
                Found(Target(f"kms{place}.local", port), Source.MDNS, "local", addresses=("127.0.0.1",)),
                priorities[place] if priorities else 0,
                0,
            )
            for place, port in enumerate(ports)
        ]

    return browse


def linked(here: Installation, browse: Callable[[str, Clock], Heard], *, is_mdns: bool = True) -> Client:
    network = Network(NOWHERE.open_resolver, own_name=NOWHERE.own_name, is_mdns=is_mdns, browse=browse)
    return here.client(network=network)


def missing(_: str, __: Clock) -> Heard:
    raise MdnsNotInstalledError


def deaf(_: str, __: Clock) -> Heard:
    raise OSError(19, "No such device")


def test_it_is_off_unless_wished_for(here: Installation, host: ScriptedHost) -> None:
    client = linked(here, on_link(host), is_mdns=False)
    assert fails(client).code == "DNS_NAME_DOES_NOT_EXIST"
    here.change(is_mdns=True)  # as `set-mdns on` writes it
    assert client.activate().host == f"kms0.local:{host.port}"


def test_dns_goes_before_it_and_what_it_found_is_not_remembered_over_dns(site: Site, host: ScriptedHost) -> None:
    network = asking(site.names, is_mdns=True, browse=on_link(host))
    client = site.here.client(network=network)
    status = client.activate()
    assert (status.host, status.host_source) == (f"kms0.local:{host.port}", "mdns")
    client.activate()
    assert (len(host.requests), len(site.queries)) == (2, 2), "DNS is asked anew each time"
    published = site.host("kms01")
    assert client.activate().host == f"kms01.corp.test:{published.port}"


def test_priorities_hold_on_the_link_too(here: Installation, host: ScriptedHost) -> None:
    client = linked(here, on_link(closed_port(), host, priorities=(5, 7)))
    discovery = client.discover()
    assert [each.found.target.host for each in discovery.hosts] == ["kms0.local", "kms1.local"]
    assert client.activate().host == f"kms1.local:{host.port}"


def test_a_stranger_on_the_link_is_not_believed(here: Installation, host: ScriptedHost) -> None:
    other = World(publisher_key=signing_key(5), host_key=signing_key(6))

    def rogue(request: ActivationRequest) -> Answer:
        return other.answer(host.lease(request))

    host.script = rogue
    assert fails(linked(here, on_link(host))).code == "UNKNOWN_PUBLISHER"


def test_wished_for_without_its_package_it_says_what_to_install(here: Installation) -> None:
    error = fails(linked(here, missing))
    assert (error.code, "quorate-activation[mdns]" in error.hint) == ("MDNS_NOT_INSTALLED", True)
    assert [step.step for step in linked(here, missing).discover().steps][-2:] == ["mdns", "end"]


def test_a_link_that_does_not_work_is_told_and_stops_nothing(here: Installation) -> None:
    client = linked(here, deaf)
    assert fails(client).code == "DNS_NAME_DOES_NOT_EXIST"
    assert any("No such device" in step.text for step in client.discover().steps)


def test_it_is_not_turned_on_without_its_package(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    client = here.client()
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    with pytest.raises(MdnsNotInstalledError):
        client.set_mdns(True)
    assert client.set_mdns(False).usable


def test_hosts_on_a_real_link_are_heard() -> None:
    if importlib.util.find_spec("zeroconf") is None:
        pytest.skip("pip install 'quorate-activation[mdns]'")
    with Namespace.made("10.53.7.1", resolv_conf="") as room:
        room.run("ip", "link", "set", "lo", "multicast", "on")
        said = room.run(str(ROOT / ".venv/bin/python"), "-c", IN_A_NAMESPACE).splitlines()
    assert json.loads(said[0]) == [
        ["kms01.local:1688", ["10.53.7.1"], 1, 10],
        ["kms02.local:1689", ["10.53.7.1"], 2, 20],
    ]
    assert json.loads(said[1]) == []
