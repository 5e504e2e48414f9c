"""A program that a test starts and talks with: its lines as they come, output and errors apart, every wait bounded.

A pipe that is read in place stands still when the program does not say what was expected, and a program that nobody
reads stands still when its pipe is full. Here threads read both pipes from the start. A wait in vain fails the
test with what was waited for and all that was said until then.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn, Self

import pytest

from tests.support.waiting import PATIENCE_S

__all__ = ["Child"]


class Child:
    """A running program; as a context it is killed at the end of the block, with all that it started.

    Args:
        environ: its whole environment; without it the one of the tests.
        cwd: its folder.
        bound_s: how long a test waits for any one thing.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        bound_s: float = PATIENCE_S,
    ) -> None:
        self._command = [str(word) for word in command]
        self._bound_s = bound_s
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=cwd,
            env=None if environ is None else dict(environ),
            start_new_session=True,  # so that everything it started can be ended with it
        )
        self._out, self._err = _Lines(self._process.stdout), _Lines(self._process.stderr)

    # --- what it says ---

    def line(self, what: str = "its next line") -> str:
        """The next line on stdout, without its end."""
        return self._take(self._out, lambda _: True, f"{what} on stdout")

    def told(self) -> dict[str, Any]:
        """The next line on stdout, which is a JSON object."""
        told: dict[str, Any] = json.loads(self.line("a JSON object"))
        return told

    def line_with(self, words: str, within_s: float | None = None) -> str:
        """The next line on stdout that has these words."""
        return self._take(self._out, lambda line: words in line, f"{words!r} on stdout", within_s)

    def error_with(self, words: str) -> str:
        """The next line on stderr that has these words."""
        return self._take(self._err, lambda line: words in line, f"{words!r} on stderr")

    @property
    def out(self) -> str:
        """All of stdout until now; once it has ended, all there will be."""
        return self._out.text

    @property
    def err(self) -> str:
        """All of stderr until now; once it has ended, all there will be."""
        return self._err.text

    # --- what it is told ---

    @property
    def pid(self) -> int:
        return self._process.pid

    def types(self, line: str = "") -> None:
        """One line for its stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ends(self, within_s: float | None = None) -> int:
        """Wait until it ends by itself (its stdin is at its end): its exit code, negative for a signal."""
        self._close_stdin()
        try:
            code = self._process.wait(within_s or self._bound_s)
        except subprocess.TimeoutExpired:
            self._fail(f"its end, for {within_s or self._bound_s:g} s")
        self._out.join(self._bound_s)
        self._err.join(self._bound_s)
        return code

    def terminate(self) -> int:
        """SIGTERM, and its exit code."""
        self.signal(signal.SIGTERM)
        return self.ends()

    def kill(self) -> int:
        """As a power cut would: at once, with all that it started, without a word."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return self.ends()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._out.close()
        self._err.close()

    # --- how ---

    def _take(self, lines: _Lines, is_wanted: Callable[[str], bool], what: str, within_s: float | None = None) -> str:
        bound_s = within_s or self._bound_s
        line = lines.take(is_wanted, bound_s)
        if line is None:
            self._fail(f"{what}, {'which has ended' if lines.is_at_end else f'for {bound_s:g} s'}")
        return line.rstrip("\n")

    def _fail(self, what: str) -> NoReturn:
        state = "runs" if self._process.poll() is None else f"ended with {self._process.returncode}"
        pytest.fail(
            f"waited in vain for {what}\nof: {' '.join(self._command)}\nwhich {state}"
            f"\n--- stdout ---\n{self.out}\n--- stderr ---\n{self.err}"
        )

    def _close_stdin(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it did not read all that it was told
            self._process.stdin.close()


class _Lines:
    """What comes out of one pipe, read as it comes by a thread of its own."""

    def __init__(self, pipe: IO[str] | None) -> None:
        assert pipe is not None
        self._pipe = pipe
        self._lines: list[str] = []
        self._taken = 0
        self._news = threading.Condition()
        self.is_at_end = False
        self._reader = threading.Thread(target=self._read, name="lines of a child", daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        with self._news:
            return "".join(self._lines)

    def take(self, is_wanted: Callable[[str], bool], bound_s: float) -> str | None:
        """The next line that is wanted, those before it passed over; None when none came within the bound."""

        def wanted() -> bool:
            while self._taken < len(self._lines):
                self._taken += 1
                if is_wanted(self._lines[self._taken - 1]):
                    return True
            return False

        with self._news:
            found = False

            def is_decided() -> bool:
                nonlocal found
                found = found or wanted()
                return found or self.is_at_end

            self._news.wait_for(is_decided, bound_s)
            return self._lines[self._taken - 1] if found else None

    def join(self, bound_s: float) -> None:
        self._reader.join(bound_s)

    def close(self) -> None:
        if not self._reader.is_alive():  # else a process outside our group holds the pipe: the thread ends with it
            self._pipe.close()

    def _read(self) -> None:
        for line in self._pipe:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self.is_at_end = True
            self._news.notify_all()
