"""The host's half of `quorate doctor`, with this machine's firewall, resolver and sockets."""

from __future__ import annotations

import os

import structlog

from quorate.clock import SystemClock, SystemEntropy
from quorate.core.checkup import Check
from quorate.errors import FirewallNeedsRootError
from quorate.host.checkup import HostCheckup
from quorate.host.config import StatePaths
from quorate.host.firewall.detect import firewalls_in_use
from quorate.host.firewall.tools import Tools
from quorate.host.publication.hello import say_hello
from quorate.host.publication.machine import Surroundings

__all__ = ["host_checks"]


def host_checks(paths: StatePaths) -> list[Check]:
    """Every check of the host in a state folder."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # what a library says is for nobody here
    clock = SystemClock()
    around = Surroundings.of_this_machine(clock)
    checkup = HostCheckup(paths, clock, SystemEntropy(), around=around, hello=say_hello, firewall=_firewall)
    return checkup.run()


def _firewall() -> tuple[str, tuple[int, ...]] | None:
    if os.geteuid() != 0:
        raise FirewallNeedsRootError(command="quorate doctor --role host")
    found = firewalls_in_use(Tools(os.environ))
    if not found:
        return None
    opened = [set(each.ports()) for each in found]
    return " and ".join(each.name for each in found), tuple(sorted(set.intersection(*opened)))
