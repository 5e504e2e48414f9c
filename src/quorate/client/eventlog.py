"""The client's event log: one JSON object per line, events 12288 and 12289 (`core.events`), bounded on disk.

Writing it is best effort: a full disk must not stop an activation.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from quorate.core.events import AnswerReceived, RequestSent
from quorate.core.messages import encode

__all__ = ["ClientEventLog"]

FILE_BYTES_MAX = 256 * 1024  # about 700 events, two months of refusals; one older file of that size is kept


class ClientEventLog:
    """Appends to `path`; when it is full it becomes `path` + `.1`, and the former `.1` goes."""

    def __init__(self, path: Path, bytes_max: int = FILE_BYTES_MAX) -> None:
        self._path = path
        self._older = path.with_name(path.name + ".1")
        self._bytes_max = bytes_max

    def record(self, event: RequestSent | AnswerReceived) -> None:
        """One event, in one write, so that lines of two processes do not mix."""
        line = encode(event) + b"\n"
        with contextlib.suppress(OSError):
            with contextlib.suppress(FileNotFoundError):
                if self._path.stat().st_size + len(line) > self._bytes_max:
                    self._path.replace(self._older)
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                os.write(handle, line)
            finally:
                os.close(handle)
