"""slmgr's switches on a KMS client, and on a machine that is both or nothing (S34)."""

from __future__ import annotations

import re

import pytest

from quorate.client.state import decode_state
from quorate.core.messages import LicenseStatus
from tests.client.parties import ScriptedHost, closed_port
from tests.slmgr.conftest import Machine


@pytest.fixture
def client(machine: Machine, kms: ScriptedHost) -> Machine:
    machine.be_client()
    assert machine.type("/skms", f"127.0.0.1:{kms.port}").code == 0
    return machine


def test_s34_dli_of_an_activated_client_has_slmgrs_lines(client: Machine, kms: ScriptedHost) -> None:
    assert "is activated until 20" in client.type("/ato").out
    shown = client.type("/dli").out
    assert "Name: Acme CAD, Acme CAD Professional\n" in shown
    assert "License Status: Licensed\n" in shown
    minutes, days = map(int, re.findall(r"Volume activation expiration: (\d+) minute\(s\) \((\d+) day", shown)[0])
    assert 259_198 <= minutes <= 259_200
    assert days == minutes // 1440
    assert f"Registered KMS host name: 127.0.0.1:{kms.port}" in shown
    assert "    Activation interval: 120 minutes\n    Renewal interval: 10080 minutes\n" in shown
    assert "KMS host caching is enabled" in shown


def test_before_the_first_attempt_the_grace_is_shown_and_ato_named(client: Machine) -> None:
    shown = client.type("/dlv").out
    assert re.search(r"License Status: Initial grace period\nTime remaining: 4(3200|3199) minute", shown)
    assert "Remaining rearm count: 3" in shown
    assert "Use /ato" in shown


def test_s34_xpr_says_what_scripts_look_for(client: Machine) -> None:
    assert "Initial grace period ends 20" in client.type("/xpr").out
    client.type("/ato")
    assert "    Volume activation will expire 20" in client.type("/xpr").out


def test_ato_is_refused_by_the_host_with_exit_code_3(client: Machine, kms: ScriptedHost) -> None:
    kms.count = 18
    said = client.type("/ato", "--json")
    assert (said.code, said.json["error"], said.json["hresult"]) == (3, "COUNT_INSUFFICIENT", "0xC004F038")
    assert "18 of 25" in said.err
    assert "Reason: COUNT_INSUFFICIENT" in client.type("/dli").out


def test_ato_without_an_answer_has_exit_code_1_and_names_the_target(client: Machine) -> None:
    port = closed_port()
    client.type("/skms", f"127.0.0.1:{port}")
    said = client.type("/ato")
    assert said.code == 1
    assert said.err.startswith(f"error: 0xC004F074 HOST_UNREACHABLE: no KMS host could be reached: 127.0.0.1:{port}")


def test_skms_sets_a_host_another_port_of_it_and_ckms_clears_it(client: Machine) -> None:
    assert client.type("/skms", "kms01.corp.example", "--json").json["host"] == "kms01.corp.example:1688"
    assert client.type("/skms", ":1700", "--json").json["host"] == "kms01.corp.example:1700"
    assert client.type("/ckms", "--json").json["host"] is None
    said = client.type("/skms", ":1700", "--json")
    assert (said.code, said.json["error"]) == (2, "INVALID_SETTING")


def test_the_lookup_domain_and_what_goes_before_it(client: Machine) -> None:
    said = client.type("/skms-domain", "corp.example")
    assert "corp.example only" in said.out
    assert "Warning: the registered KMS host" in said.out
    assert "Warning: the DNS lookup domain corp.example stays in force" in client.type("/ckms").out
    assert "DNS lookup domain: corp.example" in client.type("/dli").out
    assert client.type("/ckms-domain", "--json").json["lookup_domain"] is None


def test_host_caching_is_switched(client: Machine) -> None:
    assert client.type("/ckhc", "--json").json["host_caching"] is False
    assert "KMS host caching is disabled" in client.type("/dli").out
    assert client.type("/skhc", "--json").json["host_caching"] is True


def test_rearm_takes_a_new_cmid_until_the_limit(client: Machine) -> None:
    cmids = {client.type("/rearm", "--json").json["cmid"] for _ in range(3)}
    assert len(cmids) == 3
    said = client.type("/rearm", "--json")
    assert (said.code, said.json["hresult"]) == (1, "0xC004D307")


