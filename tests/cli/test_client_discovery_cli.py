"""`quorate client discover` and the settings of discovery, as they are typed."""

from __future__ import annotations

import sys

import pytest

from tests.cli.test_client_cli import Quorate, here, host, installed, names, quorate
from tests.client.nameserver import ScriptedNameServer, zone
from tests.client.parties import Installation, ScriptedHost, closed_port

__all__ = ["here", "host", "installed", "names", "quorate"]  # fixtures

SRV = "_quorate._tcp.corp.test"


@pytest.fixture
def published(names: ScriptedNameServer, host: ScriptedHost) -> int:
    """A dead host's port before the living one's in the zone corp.test."""
    dead = closed_port()
    names.script = zone(
        {
            (SRV, "SRV"): [f"0 0 {dead} kms01.corp.test.", f"5 0 {host.port} kms02.corp.test."],
            ("kms01.corp.test", "A"): ["127.0.0.1"],
            ("kms02.corp.test", "A"): ["127.0.0.1"],
        }
    )
    return dead


def test_explain_shows_every_step_to_people(
    installed: Installation, quorate: Quorate, published: int, host: ScriptedHost
) -> None:
    quorate("set-domain", "corp.test")
    said = quorate("discover", "--explain")
    assert said.exit_code == 1, "the second one answers no hello of ours"
    lines = said.out.splitlines()
    assert lines[0] == "  1. no host is remembered from before"
    assert "corp.test (set by hand: no other is looked in)" in lines[1]
    assert f"kms01.corp.test:{published}; 5 0 kms02.corp.test:{host.port}" in lines[2]
    assert f"kms01.corp.test:{published} will not do: connection refused" in said.out
    table = said.out.split("\n\n")[1]
    assert table.index("kms01.corp.test") < table.index("kms02.corp.test")
    assert "DNS corp.test" in table
    assert said.err.startswith("error: ")
    assert "\nhint: " in said.err
    assert "  1. " not in quorate("discover").out, "without it, the table alone"


def test_discover_has_a_stable_shape_for_scripts(
    installed: Installation, quorate: Quorate, published: int, host: ScriptedHost
) -> None:
    quorate("set-domain", "corp.test")
    told = quorate("discover", "--explain", "--json").json
    assert set(told) == {"service", "hosts", "steps", "code", "message", "hint"}
    assert [(each["host"], each["port"], each["code"]) for each in told["hosts"]] == [
        ("kms01.corp.test", published, "HOST_UNREACHABLE"),
        ("kms02.corp.test", host.port, "NOT_A_QUORATE_HOST"),
    ]
    assert told["hosts"][0]["source"] == "dns"
    [query] = [step for step in told["steps"] if step["step"] == "query"]
    assert (query["name"], query["result"]) == (f"{SRV}.", "found")
    assert query["records"][1] == {"host": "kms02.corp.test", "port": host.port, "priority": 5, "weight": 0}
    assert told["code"] == "NOT_A_QUORATE_HOST"
    assert host.requests == [], "nobody was counted"


def test_status_says_where_the_host_came_from(
    installed: Installation, quorate: Quorate, published: int, host: ScriptedHost
) -> None:
    told = quorate("set-domain", "Corp.Test", "--json").json
    assert (told["lookup_domain"], told["host"]) == ("corp.test", None)
    told = quorate("activate", "--json").json
    assert (told["host_source"], told["host_domain"], told["host_caching"]) == ("dns", "corp.test", True)
    assert f"kms02.corp.test:{host.port} (DNS corp.test; cached)" in quorate("status").out
    assert "corp.test (set by hand)" in quorate("status").out
    said = quorate("set-caching", "off")
    assert f"kms02.corp.test:{host.port} (DNS corp.test)\n" in said.out
    assert "host caching: off" in said.out
    assert quorate("set-caching", "on", "--json").json["host_caching"] is True
    assert quorate("clear-domain", "--json").json["lookup_domain"] is None
    quorate("set-host", "kms09")
    said = quorate("set-domain", "corp.test")
    assert "kms09:1688 was set by hand and goes before it" in said.err


def test_what_is_no_domain_is_refused(installed: Installation, quorate: Quorate) -> None:
    said = quorate("set-domain", "_quorate._tcp.corp.test", "--json")
    assert (said.exit_code, said.json["error"]) == (2, "INVALID_SETTING")
    assert quorate("set-caching", "perhaps").exit_code == 2


def test_mdns_is_turned_on_only_where_it_works(
    installed: Installation, quorate: Quorate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    said = quorate("set-mdns", "on", "--json")
    assert (said.exit_code, said.json["error"]) == (1, "MDNS_NOT_INSTALLED")
    assert "pip install 'quorate-activation[mdns]'" in said.err
    assert quorate("set-mdns", "off").exit_code == 0


def test_a_wrong_name_server_in_the_environment_is_told(
    installed: Installation, quorate: Quorate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORATE_DNS_SERVER", "ns1.corp.test")
    said = quorate("discover", "--json")
    assert (said.exit_code, said.json["error"]) == (2, "INVALID_SETTING")
    assert "QUORATE_DNS_SERVER" in said.err
