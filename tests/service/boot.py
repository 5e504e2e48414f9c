"""Boots systemd as PID 1 in a container of this very machine: its /usr, everything else empty and gone afterwards.

Needs root and systemd-nspawn. The container has a network of its own and is not known to this machine's own systemd.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from quorate.clock import SystemClock
from tests.dns.namespace import need_root
from tests.firewall.room import need_programs, world_of_one
from tests.support.hosting import make_host
from tests.support.needs import lacking
from tests.support.source import ROOT, SRC
from tests.support.tlspair import make_pair
from tests.support.waiting import PATIENCE_S

__all__ = ["MASKED", "booted", "installation", "need_boot"]

BOOT_S = 240  # everything inside; it takes a tenth of that on a machine that is free

_CHECK = """\
[Unit]
Requires=basic.target
After=basic.target
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /opt/quorate/check/inside.py
ExecStopPost=/bin/systemctl --no-block exit
"""
# Without these it would wait for a key, a clock, a firewall.
_MASKED = ("firstboot", "timesyncd", "journal-flush", "logind", "networkd", "resolved")
MASKED = " ".join(f"systemd-{name}" for name in _MASKED) + " firewalld nftables ufw"
_START = """
set -e
mkdir -p /etc/systemd/system /etc/credstore /var/lib/quorate
for unit in {masked}; do ln -s /dev/null /etc/systemd/system/$unit.service; done
echo 0123456789abcdef0123456789abcdef > /etc/machine-id
cp /opt/quorate/site/check.service /etc/systemd/system/
install -m 600 /opt/quorate/site/tsig.key /etc/credstore/dns-tsig-key
install -m 600 /opt/quorate/site/admin.crt /etc/credstore/admin-tls-cert
install -m 600 /opt/quorate/site/admin.key /etc/credstore/admin-tls-key
cp -r /opt/quorate/site/state /var/lib/quorate/host
chown -R 0:0 /var/lib/quorate
chmod 700 /var/lib/quorate/host
exec /lib/systemd/systemd --unit=check.service
"""


_START_AND_END = """
mkdir -p /etc/systemd/system
for unit in {masked}; do ln -s /dev/null /etc/systemd/system/$unit.service; done
echo 0123456789abcdef0123456789abcdef > /etc/machine-id
exec /lib/systemd/systemd --unit=exit.target
"""
_CANNOT = (
    "systemd does not boot in a container here ({reason}). Inside another container, start that one with "
    "`docker run --privileged --cgroupns=private`, or run `sudo make test` on a real or virtual machine"
)


def need_boot() -> None:
    """Go on when systemd can be PID 1 of a container: started and ended once, which takes a second."""
    need_programs(systemd_nspawn="systemd-container", systemctl="systemd")
    need_root()
    reason = _why_nothing_boots(str(os.getpid()))
    if reason is not None:
        lacking(_CANNOT.format(reason=reason))


@functools.cache
def _why_nothing_boots(name: str) -> str | None:
    command = [
        *("systemd-nspawn", "--quiet", "--directory=/", "--volatile=yes", "--private-network", "--register=no"),
        *("--keep-unit", f"--machine=quorate-probe-{name}", "/bin/sh", "-c", _START_AND_END.format(masked=MASKED)),
    ]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            timeout=BOOT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end after {BOOT_S} s"
    if done.returncode == 0:
        return None
    said = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return said[-1] if said else f"systemd-nspawn ended with {done.returncode}"


def booted(folder: Path) -> dict[str, Any]:
    """What `inside.py` has found."""
    need_boot()
    opt, out = folder / "opt", folder / "out"
    out.mkdir()
    binds = [f"--bind={out}:/opt/out", *installation(opt)]
    _site(opt / "site")
    command = [
        *("systemd-nspawn", "--quiet", "--directory=/", "--volatile=yes", "--private-network", "--register=no"),
        *("--keep-unit", f"--machine=quorate-{os.getpid()}", *binds, "/bin/sh", "-c", _START.format(masked=MASKED)),
    ]
    environ = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    log = folder / "boot.log"
    with log.open("wb") as output:
        subprocess.run(
            ["timeout", "-k", "5", str(BOOT_S), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environ,
            timeout=BOOT_S + PATIENCE_S,
            check=False,
        )
    findings = out / "findings.json"
    assert findings.is_file(), f"nothing was found inside:\n{log.read_text(errors='replace')[-4000:]}"
    found: dict[str, Any] = json.loads(findings.read_text())
    return found


def installation(opt: Path) -> list[str]:
    """Quorate in /opt/quorate, as `pip install` would have put it: a program, its Python, its libraries."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # The system's own Python of the same version, if there is one: others may look for their libraries elsewhere.
    is_systems = Path("/usr/bin", version).exists()
    inside = Path("/usr") if is_systems else Path("/opt/quorate/python")
    for name in ("bin", "src", "lib", "check", "python", "site"):
        (opt / name).mkdir(parents=True)
    for name, run in (("quorate", "run"), ("quorate-slmgr", "slmgr")):
        script = opt / "bin" / name
        script.write_text(
            f"#!{inside}/bin/{version}\nimport sys\nsys.path[:0] = ['/opt/quorate/src', '/opt/quorate/lib']\n"
            f"from quorate.__main__ import {run}\n{run}()\n"
        )
        script.chmod(0o755)
    libraries = sysconfig.get_path("purelib")
    binds = {opt: "/opt/quorate", SRC: "/opt/quorate/src", Path(libraries): "/opt/quorate/lib"}
    binds[ROOT / "tests/service"] = "/opt/quorate/check"
    if not is_systems:
        binds[Path(sys.base_prefix)] = str(inside)
    return [f"--bind-ro={outside}:{place}" for outside, place in binds.items()]


def _site(site: Path) -> None:
    """What the administrator has: the publisher's files, and a host's folder that was made on the way."""
    world = world_of_one()
    make_host(site / "state", world, SystemClock(), settings={"dns-publishing": "off"})
    (site / "acme-cad.product").write_text(world.product_token)
    (site / "publisher.jwks").write_bytes(world.jwks)
    (site / "key").write_text(world.product_key.text)
    (site / "tsig.key").write_text("hmac-sha256:kms-update:c2VjcmV0c2VjcmV0c2VjcmV0\n")
    make_pair(site)
    (site / "check.service").write_text(_CHECK)
    for each in (site, *site.iterdir()):
        if each.name != "state":
            each.chmod(0o755 if each.is_dir() else 0o644)
