"""slmgr's switches on a KMS host: what they show, what they change, and what they refuse (S34)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from quorate.clock import SystemClock, SystemEntropy
from quorate.core.armor import dearmored
from quorate.core.documents import HOST_REQUEST, read_host_request
from quorate.host.administration import Administration
from quorate.host.config import StatePaths
from tests.slmgr.conftest import Machine
from tests.support.documents import World
from tests.support.hosting import certificate_for


def settings(machine: Machine) -> dict[str, str | int]:
    with Administration.open(StatePaths(machine.folder), SystemClock(), SystemEntropy()) as host:
        return host.shown_settings()


def test_s34_dli_has_slmgrs_lines_in_slmgrs_order(machine: Machine) -> None:
    machine.be_host()
    said = machine.type("/dli")
    assert said.code == 0
    labels = [line.split(":")[0].strip() for line in said.out.splitlines() if line.strip()]
    wanted = [
        "Name",
        "Description",
        "Partial Product Key",
        "License Status",
        "Key Management Service is enabled on this machine",
        "Current count",
        "Listening on Port",
        "DNS publishing enabled",
        "KMS priority",
        "Total requests received",
        "Failed requests received",
        "Requests with License Status Unlicensed",
        "Requests with License Status Licensed",
        "Requests with License Status Initial grace period",
        "Requests with License Status License expired or Hardware out of tolerance".replace("Hardware", "hardware"),
        "Requests with License Status Notification",
    ]
    assert [label for label in labels if label in wanted] == wanted
    assert "License Status: Licensed" in said.out
    assert f"Partial Product Key: {machine.world.product_key.last_five}" in said.out
    assert re.search(r"Host activation expiration: 10(51200|51199|51198) minute\(s\) \(7(30|29) day", said.out)
    assert machine.world.product_key.text not in said.out


def test_dlv_has_the_ids_in_front_and_dli_has_not(machine: Machine) -> None:
    machine.be_host()
    long, short = machine.type("-DLV").out, machine.type("-dli").out
    for label in ("Software licensing service version: Quorate", "Activation ID:", "Extended PID:", "Trusted time:"):
        assert label in long
        assert label not in short


def test_dlv_as_json_is_the_hosts_status(machine: Machine) -> None:
    machine.be_host()
    told = machine.type("/dlv", "--json").json
    assert (told["switch"], told["role"], told["activated"], told["port"]) == ("dlv", "host", True, 1688)
    assert told["counts"]["acme"]["client"]["threshold"] == 25


def test_an_activation_id_names_a_product_or_one_of_its_editions(machine: Machine) -> None:
    machine.be_host()
    for name in ("acme-cad", "acme-cad-server", "all", "ACME-CAD"):
        assert machine.type("/dli", name).code == 0
    said = machine.type("/dli", "another")
    assert said.code == 1
    assert "acme-cad-server" in said.err


def test_xpr_says_when_the_host_activation_ends(machine: Machine) -> None:
    machine.be_host()
    assert "Acme CAD:\n    Host activation will expire 20" in machine.type("/xpr").out


def test_a_host_that_is_not_activated_says_so(machine: Machine) -> None:
    machine.be_host(activated=False)
    assert "License Status: Unlicensed\nReason: HOST_NOT_ACTIVATED" in machine.type("/dli").out
    assert "Unlicensed: this KMS host is not activated" in machine.type("/xpr").out


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "setting", "value"),
    [
        (["/sprt", "1700"], "port", 1700),
        (["/sai", "15"], "activation-interval", 15),
        (["/sai", "43200"], "activation-interval", 43_200),
        (["/sri", "10081"], "renewal-interval", 10_081),
        (["/cdns"], "dns-publishing", "off"),
        (["/cpri"], "priority", "low"),
    ],
)
def test_s34_a_setting_is_set_and_said(machine: Machine, words: list[str], setting: str, value: int | str) -> None:
    machine.be_host()
    said = machine.type(*words, "--json")
    assert (said.code, said.json[setting.replace("-", "_")]) == (0, value)
    assert settings(machine)[setting] == value
    machine.type("/sdns", "/spri")
    assert (settings(machine)["dns-publishing"], settings(machine)["priority"]) == ("on", "normal")


@pytest.mark.parametrize("words", [["/sai", "14"], ["/sai", "43201"], ["/sri", "0"], ["/sri", "soon"], ["/sprt", "0"]])
def test_s34_what_is_out_of_bounds_is_refused_with_the_bounds(machine: Machine, words: list[str]) -> None:
    machine.be_host()
    before = settings(machine)
    said = machine.type(*words)
    assert said.code == 2
    assert "INVALID_SETTING" in said.err
    assert "Allowed:" in said.err
    assert settings(machine) == before


@pytest.mark.parametrize("words", [["/sprt", "1700"], ["/sai", "60"], ["/cdns"], ["/cpri"]])
def test_s34_only_an_activated_host_can_be_set(machine: Machine, words: list[str]) -> None:
    machine.be_host(activated=False)
    before = settings(machine)
    said = machine.type(*words, "--json")
    assert (said.code, said.json["error"], said.json["hresult"]) == (3, "HOST_NOT_ACTIVATED", "0xC004F041")
    assert settings(machine) == before


def test_the_first_failure_ends_the_call(machine: Machine) -> None:
    machine.be_host()
    said = machine.type("/sai", "60", "/sri", "1", "/cdns")
    assert said.code == 2
    assert (settings(machine)["activation-interval"], settings(machine)["dns-publishing"]) == (60, "on")


# --- key, request, confirmation --------------------------------------------------------------------------------------


def test_s34_from_the_key_to_the_activation_by_text_alone(machine: Machine, tmp_path: Path) -> None:
    machine.be_host(activated=False)
    said = machine.type("/ipk", machine.world.product_key.text)
    assert said.code == 0
    assert machine.world.product_key.text not in said.out + said.err
    text = machine.type("/dti").out
    request = dearmored(text, HOST_REQUEST)
    assert read_host_request(request).last_five == machine.world.product_key.last_five
    confirmation = certificate_for(machine.world, request, SystemClock().now_s())
    assert machine.type("/atp", confirmation).code == 0
    assert "License Status: Licensed" in machine.type("/dli").out


def test_a_confirmation_may_be_a_file(machine: Machine, tmp_path: Path) -> None:
    machine.be_host(activated=False)
    machine.type("/ipk", machine.world.product_key.text)
    request = machine.type("/dti", "--json").json["request"]
    file = tmp_path / "contoso.cert"
    file.write_text(certificate_for(machine.world, dearmored(request, HOST_REQUEST), SystemClock().now_s()))
    assert machine.type("/atp", file, "--json").json["activated"] is True
    assert "no such file" in machine.type("/atp", tmp_path / "other.cert").err.lower()


def test_a_key_with_a_typing_mistake_and_a_confirmation_that_is_none_are_refused(machine: Machine) -> None:
    machine.be_host(activated=False)
    said = machine.type("/ipk", machine.world.product_key.text[:-1] + "2", "--json")
    assert (said.code, said.json["error"], said.json["hresult"]) == (1, "PRODUCT_KEY_INVALID", "0xC004F050")
    assert machine.type("/dti", "--json").json["error"] == "HOST_KEY_MISSING"
    assert machine.type("/atp", "eyJub25zZW5zZQ.x.y", "--json").json["error"] in {"MALFORMED_DOCUMENT", "TEXT_FOREIGN"}


def test_ato_tells_a_host_what_is_missing_and_an_activated_one_that_it_is(machine: Machine) -> None:
    machine.be_host(activated=False)
    said = machine.type("/ato")
    assert said.code == 1
    assert "PUBLISHER_UNKNOWN" in said.err
    assert "/dti" in said.err
    machine.type("/ipk", machine.world.product_key.text)
    request = dearmored(machine.type("/dti").out, HOST_REQUEST)
    machine.type("/atp", certificate_for(machine.world, request, SystemClock().now_s()))
    assert "is activated until" in machine.type("/ato").out


def test_cpky_removes_the_text_and_leaves_the_activation(machine: Machine) -> None:
    machine.be_host()
    paths = StatePaths(machine.folder)
    assert paths.product_key.exists()
    assert machine.type("/cpky").code == 0
    assert not paths.product_key.exists()
    assert "License Status: Licensed" in machine.type("/dli").out
    assert machine.type("/cpky", "--json").json["removed"] is False


def test_upk_makes_the_host_unlicensed_and_a_new_key_begins_anew(machine: Machine) -> None:
    machine.be_host()
    identity = machine.type("/dlv", "--json").json["host_id"]
    assert machine.type("/upk").code == 0
    told = machine.type("/dlv", "--json").json
    assert (told["activated"], told["code"], told["host_id"]) == (False, "HOST_NOT_ACTIVATED", identity)
    assert machine.type("/upk", "--json").json["error"] == "HOST_KEY_MISSING"
    assert machine.type("/ipk", machine.world.product_key.text).code == 0


# --- who, and where --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["/rearm", "/ckms", "/skhc"])
def test_a_clients_switch_on_a_host_says_what_this_machine_is(machine: Machine, word: str) -> None:
    machine.be_host()
    said = machine.type(word, "--json")
    assert (said.code, said.json["error"]) == (1, "WRONG_ROLE")
    assert "this machine is a KMS host" in said.json["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights")
def test_s34_without_the_right_it_is_refused_and_said_to_whom_the_host_belongs(machine: Machine) -> None:
    machine.be_host()
    for folder in (machine.folder, *machine.folder.parents):
        if folder.name in ("", "tmp"):
            break
        folder.chmod(0o755 if folder != machine.folder else 0o700)
    os.seteuid(65534)
    try:
        said = machine.type("/sai", "60")
    finally:
        os.seteuid(0)
    assert said.code == 1
    assert "0x80070005 ACCESS_DENIED" in said.err
    assert "belongs to root" in said.err
    assert "sudo -u root" in said.err
    assert settings(machine)["activation-interval"] == 120


def test_a_certificate_for_another_group_is_told_at_the_product(machine: Machine) -> None:
    machine.be_host(activated=False)
    other = World()
    machine.type("/ipk", other.product_key.text)
    request = dearmored(machine.type("/dti").out, HOST_REQUEST)
    said = machine.type("/atp", certificate_for(other, request, SystemClock().now_s(), groups=("other",)), "--json")
    assert said.json["error"] == "PRODUCT_NOT_COVERED"
