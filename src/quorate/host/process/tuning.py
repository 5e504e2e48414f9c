"""What a running host asks of the operating system: to be the only one on its state, priority, open files."""

from __future__ import annotations

import gc
import os
import resource
import sys

from quorate.host.settings.settings import Priority

__all__ = ["ProcessPriority", "raise_open_files", "settle_down"]

_RESERVED_FILES = 256  # for the database, the log, the libraries
_LOW_NICE = 10
SWITCH_INTERVAL_S = 0.0005


class ProcessPriority:
    """How eagerly the operating system runs this process: normal is what it was started with, low is ten below."""

    def __init__(self) -> None:
        self._normal = os.getpriority(os.PRIO_PROCESS, 0)

    def set(self, priority: Priority) -> str | None:
        """Give this process that priority; the reason if the operating system does not let it.

        Going down is always allowed; coming back up needs a right that an ordinary user lacks (RLIMIT_NICE).
        """
        wanted = self._normal + (_LOW_NICE if priority is Priority.LOW else 0)
        try:
            if os.getpriority(os.PRIO_PROCESS, 0) != wanted:
                os.setpriority(os.PRIO_PROCESS, 0, wanted)
        except OSError as fault:
            return fault.strerror or type(fault).__name__
        return None


def raise_open_files(connections_max: int) -> int:
    """Raise this process's limit of open files as far as needed and allowed; how many connections then fit."""
    wanted = connections_max + _RESERVED_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections_max if soft == resource.RLIM_INFINITY else max(64, min(connections_max, soft - _RESERVED_FILES))


def settle_down() -> None:
    """For when a host is ready: the interpreter's own chores are fitted to one loop and one writing thread.

    What start-up made goes out of the collector's sight, and it looks less often. Answers make no cycles;
    looking through all the libraries' objects for some costs each of them a few microseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    # The writing thread signs without the interpreter's lock and must win it back for every lease: from a busy loop
    # that takes up to this long each time (the default is 5 ms, as long as a whole batch).
    sys.setswitchinterval(SWITCH_INTERVAL_S)
