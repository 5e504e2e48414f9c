"""What is done inside the booted container, by root, as an administrator would: the findings go to a file as JSON.

Only the standard library of the system's own Python: it runs beside Quorate, not with it.
"""

from __future__ import annotations

import json
import os
import pwd
import resource
import signal
import ssl
import subprocess
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

QUORATE = "/opt/quorate/bin/quorate"
STATE = Path("/var/lib/quorate/host")
CLIENT_STATE = Path("/var/lib/quorate/client")
CONFIG = Path("/etc/quorate")
SITE = Path("/opt/quorate/site")
OUT = Path("/opt/out/findings.json")
BOUND_S = 40.0
WATCHDOG_S = 5  # a pulse comes each second; a machine that is busy may be late by one or two

found: dict[str, Any] = {"took": []}


def run(*words: str, check: bool = True) -> str:
    began = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    found["took"].append([round(time.monotonic() - began, 2), " ".join(words)[:80]])
    if check and done.returncode != 0:
        raise RuntimeError(f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def said(*words: str) -> Any:
    """The JSON of a command of Quorate."""
    return json.loads(run(QUORATE, *words, "--json").splitlines()[-1])


def shown(unit: str) -> dict[str, str]:
    """What systemd knows about a unit."""
    names = "ActiveState,SubState,Result,NRestarts,MainPID,ExecMainStatus,StatusText,UnitFileState"
    lines = run("systemctl", "show", unit, f"--property={names}").splitlines()
    return dict(line.split("=", 1) for line in lines)


def until(is_so: Callable[[], bool]) -> bool:
    """Wait, bounded; whether it came."""
    end = time.monotonic() + BOUND_S
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.05)
    return False


def owners(folder: Path) -> list[list[Any]]:
    return [[str(each.relative_to(folder)), each.lstat().st_uid] for each in sorted(folder.rglob("*"))]


def ask() -> Any:
    """A client's attempt, by root, with a state of its own."""
    return said("client", "activate", "--state-dir", "/run/asking")


def by_socket() -> None:
    """Root has made the state; the first client's connection starts the service."""
    found["installed"] = said("host", "install-service", "--socket")
    limits = f"[Service]\nWatchdogSec={WATCHDOG_S}s\nRestartSec=100ms\n"
    Path("/etc/systemd/system/quorate-host.service.d").mkdir()
    Path("/etc/systemd/system/quorate-host.service.d/test.conf").write_text(limits)
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "quorate-host.socket")
    found["before"] = shown("quorate-host.service")
    product, trust = str(SITE / "acme-cad.product"), str(SITE / "publisher.jwks")
    said("client", "init", "--product", product, "--trust", trust, "--state-dir", "/run/asking")
    said("client", "set-host", "127.0.0.1", "--state-dir", "/run/asking")
    found["activated"] = ask()
    found["running"] = shown("quorate-host.service")
    pid = int(found["running"]["MainPID"])
    found["uid"] = os.stat(f"/proc/{pid}").st_uid
    found["link"] = os.readlink(STATE)
    found["owners"] = owners(STATE)
    found["clients"] = said("host", "clients")
    with urllib.request.urlopen("http://127.0.0.1:1689/metrics", timeout=5) as reply:
        found["metrics"] = reply.read().decode()
    found["credential"] = run("cat", "/run/credentials/quorate-host.service/dns-tsig-key")


def roots_commands() -> None:
    """While the service runs, root works on its state."""
    said("host", "set", "renewal-interval", "5000")
    said("host", "set", "dns-tsig-key", "/run/credentials/quorate-host.service/dns-tsig-key")
    said("host", "install-key", (SITE / "key").read_text())
    said("host", "request", "-o", "/run/again.req")
    pid = int(shown("quorate-host.service")["MainPID"])
    said("host", "set", "priority", "low")
    found["nice_low"] = until(lambda: os.getpriority(os.PRIO_PROCESS, pid) == 10)
    said("host", "set", "priority", "normal")
    if resource.prlimit(pid, resource.RLIMIT_NICE)[0] >= 20:  # LimitNICE= needs a right that containers may lack
        found["nice_normal"] = until(lambda: os.getpriority(os.PRIO_PROCESS, pid) == 0)
    found["owners_after_root"] = owners(STATE)
    found["asked_again"] = ask()


def administration_over_tls() -> None:
    """With the certificate that systemd hands to the service; the service tries it in its sandbox first."""
    folder = "/run/credentials/quorate-host.service"
    said("host", "set", "admin-tls-cert", f"{folder}/admin-tls-cert")
    said("host", "set", "admin-tls-key", f"{folder}/admin-tls-key")
    found["admin_set"] = said("host", "set", "admin-address", "127.0.0.2")  # a place of its own, to see it move
    context = ssl.create_default_context(cafile=str(SITE / "admin.crt"))
    context.check_hostname = False

    def ready() -> Any:
        try:
            with urllib.request.urlopen("https://127.0.0.2:1689/readyz", timeout=5, context=context) as reply:
                return json.load(reply)
        except OSError:
            return None

    found["admin_served"] = until(lambda: ready() is not None)
    found["admin_ready"] = ready()


def is_ready_again() -> bool:
    """Not "reloading" any more: `systemctl reload` has returned when the signal was sent."""
    unit = shown("quorate-host.service")
    return unit["ActiveState"] == "active" and "activated" in unit["StatusText"]


