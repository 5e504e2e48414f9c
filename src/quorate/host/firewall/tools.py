"""Runs the firewalls' own programs, and believes nothing that they do not say: several exit with 0 when they failed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from quorate.errors import FirewallFailedError
from quorate.host.firewall.forms import Form

__all__ = ["Firewall", "Tools"]

TIMEOUT_S = 60.0  # firewalld reloads in a second or two; ufw waits for other programs that hold the lock
OUTPUT_SHOWN = 400
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # sudo and cron leave sbin out at times


class Firewall(Protocol):
    """One firewall of this machine, as the commands use it. All but `name` needs root.

    Raises (all methods):
        FirewallFailedError: its program did not do it, or cannot be understood.
    """

    @property
    def name(self) -> str:
        """As `--format` takes it."""
        ...

    def ports(self) -> tuple[int, ...]:
        """The ports that "KMS Traffic" opens now; empty while it is not enabled."""
        ...

    def form(self, port: int) -> Form:
        """What to type to the same end, for this machine."""
        ...

    def enable(self, port: int) -> None:
        """Open this port, and no other that "KMS Traffic" opened before."""
        ...

    def disable(self) -> None:
        """Remove the exception."""
        ...

    def note(self, port: int) -> str:
        """What to know after `enable`; empty when there is nothing."""
        ...


@dataclass(frozen=True)
class _Done:
    code: int
    output: str


class Tools:
    """The programs. `did` is every command that changed something, as it could be typed.

    Args:
        environ: what they inherit; their language is set, as their words are read.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = {**environ, "PATH": _PATH, "LC_ALL": "C"}
        self.did: list[str] = []

    def has(self, program: str) -> bool:
        """Whether it is installed."""
        return shutil.which(program, path=_PATH) is not None

    def ask(self, *command: str) -> str:
        """What the command prints.

        Raises:
            FirewallFailedError: it ended with an error.
        """
        done = self._run(command, "")
        if done.code != 0:
            raise _failed(command, done.output)
        return done.output

    def answers(self, *command: str) -> str | None:
        """What the command prints, or None when it ended with an error: for questions whose no is an error code."""
        done = self._run(command, "")
        return done.output if done.code == 0 else None

    def change(self, *command: str, stdin: str = "", faults: Sequence[str] = ()) -> str:
        """Run a command that changes something.

        Args:
            faults: words in its output that mean it failed, whatever its exit code.

        Raises:
            FirewallFailedError
        """
        done = self._run(command, stdin)
        if done.code != 0 or any(fault in done.output for fault in faults):
            raise _failed(command, done.output)
        self.did += [f"{command[0]} {shlex.quote(line)}" for line in stdin.splitlines()] or [shlex.join(command)]
        return done.output

    def _run(self, command: Sequence[str], stdin: str) -> _Done:
        path = shutil.which(command[0], path=_PATH)
        if path is None:
            raise _failed(command, "it is not installed")
        try:
            done = subprocess.run(  # noqa: S603  (no shell; our own words and a port number)
                [path, *command[1:]],
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=TIMEOUT_S,
                check=False,
                env=self._environ,
            )
        except subprocess.TimeoutExpired:
            raise _failed(command, f"it did not end within {TIMEOUT_S:.0f} s") from None
        except OSError as fault:
            raise _failed(command, fault.strerror or str(fault)) from None
        return _Done(done.returncode, done.stdout)


def _failed(command: Sequence[str], output: str) -> FirewallFailedError:
    words = " ".join(output.split())
    shown = "".join(c if c.isprintable() else "?" for c in words)[:OUTPUT_SHOWN] or "it gave no reason"
    return FirewallFailedError(tool=os.path.basename(command[0]), command=shlex.join(command), reason=shown)
