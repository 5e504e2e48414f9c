"""A publisher and its hosts, set up with the commands a user types, then run as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Server
from benchmarks.processes import Process, free_port
from benchmarks.stored import GROUP, fill_host

__all__ = ["Host", "Site"]

COMMAND_S = 60.0

_PRODUCT = f"""\
id = "bench"
name = "Benchmark"
group = "{GROUP}"
profile = "windows-7"

[[edition]]
id = "bench-client"
name = "Benchmark Client"
class = "client"
"""


class Host:
    """One KMS host: its folder, and its process while it runs."""

    def __init__(self, state: Path, server: Server) -> None:
        self.state = state
        self.server = server

    @property
    def database(self) -> Path:
        return self.state / "host.db"


class Site:
    """Everything below `folder`. Close it to end its hosts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts: list[Host] = []
        self.product, self.trust = folder / "bench.product", folder / "publisher" / "publisher.jwks"
        self._publisher("init", "--name", "Benchmark Publisher")
        (folder / "product.toml").write_text(_PRODUCT, "utf-8")
        self._publisher("product", "add", str(folder / "product.toml"), "-o", str(self.product))
        issued = self._publisher("host-key", "issue", "--customer", "Benchmark Site", "--group", GROUP)
        self._product_key = str(issued["product_key"])

    def add_host(self, name: str, stored: int) -> Host:
        """A host, activated by exchanging files, with `stored` machines in its store, running."""
        state, request, certificate = (self.folder / f"{name}{end}" for end in ("", ".req", ".cert"))
        port, admin_port = free_port(), free_port()
        for words in (
            ("init", "--product", str(self.product), "--trust", str(self.trust)),
            ("install-key", self._product_key),
            ("request", "-o", str(request)),
        ):
            self._quorate(state, "host", *words)
        self._publisher("confirm", str(request), "-o", str(certificate))
        self._quorate(state, "host", "activate", "--confirmation", str(certificate))
        for setting, value in (
            ("address", "127.0.0.1"),
            ("port", str(port)),
            ("admin-port", str(admin_port)),
            ("dns-publishing", "off"),
        ):
            self._quorate(state, "host", "set", setting, value)
        if stored:
            fill_host(state / "host.db", stored, int(time.time()))
        process = Process(name, [*_QUORATE, "host", "run"], self.folder / f"{name}.log", self._environment(state))
        host = Host(state, Server(process, port, stored=stored))
        self.hosts.append(host)
        process.wait_for(port)
        return host

    def close(self) -> None:
        """End all hosts."""
        for host in self.hosts:
            host.server.process.stop()

    def _publisher(self, *words: str) -> dict[str, Any]:
        return self._quorate(self.folder / "publisher", "publisher", *words)

    def _quorate(self, state: Path, *words: str) -> dict[str, Any]:
        done = subprocess.run(
            [*_QUORATE, *words, "--json"],
            env=self._environment(state),
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"quorate {' '.join(words[:2])} ended with {done.returncode}: {done.stderr.strip()}")
        said: dict[str, Any] = json.loads(done.stdout or "{}")
        return said

    def _environment(self, state: Path) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QUORATE_")}
        return {**kept, "QUORATE_STATE_DIR": str(state), "QUORATE_PASSPHRASE": "only for the benchmark"}


_QUORATE = [str(Path(sys.executable).with_name("quorate"))]
