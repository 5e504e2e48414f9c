"""Contoso's network inside this machine: five containers of its own /usr, four of them on one cable, each with a shell.

`vault` has no network; `ns1` is a BIND with the zone corp.example; `kms01` has a systemd as PID 1 and an nftables that
lets in SSH; `pc1` and `pc2` are machines of their own name and machine-id. Needs root and systemd-nspawn. A container's
clock is this machine's, so `date -s` and `timedatectl` of the PCs move the one that libfaketime shows there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.dns.namespace import Namespace
from tests.dns.servers import Process, run
from tests.firewall.room import need_programs
from tests.firewall.walls import NFT_RULES
from tests.service.boot import MASKED, installation, need_boot
from tests.support.needs import lacking
from tests.support.terminal import Terminal

__all__ = ["DOMAIN", "Machines", "machines"]

DOMAIN = "corp.example"
ADDRESSES = {"ns1": "10.88.0.53", "kms01": "10.88.0.10", "pc1": "10.88.0.101", "pc2": "10.88.0.102"}
ANSWER_S = 240  # for one block: a dozen commands, some of which wait for a firewall's silence
BASH = ("/bin/bash", "--noprofile", "--norc")
PATH = "/opt/clock:/opt/quorate/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_ZONE = f"""\
$TTL 300
@ IN SOA ns1 hostmaster 1 3600 600 86400 60
@ IN NS ns1
{"".join(f"{name} IN A {address}{chr(10)}" for name, address in ADDRESSES.items())}"""
_OPTIONS = """\
options { directory "/var/cache/bind"; recursion no; listen-on { any; }; listen-on-v6 { none; };
    dnssec-validation no; empty-zones-enable no; notify no; };
