"""The exception as text, for every firewall; and the refusals of the command."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from quorate.cli.host_firewall import Format
from quorate.clock import SystemClock
from quorate.errors import FirewallFailedError
from quorate.host.firewall.forms import FORMS, NAME, RUNNABLE, form, ufw_profile
from quorate.host.firewall.tools import Tools
from tests.cli.test_host_cli import quorate
from tests.dns.servers import run
from tests.firewall.room import need_programs, world_of_one
from tests.support.hosting import make_host
from tests.support.waiting import PATIENCE_S

GOLDEN = Path(__file__).parent / "golden"
PORT = 1700


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A host that is set to port 1700."""
    make_host(tmp_path / "host", world_of_one(), SystemClock(), settings={"port": str(PORT)})
    return tmp_path / "host"


def test_every_form_can_be_asked_for_by_its_name() -> None:
    assert [each.value for each in Format] == list(FORMS)
    assert set(RUNNABLE) <= set(FORMS)


@pytest.mark.parametrize("name", list(FORMS))
def test_s33_every_form_names_the_exception_and_one_port_only(name: str) -> None:
    said = " ".join(form(name, PORT).enable)
    assert NAME in said
    assert str(PORT) in said
    assert not {"1688", "1689", "53", "80"} & set(said.replace("/", " ").replace("=", " ").split())


@pytest.mark.parametrize("name", ["netsh", "powershell"])
def test_s32_the_windows_forms_are_as_written_down(state: Path, name: str) -> None:
    done = quorate("host", "firewall", "--format", name, state_dir=state)
    assert done.returncode == 0, done.stderr
    assert done.stdout + "\n".join(form(name, PORT).disable) + "\n" == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", ["netsh", "powershell"])
def test_a_windows_form_cannot_be_enabled_here(state: Path, name: str) -> None:
    done = quorate("host", "firewall", "--format", name, "--enable", state_dir=state)
    assert done.returncode == 2
    assert "nft, ufw, firewalld, iptables" in done.stderr


def test_without_root_it_is_shown_but_not_changed(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    shown = json.loads(quorate("host", "firewall", "--json", state_dir=state).stdout)
    assert (shown["enabled"], [each["format"] for each in shown["forms"]]) == (None, list(FORMS))
    done = quorate("host", "firewall", "--enable", "--json", state_dir=state)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "FIREWALL_NEEDS_ROOT"
    assert "sudo quorate host firewall --enable" in done.stderr


def test_a_tool_that_says_error_and_ends_with_0_has_failed() -> None:
    with pytest.raises(FirewallFailedError) as caught:
        Tools(os.environ).change("echo", "Error: INVALID_PORT", faults=("INVALID_",))
    assert "INVALID_PORT" in caught.value.message


def test_a_tool_that_is_not_here_is_named() -> None:
    with pytest.raises(FirewallFailedError, match="it is not installed"):
        Tools(os.environ).ask("no-such-firewall")


def test_s32_ufw_likes_the_profile(tmp_path: Path) -> None:
    """In its own words: a profile that it does not like is passed over with a warning and exit code 0."""
    need_programs(ufw="ufw", unshare="util-linux")
    (tmp_path / "quorate").write_text(ufw_profile(PORT))
    over = f"mount --bind {tmp_path} /etc/ufw/applications.d && ufw app info '{NAME}'"
    said = run("unshare", "-m", "sh", "-c", over)
    assert "Title: KMS Traffic" in said
    assert f"{PORT}/tcp" in said
    assert "WARN" not in said


def test_s32_firewalld_likes_the_service_without_its_daemon(tmp_path: Path) -> None:
    """The shown lines, through firewalld's offline program on a folder of its own."""
    need_programs(firewall_offline_cmd="firewalld")
    run("cp", "-r", "/etc/firewalld", tmp_path / "etc")
    offline = f"firewall-offline-cmd --system-config {tmp_path / 'etc'}"
    for line in form("firewalld", PORT).enable[:-1]:
        said = run("sh", "-c", line.replace("firewall-cmd --permanent", offline))
        assert "success" in said
    checked = run("sh", "-c", f"{offline} --check-config")
    assert not [word for word in ("INVALID", "Error", "WARNING") if word in checked], checked
    written = (tmp_path / "etc/services/kms-traffic.xml").read_text()
    assert "<short>KMS Traffic</short>" in written
    assert f'port="{PORT}"' in written
    assert run("sh", "-c", f"{offline} --query-service=kms-traffic").strip() == "yes"


def test_s32_nft_and_iptables_read_the_shown_lines() -> None:
    """In a network namespace without a name, on the chain that the text assumes."""
    need_programs(nft="nftables", iptables="iptables", ip6tables="iptables", unshare="util-linux")
    chain = "nft 'add table inet filter { chain input { type filter hook input priority 0; policy drop; }; }'"
    lines = [chain, *form("nft", PORT).enable, *form("iptables", PORT).enable, *form("iptables", PORT).disable]
    script = "\n".join(["set -e", *lines, "nft list chain inet filter input"])
    done = subprocess.run(
        ["unshare", "-Urn", "sh", "-c", script], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f'tcp dport {PORT} accept comment "KMS Traffic"' in done.stdout
