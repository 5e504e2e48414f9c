"""A network namespace with an address of its own, its own `resolv.conf` and `hosts`: a machine room inside one machine.

Needs root. What is left behind by a test run that was killed is removed by the next one.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.dns.servers import need, run
from tests.support.needs import lacking

__all__ = ["Namespace", "need_root"]

_NETNS = Path("/etc/netns")
_numbers = itertools.count(1)


def need_root() -> None:
    """Go on when this is root. In CI it must be."""
    if os.geteuid() == 0:
        return
    reason = "network namespaces need root: sudo make test"
    lacking(reason)


@dataclass(frozen=True)
class Namespace:
    """`prefix` before a command runs it inside."""

    name: str
    address: str

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)

    def run(
        self, *command: str | Path, stdin: str = "", environ: Mapping[str, str] | None = None, check: bool = True
    ) -> str:
        """As `servers.run`, inside."""
        return run(*self.prefix, *command, stdin=stdin, environ=environ, check=check)

    @classmethod
    @contextmanager
    def made(cls, address: str, *, resolv_conf: str, hosts: str = "") -> Iterator[Namespace]:
        """The namespace until the end of the block; `address` is on its loopback interface."""
        need("ip")
        need_root()
        _remove_left_behind()
        name = f"quorate-{os.getpid()}-{next(_numbers)}"
        folder = _NETNS / name
        folder.mkdir(parents=True)
        try:
            (folder / "resolv.conf").write_text(resolv_conf)
            (folder / "hosts").write_text(f"127.0.0.1 localhost\n{hosts}")
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "lo")
            yield cls(name, address)
        finally:
            _remove(name)


def _remove(name: str) -> None:
    run("ip", "netns", "delete", name, check=False)
    shutil.rmtree(_NETNS / name, ignore_errors=True)
    if _NETNS.exists() and not any(_NETNS.iterdir()):
        _NETNS.rmdir()


def _remove_left_behind() -> None:
    for folder in _NETNS.glob("quorate-*-*"):
        if not Path("/proc", folder.name.split("-")[1]).exists():
            _remove(folder.name)
