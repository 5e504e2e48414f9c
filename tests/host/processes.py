"""`quorate host run` as a process of its own, as an administrator starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.child import Child
from tests.support.waiting import PATIENCE_S

__all__ = ["HostProcess", "quorate", "started"]

_COMMAND = [sys.executable, "-c", "from quorate.cli.main import run; run()"]


def quorate(*words: str, state_dir: Path | None = None) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    environment = {**os.environ, "COLUMNS": "250"}
    if state_dir is not None:
        environment["QUORATE_STATE_DIR"] = str(state_dir)
    command = [*_COMMAND, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=environment, check=False)


@dataclass
class HostProcess:
    """A running `quorate host run`; `said` is what it printed when it was ready."""

    process: Child
    said: dict[str, Any]

    @property
    def port(self) -> int:
        port: int = self.said["port"]
        return port

    def kill(self) -> None:
        """As a power cut would: at once, without a word."""
        self.process.kill()

    def terminate(self) -> int:
        """SIGTERM, and its exit code."""
        return self.process.terminate()


@contextmanager
def started(state_dir: Path, *words: str) -> Iterator[HostProcess]:
    """The host of a state folder in its own process, on ports the system chose; it publishes nothing in DNS."""
    command = [*_COMMAND, "host", "run", "--state-dir", str(state_dir), "--json", "--address", "127.0.0.1", "--no-dns"]
    command += words or ("--port", "0", "--admin-port", "0")
    with Child(command) as process:
        yield HostProcess(process, process.told())
