"""host.toml: below what is set by hand, checked whole, read at the start and at SIGHUP by a real host."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from quorate.cli.hostopen import open_host
from quorate.clock import SystemClock
from quorate.core.configfile import example_file
from quorate.core.policy import Policy
from quorate.errors import ConfigurationInvalidError, FileAccessError, InvalidSettingError
from quorate.host.config import RULES, Settings, StatePaths
from quorate.host.configuration import FILE_SETTINGS, Configuration, check_config, config_path, variable_of
from quorate.host.layers import Layers, Said, Source
from quorate.host.process import Running, StateLock, running_host
from scripts.docs.commands import commands
from tests.host.processes import HostProcess, quorate, started
from tests.support.documents import World
from tests.support.hosting import BOUND_S, make_host

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


# --- a running host, typed commands ----------------------------------------------------------------------------------


@contextmanager
def at_home(tmp_path: Path, text: str, **variables: str) -> Iterator[tuple[Path, HostProcess]]:
    """A host with this file, running, whose environment has these variables."""
    file = tmp_path / "host.toml"
    file.write_text(text)
    make_host(tmp_path / "host", WORLD, SystemClock())
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        with started(tmp_path / "host", "--config", str(file), "--port", "0", "--admin-port", "0") as host:
            os.environ.clear()
            os.environ.update(before)
            yield file, host
    finally:
        os.environ.clear()
        os.environ.update(before)


def shown(state_dir: Path) -> dict[str, tuple[Any, str, str | None]]:
    """What `quorate host config show` tells."""
    with open_host(state_dir) as host:
        values, origins = host.shown_settings(), host.origins()
        return {name: (values[name], origins[name].source.value, origins[name].where) for name in values}


def until(is_so: Callable[[], bool]) -> None:
    never = threading.Event()
    for _ in range(300):
        if is_so():
            return
        never.wait(BOUND_S / 200)
    raise AssertionError("the host did not get there")


def readyz(host: HostProcess) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{host.said['admin_port']}/readyz", timeout=BOUND_S) as reply:
        checks = json.load(reply)["checks"]
    found: dict[str, Any] = next(check for check in checks if check["name"] == "configuration")
    return found


def test_a_running_host_reads_its_file_again_at_sighup_and_survives_a_bad_one(tmp_path: Path) -> None:
    state = tmp_path / "host"
    with at_home(tmp_path, "renewal-interval = 5000\n", QUORATE_HOST_CMID_RATE="7") as (file, host):
        first = shown(state)
        assert first["renewal-interval"] == (5000, "file", f"{file}:1")
        assert first["cmid-rate"] == (7, "environment", "QUORATE_HOST_CMID_RATE")
        assert first["admin-port"][1:] == ("flag", "--admin-port")
        assert readyz(host)["ok"]

        file.write_text("# changed\nrenewal-interval = 6000\n")
        told = quorate("host", "config", "show", "--json", state_dir=state)
        assert "has changed since" in told.stderr
        rows = [json.loads(line) for line in told.stdout.splitlines()]
        assert [row["name"] for row in rows] == list(RULES)
        assert {"name": "renewal-interval", "value": 5000, "source": "file", "where": f"{file}:1"} in rows
        assert shown(state)["renewal-interval"][0] == 5000
        host.process.send_signal(signal.SIGHUP)
        until(lambda: shown(state)["renewal-interval"] == (6000, "file", f"{file}:2"))

        file.write_text("renewal-interval = 7000\nrenewl-interval = 1\n")
        host.process.send_signal(signal.SIGHUP)
        until(lambda: not readyz(host)["ok"])
        assert "host.toml:2:1: renewl-interval: there is no such setting" in readyz(host)["reason"]
        assert shown(state)["renewal-interval"][0] == 6000
        events = quorate("host", "events", "--id", "12291", "--json", state_dir=state).stdout.splitlines()
        assert [json.loads(line)["code"] for line in events] == ["CONFIGURATION_INVALID"]

        file.write_text("renewal-interval = 8000\n")
        host.process.send_signal(signal.SIGHUP)
        until(lambda: bool(readyz(host)["ok"]))
        assert shown(state)["renewal-interval"][0] == 8000
        assert host.terminate() == 0


def test_what_is_set_by_hand_is_stronger_than_the_file_and_weaker_than_the_environment(tmp_path: Path) -> None:
    state = tmp_path / "host"
    text = "renewal-interval = 5000\ncmid-rate = 9\n"
    with at_home(tmp_path, text, QUORATE_HOST_CMID_RATE="7", QUORATE_HOST_PRIORITY="normal") as (file, _):
        done = quorate("host", "set", "renewal-interval", "6000", "--json", state_dir=state)
        assert (json.loads(done.stdout), done.stderr) == ({"renewal-interval": 6000}, "")
        done = quorate("host", "set", "cmid-rate", "8", "--json", state_dir=state)
        assert json.loads(done.stdout) == {"cmid-rate": 7}
        assert "cmid-rate stays 7 as long as QUORATE_HOST_CMID_RATE says so" in done.stderr
        slmgr = [sys.executable, "-c", "from quorate.cli.slmgr import run; run()", "/sri", "6001"]
        environ = {**os.environ, "QUORATE_STATE_DIR": str(state)}
        said = subprocess.run(slmgr, capture_output=True, text=True, timeout=60, env=environ, check=False)
        assert (said.returncode, said.stderr) == (0, "")
        assert "6001 minutes" in said.stdout
        said = subprocess.run(
            [*slmgr[:-2], "/cpri"], capture_output=True, text=True, timeout=60, env=environ, check=False
        )
        assert "priority stays normal as long as QUORATE_HOST_PRIORITY says so" in said.stderr
        assert shown(state)["renewal-interval"] == (6001, "set", "quorate host set")
        quorate("host", "set", "renewal-interval", "default", state_dir=state)
        assert shown(state)["renewal-interval"] == (5000, "file", f"{file}:1")


def test_a_host_does_not_start_with_a_mistake_in_its_file_and_says_where(tmp_path: Path) -> None:
    state, file = tmp_path / "host", tmp_path / "host.toml"
    make_host(state, WORLD, SystemClock())
    file.write_text('\ndns-publishing = "perhaps"\n')
    words = ("host", "run", "--config", str(file), "--port", "0", "--admin-port", "0", "--json")
    done = quorate(*words, state_dir=state)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "CONFIGURATION_INVALID"
    assert f"{file}:2:18: dns-publishing: 'perhaps' is neither on nor off" in done.stderr
    events = quorate("host", "events", "--id", "12291", "--json", state_dir=state).stdout.splitlines()
    assert [json.loads(line)["code"] for line in events] == ["CONFIGURATION_INVALID"]
    done = quorate(*words[:3], str(tmp_path / "none.toml"), state_dir=state)
    assert (done.returncode, "none.toml" in done.stderr) == (1, True)


def test_check_tells_everything_at_once_and_what_is_said_in_vain(tmp_path: Path) -> None:
    state, file = tmp_path / "host", tmp_path / "host.toml"
    make_host(state, WORLD, SystemClock(), settings={"event-days": "5"})
    file.write_text('prot = 1\nevent-days = 7\nadmin-token = "s3cret"\npriority = low\n')
    done = quorate("host", "config", "check", str(file), "--json", state_dir=state)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert [(each["line"], each["name"]) for each in told["problems"]] == [
        (1, "prot"),
        (3, "admin-token"),
        (4, "priority"),
    ]
    assert "s3cret" not in done.stdout + done.stderr
    human = quorate("host", "config", "check", str(file), state_dir=state)
    assert "host.toml:1:1: prot: there is no such setting\n    Did you mean port?" in human.stdout
    assert "3 problems" in human.stderr

    file.write_text("event-days = 7\n")
    environ = {**os.environ, "QUORATE_CONFIG": str(file), "QUORATE_STATE_DIR": str(state)}
    command = ["-c", "from quorate.cli.main import run; run()", "host", "config", "check", "--json"]
    good = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=60,
        env=environ,
        check=False,
    )
    assert good.returncode == 0
    assert "`quorate host set event-days default` lets the file hold" in json.loads(good.stdout)["notes"][0]


def test_check_needs_no_host(tmp_path: Path) -> None:
    file = tmp_path / "host.toml"
    file.write_text("port = 1700\n")
    done = quorate("host", "config", "check", str(file), "--json", state_dir=tmp_path / "nothing")
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (0, True)
    done = quorate("host", "config", "check", state_dir=tmp_path / "nothing")
    assert (done.returncode, "config example" in done.stderr) == (0, True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_a_port_of_the_file_is_listened_on_and_left_at_sighup(tmp_path: Path) -> None:
    port, other = free_port(), free_port()
    state, file = tmp_path / "host", tmp_path / "host.toml"
    make_host(state, WORLD, SystemClock())
    file.write_text(f"port = {port}\n")
    with started(state, "--config", str(file), "--admin-port", "0") as host:
        assert host.port == port
        file.write_text(f"port = {other}\n")
        host.process.send_signal(signal.SIGHUP)
        until(lambda: is_open(other))
        until(lambda: not is_open(port))


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=BOUND_S).close()
    except OSError:
        return False
    return True


def test_what_a_host_tells_of_itself_is_whole_whenever_it_is_read(tmp_path: Path) -> None:
    make_host(tmp_path, WORLD, SystemClock())
    paths = StatePaths(tmp_path)
    done = threading.Event()
    long = Layers(file={name: Said("x" * 200, "host.toml:1") for name in RULES})

    def tell(lock: StateLock) -> None:
        while not done.is_set():
            for layers in (long, Layers(flags={"port": Said(0, "--port")})):
                lock.say(Running(pid=os.getpid(), port=1700, layers=layers))

    with StateLock(paths) as lock:
        tell_once = Running(pid=os.getpid(), port=1700, layers=long)
        lock.say(tell_once)
        teller = threading.Thread(target=tell, args=(lock,))
        teller.start()
        try:
            found = [running_host(paths) for _ in range(500)]
        finally:
            done.set()
            teller.join(BOUND_S)
    assert {each.pid for each in found if each is not None} == {os.getpid()}
    assert all(each is not None and each.layers != Layers() for each in found)
    assert running_host(paths) is None
