"""The house is tidy: small files and functions, public things explained, errors given what their words need."""

from __future__ import annotations

import ast
import inspect
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate import errors
from tests.support.source import ROOT, Module, modules, python_files

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

MARKS = re.compile(r"\b(?:TO" + "DO|FIX" + "ME|XX" + r"X)\b")
# Paths of somebody's machine, and hosts of package registries: split, so that this file does not find itself.
MACHINE = re.compile(
    "|".join(
        ["/wor" + "k/", "/tm" + "p/", "/hom" + "e/[a-z]", "/roo" + "t/", r"pypi\." + "org", r"python" + r"hosted\."]
    )
)
PROSE = {".md", ".toml", ".txt", ".cfg", ".sh", ".html", ".css", ".js", ".json", ".service", ".yml", ".yaml", ""}
NOT_OURS = {".venv", ".tools", ".git", "build", "dist", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
GENERATED = {"uv.lock"}


def tell(problems: list[str], rule: str) -> None:
    if problems:
        pytest.fail("\n".join([*problems, "", rule]), pytrace=False)


def text_files() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT)
        if NOT_OURS & set(inside.parts) or path.name in GENERATED or not path.is_file():
            continue
        if path.suffix == ".py" or path.suffix in PROSE:
            yield path


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_files_hold_one_idea() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    tell(
        [f"{path.relative_to(ROOT)}: {n} lines" for path, n in lengths.items() if n > FILE_LINES_MAX],
        f"Past {FILE_LINES_MAX} lines there are two ideas in a file: find the second one a name.",
    )


def test_functions_fit_a_screen() -> None:
    problems = []
    for path in python_files():
        for function in functions(ast.parse(path.read_text(encoding="utf-8"))):
            n = (function.end_lineno or function.lineno) - function.lineno + 1
            if n > FUNCTION_LINES_MAX:
                problems.append(f"{path.relative_to(ROOT)}:{function.lineno}: {function.name} has {n} lines")
    tell(problems, f"A function fits a screen ({FUNCTION_LINES_MAX} lines): give its parts names.")


def test_every_module_says_its_idea() -> None:
    tell(
        [f"{module.where(1)}: no docstring" for module in modules() if not ast.get_docstring(module.tree)],
        "The first sentence of a module says the one idea it holds.",
    )


def test_what_core_offers_is_explained() -> None:
    problems = []
    for module in (each for each in modules() if each.room == "core"):
        for node in module.tree.body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            if not ast.get_docstring(node):
                problems.append(f"{module.where(node.lineno)}: {node.name} has no docstring")
    tell(problems, "Auditors read this room: a sentence, then units, limits, errors, source.")


def test_nothing_is_left_for_later() -> None:
    problems = []
    for path in text_files():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if MARKS.search(line):
                problems.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    tell(problems, "Do it, or file it: a mark in the code is found by nobody.")


def test_no_path_of_somebodys_machine() -> None:
    problems = []
    for path in text_files():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if MACHINE.search(line):
                problems.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    tell(problems, "Say it without the path: it is another one on the reader's machine.")


def test_only_commands_print() -> None:
    problems = [
        f"{module.where(node.lineno)}: print()"
        for module in modules()
        if module.room != "cli"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    tell(problems, "Return it, or log it: who calls a library decides what people see.")


# --- errors ----------------------------------------------------------------------------------------------------------


def error_classes() -> dict[str, type[errors.QuorateError]]:
    return {name: getattr(errors, name) for name in errors.__all__ if name.endswith("Error")}


def takes(kind: type[errors.QuorateError]) -> tuple[set[str], set[str]]:
    """The values an error must get, and all that it may get."""
    if kind.__init__ is not errors.QuorateError.__init__:
        parameters = [each for name, each in inspect.signature(kind).parameters.items() if name != "self"]
        required = {each.name for each in parameters if each.default is inspect.Parameter.empty}
        return required, {each.name for each in parameters}
    fields = {
        field
        for template in (kind.template, kind.hint_template)
        for _, field, _, _ in string.Formatter().parse(template)
        if field
    }
    return fields, fields


def _is_anothers_values(node: ast.expr) -> bool:
    """`**fault.values`: the same error once more, for somebody else who waits."""
    return isinstance(node, ast.Attribute) and node.attr == "values"


def raised_wrong(module: Module, kinds: dict[str, type[errors.QuorateError]]) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name not in kinds:
            continue
        required, allowed = takes(kinds[name])
        given = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
        where = module.where(node.lineno)
        if node.args:
            yield f"{where}: {name} takes its values by name"
        elif any(keyword.arg is None and not _is_anothers_values(keyword.value) for keyword in node.keywords):
            yield f"{where}: {name}(**...): name the values, so that they can be checked"
        elif given - allowed:
            yield f"{where}: {name} has no use for {sorted(given - allowed)}"
        elif required - given and all(keyword.arg for keyword in node.keywords):
            yield f"{where}: {name} needs {sorted(required - given)}"


def test_errors_get_exactly_the_values_their_words_need() -> None:
    kinds = error_classes()
    problems = [
        problem
        for module in modules()
        if not module.name.startswith("quorate.errors")
        for problem in raised_wrong(module, kinds)
    ]
    tell(
        problems,
        "A missing value would turn an error into a KeyError; a spare one is told to nobody (src/quorate/errors/).",
    )


def test_every_error_has_its_own_code_and_a_next_step() -> None:
    codes: dict[str, str] = {}
    for name, kind in error_classes().items():
        if "code" not in vars(kind):
            continue  # a family, never raised itself
        assert kind.code not in codes, f"{name} and {codes[kind.code]} share the code {kind.code}"
        codes[kind.code] = name
        assert re.fullmatch(r"[A-Z][A-Z0-9_]+", kind.code), kind.code
        assert kind.template, f"{name} says nothing"
        assert kind.hint_template, f"{name} has no next step"


# Sentences that a native speaker stumbles over, in what people are shown: literal translations and riddles.
STUMBLING = re.compile(
    r"\bis no (?:date|number) such as\b|\bnewest so many\b|\bso many (?:minutes|days|seconds|machines|new machines)\b"
    r"|\b[Ff]or so long\b|\bis good as well\b|\bis nothing yet\b|\bshall be \w+ so\b|\bnone of ours\b|\b1 machines\b"
    r"|\basks again by itself\b|\bthe client does so by itself\b"
)


def test_what_people_are_shown_is_plain_english() -> None:
    problems = []
    for module in modules():
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                problems += [
                    f"{module.where(node.lineno)}: {found.group()!r}" for found in STUMBLING.finditer(node.value)
                ]
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        if "adr" not in path.parts:
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                problems += [
                    f"{path.relative_to(ROOT)}:{number}: {found.group()!r}" for found in STUMBLING.finditer(line)
                ]
    tell(problems, "Say it the way an administrator would say it aloud.")
