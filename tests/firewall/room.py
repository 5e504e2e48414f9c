"""Two machines inside this one, with a cable between them: a KMS host behind a firewall, and a client that knocks.

Each is a network namespace with its own firewall state and its own copy of the firewalls' folders below /etc. Needs
root. What a run that was killed leaves behind is removed by the next one.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from quorate.clock import SystemClock
from quorate.core.policy import PROFILES, MachineClass, Threshold
from tests.dns.namespace import need_root
from tests.dns.servers import Process, run
from tests.support.child import Child
from tests.support.documents import World
from tests.support.hosting import make_host
from tests.support.needs import lacking
from tests.support.source import ROOT

__all__ = ["HOST4", "HOST6", "PORT", "Driver", "Room", "need_programs", "room", "world_of_one"]

HOST4, CLIENT4 = "10.77.0.1", "10.77.0.2"
HOST6, CLIENT6 = "fd77::1", "fd77::2"
PORT = 1688
_NETNS = Path("/etc/netns")
_COPIED = ("ufw", "firewalld")  # `ip netns exec` lays /etc/netns/NAME/* over /etc/*
_QUORATE = (sys.executable, "-c", "from quorate.cli.main import run; run()")
_numbers = itertools.count(1)


def need_programs(**packages: str) -> None:
    """Go on when all are installed (program="package"). In CI a missing one is a failure."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = sorted(
        {package for name, package in packages.items() if not shutil.which(name.replace("_", "-"), path=path)}
    )
    if missing:
        reason = f"apt-get install --no-install-recommends {' '.join(missing)}"
        lacking(reason)


def world_of_one() -> World:
    """A publisher whose product activates from the first machine on."""
    one = Threshold(1, (MachineClass.SERVER, MachineClass.CLIENT))
    policy = PROFILES["windows-7"]
    return World(
        policy=msgspec.structs.replace(policy, thresholds=msgspec.structs.replace(policy.thresholds, client=one))
    )


class Driver:
    """`driver.py` inside a namespace."""

    def __init__(self, prefix: tuple[str, ...], environ: Mapping[str, str]) -> None:
        command = [*prefix, sys.executable, "-m", "tests.firewall.driver"]
        self._child = Child(command, cwd=ROOT, environ={**os.environ, **environ})

    def _say(self, *words: str) -> dict[str, Any]:
        self._child.types(json.dumps(words))
        return self._child.told()

    def knock(self, address: str, port: int) -> str:
        """What a connect finds."""
        found: str = self._say("knock", address, str(port))["found"]
        return found

    def quorate(self, *words: str) -> dict[str, Any]:
        """`code`, `out`, `err` of a command."""
        return self._say("quorate", *words)

    def said(self, *words: str) -> Any:
        """The JSON of a command that works."""
        done = self.quorate(*words, "--json")
        assert done["code"] == 0, done
        return json.loads(done["out"])

    def end(self) -> None:
        with self._child:
            self._child.ends()


@dataclass
class Room:
    """Both machines. `host` and `client` run commands on theirs."""

    folder: Path
    host_name: str
    client_name: str
    environ: dict[str, str]
    world: World = field(default_factory=world_of_one)
    _ends: ExitStack = field(default_factory=ExitStack)

    @property
    def on_host(self) -> tuple[str, ...]:
        """Before a command that runs on the host's machine."""
        return ("ip", "netns", "exec", self.host_name)

    @property
    def state(self) -> Path:
        return self.folder / "host"

    def host_run(self, *command: str, stdin: str = "", check: bool = True) -> str:
        """A program to its end on the host's machine."""
        return run(*self.on_host, *command, stdin=stdin, check=check, environ=self.environ)

    def spawn(self, name: str, *command: str) -> Process:
        """A program on the host's machine, until the room is cleared."""
        process = Process([*self.on_host, *command], self.folder / f"{name}.log", self.environ)
        self._ends.callback(process.end)
        return process

    def driver_of(self, name: str) -> Driver:
        driver = Driver(("ip", "netns", "exec", name), self.environ)
        self._ends.callback(driver.end)
        return driver

    def start_host(self) -> None:
        """A real, activated KMS host with its default settings, on its real port."""
        make_host(self.state, self.world, SystemClock())
        words = ("host", "run", "--state-dir", str(self.state), "--json")
        process = self.spawn("kms-host", *_QUORATE, *words)
        process.wait_until(lambda: '"port": ' in process.log.read_text(), "the KMS host")

    def install_client(self, client: Driver) -> None:
        """A real client that knows the host's address."""
        product, trust = self.folder / "acme-cad.product", self.folder / "publisher.jwks"
        product.write_text(self.world.product_token)
        trust.write_bytes(self.world.jwks)
        state = ("--state-dir", str(self.folder / "client"))
        client.said("client", "init", "--product", str(product), "--trust", str(trust), *state)
        client.said("client", "set-host", HOST4, *state)


@contextmanager
def room(folder: Path) -> Iterator[Room]:
    """The two machines, cabled, until the end of the block."""
    need_programs(ip="iproute2")
    need_root()
    _remove_left_behind()
    number = next(_numbers)
    host, client = (f"quorate-{os.getpid()}-{side}{number}" for side in "hc")
    # A bus of its own, there or not: the firewalld of this machine is never spoken to.
    made = Room(folder, host, client, {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder / 'bus'}"})
    with ExitStack() as ends:
        for name in (host, client):
            ends.callback(_remove, name)
            (_NETNS / name).mkdir(parents=True)
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        for each in _COPIED:
            if Path("/etc", each).is_dir():
                shutil.copytree(Path("/etc", each), _NETNS / host / each, symlinks=True)
        run("ip", "-n", host, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", client)
        for name, four, six in ((host, HOST4, HOST6), (client, CLIENT4, CLIENT6)):
            run("ip", "-n", name, "addr", "add", f"{four}/24", "dev", "eth0")
            run("ip", "-n", name, "addr", "add", f"{six}/64", "dev", "eth0", "nodad")
            run("ip", "-n", name, "link", "set", "eth0", "up")
        with made._ends:
            yield made


def _remove(name: str) -> None:
    run("ip", "netns", "delete", name, check=False)
    shutil.rmtree(_NETNS / name, ignore_errors=True)
    if _NETNS.exists() and not any(_NETNS.iterdir()):
        _NETNS.rmdir()


def _remove_left_behind() -> None:
    for folder in _NETNS.glob("quorate-*-*"):
        if not Path("/proc", folder.name.split("-")[1]).exists():
            _remove(folder.name)
