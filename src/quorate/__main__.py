"""The way in: `quorate`, `quorate-slmgr`, `python -m quorate`. It needs nothing but Python, so it can say what is
missing."""

from __future__ import annotations

import importlib
import sys

__all__ = ["run", "slmgr"]


def run() -> None:
    """The command line, or one line on how to install it: `pip install quorate` alone brings the SDK without it."""
    _run("quorate.cli.main")


def slmgr() -> None:
    """slmgr's own switches; without the extra, the same one line."""
    _run("quorate.cli.slmgr.main")


def _run(module: str) -> None:
    try:
        command = importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("quorate"):
            raise
        sys.stderr.write(f"error: {missing.name} is not installed\nhint: pip install 'quorate[cli]'\n")
        sys.exit(1)
    command.run()


if __name__ == "__main__":
    run()
