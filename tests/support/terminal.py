"""A person at a shell: types blocks of lines, reads what comes back, and notices every command that failed."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

__all__ = ["ANSWER_S", "BASH", "Terminal", "blocks", "failures"]

ANSWER_S = 180  # for one block; a dozen Python starts on a busy machine take a few seconds
BASH = ("bash", "--noprofile", "--norc")
END_S = 20  # for a container to end
_MARK = "--end-of-block--"


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)


class Terminal:
    """A shell that runs until `leaves`.

    Args:
        command: what starts a shell that reads its lines from standard input.
        answer_s: how long one block may take.
        is_container: the end of its input ends everything in it, and nothing else does: its processes are in no group
            of ours.
    """

    def __init__(
        self,
        command: Sequence[str] = BASH,
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        answer_s: float = ANSWER_S,
        is_container: bool = False,
    ) -> None:
        self._is_container = is_container
        self._answer_s = answer_s
        self._shell = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=folder,
            env=environment,
            start_new_session=True,  # so that everything it started can be ended with it
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.types(r"""trap 'echo "failed with $?: $BASH_COMMAND"' ERR""")

    def types(self, block: str) -> str:
        """What one block prints."""
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{block}\necho {_MARK}\n")
        self._shell.stdin.flush()
        said: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=self._answer_s)
            except queue.Empty:
                pytest.fail(f"no end after {self._answer_s} s:\n{block}\nsaid so far:\n{''.join(said)}")
            if line.strip() == _MARK:
                return "".join(said)
            said.append(line)

    def leaves(self) -> None:
        """End the shell and all that it started."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        if self._is_container:
            self._shell.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._shell.wait(timeout=END_S)
        if self._shell.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait(timeout=ANSWER_S)
        self._listener.join(timeout=ANSWER_S)
        self._shell.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self._shell.stdin.close()

    def _listen(self) -> None:
        assert self._shell.stdout is not None
        for line in self._shell.stdout:
            self._lines.put(line)


def failures(said: str) -> list[tuple[str, str]]:
    """Exit code and command line of everything that failed in what was printed."""
    return re.findall(r"^failed with (\d+): (.*)$", said, flags=re.MULTILINE)
