"""The rooms in `docs/explanation/architecture.md`: one line each, in the order in which they are read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from scripts.docs.words import prose
from tests.support.house import FLOORS, INNER_FLOORS
from tests.support.source import ROOT, modules

__all__ = ["ARCHITECTURE", "architecture_page", "first_sentence"]

ARCHITECTURE = "docs/explanation/architecture.md"
ROOMS_BEGIN, ROOMS_END = "<!-- rooms: made from the code by `make docs` -->", "<!-- end of rooms -->"


def architecture_page() -> str:
    """The architecture page with its rooms as they are now."""
    page = (ROOT / ARCHITECTURE).read_text(encoding="utf-8")
    before, rest = page.split(ROOMS_BEGIN)
    return before + ROOMS_BEGIN + "\n" + "\n".join(_lines()) + "\n" + rest[rest.index(ROOMS_END) :]


def _lines() -> Iterator[str]:
    """Packages from the lowest floor up; below each, its rooms from the lowest floor up."""
    said = {module.name: first_sentence(ast.get_docstring(module.tree) or "") for module in modules()}
    yield ""
    for package in FLOORS:
        name = "quorate" if package == "quorate" else f"quorate.{package}"
        if name not in said or package.startswith("__"):
            continue
        yield f"- **`{package}`** {said[name]}"
        for rooms in reversed(INNER_FLOORS.get(package, ())):
            for room in rooms:
                yield f"  - `{room}` {said[f'{name}.{room}']}"
    yield ""


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line."""
    words = prose(text.split("\n\n")[0])
    end = re.search(r"\.(?= [A-Z`*]|$)", words)
    return words[: end.end()] if end else words