"""
_STATIC = f'zone "{DOMAIN}" {{ type primary; file "{DOMAIN}"; }};\n'
_EVERYWHERE = f"""
mkdir -p /etc
printf 'search {DOMAIN}\\nnameserver {ADDRESSES["ns1"]}\\n' > /etc/resolv.conf
printf 'hosts: files dns\\n' > /etc/nsswitch.conf
printf '127.0.0.1 localhost\\n' > /etc/hosts
printf '%s\\n' {{machine_id}} > /etc/machine-id
"""
_NAME_SERVER = """
printf 'root:x:0:0::/root:/bin/bash\\nbind:x:53:53::/:/bin/false\\n' > /etc/passwd
printf 'root:x:0:\\nbind:x:53:\\n' > /etc/group
mkdir -p /etc/bind /var/cache/bind /run/named
cp ns1/named.conf /etc/bind/
cp ns1/zone /var/cache/bind/corp.example
rndc-confgen -a -u bind 2>/dev/null
chown -R bind:bind /var/cache/bind /run/named /etc/bind
named -u bind
"""
_BOOT = f"""
mkdir -p /etc/systemd/system
for unit in {{masked}}; do ln -s /dev/null /etc/systemd/system/$unit.service; done
{_EVERYWHERE}
exec /lib/systemd/systemd --unit=basic.target
"""
_DATE = """\
#!/bin/sh
[ "$1" = -s ] || exec /usr/bin/date "$@"
wanted=$(/usr/bin/date -d "$2" +%s) && real=$(env -u LD_PRELOAD /usr/bin/date +%s) || exit
printf '%+d\\n' $((wanted - real)) > "$FAKETIME_TIMESTAMP_FILE"
"""
_TIMEDATECTL = """\
#!/bin/sh
[ "$*" = "set-ntp true" ] || exit 1
echo +0 > "$FAKETIME_TIMESTAMP_FILE"
"""


@dataclass
class Machines:
    """All of them. Each shell works in the same folder, which stands for the stick that carries files from one to
    another."""

    shells: dict[str, Terminal] = field(default_factory=dict)

    def types(self, name: str, block: str) -> str:
        """What one block prints on a machine."""
        return self.shells[name].types(block)

    def edit_named(self, zone: str) -> None:
        """Write the zone's statement into the name server's file, as with an editor."""
        self.types("ns1", f"cat > /etc/bind/named.conf <<'END'\n{_OPTIONS}{zone}END\n")


@contextmanager
def machines(folder: Path) -> Iterator[Machines]:
    """The network, until the end of the block."""
    need_programs(nft="nftables", named="bind9", ip="iproute2")
    need_boot()
    clock = _clock(folder)
    binds = [*installation(folder / "opt"), f"--bind-ro={clock}:/opt/clock"]
    stick = folder / "stick"
    (stick / "ns1").mkdir(parents=True)
    (stick / "ns1/named.conf").write_text(_OPTIONS + _STATIC)
    (stick / "ns1/zone").write_text(_ZONE)
    binds += [f"--bind={stick}:/mnt", "--chdir=/mnt", f"--setenv=PATH={PATH}"]
    with ExitStack() as ends:
        made = Machines()
        cables = _cables(ends)

        def lightly(name: str, *more: str, setup: str = "") -> None:
            words = [*_container(name), *more, *binds, "--console=pipe", "--as-pid2", *BASH]
            shell = Terminal(words, answer_s=ANSWER_S, is_container=True)
            ends.callback(shell.leaves)
            said = shell.types(_EVERYWHERE.format(machine_id=_machine_id(name)) + setup)
            assert "failed with" not in said, said
            made.shells[name] = shell

        made.shells["kms01"] = _booted(folder, cables["kms01"], binds, ends)
        lightly("ns1", cables["ns1"], setup=_NAME_SERVER)
        lightly("vault", "--private-network")
        faked = _faked()
        for name in ("pc1", "pc2"):
            lightly(name, cables[name], *faked, setup='echo +0 > "$FAKETIME_TIMESTAMP_FILE"\n')
        yield made


def _container(name: str) -> list[str]:
    return [
        *("systemd-nspawn", "--quiet", "--directory=/", "--volatile=yes", "--register=no", "--keep-unit"),
        *("--resolv-conf=off", f"--machine=quorate-{os.getpid()}-{name}", f"--hostname={name}"),
    ]


def _machine_id(name: str) -> str:
    return name.encode().hex().rjust(32, "0")


def _cables(ends: ExitStack) -> dict[str, str]:
    """For each machine, what puts its container on the cable: a bridge in the network of ns1."""
    made: dict[str, Namespace] = {}
    for name, address in ADDRESSES.items():
        space = ends.enter_context(Namespace.made("127.0.0.2", resolv_conf=""))
        made[name] = space
        switch = made["ns1"].name
        if name == "ns1":
            run("ip", "-n", switch, "link", "add", "eth0", "type", "bridge")
        else:
            run(*f"ip -n {space.name} link add eth0 type veth peer name {name} netns {switch}".split())
            run(*f"ip -n {switch} link set {name} master eth0 up".split())
        run("ip", "-n", space.name, "addr", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", space.name, "link", "set", "eth0", "up")
    made["kms01"].run("nft", "-f", "-", stdin=NFT_RULES)
    return {name: f"--network-namespace-path=/run/netns/{space.name}" for name, space in made.items()}


def _booted(folder: Path, cable: str, binds: list[str], ends: ExitStack) -> Terminal:
    """A machine whose PID 1 is systemd, and root's shell on it."""
    start = _BOOT.format(masked=MASKED, machine_id=_machine_id("kms01"))
    words = [*_container("kms01"), cable, "--capability=CAP_NET_ADMIN", *binds, "/bin/sh", "-c", start]
    process = Process(words, folder / "kms01.log", {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
    ends.callback(process.end)
    process.wait_until(lambda: (Path(_root_of(process.pid)) / "run/systemd/private").exists(), "systemd")
    inside = _root_of(process.pid).split("/")[2]
    enter = ["nsenter", "--target", inside, "--mount", "--uts", "--ipc", "--net", "--pid"]
    shell = Terminal(
        [*enter, "/usr/bin/env", "-i", f"PATH={PATH}", "HOME=/root", *BASH], answer_s=ANSWER_S, is_container=True
    )
    ends.callback(shell.leaves)
    shell.types("cd /mnt; systemctl is-system-running --wait")
    return shell


def _root_of(pid: int) -> str:
    """Where the root folder of a container is seen from here: of the process below nspawn's that is its PID 1."""
    for each in Path("/proc").glob("[0-9]*"):
        try:
            status = (each / "status").read_text()
        except OSError:  # it has ended
            continue
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        if facts["PPid"] == str(pid) and facts.get("NSpid", "").endswith("\t1"):
            return f"{each}/root"
    return "/nonexistent"


def _faked() -> list[str]:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        reason = "apt-get install --no-install-recommends libfaketime"
        lacking(reason)
    settings = {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": "/etc/faketime",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return [f"--setenv={name}={value}" for name, value in settings.items()]


def _clock(folder: Path) -> Path:
    clock = folder / "clock"
    clock.mkdir()
    for name, text in (("date", _DATE), ("timedatectl", _TIMEDATECTL)):
        (clock / name).write_text(text)
        (clock / name).chmod(0o755)
    return clock
