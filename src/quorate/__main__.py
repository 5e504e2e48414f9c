"""The way in: `quorate`, `quorate-slmgr`, `python -m quorate`. It needs nothing but the SDK, so it can say what is
missing."""

from __future__ import annotations

import importlib
import sys

from quorate.cli.streams import ended, steady_streams
from quorate.errors.installing import pip_install

__all__ = ["run", "slmgr"]


def run() -> None:
    """The command line, or one line on how to install it: without an extra there is only the SDK."""
    _run("quorate.cli.main")


def slmgr() -> None:
    """slmgr's own switches; without the extra, the same one line."""
    _run("quorate.cli.slmgr")


def _run(module: str) -> None:
    steady_streams()
    try:
        _command(module)
    except SystemExit as end:
        sys.exit(ended(end.code))
    sys.exit(ended(0))


def _command(module: str) -> None:
    try:
        command = importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("quorate"):
            raise
        sys.stderr.write(f"error: {missing.name} is not installed\nhint: {pip_install('cli')}\n")
        sys.exit(1)
    command.run()


if __name__ == "__main__":
    run()