def test_upk_is_unlicensed_and_nobody_is_asked_until_it_is_installed_again(client: Machine, kms: ScriptedHost) -> None:
    client.type("/ato")
    asked = len(kms.requests)
    told = client.type("/upk", "--json").json
    assert (told["status"], told["usable"], told["code"]) == ("unlicensed", False, "UNINSTALLED")
    said = client.type("/ato", "--json")
    assert (said.code, said.json["error"], said.json["hresult"]) == (1, "UNINSTALLED", "0xC004F014")
    assert len(kms.requests) == asked
    assert "License Status: Unlicensed" in client.type("/dlv").out
    assert "    Unlicensed\n" in client.type("/xpr").out
    assert client.type("/rearm", "--json").json["error"] == "UNINSTALLED"
    state = decode_state((client.folder / "acme-cad/client.json").read_bytes())
    assert (state.life.status, state.lease, state.cmid) == (LicenseStatus.UNLICENSED, None, told["cmid"])


@pytest.mark.parametrize("words", [["/sai", "60"], ["/sprt", "1700"], ["/cdns"], ["/dti"], ["/cpky"], ["/atp", "-"]])
def test_s34_a_hosts_switch_on_a_client_is_refused_with_the_cause(client: Machine, words: list[str]) -> None:
    said = client.type(*words, "--json")
    assert (said.code, said.json["error"]) == (1, "WRONG_ROLE")
    assert "this machine is a KMS client" in said.json["message"]


def test_s34_a_host_key_on_a_client_is_refused_and_goes_nowhere(client: Machine) -> None:
    said = client.type("/ipk", client.world.product_key.text, "--json")
    assert (said.code, said.json["error"]) == (1, "HOST_KEY_ON_CLIENT")
    assert "quorate-slmgr /ato" in said.json["hint"]
    key = client.world.product_key.text.encode()
    assert not [path for path in client.folder.rglob("*") if path.is_file() and key in path.read_bytes()]


def test_an_activation_id_that_is_not_there_names_those_that_are(client: Machine) -> None:
    assert client.type("/dli", "acme-cad-pro").code == 0
    said = client.type("/ato", "nonsense")
    assert said.code == 1
    assert "acme-cad-server" in said.err


# --- both, and nothing -----------------------------------------------------------------------------------------------


def test_a_machine_that_is_both_shows_both_and_asks_which_to_change(machine: Machine, kms: ScriptedHost) -> None:
    machine.be_host()
    machine.be_client()
    client = machine
    assert client.type("/skms", f"127.0.0.1:{kms.port}").code == 0
    shown = client.type("/dli").out
    assert shown.index("[KMS host]") < shown.index("[KMS client]")
    assert [row["role"] for row in client.type("/dlv", "--json").rows] == ["host", "client"]
    said = client.type("/upk", "--json")
    assert (said.code, said.json["error"]) == (2, "MISUSED")
    assert "--role" in said.json["message"]
    assert client.type("/ato", "--role", "client").code == 0
    assert client.type("/sai", "60").code == 0
    assert client.type("/skhc").code == 0


@pytest.mark.parametrize("word", ["/dlv", "/ato", "/sdns", "/rearm", "/dti"])
def test_a_machine_that_is_nothing_yet_is_told_how_to_begin(machine: Machine, word: str) -> None:
    said = machine.type(word, "--json")
    assert (said.code, said.json["error"]) == (1, "STATE_MISSING")
    assert " init --product " in said.json["hint"]


def test_misuse_has_exit_code_2_and_shows_the_usage(machine: Machine) -> None:
    said = machine.type("/dlx")
    assert said.code == 2
    assert "unrecognized option /dlx" in said.err
    assert "Usage: quorate-slmgr" in said.err
    assert said.out == ""
    assert machine.type("/dlx", "--json").json["error"] == "MISUSED"


def test_help_and_version_go_to_stdout(machine: Machine) -> None:
    assert machine.type("/?").out.startswith("Usage: quorate-slmgr")
    assert machine.type("--version").code == 0
