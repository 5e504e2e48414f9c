"""Writes the generated pages of docs.

python -m scripts.docs            write the generated pages again (`make docs`)
python -m scripts.docs --check    say which are out of date, and end with 1
"""

from __future__ import annotations

import argparse
import sys

from scripts.docs.architecture import ARCHITECTURE, architecture_page
from scripts.docs.commands import commands_page
from scripts.docs.configuration import configuration_page
from scripts.docs.man import man_pages
from scripts.docs.slmgr import slmgr_page
from scripts.docs.tables import errors_page, events_page, settings_page, states_page
from tests.support.source import ROOT

__all__ = ["COMMAND", "pages", "stale_pages"]

COMMAND = "make docs"
HEAD = f"<!-- Made from the code by `{COMMAND}`. Edit the code, not this page. -->\n\n"


def pages() -> dict[str, str]:
    """Every generated page by its path in the repository."""
    made = {
        "errors.md": errors_page(),
        "commands.md": commands_page(),
        "slmgr.md": slmgr_page(),
        "settings.md": settings_page(),
        "configuration.md": configuration_page(),
        "events.md": events_page(),
        "client-states.md": states_page(),
    }
    generated = {f"docs/reference/{name}": HEAD + text.rstrip() + "\n" for name, text in made.items()}
    manual = {f"docs/man/{name}": text for name, text in man_pages().items()}
    return {**generated, **manual, ARCHITECTURE: architecture_page()}


def stale_pages() -> dict[str, str]:
    """The pages whose file is missing or says something else, with what they should say."""
    made = pages().items()
    return {name: text for name, text in made if not (ROOT / name).is_file() or (ROOT / name).read_text() != text}


def main(arguments: list[str]) -> int:
    """The exit code: 1 when `--check` found a page out of date."""
    parser = argparse.ArgumentParser(prog="python -m scripts.docs", description="Write the generated pages of docs.")
    parser.add_argument("--check", action="store_true", help="write nothing; name the pages that are out of date")
    stale = stale_pages()
    if parser.parse_args(arguments).check:
        if stale:
            sys.stderr.write(f"error: out of date: {', '.join(stale)}\nhint: {COMMAND}\n")
        return 1 if stale else 0
    for name, text in stale.items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