def reload_and_watchdog() -> None:
    (STATE / "products" / "acme-cad.product").touch()
    run("systemctl", "reload", "quorate-host.service")
    found["reloaded"] = until(is_ready_again)
    found["after_reload"] = shown("quorate-host.service")
    time.sleep(WATCHDOG_S * 1.5)  # systemd's clock is the real one: so long it must have had pulses
    found["after_pulses"] = shown("quorate-host.service")
    os.kill(int(found["after_pulses"]["MainPID"]), signal.SIGSTOP)
    found["restarted"] = until(lambda: shown("quorate-host.service")["NRestarts"] == "1")
    found["answer_after_restart"] = ask()  # the socket was open all the time
    found["after_watchdog"] = shown("quorate-host.service")


def stop_and_start_alone() -> None:
    run("systemctl", "stop", "quorate-host.socket", "quorate-host.service")
    found["stopped"] = shown("quorate-host.service")
    run("systemctl", "start", "quorate-host.service")  # without the socket: it opens its port itself
    found["alone"] = shown("quorate-host.service")
    found["answer_alone"] = ask()
    for command in said("host", "install-service", "--socket")["next"]:  # typed as told, while the service runs
        run(*command.split())
    found["socket_later"] = shown("quorate-host.socket")
    found["answer_later"] = ask()


def by_file() -> None:
    """The administrator's file, read by the service's own user at a reload."""
    CONFIG.mkdir(mode=0o755)
    (CONFIG / "host.toml").write_text("activation-interval = 77\n")
    (CONFIG / "host.toml").chmod(0o644)
    found["file_checked"] = said("host", "config", "check")
    found["before_file"] = setting("activation-interval")
    run("systemctl", "reload", "quorate-host.service")
    until(lambda: setting("activation-interval") != found["before_file"])
    found["after_file"] = setting("activation-interval")


def setting(name: str) -> list[Any]:
    """A setting's value, and where a running host has it from."""
    rows = [json.loads(line) for line in run(QUORATE, "host", "config", "show", "--json").splitlines()]
    return next([row["value"], row["where"]] for row in rows if row["name"] == name)


def the_event_log() -> None:
    """Handed to the journal and to syslog's local socket, which is journald's too; and vouched for."""
    said("host", "set", "export-journald", "on")
    said("host", "set", "export-syslog", "local")
    said("host", "set", "export-file", "/var/log/quorate/events.jsonl")
    # Both begin with what is written once they are known: so it is asked until something has come.
    found["exported"] = until(lambda: bool(ask() and exported("QUORATE_EVENT_ID=12290")))
    [found["entry"], *_] = exported("QUORATE_EVENT_ID=12290")
    found["by_syslog"] = until(lambda: "quorate@32473" in run("journalctl", "--no-pager", "-o", "cat"))
    run("systemctl", "stop", "quorate-host.service")  # the last checkpoint goes out too
    found["checkpoints"] = [entry["QUORATE_CHECKPOINT_OF"] for entry in exported() if "QUORATE_CHECKPOINT_OF" in entry]
    found["verified"] = said("host", "events", "verify")
    found["lines"] = Path("/var/log/quorate/events.jsonl").read_text().splitlines()
    run("systemctl", "start", "quorate-host.service")


def exported(*match: str) -> list[dict[str, Any]]:
    """What journald has of ours, oldest first."""
    lines = run("journalctl", "--no-pager", "-o", "json", "SYSLOG_IDENTIFIER=quorate-host", *match).splitlines()
    entries = [json.loads(line) for line in lines]
    return [entry for entry in entries if "QUORATE_TIME_S" in entry]


def the_agent() -> None:
    product, trust = str(SITE / "acme-cad.product"), str(SITE / "publisher.jwks")
    said("client", "init", "--product", product, "--trust", trust)
    said("client", "set-host", "127.0.0.1")
    found["client_installed"] = said("client", "install-service")
    run("systemctl", "enable", "--now", "quorate-client.service")
    found["client_licensed"] = until(lambda: said("client", "status")["status"] == "licensed")
    found["client_running"] = shown("quorate-client.service")
    found["client_uid"] = os.stat(f"/proc/{found['client_running']['MainPID']}").st_uid
    found["client_user"] = pwd.getpwuid(found["client_uid"]).pw_name
    said("client", "activate")  # by root, while the agent runs
    found["client_owners"] = owners(CLIENT_STATE)
    found["client_seen_by_nobody"] = json.loads(
        run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", QUORATE, "client", "status", "--json")
    )
    (CONFIG / "client.toml").write_text("https = false\n")
    run("systemctl", "reload", "quorate-client.service")
    journal = ("journalctl", "--no-pager", "-u", "quorate-client", "-o", "cat")
    found["client_reloaded"] = until(lambda: "configuration read again" in run(*journal))
    run("systemctl", "stop", "quorate-client.service")
    found["client_stopped"] = shown("quorate-client.service")


def removal() -> None:
    found["removed"] = said("host", "install-service", "--remove")
    found["client_removed"] = said("client", "install-service", "--remove")
    found["units_left"] = run("systemctl", "list-unit-files", "--no-legend", "quorate*", check=False)
    found["state_left"] = (STATE / "host.json").is_file()


STEPS = (
    by_socket,
    roots_commands,
    administration_over_tls,
    reload_and_watchdog,
    stop_and_start_alone,
    by_file,
    the_event_log,
    the_agent,
    removal,
)


def main() -> None:
    started = time.monotonic()
    try:
        for step in STEPS:
            step()
    except Exception:  # noqa: BLE001  (told outside)
        found["fault"] = traceback.format_exc()
    found["seconds"] = time.monotonic() - started
    found["journal"] = run("journalctl", "--no-pager", "-u", "quorate*", "-o", "cat", check=False)
    OUT.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
    sys.exit(0)
