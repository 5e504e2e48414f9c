"""client.toml: what variables say can stand in it, and a mistake in it never costs a program its license."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from quorate.client.settings.environment import Settings
from quorate.client.settings.file import FILE_SETTINGS, config_paths, read_config
from quorate.client.transport.exchange import TransportSettings
from quorate.core.configfile import check_text, example_file
from quorate.errors import ConfigurationInvalidError, FileAccessError, InvalidSettingError
from tests.client.parties import Installation, ScriptedHost, scripted
from tests.support.documents import World

ALL = """
https = true
dns-server = "192.0.2.53:5353"
mdns = true
proxy = "http://proxy.contoso.example:3128"
"""


def settings(file: Path, **variables: str) -> Settings:
    return Settings.from_environment({"QUORATE_CONFIG": str(file), **variables})


def test_what_variables_say_can_stand_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    file.write_text(ALL)
    made = settings(file)
    assert made.fault is None
    assert (made.transport.is_https, made.transport.proxy) == (True, "http://proxy.contoso.example:3128")
    assert made.network.is_mdns
    resolver = made.network.open_resolver()
    assert (resolver.nameservers, resolver.port) == (["192.0.2.53"], 5353)
    assert made.said["mdns"].where == f"{file}:4"


def test_a_variable_is_stronger_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    file.write_text(ALL)
    made = settings(file, QUORATE_HTTPS="0", QUORATE_PROXY="http://other.example:1", QUORATE_MDNS="")
    assert (made.transport.is_https, made.transport.proxy) == (False, "http://other.example:1")
    assert made.network.is_mdns
    assert made.said["https"].where == "QUORATE_HTTPS"


def test_a_wrong_variable_is_still_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingError, match="QUORATE_HTTPS: 'perhaps' is neither yes nor no"):
        settings(tmp_path / "client.toml", QUORATE_HTTPS="perhaps")


def test_the_example_is_good_as_it_is_and_with_every_line_used() -> None:
    text = example_file("Example", FILE_SETTINGS)
    used = "\n".join(line[1:] for line in text.splitlines() if line.startswith("#") and not line.startswith("# "))
    for each in (text, used):
        assert not check_text(each.encode(), FILE_SETTINGS).flaws
    assert set(check_text(used.encode(), FILE_SETTINGS).values) == set(FILE_SETTINGS)


@pytest.mark.parametrize(
    ("text", "line", "name"),
    [
        ("htps = true", 1, "htps"),
        ('\nproxy = "contoso"', 2, "proxy"),
        ('dns-server = "ns1.contoso.example"', 1, "dns-server"),
        ('https = "perhaps"', 1, "https"),
        ('ca-file = "ca.pem"', 1, "ca-file"),
        ("mdns = yes", 1, "mdns"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, line: int, name: str) -> None:
    file = tmp_path / "client.toml"
    file.write_text(text)
    _, checked, fault = read_config([file], is_named=True)
    [flaw] = checked.flaws
    assert (flaw.line, flaw.name) == (line, name)
    assert isinstance(fault, ConfigurationInvalidError)
    assert fault.message.startswith(f"{file}:{line}:{flaw.column}: {name}: ")


def test_where_the_file_is(tmp_path: Path) -> None:
    machine, user = Path("/var/lib/quorate/client"), tmp_path / "data" / "quorate" / "client"
    variables = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    mine, everybodys = tmp_path / "config" / "quorate" / "client.toml", Path("/etc/quorate/client.toml")

    def places(state_root: Path | None, *, is_root: bool) -> list[Path]:
        return config_paths(None, state_root, user, machine, variables, is_root=is_root)[0]

    assert places(None, is_root=False) == [mine, everybodys]
    assert places(user, is_root=False) == [mine, everybodys]
    assert places(None, is_root=True) == [everybodys]
    assert places(machine, is_root=False) == [everybodys]  # the agent's own user
    assert places(tmp_path / "elsewhere", is_root=True) == []
    named = config_paths(None, None, user, machine, {"QUORATE_CONFIG": "/a.toml"}, is_root=True)
    assert named == ([Path("/a.toml")], True)


# --- a program that is licensed --------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"htps = true\n", b"\xff\xfe\x00", b"[", b"x" * 100_000, b"https = true\nca-file = '/nowhere/ca.pem'\n", None],
)
def test_a_bad_file_never_keeps_a_program_from_its_status(
    here: Installation, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    file = tmp_path / "client.toml"
    if content is not None:
        file.write_bytes(content)
    with caplog.at_level(logging.WARNING, "quorate.client"):
        client = here.client(config=file, transport=None)
    assert client.status().status.value == "initial_grace"
    [record] = [each for each in caplog.records if each.name == "quorate.client"]
    assert (
        str(file if content is not None and len(content) < 40 and b"ca-file" not in content else "") in record.message
    )


def test_what_is_right_in_a_bad_file_is_used(tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    file.write_text("mdns = true\nfrom-the-future = 1\n")
    made = settings(file)
    assert made.network.is_mdns
    assert isinstance(made.fault, ConfigurationInvalidError)


def test_authorities_that_cannot_be_read_do_not_turn_https_off(tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    file.write_text(f"https = true\nca-file = '{tmp_path}/none.pem'\n")
    made = settings(file)
    assert made.transport == TransportSettings(is_https=True)
    assert isinstance(made.fault, FileAccessError)


def test_a_folder_or_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    assert isinstance(settings(tmp_path).fault, FileAccessError)
    assert isinstance(settings(tmp_path / "none.toml").fault, FileAccessError)
    assert Settings.from_environment({"QUORATE_STATE_DIR": str(tmp_path)}).fault is None


def test_a_client_adopts_new_settings_for_its_next_question(here: Installation, tmp_path: Path) -> None:
    """What the agent does at SIGHUP."""
    with scripted(World(), here.clock) as host:
        assert isinstance(host, ScriptedHost)
        client = here.client(host, transport=TransportSettings(proxy="http://127.0.0.1:9"))
        with pytest.raises(Exception, match=r"127\.0\.0\.1"):
            client.activate()
        file = tmp_path / "client.toml"
        file.write_text("https = false\n")
        client.adopt(settings(file))
        assert client.activate().status.value == "licensed"
        assert len(host.requests) == 1
