"""slmgr's grammar for another machine, over its administration API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.clock import SystemClock
from tests.client.parties import closed_port, scripted
from tests.slmgr.conftest import Machine
from tests.support.clocks import ManualClock
from tests.support.hosting import Hosted, hosting


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Hosted]:
    with hosting(tmp_path / "there", clock=ManualClock(SystemClock().now_s())) as hosted:
        yield hosted


def test_s34_dlv_of_another_machine_shows_that_host(machine: Machine, there: Hosted) -> None:
    said = machine.type(f"127.0.0.1:{there.admin_port}", "admin", there.token, "/dlv")
    assert said.code == 0
    assert f"Extended PID: {there.administration.keyring.host_id}" in said.out
    assert f"Listening on Port: {there.port}" in said.out
    assert "warning" not in said.err  # nobody is on the way to loopback


def test_a_setting_of_another_machine_is_set_there(machine: Machine, there: Hosted) -> None:
    said = machine.type(there.admin_url, "admin", there.token, "/sai", "60", "/cdns", "--json")
    assert said.code == 0
    assert [row["switch"] for row in said.rows] == ["sai", "cdns"]
    assert there.administration.shown_settings()["activation-interval"] == 60
    assert there.administration.shown_settings()["dns-publishing"] == "off"


def test_what_that_host_refuses_is_told_in_its_own_words(machine: Machine, there: Hosted) -> None:
    said = machine.type(there.admin_url, "admin", there.token, "/sri", "14", "--json")
    assert (said.code, said.json["error"]) == (2, "INVALID_SETTING")
    assert "outside 15..43200" in said.json["message"]


def test_a_wrong_token_is_told_as_such_and_never_shown(machine: Machine, there: Hosted) -> None:
    said = machine.type(there.admin_url, "admin", "wrong-token-123", "/dlv", "--json")
    assert (said.code, said.json["error"]) == (1, "UNAUTHORIZED")
    assert "wrong-token-123" not in said.out + said.err


def test_the_token_may_come_from_the_environment(
    machine: Machine, there: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORATE_ADMIN_TOKEN", there.token)
    assert machine.type(there.admin_url, "/dli").code == 0


def test_on_the_machine_itself_its_own_token_is_read(machine: Machine, there: Hosted) -> None:
    assert machine.type(there.admin_url, "/dli", "--state-dir", there.state_dir).code == 0


def test_without_a_token_it_is_said_how_to_give_one(machine: Machine, there: Hosted) -> None:
    said = machine.type(there.admin_url, "/dlv", "--json")
    assert (said.code, said.json["error"]) == (2, "MISUSED")
    assert "QUORATE_ADMIN_TOKEN" in said.json["message"]


def test_nobody_there_is_told_with_the_number_slmgr_has_for_it(machine: Machine) -> None:
    said = machine.type(f"127.0.0.1:{closed_port()}", "admin", "t", "/dlv", "--json")
    assert (said.code, said.json["error"], said.json["hresult"]) == (1, "REMOTE_UNREACHABLE", "0x800706BA")
    assert "refused" in said.json["message"]


def test_another_service_there_is_told_as_such(machine: Machine) -> None:
    with scripted() as other:  # answers POST only
        said = machine.type(f"127.0.0.1:{other.port}", "admin", "t", "/cdns", "--json")
    assert (said.code, said.json["error"]) == (1, "NOT_A_QUORATE_HOST")


def test_a_host_there_that_is_not_activated_takes_no_settings(machine: Machine, tmp_path: Path) -> None:
    clock = ManualClock(SystemClock().now_s())
    with hosting(tmp_path / "there", clock=clock, activated=False) as there:
        said = machine.type(there.admin_url, "admin", there.token, "/sai", "60", "--json")
        assert (said.code, said.json["error"]) == (3, "HOST_NOT_ACTIVATED")
        assert there.administration.shown_settings()["activation-interval"] == 120


@pytest.mark.parametrize("computer", ["ftp://host1", "http://", "http://u:p@host1", "http://host1/path", "host 1"])
def test_what_is_no_address_is_refused_before_anything_is_sent(machine: Machine, computer: str) -> None:
    said = machine.type(computer, "admin", "t", "/dlv", "--json")
    assert (said.code, said.json["error"]) == (2, "INVALID_SETTING")


def test_a_token_over_plain_http_to_elsewhere_is_warned_of(machine: Machine) -> None:
    said = machine.type("http://192.0.2.1:1", "admin", "t", "/dlv")
    assert "unencrypted" in said.err
