"""Settings: typed, bounded, explained when wrong, and in force on a running host without a restart."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from quorate.core.documents import PRODUCT, Edition, sign
from quorate.core.policy import MachineClass, Policy
from quorate.errors import InvalidSettingError
from quorate.host.settings.paths import state_dir
from quorate.host.settings.settings import (
    RULES,
    Priority,
    Settings,
    parse_setting,
    settings_from,
)
from tests.support.documents import World
from tests.support.hosting import Hosted, hosting


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_defaults_are_windows_own() -> None:
    settings = Settings()
    assert (settings.port, settings.activation_interval_min, settings.renewal_interval_min) == (1688, 120, 10_080)
    assert settings.dns_publishing
    assert settings.priority is Priority.NORMAL


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", "1700", 1700),
        ("activation-interval", "15", 15),
        ("renewal_interval", "43200", 43_200),
        ("DNS-Publishing", "off", False),
        ("dns-publishing", "on", True),
        ("priority", "LOW", Priority.LOW),
        ("address", "all", ""),
        ("address", "[::1]", "::1"),
        ("admin-address", "192.0.2.7", "192.0.2.7"),
    ],
)
def test_what_people_type_becomes_a_value(name: str, text: str, value: object) -> None:
    assert parse_setting(name, text)[1] == value


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("port", "0", "outside 1..65535"),
        ("port", "65536", "outside"),
        ("port", "25.0", "not a whole number"),
        ("port", "-1", "not a whole number"),
        ("port", "१६", "not a whole number"),
        ("activation-interval", "14", "outside 15..43200"),
        ("renewal-interval", "43201", "outside"),
        ("dns-publishing", "maybe", "neither on nor off"),
        ("priority", "high", "neither normal nor low"),
        ("address", "kms.contoso.example", "not an IP address"),
        ("admin-address", "all", "one address"),
    ],
)
def test_what_is_not_allowed_is_told_what_is(name: str, text: str, reason: str) -> None:
    with pytest.raises(InvalidSettingError) as refused:
        parse_setting(name, text)
    assert reason in refused.value.message
    assert RULES[name].allowed in refused.value.hint


def test_an_unknown_setting_is_told_the_nearest() -> None:
    with pytest.raises(InvalidSettingError) as refused:
        parse_setting("renewl-interval", "1")
    assert "Did you mean renewal-interval?" in refused.value.hint


def test_the_publishers_policy_bounds_the_intervals() -> None:
    short = World(policy=Policy(interval_min_s=60, interval_max_s=3600)).product
    assert parse_setting("activation-interval", "1", [short])[1] == 1
    with pytest.raises(InvalidSettingError, match=r"outside 1\.\.60"):
        parse_setting("renewal-interval", "61", [short])


def test_a_spoiled_or_unknown_stored_setting_leaves_the_default() -> None:
    assert settings_from({"port": "many", "from-the-future": 1, "priority": "low"}) == Settings(priority=Priority.LOW)
    assert settings_from({"port": 1700}, {"port": 0, "address": None}).port == 0


@pytest.mark.parametrize(
    ("given", "environ", "user_id", "place"),
    [
        (Path("here"), {"QUORATE_STATE_DIR": "there"}, 0, "here"),
        (None, {"QUORATE_STATE_DIR": "there"}, 0, "there"),
        (None, {}, 0, "/var/lib/quorate/host"),
        (None, {"XDG_DATA_HOME": "/data"}, 1000, "/data/quorate/host"),
        (None, {"XDG_DATA_HOME": "data", "HOME": "/people/ann"}, 1000, "/people/ann/.local/share/quorate/host"),
        (None, {"HOME": "/people/ann"}, 1000, "/people/ann/.local/share/quorate/host"),
    ],
)
def test_where_the_state_lives(given: Path | None, environ: dict[str, str], user_id: int, place: str) -> None:
    assert state_dir(given, environ, user_id) == Path(place)


# --- on a running host -----------------------------------------------------------------------------------------------


def test_new_intervals_are_in_the_next_answer(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        assert host.activate(1).intervals.activation_min == 120
        with host.noticing():
            host.administration.set_settings({"activation-interval": "30", "renewal-interval": "1000"})
        intervals = host.activate(1).intervals
        assert (intervals.activation_min, intervals.renewal_min) == (30, 1000)


def on_ports_of_the_store(tmp_path: Path, do: Callable[[Hosted], None]) -> None:
    """A host whose ports are settings, not this run's overrides."""
    with hosting(tmp_path, overrides={"port": None, "admin_port": None}, settings=_settings()) as host:
        do(host)


