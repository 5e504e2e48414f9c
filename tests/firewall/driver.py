"""Runs commands of the real entry point inside a network namespace: one process, a JSON list of words for each command.

Starting Python takes most of a second, so a test room has one of these on each side, instead of a process a command.
"""

from __future__ import annotations

import io
import json
import os
import socket
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any
from unittest.mock import patch

from quorate.cli import main

KNOCK_S = 0.4  # an answer comes in a millisecond; silence is what a closed firewall is


def knock(address: str, port: int) -> dict[str, Any]:
    """What a connect finds: `open`, `silence`, or the name of the error."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(KNOCK_S)
        try:
            sock.connect((address, port))
        except TimeoutError:
            return {"found": "silence"}
        except OSError as fault:
            return {"found": os.strerror(fault.errno or 0)}
        return {"found": "open"}


def quorate(words: list[str]) -> dict[str, Any]:
    """One command to its end."""
    code: Any = 0
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            with patch.object(sys, "argv", ["quorate", *words]):
                main.run()
        except SystemExit as end:
            code = end.code or 0
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def serve() -> None:
    """Until standard input ends."""
    for line in sys.stdin:
        verb, *words = json.loads(line)
        done = knock(words[0], int(words[1])) if verb == "knock" else quorate(words)
        sys.__stdout__.write(json.dumps(done) + "\n")  # type: ignore[union-attr]  # there is one
        sys.__stdout__.flush()  # type: ignore[union-attr]


if __name__ == "__main__":
    serve()
