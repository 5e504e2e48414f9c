"""The units as text: valid, hardened, filled in for this installation, and refused where they could not work."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from quorate.cli.under_systemd import handed_by_systemd
from quorate.cli.unit_files import SHIPPED_PROGRAM, UNIT_DIR, UnitFile, Wanted, check_program, unit_files
from quorate.clock import SystemClock
from quorate.errors import ServiceProgramHiddenError
from quorate.host.publication.machine import MACHINE_KEYTAB
from tests.cli.test_host_cli import quorate
from tests.firewall.room import need_programs

EXPOSURE_MAX = 20  # tenths: 2.0, where an unhardened service has 9.6


def written(folder: Path, *wanted: Wanted, program: str = "/bin/true") -> list[UnitFile]:
    """The units in a folder, with a program that is here."""
    files = [each for one in wanted for each in unit_files(one, [program], folder)]
    for each in files:
        each.path.write_text(each.text)
    return files


def text_of(wanted: Wanted, *words: str) -> str:
    return unit_files(wanted, words or ("/opt/quorate/bin/quorate",), Path("/units"))[0].text


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    need_programs(systemd_analyze="systemd")
    files = written(tmp_path, Wanted("host", listen="1688"), Wanted("client"))
    command = ["systemd-analyze", "verify", "--recursive-errors=yes", *(str(each.path) for each in files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_fault_in_a_unit_would_be_found(tmp_path: Path) -> None:
    need_programs(systemd_analyze="systemd")
    [service] = written(tmp_path, Wanted("host"))
    service.path.write_text(service.text.replace("PrivateTmp=yes", "PrivatTmp=yes"))
    command = ["systemd-analyze", "verify", "--recursive-errors=yes", str(service.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "PrivatTmp" in done.stderr


@pytest.mark.parametrize("role", ["host", "client"])
def test_the_services_are_hardened(tmp_path: Path, role: str) -> None:
    need_programs(systemd_analyze="systemd")
    [service] = written(tmp_path, Wanted(role))
    command = ["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", str(service.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_the_program_is_quoted_as_systemd_reads_it() -> None:
    said = text_of(Wanted("host"), "/opt/my tools/100%/quorate", "-m", "x")
    assert 'ExecStart="/opt/my tools/100%%/quorate" -m x host run --log-format text\n' in said
    assert SHIPPED_PROGRAM not in said


def test_the_socket_has_the_port_that_is_set() -> None:
    socket = unit_files(Wanted("host", listen="[::1]:1700"), ["/x"], Path("/units"))[1]
    assert socket.path == Path("/units/quorate-host.socket")
    assert "ListenStream=[::1]:1700\n" in socket.text


def test_a_user_and_secrets_of_ones_own() -> None:
    said = text_of(Wanted("host", user="kms", credentials={"dns-keytab": Path("/etc/krb5.keytab")}))
    assert "User=kms\n" in said
    assert "DynamicUser" not in said
    assert "LoadCredential=dns-keytab:/etc/krb5.keytab\n" in said
    assert "LoadCredential=dns-tsig-key\n" in said
    pair = {"admin-tls-cert": Path("/etc/ssl/kms.crt"), "admin-tls-key": Path("/etc/ssl/kms.key")}
    said = text_of(Wanted("host", credentials=pair))
    assert "LoadCredential=admin-tls-cert:/etc/ssl/kms.crt\nLoadCredential=admin-tls-key:/etc/ssl/kms.key\n" in said


def test_the_agents_user_is_made_unless_another_is_named() -> None:
    made = [each.path.name for each in unit_files(Wanted("client"), ["/x"], UNIT_DIR)]
    assert made == ["quorate-client.service", "quorate-client.conf"]
    assert [each.path.name for each in unit_files(Wanted("client", user="kms"), ["/x"], UNIT_DIR)] == made[:1]


def test_a_program_that_a_service_cannot_reach_is_refused(tmp_path: Path) -> None:
    hidden = tmp_path / "quorate"
    hidden.write_text("")
    with pytest.raises(ServiceProgramHiddenError) as caught:
        check_program([str(hidden)], "host")
    assert "/opt/quorate" in caught.value.hint
    assert "quorate-activation[host]" in caught.value.hint


@pytest.mark.parametrize("role", ["host", "client"])
def test_a_dry_run_shows_everything_and_does_nothing(role: str) -> None:
    done = quorate(role, "install-service", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["dry_run"] is True
    assert [each["path"] for each in told["files"]] == told["written"]
    assert f"quorate {role} run" in told["files"][0]["text"] or f"-m quorate {role} run" in told["files"][0]["text"]
    assert not (UNIT_DIR / f"quorate-{role}.service").exists()
    assert told["next"][0].startswith("systemctl enable --now quorate-")


def test_without_root_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    done = quorate("host", "install-service")
    assert done.returncode == 1
    assert "sudo quorate host install-service" in done.stderr


def test_what_would_keep_it_from_starting_is_told_before(tmp_path: Path) -> None:
    done = quorate("host", "install-service", "--dry-run", "--user", "no-such-user-here")
    assert (done.returncode, "there is no user no-such-user-here" in done.stderr) == (2, True)
    done = quorate("host", "install-service", "--dry-run", "--dns-keytab", str(tmp_path / "none"))
    assert (done.returncode, "there is no file" in done.stderr) == (2, True)


def test_units_for_an_image_go_where_they_are_told_and_are_replaced_and_removed(tmp_path: Path) -> None:
    words = ("host", "install-service", "--unit-dir", str(tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("quorate.cli.service.check_program", lambda words, role: None)  # tests run from anywhere
        assert quorate(*words, "--socket").returncode == 0
        assert {each.name for each in tmp_path.iterdir()} == {"quorate-host.service", "quorate-host.socket"}
        done = quorate(*words, "--json")
        assert json.loads(done.stdout)["removed"] == [str(tmp_path / "quorate-host.socket")], "it would hold the port"
        assert json.loads(done.stdout)["ran"] == []
    assert quorate(*words, "--remove").returncode == 0
    assert not list(tmp_path.iterdir())


def test_a_keytab_credential_stands_for_the_machines_own(tmp_path: Path) -> None:
    without = handed_by_systemd({}, 1, SystemClock())
    assert (without["handed"], without["around"].keytab) == (None, MACHINE_KEYTAB)
    (tmp_path / "dns-keytab").write_bytes(b"\x05\x02")
    handed = handed_by_systemd({"CREDENTIALS_DIRECTORY": str(tmp_path)}, 1, SystemClock())
    assert handed["around"].machine_keytab == tmp_path / "dns-keytab"
