"""The project's own source as syntax trees, for the tests that hold the house."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["ROOT", "SRC", "Import", "Module", "modules", "python_files"]

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
_NOT_OURS = {".venv", ".tools", ".git", "build", "dist", "node_modules"}


@dataclass(frozen=True)
class Import:
    """One imported name: `from quorate.core import ids` is module `quorate.core`, name `ids`."""

    module: str
    name: str | None
    line: int
    is_in_function: bool


@dataclass(frozen=True)
class Module:
    """One file of `src/quorate`."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        """`core`, `host`, ...; for the files beside the rooms their own name; `quorate` for the SDK's face."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else parts[0]

    def where(self, line: int) -> str:
        """`src/quorate/core/ids.py:12`, as editors open it."""
        return f"{self.path.relative_to(ROOT)}:{line}"

    def imports(self) -> Iterator[Import]:
        """Everything this file imports, at its top or anywhere inside."""
        inside = {
            id(node)
            for function in ast.walk(self.tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for node in ast.walk(function)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(alias.name, None, node.lineno, id(node) in inside)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    yield Import(self._absolute(node), alias.name, node.lineno, id(node) in inside)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.path.name == "__init__.py" else self.name.split(".")[:-1]
        base = package[: len(package) - node.level + 1]
        return ".".join([*base, node.module] if node.module else base)


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the package, in the order of their names."""
    found = []
    for path in sorted((SRC / "quorate").rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, path, ast.parse(path.read_text(encoding="utf-8"))))
    return tuple(found)


def python_files() -> Iterator[Path]:
    """Every Python file of the project, tests and benchmarks included."""
    for path in sorted(ROOT.rglob("*.py")):
        if not _NOT_OURS & set(path.relative_to(ROOT).parts):
            yield path
