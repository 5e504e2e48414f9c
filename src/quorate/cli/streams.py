"""The standard streams as a command meets them: closed, full, without a reader, in an encoding that lacks letters.

Writing never raises, so what a command does never depends on who listens. What cannot be written is dropped and the
first reason kept; the end of the command tells it. It needs nothing but Python: `python -m quorate` starts here.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
import threading
from collections.abc import Callable
from typing import Any

from quorate.errors import FileAccessError

__all__ = [
    "Outlet",
    "ended",
    "first_line",
    "has_reader",
    "is_listening",
    "report_is_written",
    "steady_streams",
    "typed_in",
    "when_reader_goes",
]

_NO_LISTENER = {errno.EPIPE, errno.EBADF, errno.EIO, errno.ECONNRESET}  # a pipe, a closed stream, a terminal, a socket


class Outlet(io.RawIOBase):
    """One stream of output. `fault` is why it takes nothing any more; None while it does."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.fault: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Any, /) -> int:
        """All of it, or as much as was taken at once; what is not taken for a fault is dropped."""
        while self.fault is None:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:  # whoever shares the terminal has set it so
                select.select([], [self._descriptor], [])
            except OSError as fault:
                self.fault = fault
        return memoryview(data).nbytes


class _Text(io.TextIOWrapper):
    """Each line goes out when it is complete: who reads a pipe line by line must not wait for a full buffer."""

    def __init__(self, outlet: Outlet, encoding: str) -> None:
        super().__init__(io.BufferedWriter(outlet), encoding=encoding, errors="backslashreplace", line_buffering=True)
        self.outlet = outlet
        self.has_report = False


def steady_streams() -> None:
    """Put steady streams into the place of Python's own; once, before anything is written."""
    _occupy()
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  (open as long as the process lives)
    sys.stdout = _steady(sys.stdout, 1)
    sys.stderr = _steady(sys.stderr, 2)


def _occupy() -> None:
    """A closed 0, 1 or 2 would be given to the next file that is opened: words for people would go into a database."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number


def _steady(stream: Any, number: int) -> Any:
    if stream is None:  # it was closed
        return _Text(Outlet(number), "utf-8")
    with contextlib.suppress(OSError):
        stream.flush()
    try:
        return _Text(Outlet(stream.fileno()), stream.encoding)
    except (OSError, AttributeError):  # a program that has put a stream of its own there
        return stream


def typed_in(bytes_max: int) -> bytes:
    """What stdin holds, at most so much.

    Raises:
        FileAccessError: it cannot be read: a folder, a terminal that is gone.
    """
    try:
        return sys.stdin.buffer.read(bytes_max)
    except OSError as fault:
        raise FileAccessError(path="standard input", reason=os.strerror(fault.errno or 0)) from None


def first_line(bytes_max: int) -> str:
    """The first line of stdin; raises as `typed_in`."""
    try:
        return sys.stdin.buffer.readline(bytes_max).decode("utf-8", "replace")
    except OSError as fault:
        raise FileAccessError(path="standard input", reason=os.strerror(fault.errno or 0)) from None


def has_reader() -> bool:
    """False when whoever read stdout has gone, as `head` does; also while nothing is written."""
    text = sys.stdout
    if not isinstance(text, _Text):
        return True
    if not is_listening():
        return False
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(text.outlet.fileno(), 0)  # errors and hang-ups are always told
    return not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def when_reader_goes(act: Callable[[], None]) -> None:
    """Call `act`, from a thread, as soon as whoever read stdout has gone; for what would go on for nobody."""
    text = sys.stdout
    if isinstance(text, _Text) and hasattr(select, "poll"):
        threading.Thread(target=_watch, args=(text.outlet.fileno(), act), name="quorate-reader", daemon=True).start()


def _watch(descriptor: int, act: Callable[[], None]) -> None:
    poll = select.poll()
    poll.register(descriptor, 0)
    if any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll()):
        act()


def is_listening() -> bool:
    """False as soon as stdout has refused something: what follows would be written for nobody."""
    text = sys.stdout
    return not isinstance(text, _Text) or text.outlet.fault is None


def report_is_written() -> None:
    """What stdout gets tells what was done: where that is lost, it is done all the same, and the command worked."""
    if isinstance(sys.stdout, _Text):
        sys.stdout.has_report = True


def ended(code: int | str | None) -> int | str | None:
    """The exit code, when all has been written.

    Output that was lost to a fault, such as a full disk, is told in one line. It makes a command fail whose work was to
    show something; a reader that has enough does not.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    text = sys.stdout
    fault = text.outlet.fault if isinstance(text, _Text) else None
    if fault is None or fault.errno in _NO_LISTENER or not isinstance(text, _Text):
        return code
    done = "; what it reports is done" if text.has_report and not code else ""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"error: standard output cannot be written: {os.strerror(fault.errno or 0)}{done}\n")
        sys.stderr.flush()
    return code if code or text.has_report else 1
