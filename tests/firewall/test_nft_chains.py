"""nftables as administrators write it: the rule comes where it works, in every chain that has to let clients in."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from quorate.clock import SystemClock
from tests.firewall.room import CLIENT4, HOST4, PORT, Driver, Room, need_programs, room
from tests.support.hosting import make_host

_LISTEN = f"""
import socket
with socket.create_server(("", {PORT})) as listening:
    print("ready", flush=True)
    while True:
        listening.accept()
"""
_HEAD = "type filter hook input priority 0;"
_USUAL = "ct state established,related accept; tcp dport 22 accept;"

CLOSED = {
    "policy drop": f"table inet filter {{ chain input {{ {_HEAD} policy drop; {_USUAL} }} }}",
    "a final drop": f"table inet filter {{ chain input {{ {_HEAD} policy accept; {_USUAL} drop }} }}",
    "a final reject with a counter and a log": (
        f'table inet filter {{ chain input {{ {_HEAD} {_USUAL} counter log prefix "no " reject }} }}'
    ),
    "a reset for TCP": (
        f"table inet my {{ chain in {{ {_HEAD} {_USUAL} meta l4proto tcp reject with tcp reset; counter }} }}"
    ),
    "a jump to a chain that drops": (
        f"table inet filter {{ chain rest {{ log; counter drop; }} chain input {{ {_HEAD} {_USUAL} jump rest }} }}"
    ),
    "no connection tracking": f"table ip filter {{ chain input {{ {_HEAD} policy drop; tcp dport 22 accept }} }}",
    "two chains, both closed": (
        f"table inet one {{ chain a {{ {_HEAD} policy drop; {_USUAL} }} }}\n"
        "table ip two { chain b { type filter hook input priority 10; policy drop; ct state established accept } }"
    ),
}


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Room, Driver, Driver]]:
    """A listening machine with a host's state folder, and one that knocks; the rules are each test's own."""
    need_programs(nft="nftables")
    with room(tmp_path_factory.mktemp("room")) as made:
        make_host(made.state, made.world, SystemClock())
        listener = made.spawn("listener", sys.executable, "-I", "-S", "-c", _LISTEN)
        listener.wait_until(lambda: "ready" in listener.log.read_text(), "the listener")
        yield made, made.driver_of(made.host_name), made.driver_of(made.client_name)


def load(made: Room, rules: str) -> None:
    made.host_run("nft", "-f", "-", stdin="flush ruleset\n" + rules.replace("}", "\n}\n") + "\n")


def rules_of(made: Room) -> str:
    return made.host_run("nft", "--stateless", "list", "ruleset")


@pytest.mark.parametrize("rules", list(CLOSED))
def test_s32_the_exception_opens_whatever_closes(parties: tuple[Room, Driver, Driver], rules: str) -> None:
    made, host, client = parties
    load(made, CLOSED[rules])
    before = rules_of(made)
    firewall = ("host", "firewall", "--state-dir", str(made.state))
    assert client.knock(HOST4, PORT) != "open"

    typed = [line for form in host.said(*firewall)["forms"] for line in form["enable"]]
    [row] = host.said(*firewall, "--enable")["firewalls"]
    assert row["did"] == typed, "what is shown is what is done"
    assert client.knock(HOST4, PORT) == "open"
    assert client.knock(HOST4, PORT + 1) != "open"

    [row] = host.said(*firewall, "--disable")["firewalls"]
    assert row["ports"] == []
    assert rules_of(made) == before, "nothing of ours is left"


def test_a_blocked_client_stays_blocked(parties: tuple[Room, Driver, Driver]) -> None:
    made, host, client = parties
    blocked = f"table inet filter {{ chain input {{ {_HEAD} policy drop; ip saddr {CLIENT4} drop; {_USUAL} }} }}"
    load(made, blocked)
    host.said("host", "firewall", "--state-dir", str(made.state), "--enable")
    assert client.knock(HOST4, PORT) == "silence"


def test_where_nothing_keeps_anything_out_nothing_is_changed(parties: tuple[Room, Driver, Driver]) -> None:
    made, host, _ = parties
    load(made, "table inet mine { chain input { type filter hook input priority 0; tcp dport 23 drop; } }")
    before = rules_of(made)
    done = host.quorate("host", "firewall", "--state-dir", str(made.state), "--enable")
    assert done["code"] == 0
    assert "nothing was changed" in done["err"]
    named = host.quorate("host", "firewall", "--state-dir", str(made.state), "--enable", "--format", "nft")
    assert named["code"] == 1
    assert "no input chain of nftables keeps anything out" in named["err"]
    assert rules_of(made) == before


def test_words_for_people_say_what_was_done_how_to_keep_it_and_how_to_undo_it(
    parties: tuple[Room, Driver, Driver],
) -> None:
    made, host, _ = parties
    load(made, CLOSED["policy drop"])
    firewall = ("host", "firewall", "--state-dir", str(made.state))
    assert "TCP port 1688, not enabled in nft" in host.quorate(*firewall)["err"]
    done = host.quorate(*firewall, "--enable")
    assert done["out"] == ("nft 'add rule inet filter input tcp dport 1688 accept comment \"KMS Traffic\"'\n")
    assert "KMS Traffic: nft lets TCP port 1688 in." in done["err"]
    assert "/etc/nftables.conf" in done["err"]
    assert "Undo: quorate host firewall --format nft --disable" in done["err"]
    assert "did already; nothing was changed" in host.quorate(*firewall, "--enable")["err"]
    assert "enabled in nft" in host.quorate(*firewall)["err"]


def test_firewalld_that_does_not_run_is_told_through_its_files(parties: tuple[Room, Driver, Driver]) -> None:
    need_programs(firewall_cmd="firewalld", firewall_offline_cmd="firewalld")
    made, host, _ = parties
    firewall = ("host", "firewall", "--state-dir", str(made.state), "--format", "firewalld")
    [row] = host.said(*firewall, "--enable")["firewalls"]
    assert row["ports"] == [PORT]
    assert "does not run" in row["note"]
    written = made.host_run("cat", "/etc/firewalld/services/kms-traffic.xml")
    assert "<short>KMS Traffic</short>" in written
    assert host.said(*firewall)["enabled"] is True
    assert host.said(*firewall, "--disable")["firewalls"][0]["ports"] == []
    assert "kms-traffic" not in made.host_run("cat", "/etc/firewalld/zones/public.xml")
