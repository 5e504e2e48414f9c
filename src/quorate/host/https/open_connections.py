"""How many connections administration's port holds: the server bounds them without TLS, but not those that say nothing.

Granian takes a TLS connection before it has a limit for it, and waits for the first word for ever (measured: 600 silent
connections, 600 descriptors). Those are the clients' descriptors too, so somebody has to count.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

__all__ = ["connections_at"]

_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_ESTABLISHED: Final = "01"
_BYTES_MAX: Final = 16 * 1024 * 1024  # a hundred thousand connections of this machine


def connections_at(port: int) -> int:
    """Connections that are open at this TCP port, by the kernel's own list; 0 where it shows none (it is not Linux)."""
    ending = f":{port:04X}"
    found = 0
    for table in _TABLES:
        with contextlib.suppress(OSError), table.open(encoding="ascii") as file:
            for line in file.read(_BYTES_MAX).splitlines()[1:]:
                fields = line.split(None, 4)  # number, local address, remote address, state
                found += len(fields) > 3 and fields[1].endswith(ending) and fields[3] == _ESTABLISHED
    return found