def _settings() -> dict[str, str | None]:
    return {"port": str(free_port()), "admin-port": str(free_port()), "address": "127.0.0.1"}


def test_a_new_port_is_listened_on_and_the_old_one_is_left(tmp_path: Path) -> None:
    def move(host: Hosted) -> None:
        old, new = host.port, free_port()
        with host.noticing():
            host.administration.set_settings({"port": str(new)})
        assert host.port == new
        assert host.activate(1).count == 1
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", old), timeout=5)
        assert host.administration.status().port == new

    on_ports_of_the_store(tmp_path, move)


def test_a_port_that_is_taken_leaves_the_host_where_it_is_and_is_logged(tmp_path: Path) -> None:
    def collide(host: Hosted) -> None:
        old = host.port
        with closing(socket.create_server(("127.0.0.1", 0))) as other:
            with host.noticing():
                host.administration.set_settings({"port": str(other.getsockname()[1])})
            assert host.port == old
            assert host.activate(1).count == 1
            [event] = host.administration.events(event_id=12291)
            assert event["code"] == "PORT_TAKEN"

    on_ports_of_the_store(tmp_path, collide)


def test_administration_moves_as_well(tmp_path: Path) -> None:
    def move(host: Hosted) -> None:
        new = free_port()
        with host.noticing():
            assert host.admin("/api/v1/settings", "PATCH", {"admin-port": new}).json == {"admin-port": new}
        assert host.admin_port == new
        assert host.admin("/livez").status == 200

    on_ports_of_the_store(tmp_path, move)


def test_one_port_cannot_be_for_both(tmp_path: Path) -> None:
    with hosting(tmp_path) as host, pytest.raises(InvalidSettingError, match="both the clients' port"):
        host.administration.set_settings({"port": "1689"})


def test_several_settings_change_together_or_not_at_all(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        with pytest.raises(InvalidSettingError):
            host.administration.set_settings({"activation-interval": "30", "renewal-interval": "1"})
        assert host.administration.settings().activation_interval_min == 120
        host.administration.set_settings({"activation-interval": "30"})
        assert host.administration.set_settings({"activation-interval": None}) == {"activation-interval": 120}


def test_low_priority_is_given_to_the_operating_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(os, "setpriority", lambda which, who, nice: asked.append(nice))
    with hosting(tmp_path) as host:
        with host.noticing():
            host.administration.set_settings({"priority": "low"})
        assert asked == [os.getpriority(os.PRIO_PROCESS, 0) + 10]


def test_a_second_product_is_served_without_a_restart(tmp_path: Path) -> None:
    world = World()
    with hosting(tmp_path, world) as host:
        assert host.post(host.request(1, "acme-paint-pro"), "/v1/probe").json["code"] == "PRODUCT_NOT_COVERED"
        with host.noticing():
            host.administration.add_product(_paint(world))
        assert host.post(host.request(1, "acme-paint-pro"), "/v1/probe").json["code"] == "COUNT_INSUFFICIENT"
        assert host.http("GET", "/v1/host").json["products"] == ["acme-cad", "acme-paint"]


def _paint(world: World) -> str:
    edition = Edition(id="acme-paint-pro", name="Acme Paint", machine_class=MachineClass.CLIENT)
    product = msgspec.structs.replace(world.product, product="acme-paint", name="Acme Paint", editions=(edition,))
    return sign(PRODUCT, product, world.publisher_key)
