"""Which hosts a client asks, and in which order: what DNS says, what was set by hand, what is remembered."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dns.message
import dns.name
import dns.rdatatype
import dns.resolver
import dns.rrset
import msgspec
import pytest

from quorate.client.discovery.network import Network
from quorate.client.watch import network_picture
from quorate.core.documents import PRODUCT, sign
from quorate.core.policy import DAY_S
from quorate.resolver import machine_resolver
from tests.client.nameserver import asking, nameserver, reply
from tests.client.parties import Installation, closed_port, fails, scripted
from tests.client.sites import SRV, Site
from tests.support.clocks import ManualClock
from tests.support.documents import World

# --- DNS leads to a host ---------------------------------------------------------------------------------------------


def test_s29_s30_with_nothing_but_the_product_file_a_client_finds_its_host_in_dns(site: Site) -> None:
    host = site.host("kms01")
    status = site.client().activate()
    assert (status.status.value, len(host.requests)) == ("licensed", 1)
    assert (status.host, status.host_source, status.host_domain) == (f"kms01.corp.test:{host.port}", "dns", "corp.test")
    assert site.names.asked == [f"{SRV}. SRV", "kms01.corp.test. A", "kms01.corp.test. AAAA"], "absolute, and no more"


def test_the_service_label_comes_from_the_product_file(site: Site) -> None:
    product = msgspec.structs.replace(site.here.world.product, service="_acme-lic._tcp")
    site.here.product.write_text(sign(PRODUCT, product, site.here.world.publisher_key))
    fails(site.client())
    assert site.names.asked == ["_acme-lic._tcp.corp.test. SRV"]


def test_s27_without_a_record_the_domains_that_were_asked_are_named(site: Site) -> None:
    error = fails(site.client(search=["corp.test", "a.test", "b.test"]))
    assert (error.code, error.hresult) == ("DNS_NAME_DOES_NOT_EXIST", 0x8007232B)
    assert site.queries == [f"{SRV}.", "_quorate._tcp.a.test.", "_quorate._tcp.b.test."], "each once, own domain first"
    assert all(name in error.message for name in site.queries)
    sent = site.here.events()[-1]
    assert (sent["event_id"], sent["host"], sent["code"]) == (12288, "", "DNS_NAME_DOES_NOT_EXIST")


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(lambda question: reply(question, rcode="NXDOMAIN"), id="NXDOMAIN"),
        pytest.param(lambda question: reply(question), id="NODATA"),
        pytest.param(lambda question: reply(question, rcode="SERVFAIL"), id="SERVFAIL"),
        pytest.param(lambda question: reply(question, rcode="REFUSED"), id="REFUSED"),
        pytest.param(lambda question: reply(question, AA=False, RA=False), id="lame"),
        pytest.param(lambda question: reply(question, "SRV 0 0 0 ."), id="not here"),
        pytest.param(lambda question: None, id="silence"),
        pytest.param(lambda question: b"\x00" * 30, id="garbage"),
        pytest.param(lambda question: reply(question, "SRV 0 0 0 kms.corp.test."), id="port 0"),
        pytest.param(lambda question: reply(question, r"SRV 0 0 1688 k\027[31mms\010.corp.test."), id="no host name"),
    ],
)
def test_a_domain_that_names_no_host_leads_to_the_next(
    site: Site, first: Callable[[dns.message.QueryMessage], dns.message.Message | bytes | None]
) -> None:
    host = site.host("kms01", domain="b.test")
    known = site.names.script
    site.names.script = lambda question, is_tcp: (
        first(question) if question.question[0].name.to_text() == f"{SRV}." else known(question, is_tcp)
    )
    assert site.client(search=["a.test", "b.test"]).activate().host_domain == "b.test"
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (lambda question: reply(question, rcode="SERVFAIL"), "answered SERVFAIL"),
        (lambda question: None, "did not answer within 3 s"),
        (lambda question: reply(question, AA=False, RA=False), "lame"),
        (lambda question: reply(question, r"SRV 0 0 1688 k\027[31mms\010.corp.test."), "no DNS name"),
    ],
)
def test_a_name_server_that_fails_is_not_taken_for_one_that_knows_nothing(
    site: Site, said: Callable[[dns.message.QueryMessage], dns.message.Message | None], words: str
) -> None:
    site.names.script = lambda question, _: (
        said(question) if question.question[0].name.to_text() == f"{SRV}." else reply(question, rcode="NXDOMAIN")
    )
    error = fails(site.client(search=["a.test"]))
    assert (error.code, error.hresult) == ("DNS_SERVER_FAILURE", 0x8007232A)
    assert words in error.message
    assert error.message.isprintable()


def test_name_servers_are_named_by_address_alone_with_why_they_were_of_no_use(site: Site) -> None:
    site.names.script = lambda question, _: reply(question, rcode="SERVFAIL")
    assert f" 127.0.0.1:{site.names.port} answered SERVFAIL" in fails(site.client()).message
    broadcast = site.here.client(network=asking(("255.255.255.255", 53)))  # the operating system refuses to send
    assert fails(broadcast).message.endswith(f"{SRV}. 255.255.255.255 cannot be reached (permission denied)")


def test_decidedly_not_here_is_told_as_such(site: Site) -> None:
    site.records[SRV, "SRV"] = ["0 0 0 ."]
    error = fails(site.client())
    assert error.code == "DNS_NAME_DOES_NOT_EXIST"
    assert "says that there is none" in error.message


def test_a_truncated_answer_is_fetched_by_tcp(site: Site) -> None:
    host = site.host("kms01")
    known, ways = site.names.script, []

    def script(question: dns.message.QueryMessage, is_tcp: bool) -> object:
        if question.question[0].name.to_text() != f"{SRV}.":
            return known(question, is_tcp)
        ways.append(is_tcp)
        return known(question, is_tcp) if is_tcp else reply(question, TC=True)

    site.names.script = script  # type: ignore[assignment]  # `object`: what `known` gives, passed on
    site.client().activate()
    assert (ways, len(host.requests)) == ([False, True], 1)


def test_a_truncated_answer_whose_tcp_port_is_closed_names_that_port(site: Site) -> None:
    site.names.script = lambda question, _: reply(question, TC=True)
    site.names.tcp.shutdown(socket.SHUT_RDWR)  # a server that waits for callers keeps listening when it is only closed
    site.names.tcp.close()
    error = fails(site.client())
    assert error.code == "DNS_SERVER_FAILURE"
    port = site.names.port
    assert f"its whole answer needs TCP port {port}, which refused" in error.message


def test_a_truncated_answer_whose_tcp_port_is_silent_names_that_port(site: Site) -> None:
    site.names.script = lambda question, is_tcp: None if is_tcp else reply(question, TC=True)
    assert f"TCP port {site.names.port}" in fails(site.client()).message


@pytest.mark.parametrize("missing", ["NXDOMAIN", "NOERROR", "SERVFAIL"])
@pytest.mark.parametrize("family", ["A", "AAAA"])
def test_a_target_with_an_address_of_one_family_is_reached_whatever_is_said_of_the_other(
    site: Site, family: str, missing: str
) -> None:
    address = {"A": "127.0.0.1", "AAAA": "::1"}[family]
    host = site.stack.enter_context(scripted(World(), site.here.clock, address))
    site.publish("kms01", host.port)
    known = site.names.script

    def script(question: dns.message.QueryMessage, is_tcp: bool) -> object:
        asked = dns.rdatatype.to_text(question.question[0].rdtype)
        if asked == "SRV":
            return known(question, is_tcp)
        return reply(question, f"{family} {address}") if asked == family else reply(question, rcode=missing)

    site.names.script = script  # type: ignore[assignment]  # `object`: what `known` gives, passed on
    assert site.client().activate().host == f"kms01.corp.test:{host.port}"


def test_a_target_that_stands_in_the_hosts_file_alone_is_reached(site: Site) -> None:
    host = site.host("kms01")
    del site.records["kms01.corp.test", "A"]
    asked: list[str] = []

    def hosts_file(name: str) -> tuple[str, ...]:
        asked.append(name)
        return ("127.0.0.1",)

    site.client(system_addresses=hosts_file).activate()
    assert (asked, len(host.requests)) == (["kms01.corp.test"], 1)


def test_the_operating_system_knows_what_stands_in_its_hosts_file() -> None:
    assert "127.0.0.1" in Network().system_addresses("localhost")
    assert Network().system_addresses("kms.invalid") == (), "RFC 6761: never"


@pytest.mark.parametrize("is_set_by_hand", [False, True])
def test_a_slip_in_resolv_conf_costs_nobody_the_server_beside_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_set_by_hand: bool
) -> None:
    """With and without `QUORATE_DNS_SERVER`; in the SDK, in `discover`, and in what an agent looks at."""
    host = site.host("kms01")
    conf = tmp_path / "resolv.conf"
    conf.write_bytes(b"# Stra\xdfe\nnameserver 10.0.0.53,\nsearch corp..example\nnameserver 127.0.0.1\n")
    port = site.names.port
    by_hand = partial(machine_resolver, conf, servers=("127.0.0.1",), port=port)

    def by_itself() -> dns.resolver.Resolver:
        found = machine_resolver(conf)
        found.port = port
        return found

    network = Network(by_hand if is_set_by_hand else by_itself, own_name=lambda: "pc.corp.test")
    client = site.here.client(network=network)
    assert client.renew_if_due().status.value == "licensed"
    assert len(host.requests) == 1
    client.clear_host()
    client.set_caching(False)
    told = [step.text for step in client.discover().steps if step.step == "settings"]
    assert [each.split(" is passed over")[0] for each in told] == [f"{conf} line 2", f"{conf} line 3"]
    monkeypatch.setattr("quorate.client.watch.machine_resolver", partial(machine_resolver, conf))
    names, addresses = network_picture()
    assert names == ("127.0.0.1",)
    assert isinstance(addresses, tuple)


def test_without_any_name_server_that_is_what_is_said(here: Installation) -> None:
    def none() -> Any:
        raise dns.resolver.NoResolverConfiguration

    client = here.client(network=Network(none, own_name=lambda: "pc.corp.test"))
    error = fails(client)
    assert (error.code, "no name server set" in error.message) == ("DNS_SERVER_FAILURE", True)


def test_an_alias_leads_to_its_host_as_record_and_as_target(site: Site) -> None:
    host = site.host("kms01", domain="other.test")
    here, there = dns.name.from_text(f"{SRV}."), f"0 0 {host.port} www.other.test."

    def script(question: dns.message.QueryMessage, _: bool) -> dns.message.Message:
        asked = question.question[0].name
        if asked == here:
            answer = reply(question, "CNAME _quorate._tcp.other.test.")
            answer.answer.append(dns.rrset.from_text("_quorate._tcp.other.test.", 60, "IN", "SRV", there))
            return answer
        assert asked.to_text() == "www.other.test."
        answer = reply(question, "CNAME kms01.other.test.")
        if question.question[0].rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text("kms01.other.test.", 60, "IN", "A", "127.0.0.1"))
        return answer

    site.names.script = script
    assert site.client().activate().host == f"www.other.test:{host.port}"


def test_a_host_with_an_ipv6_address_alone_is_reached(site: Site) -> None:
    host = site.stack.enter_context(scripted(World(), site.here.clock, "::1"))
    site.publish("kms06", host.port)
    site.records["kms06.corp.test", "A"] = []
    site.records["kms06.corp.test", "AAAA"] = ["::1"]
    assert site.client().activate().host == f"kms06.corp.test:{host.port}"


def test_a_target_that_is_an_address_after_all_is_taken_as_one(site: Site) -> None:
    host = site.host("kms01")
    site.records[SRV, "SRV"] = [f"0 0 {host.port} 127.0.0.1."]
    site.client().activate()
    assert site.names.asked == [f"{SRV}. SRV"]


def test_of_several_addresses_the_one_that_answers_is_taken(site: Site) -> None:
    host = site.host("kms01")
    site.records["kms01.corp.test", "A"] = ["127.0.0.77", "127.0.0.1"]
    assert site.client().activate().usable
    assert len(host.requests) == 1


# --- what was set by hand, and what is remembered --------------------------------------------------------------------


def test_a_host_that_was_set_is_the_only_one_and_dns_is_not_asked(site: Site) -> None:
    published, own = site.host("kms01"), closed_port()
    client = site.client()
    client.set_host(f"127.0.0.1:{own}")
    assert fails(client).code == "HOST_UNREACHABLE"
    assert (site.names.asked, published.requests) == ([], [])
    client.clear_host()
    assert client.activate().host_source == "dns"


def test_a_domain_that_was_set_is_the_only_one_that_is_looked_in(site: Site) -> None:
    site.host("kms01")
    other = site.host("kms09", domain="branch.test")
    client = site.client(search=["a.test"])
    status = client.set_domain("Branch.Test.")
    assert (status.lookup_domain, status.host) == ("branch.test", None)
    assert client.activate().host_domain == "branch.test"
    assert (site.queries, len(other.requests)) == (["_quorate._tcp.branch.test."], 1)
    site.withdraw("branch.test")
    assert client.clear_domain().host is None, "who was found there is not asked again"
    client.activate()
    assert site.queries[1:] == [f"{SRV}."]
    client.set_domain("empty.test")
    error = fails(client)
    assert (error.code, site.queries[2:]) == ("DNS_NAME_DOES_NOT_EXIST", ["_quorate._tcp.empty.test."])


def test_the_host_that_worked_last_is_asked_without_dns_and_when_it_falls_silent_dns_is_asked_at_once(
    site: Site,
) -> None:
    port = closed_port()
    site.publish("dead", port, priority=0)
    second = site.host("kms02", priority=10)
    client = site.client()
    assert client.activate().host == f"kms02.corp.test:{second.port}", "the first is dead"
    third = site.host("kms03", priority=5)
    client.activate()
    assert (len(site.queries), len(second.requests), third.requests) == (1, 2, []), "remembered: DNS is not asked"
    second.server.shutdown()
    second.server.server_close()
    assert client.activate().host == f"kms03.corp.test:{third.port}", "in the same attempt"
    assert len(site.queries) == 2
    client.activate()
    assert (len(site.queries), len(third.requests)) == (2, 2)


def test_with_host_caching_off_priority_rules_every_attempt(site: Site) -> None:
    second = site.host("kms02", priority=10)
    client = site.client()
    assert client.set_caching(False).host_caching is False
    client.activate()
    first = site.host("kms01", priority=0)
    client.activate()
    assert (len(site.queries), len(first.requests), len(second.requests)) == (2, 1, 1)
    assert client.set_caching(True).host == f"kms01.corp.test:{first.port}"
    site.withdraw()
    client.activate()
    assert (len(site.queries), len(first.requests)) == (2, 2)


def test_a_record_from_before_discovery_is_read_and_its_host_asked(site: Site) -> None:
    host = site.host("kms01")
    site.client().activate()
    old = {k: v for k, v in site.here.read().items() if k not in {"cached_source", "cached_domain"}}
    site.here.record.write_bytes(msgspec.json.encode(old | {"cached_host": f"127.0.0.1:{host.port}"}))
    status = site.client().activate()
    assert (status.host, status.host_source, len(site.queries)) == (f"127.0.0.1:{host.port}", None, 1)


@pytest.mark.parametrize("changes", [{"domain": "no domain"}, {"cached_host": "a b"}, {"cached_source": "guess"}])
def test_a_record_with_nonsense_in_its_directions_begins_anew(site: Site, changes: dict[str, str]) -> None:
    site.host("kms01")
    site.client().activate()
    site.here.change(**changes)
    assert site.client().status().code == "LEASE_DAMAGED"


# --- .local behind systemd-resolved ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rcode", ["REFUSED", "SERVFAIL"])
def test_below_local_the_servers_behind_the_stub_are_asked(site: Site, rcode: str) -> None:
    host = site.host("kms01", domain="corp.local")
    with nameserver(
        lambda question, _: reply(question, rcode=rcode), address="127.0.0.53", port=site.names.port
    ) as stub:
        upstream = asking(site.names).open_resolver
        network = asking(stub, name="pc-0001.corp.local", open_upstream=upstream)
        client = site.here.client(network=network)
        assert client.activate().host == f"kms01.corp.local:{host.port}"
        [detour] = [step for step in client.discover().steps if step.facts.get("result") == "detour"]
        assert f"answered {rcode}" in detour.text
        assert "systemd-resolved" in detour.text
        site.here.change(cached_host=None, domain="corp.test")
        asked = len(site.names.asked)
        assert fails(client).code == "DNS_SERVER_FAILURE"
        assert len(site.names.asked) == asked, "elsewhere the stub's word stands"


def test_where_there_is_nothing_behind_the_stub_its_word_stands(here: Installation) -> None:
    def none() -> Any:
        raise dns.resolver.NoResolverConfiguration

    with nameserver(lambda question, _: reply(question, rcode="REFUSED"), address="127.0.0.53") as stub:
        error = fails(here.client(network=asking(stub, name="pc.corp.local", open_upstream=none)))
    assert (error.code, "answered REFUSED" in error.message) == ("DNS_SERVER_FAILURE", True)


# --- several attempts at once ----------------------------------------------------------------------------------------


def test_an_application_and_its_agent_do_not_ask_twice(site: Site) -> None:
    host = site.host("kms01")
    client = site.client()
    threads = [threading.Thread(target=client.renew_if_due) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(host.requests) == 1


def test_discovery_is_used_by_the_agent_as_well(site: Site, clock: ManualClock) -> None:
    host = site.host("kms01")
    client = site.client()
    client.renew_if_due()
    clock.advance(7 * DAY_S)
    client.renew_if_due()
    assert len(host.requests) == 2
