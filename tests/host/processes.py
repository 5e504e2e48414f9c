"""`quorate host run` as a process of its own, as an administrator starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.hosting import BOUND_S

__all__ = ["HostProcess", "quorate", "started"]

_COMMAND = [sys.executable, "-c", "from quorate.cli.main import run; run()"]


def quorate(*words: str, state_dir: Path | None = None) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    environment = {**os.environ, "COLUMNS": "250"}
    if state_dir is not None:
        environment["QUORATE_STATE_DIR"] = str(state_dir)
    command = [*_COMMAND, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


@dataclass
class HostProcess:
    """A running `quorate host run`; `said` is what it printed when it was ready."""

    process: subprocess.Popen[str]
    said: dict[str, Any]

    @property
    def port(self) -> int:
        port: int = self.said["port"]
        return port

    def kill(self) -> None:
        """As a power cut would: at once, without a word."""
        self.process.kill()
        self.process.wait(BOUND_S)

    def terminate(self) -> int:
        """SIGTERM, and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(BOUND_S)


@contextmanager
def started(state_dir: Path, *words: str) -> Iterator[HostProcess]:
    """The host of a state folder in its own process, on ports the system chose; it publishes nothing in DNS."""
    command = [*_COMMAND, "host", "run", "--state-dir", str(state_dir), "--json", "--address", "127.0.0.1", "--no-dns"]
    command += words or ("--port", "0", "--admin-port", "0")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate()
            yield HostProcess(process, json.loads(line))
        finally:
            process.kill()
            process.communicate()
