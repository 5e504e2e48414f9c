"""In which DNS domains a machine looks, and what people may set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.client.config import Settings
from quorate.client.discovery.domains import DOMAINS_MAX, full_name_in, machine_domains, own_name, parse_domain
from quorate.errors import InvalidSettingError

HOSTS = """\
127.0.0.1 localhost
127.0.1.1\tpc-0001.corp.test pc-0001  # by the installer
10.1.2.3   other.branch.test other pc-1
"""


def names(machine: str, domain: str = "", search: tuple[str, ...] = ()) -> list[str]:
    return [each.name for each in machine_domains(machine, domain, search)]


def test_the_machines_own_domain_comes_first_then_each_suffix_once() -> None:
    found = machine_domains("PC.Corp.Test.", "corp.test", ("a.test", "CORP.TEST.", "b.test", "a.test"))
    assert [(each.name, each.why) for each in found] == [
        ("corp.test", "this machine's own domain"),
        ("a.test", "from the DNS search list"),
        ("b.test", "from the DNS search list"),
    ]


def test_a_machine_with_a_bare_name_has_the_domain_of_its_resolver() -> None:
    assert names("pc", domain="corp.test", search=("a.test",)) == ["corp.test", "a.test"]
    assert names("pc", search=("lan",)) == ["lan"]
    assert names("pc") == []


@pytest.mark.parametrize("nowhere", ["", ".", "localdomain", "local", "localhost", "10.1.2.3", "a b", "a..b", "x" * 64])
def test_what_is_no_domain_is_not_looked_in(nowhere: str) -> None:
    assert names(f"pc.{nowhere}", domain=nowhere, search=(nowhere, "corp.test")) == ["corp.test"]


def test_domains_below_local_are_looked_in_for_many_directories_have_one() -> None:
    assert names("pc.corp.local") == ["corp.local"]


def test_a_long_search_list_is_bounded() -> None:
    assert names("pc", search=tuple(f"d{n}.test" for n in range(100))) == [f"d{n}.test" for n in range(DOMAINS_MAX)]


def test_the_full_name_is_had_from_the_hosts_file_without_asking_anybody() -> None:
    assert full_name_in(HOSTS, "pc-0001") == "pc-0001.corp.test"
    assert full_name_in(HOSTS, "other") == "other.branch.test"
    assert full_name_in(HOSTS, "pc-1") == "pc-1", "an alias of another name says nothing of a domain"
    assert full_name_in(HOSTS, "nobody") == "nobody"
    assert full_name_in("\x00 pc\n#", "pc") == "pc"
    assert own_name()


@pytest.mark.parametrize("name", ["WS01", "ws01", "Ws01"])
def test_a_name_in_the_hosts_file_has_no_case(name: str) -> None:
    """RFC 4343. Windows' habit is WS01; whoever writes the hosts file writes ws01, or the other way round."""
    for hosts in ("127.0.1.1 ws01.corp.test ws01", "127.0.1.1 WS01.Corp.Test WS01"):
        (domain,) = machine_domains(full_name_in(hosts, name), "", ())
        assert domain.name == "corp.test"


@pytest.mark.parametrize(
    ("typed", "domain"), [("corp.example", "corp.example"), (" Corp.Example. ", "corp.example"), ("lan", "lan")]
)
def test_a_domain_may_be_set(typed: str, domain: str) -> None:
    assert parse_domain(typed) == domain


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "no DNS domain"),
        (".", "no DNS domain"),
        ("a..b", "no DNS domain"),
        ("http://corp.example", "no DNS domain"),
        ("192.0.2.7", "no DNS domain"),
        ("corp example", "no DNS domain"),
        ("bücher.example", "no DNS domain"),
        ("a." * 120 + "example", "no DNS domain"),
        ("_quorate._tcp.corp.example", "service label"),
    ],
)
def test_what_is_no_domain_is_refused_with_the_reason(typed: str, words: str) -> None:
    with pytest.raises(InvalidSettingError) as caught:
        parse_domain(typed)
    assert words in caught.value.message
    assert caught.value.message.isprintable()


@given(st.text(max_size=300))
def test_what_is_accepted_once_is_accepted_again(typed: str) -> None:
    try:
        domain = parse_domain(typed)
    except InvalidSettingError:
        return
    assert parse_domain(domain) == domain


# --- the environment -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("192.0.2.53", "192.0.2.53", 53),
        ("127.0.0.1:5353", "127.0.0.1", 5353),
        ("[2001:db8::53]:54", "2001:db8::53", 54),
    ],
)
def test_another_name_server_may_be_asked(text: str, address: str, port: int) -> None:
    resolver = Settings.from_environment({"QUORATE_DNS_SERVER": text}).network.open_resolver()
    assert (resolver.nameservers, resolver.port) == ([address], port)


@pytest.mark.parametrize("text", ["ns1.corp.example", "127.0.0.1:0", "127.0.0.1:dns", "127.0.0.1:", "[::1"])
def test_a_name_server_is_given_by_its_address(text: str) -> None:
    with pytest.raises(InvalidSettingError) as caught:
        Settings.from_environment({"QUORATE_DNS_SERVER": text})
    assert "192.0.2.53:5353" in caught.value.hint or "192.0.2.7" in caught.value.hint


def test_mdns_is_off_unless_wished_for() -> None:
    assert Settings.from_environment({}).network.is_mdns is False
    assert Settings.from_environment({"QUORATE_MDNS": "1"}).network.is_mdns is True
