"""Processes under measurement: started, waited for, their CPU and memory read from /proc, ended. Linux only."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Cpu", "Process", "free_port", "machine_busy_s"]

_TICKS = os.sysconf("SC_CLK_TCK")
START_S, STOP_S = 30.0, 15.0


@dataclass(frozen=True)
class Cpu:
    """CPU seconds of a process and all below it, since they began."""

    user_s: float
    system_s: float

    @property
    def total_s(self) -> float:
        return self.user_s + self.system_s

    def __sub__(self, earlier: Cpu) -> Cpu:
        return Cpu(self.user_s - earlier.user_s, self.system_s - earlier.system_s)


class Process:
    """One server or helper, in a process group of its own, with its output in a file."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait_for(self, port: int) -> None:
        """Until something listens on `port`.

        Raises:
            RuntimeError: it ended, or does not listen after `START_S` seconds; with the end of its output.
        """
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._child.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self._child.returncode}: {self.output()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(f"{self.name} does not listen on port {port} after {START_S:.0f} s: {self.output()}")

    def output(self) -> str:
        """The last of what it wrote."""
        return self._log.read_text("utf-8", "replace")[-2000:]

    def cpu(self) -> Cpu:
        """CPU so far, of the whole tree; processes that ended inside it are in their parent's figures."""
        user = system = 0
        for pid in _tree(self.pid):
            fields = _stat(pid)
            if fields:
                user += int(fields[11]) + int(fields[13])
                system += int(fields[12]) + int(fields[14])
        return Cpu(user / _TICKS, system / _TICKS)

    def memory_mb(self) -> float:
        """Proportional set size of the whole tree, in units of 10^6 bytes."""
        total = 0
        for pid in _tree(self.pid):
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        return total * 1024 / 1e6

    def stop(self) -> None:
        """SIGTERM, and after `STOP_S` seconds SIGKILL."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL for the whole group, as a power cut would."""
        if self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait(STOP_S)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def machine_busy_s() -> float:
    """CPU seconds that this machine has spent busy since it started; what a hypervisor took away is not in it."""
    user, nice, system, _idle, _iowait, irq, softirq = (
        int(word) for word in Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:8]
    )
    return (user + nice + system + irq + softirq) / _TICKS


def _tree(root: int) -> list[int]:
    """`root` and every process below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:  # grows while it is walked
        found.extend(children.get(pid, []))
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name (so field 3 of proc(5) is the first), or none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()
    except OSError:
        return []
