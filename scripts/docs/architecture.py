"""The list of modules in `docs/explanation/architecture.md`: each needs only what was read before it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from scripts.docs.words import prose
from tests.support.source import ROOT, Module, modules

__all__ = ["ARCHITECTURE", "architecture_page", "first_sentence", "reading_order"]

ARCHITECTURE = "docs/explanation/architecture.md"
MODULES_BEGIN, MODULES_END = "<!-- modules: made from the code by `make docs` -->", "<!-- end of modules -->"
ROOMS_IN_ORDER = (
    "errors",
    "clock",
    "files",
    "core",
    "publisher",
    "host",
    "client",
    "quorate",
    "sim",
    "cli",
    "__main__",
)


def architecture_page() -> str:
    """The architecture page with its list of modules as they are now."""
    page = (ROOT / ARCHITECTURE).read_text(encoding="utf-8")
    before, rest = page.split(MODULES_BEGIN)
    return before + MODULES_BEGIN + "\n" + "\n".join(_module_lines()) + "\n" + rest[rest.index(MODULES_END) :]


def _module_lines() -> Iterator[str]:
    ordered = reading_order()
    for room in sorted({module.room for module in ordered}, key=_place):
        yield ""
        for module in (each for each in ordered if each.room == room):
            name = module.name.removeprefix("quorate.")
            yield f"- **`{name}`** {first_sentence(ast.get_docstring(module.tree) or '')}"
    yield ""


def _place(room: str) -> tuple[int, str]:
    return (ROOMS_IN_ORDER.index(room) if room in ROOMS_IN_ORDER else len(ROOMS_IN_ORDER), room)


def reading_order() -> list[Module]:
    """All modules, each after those it imports; a room's own page (`__init__`) opens it."""
    by_name = {module.name: module for module in modules()}
    ordered: dict[str, Module] = {}

    def read(module: Module) -> None:
        if module.name in ordered:
            return
        package = module.name.rpartition(".")[0]
        if package not in ("", "quorate") and package in by_name:
            ordered.setdefault(package, by_name[package])
        needed = {each.module for each in module.imports()} | {
            f"{each.module}.{each.name}" for each in module.imports()
        }
        for name in sorted(needed & set(by_name) - {module.name, "quorate"}):
            read(by_name[name])
        ordered[module.name] = module

    for module in sorted(by_name.values(), key=lambda each: (_place(each.room), each.name)):
        read(module)
    return list(ordered.values())


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line."""
    words = prose(text.split("\n\n")[0])
    end = re.search(r"\.(?= [A-Z`*]|$)", words)
    return words[: end.end()] if end else words
