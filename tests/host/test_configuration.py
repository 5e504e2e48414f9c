"""host.toml: below what is set by hand, and checked whole; what may stand in it, and where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quorate.core.configfile import example_file
from quorate.core.policy import Policy
from quorate.errors import ConfigurationInvalidError, FileAccessError, InvalidSettingError
from quorate.host.admin.configuration import (
    FILE_SETTINGS,
    Configuration,
    check_config,
    config_path,
    variable_of,
)
from quorate.host.settings.precedence import Layers, Said, Source
from quorate.host.settings.settings import RULES, Settings
from scripts.docs.commands import commands
from tests.support.documents import World

WORLD = World()


def flaws_of(text: str, *products: Any) -> list[tuple[int | None, str | None, str]]:
    return [(flaw.line, flaw.name, flaw.reason) for flaw in check_config(text.encode(), products).flaws]


# --- the order -------------------------------------------------------------------------------------------------------


def test_each_layer_is_stronger_than_the_one_below_it(tmp_path: Path) -> None:
    file = tmp_path / "host.toml"
    file.write_text("source-rate = 1\ncmid-rate = 1\nevent-days = 1\ndns-ttl = 100\n")
    environ = {"QUORATE_HOST_EVENT_DAYS": "3", "QUORATE_HOST_DNS_TTL": "300", "QUORATE_HOST_PORT": ""}
    configuration = Configuration(file, environ, {"dns-ttl": Said(400, "--dns-ttl")}, is_named=True)
    configuration.reread(())
    stored = {"cmid-rate": 2, "event-days": 2, "dns-ttl": 200}
    settings = configuration.layers.settings(stored)
    assert (settings.port, settings.source_rate, settings.cmid_rate, settings.event_days, settings.dns_ttl) == (
        *(1688, 1, 2, 3, 400),
    )
    origins = configuration.layers.origins(stored)
    assert [(origins[name].source, origins[name].where) for name in ("port", "source-rate", "cmid-rate")] == [
        (Source.DEFAULT, None),
        (Source.FILE, f"{file}:1"),
        (Source.SET, "quorate host set"),
    ]
    assert (origins["event-days"].source, origins["event-days"].where) == (
        Source.ENVIRONMENT,
        "QUORATE_HOST_EVENT_DAYS",
    )
    assert (origins["dns-ttl"].source, origins["dns-ttl"].where) == (Source.FLAG, "--dns-ttl")


def test_a_flag_may_ask_for_any_free_port() -> None:
    assert Layers(flags={"port": Said(0, "--port")}).settings({"port": 1700}).port == 0


def test_a_wrong_variable_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidSettingError, match="QUORATE_HOST_PORT: 'many' is not a whole number"):
        Configuration(None, {"QUORATE_HOST_PORT": "many"}).reread(())


def test_no_settings_variable_means_something_else_to_a_command() -> None:
    of_commands = {
        command.variable(option) for command in commands() for option in command.options if command.variable(option)
    }
    assert not of_commands & {variable_of(name) for name in RULES}


@pytest.mark.parametrize(
    ("named", "state", "environ", "place"),
    [
        ("here.toml", "/var/lib/quorate/host", {"QUORATE_CONFIG": "/there.toml"}, (Path("here.toml").absolute(), True)),
        (None, "/anywhere", {"QUORATE_CONFIG": "/there.toml"}, (Path("/there.toml"), True)),
        (None, "/var/lib/quorate/host", {}, (Path("/etc/quorate/host.toml"), False)),
        (
            None,
            "/people/ann/.local/share/quorate/host",
            {"HOME": "/people/ann"},
            (Path("/people/ann/.config/quorate/host.toml"), False),
        ),
        (
            None,
            "/data/quorate/host",
            {"HOME": "/people/ann", "XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": "/config"},
            (Path("/config/quorate/host.toml"), False),
        ),
        (None, "/srv/second-host", {"HOME": "/people/ann"}, (None, False)),
    ],
)
def test_the_file_goes_with_the_state(
    named: str | None, state: str, environ: dict[str, str], place: tuple[Path | None, bool]
) -> None:
    assert config_path(None if named is None else Path(named), Path(state), environ) == place


# --- what may stand in it --------------------------------------------------------------------------------------------


def test_the_example_has_every_setting_and_is_good_as_it_is_and_with_every_line_used() -> None:
    text = example_file("Example", FILE_SETTINGS)
    assert flaws_of(text) == []
    used = "\n".join(line[1:] for line in text.splitlines() if line.startswith("#") and not line.startswith("# "))
    checked = check_config(used.encode())
    assert not checked.flaws
    assert set(checked.values) == set(RULES)
    configuration = Configuration()
    configuration.layers = Layers(file={name: Said(each.value, "x") for name, each in checked.values.items()})
    assert configuration.layers.settings({}) == Settings()


def test_natural_toml_is_taken() -> None:
    text = 'dns-publishing = false\ndns-domains = ["a.example", "b.example, 10, 5"]\nport = "1700"\npriority = "LOW"\n'
    checked = check_config(text.encode())
    assert not checked.flaws
    assert {name: each.value for name, each in checked.values.items()} == {
        "dns-publishing": False,
        "dns-domains": "a.example; b.example, 10, 5",
        "port": 1700,
        "priority": "low",
    }


def test_the_publishers_policy_bounds_the_intervals_of_the_file_too() -> None:
    short = World(policy=Policy(interval_min_s=60, interval_max_s=3600)).product
    assert flaws_of("activation-interval = 5\n", short) == []
    assert flaws_of("activation-interval = 5\n") == [(1, "activation-interval", "5 is outside 15..43200")]
    assert flaws_of("\nrenewal-interval = 61\n", short) == [(2, "renewal-interval", "61 is outside 1..60")]


def test_what_does_not_go_together_is_told_with_a_line() -> None:
    assert flaws_of("event-days = 1\nadmin-port = 1688\n")[0][:2] == (2, "admin-port")
    assert flaws_of('dns-keytab = "/a"\n\ndns-tsig-key = "/b"\n')[0][1] == "dns-keytab"
    assert flaws_of('publisher-url = "http://activation.acme.example"\n')[0][:2] == (1, "publisher-url")


def test_only_a_check_looks_into_the_files_that_are_named(tmp_path: Path) -> None:
    text = f'dns-tsig-key = "{tmp_path}/missing.key"\npublisher-url = "https://acme.example"\n'.encode()
    assert not check_config(text).flaws
    [flaw] = check_config(text, now_s=1_800_000_000).flaws
    assert (flaw.line, flaw.name) == (1, "dns-tsig-key")
    assert "missing.key" in flaw.reason


def test_administration_without_tls_on_an_open_address_is_found_by_a_check() -> None:
    [flaw] = check_config(b'port = 1700\nadmin-address = "192.0.2.7"\n', now_s=1_800_000_000).flaws
    assert (flaw.line, flaw.name) == (2, "admin-address")
    assert "TLS" in flaw.reason


# --- all of it or nothing --------------------------------------------------------------------------------------------


def test_a_mistake_leaves_what_was_read_before(tmp_path: Path) -> None:
    file = tmp_path / "host.toml"
    file.write_text("event-days = 7\n")
    configuration = Configuration(file)
    configuration.reread(())
    file.write_text("cmid-rate = 1\nevent-dyas = 8\n")
    with pytest.raises(
        ConfigurationInvalidError, match=r"host\.toml:2:1: event-dyas: there is no such setting"
    ) as refused:
        configuration.reread(())
    assert refused.value.hint.startswith("Did you mean event-days?")
    assert str(configuration.fault) == refused.value.message
    assert configuration.layers.settings({}).event_days == 7
    assert configuration.layers.settings({}).cmid_rate == 60
    file.write_text("event-days = 8\n")
    configuration.reread(())
    assert str(configuration.fault) == "None"
    assert configuration.layers.settings({}).event_days == 8


def test_a_file_that_nobody_named_need_not_be_there(tmp_path: Path) -> None:
    Configuration(tmp_path / "host.toml").reread(())
    with pytest.raises(FileAccessError):
        Configuration(tmp_path / "host.toml", is_named=True).reread(())
    with pytest.raises(FileAccessError):
        Configuration(tmp_path).reread(())


def test_who_only_looks_takes_what_is_right_and_is_told_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "host.toml"
    file.write_text("event-days = 7\ncmid-rate = 'often'\n")
    configuration = Configuration(file)
    fault = configuration.look()
    assert fault is not None
    assert "host.toml:2:13: cmid-rate: 'often' is not a whole number" in fault.message
    assert configuration.layers.settings({}).event_days == 7
