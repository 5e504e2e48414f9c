"""The way in: `quorate` and `python -m quorate`. It needs nothing but Python, so it can say what is missing."""

from __future__ import annotations

import importlib
import sys

__all__ = ["run"]


def run() -> None:
    """The command line, or one line on how to install it: `pip install quorate` alone brings the SDK without it."""
    try:
        main = importlib.import_module("quorate.cli.main")
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("quorate"):
            raise
        sys.stderr.write(f"error: {missing.name} is not installed\nhint: pip install 'quorate[cli]'\n")
        sys.exit(1)
    main.run()


if __name__ == "__main__":
    run()
