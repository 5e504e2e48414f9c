"""What takes longer than two seconds says so on stderr: a line that moves on a terminal, one now and then elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from quorate.clock import Clock, SystemClock

__all__ = ["Progress", "progress"]

AFTER_S = 2.0
_MOVES_EVERY_S = 0.5
_LINE_EVERY_S = 10.0
_CLEAR = "\r\x1b[K"


class Progress:
    """How far the work is. `told` is set by whoever works, from time to time: `12,000 machines`."""

    def __init__(self, words: str) -> None:
        self.words = words
        self.told = ""
        self.is_quiet = False

    def line(self, seconds: float) -> str:
        """`Backing up ..., 12 s`"""
        return f"{self.words} ... {self.told + ', ' if self.told else ''}{seconds:.0f} s"

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Around a question to the user: nothing is told meanwhile."""
        self.is_quiet = True
        try:
            yield
        finally:
            self.is_quiet = False


@contextmanager
def progress(words: str, clock: Clock | None = None, *, is_told: bool = True) -> Iterator[Progress]:
    """Around the work. It is told from a thread, so the work may be one long call."""
    told, is_over = Progress(words), threading.Event()
    clock = clock or SystemClock()
    teller = threading.Thread(target=_tell, args=(told, clock, is_over), name="quorate-progress", daemon=True)
    if is_told:
        teller.start()
    try:
        yield told
    finally:
        is_over.set()
        if is_told:
            teller.join()


def _tell(told: Progress, clock: Clock, is_over: threading.Event) -> None:
    began_s = clock.monotonic_s()
    is_terminal = sys.stderr.isatty()
    wait_s, every_s = AFTER_S, _MOVES_EVERY_S if is_terminal else _LINE_EVERY_S
    shown = False
    while not clock.wait(is_over, wait_s):
        if told.is_quiet:
            continue
        line = told.line(clock.monotonic_s() - began_s)
        sys.stderr.write(f"{_CLEAR}{line}" if is_terminal else f"{line}\n")
        sys.stderr.flush()
        wait_s, shown = every_s, True
    if shown and is_terminal:
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()
