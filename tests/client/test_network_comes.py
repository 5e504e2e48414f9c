"""A real agent on a machine whose cable is put in after it has started: licensed seconds later, not two hours."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tests.dns.servers import Process, run
from tests.firewall.room import HOST4, room

_NETNS = Path("/etc/netns")
TRIES, STEP_S = 600, 0.1  # a minute; it takes ten seconds
_QUORATE = ("-c", "from quorate.cli.main import run; run()")


def test_an_agent_that_started_before_its_network_is_licensed_when_the_network_comes(tmp_path: Path) -> None:
    with room(tmp_path) as made:
        # The name server that everybody has, though nobody answers there: what an isolated network has of DNS.
        (_NETNS / made.client_name / "resolv.conf").write_text(f"nameserver {HOST4}\n")
        driver = made.driver_of(made.client_name)
        made.start_host()
        made.install_client(driver)
        run("ip", "-n", made.client_name, "link", "set", "eth0", "down")
        log, state = tmp_path / "agent.log", str(tmp_path / "client")
        words = ("client", "run", "--state-dir", state)
        agent = Process(
            ["ip", "netns", "exec", made.client_name, sys.executable, "-u", *_QUORATE, *words], log, made.environ
        )
        try:
            agent.wait_until(lambda: "no KMS host could be reached" in log.read_text(), "the agent")
            run("ip", "-n", made.client_name, "link", "set", "eth0", "up")
            waits = threading.Event()
            for _ in range(TRIES):
                if driver.said("client", "status", "--state-dir", state)["status"] == "licensed":
                    break
                waits.wait(STEP_S)
            assert driver.said("client", "status", "--state-dir", state)["status"] == "licensed", log.read_text()
        finally:
            agent.end()
