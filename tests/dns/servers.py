"""Real name servers for tests, in the foreground, on 127.0.0.1 and high ports, each in a folder of its own.

Every server is a context manager: it is ready (it has answered a query) when the block begins, and its process has
ended when the block ends. Nothing here needs root, and nothing is left behind.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.support.needs import lacking
from tests.support.waiting import PATIENCE_S

__all__ = [
    "PACKAGES",
    "Bind",
    "Knot",
    "NameServer",
    "PowerDns",
    "Process",
    "Zone",
    "answers",
    "dig",
    "free_port",
    "need",
    "nsupdate",
    "run",
]

PACKAGES = {  # program: Debian package
    "openssl": "openssl",
    "jq": "jq",
    "curl": "curl",
    "named": "bind9",
    "named-checkzone": "bind9-utils",
    "dig": "bind9-dnsutils",
    "nsupdate": "bind9-dnsutils",
    "knotd": "knot",
    "pdns_server": "pdns-server pdns-backend-sqlite3",
    "dnsmasq": "dnsmasq-base",
    "unbound": "unbound",
    "krb5kdc": "krb5-kdc",
    "kadmin.local": "krb5-admin-server",
    "kinit": "krb5-user",
    "samba": "samba samba-ad-dc samba-ad-provision samba-dsdb-modules winbind",
    "ip": "iproute2",
}

READY_STEP_S = 0.025
STOP_S = 10  # then it is killed
ZONE = """\
$ORIGIN {zone}
$TTL 300
@ IN SOA ns1.{zone} hostmaster.{zone} 1 3600 600 86400 60
@ IN NS ns1.{zone}
ns1 IN A 127.0.0.1
kms01 IN A 127.0.0.1
kms02 IN AAAA ::1
alias IN CNAME kms01
nothing IN TXT "no address here"
"""


def need(*programs: str) -> None:
    """Go on when all are installed. In CI a missing one is a failure, elsewhere a skip with the line that mends it."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = sorted({PACKAGES[each] for each in programs if shutil.which(each, path=path) is None})
    if not missing:
        return
    lacking(f"apt-get install --no-install-recommends {' '.join(missing)}")


