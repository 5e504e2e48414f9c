"""The host's half of `quorate doctor`, with this machine's firewall, resolver and sockets."""

from __future__ import annotations

import os

import structlog

from quorate.cli.hostopen import configuration_in_use, products_of
from quorate.clock import Clock, Entropy, SystemClock, SystemEntropy
from quorate.core.checkup import Check, Level, failed
from quorate.core.documents import ProductFile
from quorate.errors import FirewallNeedsRootError, QuorateError
from quorate.host.checkup import HostCheckup
from quorate.host.config import StatePaths
from quorate.host.firewall.detect import firewalls_in_use
from quorate.host.firewall.tools import Tools
from quorate.host.keyring import HostKeyring
from quorate.host.process import running_host
from quorate.host.publication.hello import say_hello
from quorate.host.publication.machine import Surroundings
from quorate.owner import as_asker, working_as_owner

__all__ = ["host_checks"]


def host_checks(paths: StatePaths) -> list[Check]:
    """Every check of the host in a state folder."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # what a library says is for nobody here
    with working_as_owner(paths.root):
        return _checks(paths)


def _checks(paths: StatePaths) -> list[Check]:
    clock, entropy = SystemClock(), SystemEntropy()
    around = Surroundings.of_this_machine(clock)
    configuration, fault = configuration_in_use(paths, _products(paths, clock, entropy))
    checkup = HostCheckup(
        paths, clock, entropy, around=around, hello=say_hello, firewall=_firewall, configuration=configuration
    )
    if fault is None:
        return checkup.run()
    level = Level.FAIL if running_host(paths) is None else Level.WARN  # it does not start; it goes on as before
    return [failed("config", fault, level), *checkup.run()]


def _products(paths: StatePaths, clock: Clock, entropy: Entropy) -> tuple[ProductFile, ...]:
    try:
        return products_of(HostKeyring(paths, clock, entropy))
    except QuorateError:  # which is the checkup's to tell
        return ()


def _firewall() -> tuple[str, tuple[int, ...]] | None:
    with as_asker():
        if os.geteuid() != 0:
            raise FirewallNeedsRootError(command="quorate doctor --role host")
        found = firewalls_in_use(Tools(os.environ))
        if not found:
            return None
        opened = [set(each.ports()) for each in found]
    return " and ".join(each.name for each in found), tuple(sorted(set.intersection(*opened)))