def free_port() -> int:
    """A TCP and UDP port on 127.0.0.1 that nobody uses now."""
    for _ in range(50):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def run(
    *command: str | Path,
    stdin: str = "",
    environ: Mapping[str, str] | None = None,
    check: bool = True,
    prefix: str = "",
) -> str:
    """Run a program to its end and return what it printed: its output, then its errors."""
    words = [*prefix.split(), *map(str, command)]
    done = subprocess.run(
        words,
        input=stdin,
        env=_environ(environ),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    said = done.stdout + done.stderr
    assert not check or done.returncode == 0, f"{' '.join(words)}\n{said}"
    return said


def dig(server: NameServer, name: str, kind: str = "SRV") -> list[str]:
    """What `dig +short` shows, by TCP, sorted."""
    shown = run("dig", f"@{server.address}", "-p", str(server.port), "+tcp", "+short", "+norecurse", name, kind)
    return sorted(line for line in shown.splitlines() if not line.startswith(";"))


def nsupdate(server: NameServer, *lines: str, key: str = "", check: bool = True) -> str:
    """Feed lines to nsupdate. `key` is algorithm:name:secret."""
    text = "\n".join([f"server {server.address} {server.port}", *lines, "send", ""])
    return run("nsupdate", "-v", *(["-y", key] if key else []), stdin=text, check=check)


def _environ(more: Mapping[str, str] | None) -> dict[str, str]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return {**os.environ, "PATH": path, "LC_ALL": "C", **(more or {})}


_ENDS_WITH_US = ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()  # even when we are killed


class Process:
    """A program in the foreground with its output in a file. `end` ends it, by its own pid."""

    def __init__(self, command: Sequence[str | Path], log: Path, environ: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                [*_ENDS_WITH_US, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environ(environ),
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait_until(self, is_ready: Callable[[], bool], what: str) -> None:
        """Ask `is_ready()` until it says yes; the program's output is shown when it does not."""
        end_s = time.monotonic() + PATIENCE_S
        while not is_ready():
            try:
                self._child.wait(READY_STEP_S)
            except subprocess.TimeoutExpired:
                if time.monotonic() < end_s:
                    continue
            self.end()
            pytest.fail(f"{what} is not ready:\n{self.log.read_text(errors='replace')[-4000:]}")

    def hang_up(self) -> None:
        """SIGHUP: read the files again."""
        self._child.send_signal(signal.SIGHUP)

    def end(self) -> None:
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(PATIENCE_S)


def answers(address: str, port: int, zone: str) -> bool:
    """Whether a name server there answers for the zone."""
    question = dns.message.make_query(zone, "SOA")
    try:
        return dns.query.tcp(question, address, timeout=1, port=port).rcode() != dns.rcode.SERVFAIL
    except (OSError, EOFError, dns.exception.DNSException):
        return False


@dataclass
class NameServer:
    """What tests know of a running one."""

    address: str
    port: int
    folder: Path
    process: Process
    zones: tuple[str, ...]

    @property
    def where(self) -> str:
        """As `dns-server` takes it."""
        return f"{self.address}:{self.port}"


@dataclass
class Zone:
    """One zone of a server: its name, what it says, and who may change it (in the server's own words)."""

    name: str
    update: str = ""
    text: str = ""
    kind: str = "primary"

    def file_text(self) -> str:
        return self.text or ZONE.format(zone=f"{self.name}.")


@dataclass
class Bind:
    """BIND. `update` of a zone is a statement such as `allow-update { key k; };`; `keys`: (name, algorithm, secret)."""

    folder: Path
    zones: Sequence[Zone]
    keys: Sequence[tuple[str, str, str]] = ()
    options: str = ""
    head: str = ""
    address: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    environ: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()

    @contextmanager
    def running(self) -> Iterator[NameServer]:
        need("named", "dig", "nsupdate")
        folder = self.folder
        for name in ("run", "zones"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for zone in self.zones:
            if zone.kind == "primary":
                (folder / "zones" / zone.name).write_text(zone.file_text())
        (folder / "named.conf").write_text(self._configuration())
        process = Process(
            [*self.prefix, "named", "-g", "-n", "1", "-c", folder / "named.conf"], folder / "named.log", self.environ
        )
        try:
            first = self.zones[0].name if self.zones else "."
            if not self.prefix:
                process.wait_until(lambda: answers(self.address, self.port, first), "named")
            yield NameServer(self.address, self.port, folder, process, tuple(zone.name for zone in self.zones))
        finally:
            process.end()

    def _configuration(self) -> str:
        keys = "".join(
            f'key "{name}" {{ algorithm {algorithm}; secret "{secret}"; }};\n' for name, algorithm, secret in self.keys
        )
        zones = "".join(
            f'zone "{zone.name}" {{ type {zone.kind}; file "{self.folder}/zones/{zone.name}"; {zone.update} }};\n'
            for zone in self.zones
        )
        return (
            f'{self.head}{keys}options {{ directory "{self.folder}/run"; '
            f"listen-on port {self.port} {{ {self.address}; }}; listen-on-v6 {{ none; }}; pid-file none; "
            "session-keyfile none; recursion no; dnssec-validation no; notify no; empty-zones-enable no; "
            f"{self.options} }};\ncontrols {{ }};\n{zones}"
        )


@dataclass
class Knot:
    """Knot. `update` of a zone is the name of an ACL of `acls` (text of the `acl` section)."""

    folder: Path
    zones: Sequence[Zone]
    keys: Sequence[tuple[str, str, str]] = ()
    acls: str = ""
    address: str = "127.0.0.1"
    port: int = field(default_factory=free_port)

    @contextmanager
    def running(self) -> Iterator[NameServer]:
        need("knotd", "dig")
        folder = self.folder
        for name in ("run", "db", "zones"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for zone in self.zones:
            (folder / "zones" / zone.name).write_text(zone.file_text())
        keys = "".join(f"  - id: {n}\n    algorithm: {a}\n    secret: {s}\n" for n, a, s in self.keys)
        zones = "".join(
            f"  - domain: {z.name}\n    file: {folder}/zones/{z.name}\n"
            + (f"    acl: [{z.update}]\n" if z.update else "")
            for z in self.zones
        )
        (folder / "knot.conf").write_text(
            f"server:\n  rundir: {folder}/run\n  listen: {self.address}@{self.port}\n  udp-workers: 1\n"
            f"  tcp-workers: 1\n  background-workers: 1\nlog:\n  - target: stderr\n    any: info\n"
            f"database:\n  storage: {folder}/db\n"
            + (f"key:\n{keys}" if keys else "")
            + (f"acl:\n{self.acls}" if self.acls else "")
            + f"zone:\n{zones}"
        )
        process = Process(["knotd", "-c", folder / "knot.conf"], folder / "knot.log")
        try:
            process.wait_until(lambda: answers(self.address, self.port, self.zones[0].name), "knotd")
            yield NameServer(self.address, self.port, folder, process, tuple(zone.name for zone in self.zones))
        finally:
            process.end()


@dataclass
class PowerDns:
    """PowerDNS with SQLite. A zone's `update` is the name of the key that may update it, or empty for anybody."""

    folder: Path
    zones: Sequence[Zone]
    keys: Sequence[tuple[str, str, str]] = ()
    is_dynamic: bool = True
    address: str = "127.0.0.1"
    port: int = field(default_factory=free_port)

    @contextmanager
    def running(self) -> Iterator[NameServer]:
        need("pdns_server", "dig")
        folder = self.folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pdns.conf").write_text(
            f"launch=gsqlite3\ngsqlite3-database={folder}/pdns.sqlite3\nsocket-dir={folder}\n"
            f"local-address={self.address}\nlocal-port={self.port}\ndnsupdate={'yes' if self.is_dynamic else 'no'}\n"
            f"allow-dnsupdate-from={self.address}/32\nreceiver-threads=1\ndistributor-threads=1\nguardian=no\n"
            "daemon=no\ndisable-syslog=yes\nwrite-pid=no\n"
        )
        schema = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql").read_text()
        with closing(sqlite3.connect(folder / "pdns.sqlite3")) as database:
            database.executescript(schema)
        for zone in self.zones:
            (folder / zone.name).write_text(zone.file_text())
            self._util("load-zone", zone.name, str(folder / zone.name))
        for name, algorithm, secret in self.keys:
            self._util("import-tsig-key", name, algorithm, secret)
        for zone in self.zones:
            if zone.update:
                self._util("set-meta", zone.name, "TSIG-ALLOW-DNSUPDATE", zone.update)
        process = Process(["pdns_server", f"--config-dir={folder}"], folder / "pdns.log")
        try:
            process.wait_until(lambda: answers(self.address, self.port, self.zones[0].name), "pdns_server")
            yield NameServer(self.address, self.port, folder, process, tuple(zone.name for zone in self.zones))
        finally:
            process.end()

    def _util(self, *words: str) -> None:
        run("pdnsutil", f"--config-dir={self.folder}", *words)
