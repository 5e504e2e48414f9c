"""The documents are true: generated pages are fresh, links lead somewhere, commands in them exist."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

from quorate import errors
from quorate.core.events import EVENT_TITLES
from quorate.host.config import RULES
from scripts.docs.__main__ import COMMAND, stale_pages
from scripts.docs.commands import Command, commands
from scripts.docs.words import anchor
from tests.support.source import ROOT, Module, modules
from tests.test_architecture import declared

REFERENCE = ROOT / "docs" / "reference"
NOT_PAGES = {".venv", ".tools", ".git", "node_modules"}
SHELL_BLOCKS = {"", "sh", "console"}


def pages() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.md") if not NOT_PAGES & set(path.relative_to(ROOT).parts))


def tell(problems: list[str], rule: str) -> None:
    if problems:
        pytest.fail("\n".join([*problems, "", rule]), pytrace=False)


def reference() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(REFERENCE.glob("*.md")))


def test_generated_pages_are_as_the_code_is() -> None:
    stale = sorted(stale_pages())
    assert not stale, f"out of date: {', '.join(stale)}. Run: {COMMAND}"


def test_every_error_command_flag_setting_and_event_is_in_the_reference() -> None:
    text = reference()
    wanted = {kind.code for kind in errors.BY_CODE.values() if kind is not errors.QuorateError}
    wanted |= {str(number) for number in EVENT_TITLES} | set(RULES)
    for command in commands():
        wanted |= {command.path} | {flag for option in command.options for flag in option.opts}
    wanted -= {"--install-completion", "--show-completion", "--help"}
    missing = sorted(name for name in wanted if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text))
    assert not missing, f"undocumented: {missing}. Run: {COMMAND}"


NOT_ERRORS = {"PUBLISHED", "ANSWERS"}  # codes of what is well


def told_codes(module: Module) -> Iterator[tuple[int, str]]:
    """The codes that a module writes out itself: in a `Check` or a `Finding`, as `code=`, compared with a `.code`."""
    for node in ast.walk(module.tree):
        words: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"Check", "Finding"}:
            words += node.args
        if isinstance(node, ast.Call):
            words += [each.value for each in node.keywords if each.arg == "code"]
        if isinstance(node, ast.Compare) and getattr(node.left, "attr", "") == "code":
            words += [each for right in node.comparators for each in (right.elts if is_list(right) else [right])]
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Decided":
            words += node.args[:1]
        for word in words:
            for each in ast.walk(word):
                if isinstance(each, ast.Constant) and re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", str(each.value)):
                    yield each.lineno, str(each.value)


def is_list(node: ast.expr) -> TypeGuard[ast.Tuple | ast.Set | ast.List]:
    return isinstance(node, ast.Tuple | ast.Set | ast.List)


def test_every_code_that_is_told_anywhere_is_that_of_a_documented_error() -> None:
    problems = [
        f"{module.where(line)}: {code}"
        for module in modules()
        for line, code in told_codes(module)
        if code not in errors.BY_CODE and code not in NOT_ERRORS
    ]
    tell(problems, "A code that is shown has a class in quorate.errors: what it means, and the next step.")


def test_a_code_without_an_error_would_be_found() -> None:
    source = 'Check("dns", Level.FAIL, "seen", "NO_SUCH_CODE")\nFinding(level, code="NOR_THIS")\nx.code == "OR_THAT"'
    module = Module("quorate.x", Path("x.py"), ast.parse(source))
    assert {code for _, code in told_codes(module)} >= {"NO_SUCH_CODE", "NOR_THIS", "OR_THAT"}


def test_every_command_has_help_an_example_and_a_variable_for_each_flag() -> None:
    problems = []
    for command in commands():
        if not command.parser.help:
            problems.append(f"{command.path}: no help")
        if command.path != "quorate" and "quorate " not in f"{command.parser.help} {command.parser.epilog}":
            problems.append(f"{command.path}: its help has no example (epilog='Example: quorate ...')")
        problems += [
            f"{command.path} {option.opts[0]}: {missing}"
            for option in command.options
            if "--help" not in option.opts
            for missing, is_there in (
                ("no help", option.help),
                # What acts instead of setting something takes none: it would act in every command.
                ("no variable", command.variable(option) or not option.allow_from_autoenv),
            )
            if not is_there
        ]
        if not command.is_group and "--json" not in command.flags:
            problems.append(f"{command.path}: no --json")
    tell(problems, "People read --help first; scripts need --json and the environment (docs/reference/commands.md).")


def test_every_module_is_on_the_architecture_page() -> None:
    page = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    missing = [
        module.name
        for module in modules()
        if module.name != "quorate" and f"**`{module.name.removeprefix('quorate.')}`**" not in page
    ]
    assert not missing, f"not on the page: {missing}. Run: {COMMAND}"


def test_every_dependency_has_its_line_of_reasons() -> None:
    page = (ROOT / "docs/adr/0002-dependencies.md").read_text(encoding="utf-8")
    libraries = {each for extra in declared().values() for each in extra}
    missing = sorted(each for each in libraries if f"| {each} |" not in page)
    assert not missing, f"docs/adr/0002-dependencies.md says nothing about {missing}"


# --- links -----------------------------------------------------------------------------------------------------------

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def headings(path: Path) -> set[str]:
    lines = without_code(path.read_text(encoding="utf-8")).splitlines()
    return {anchor(line.lstrip("# ").replace("`", "")) for line in lines if line.startswith("#")}


def test_links_lead_somewhere() -> None:
    problems = []
    for page in pages():
        for target in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, fragment = target.partition("#")
            found = (page.parent / name).resolve() if name else page
            if not found.exists():
                problems.append(f"{page.relative_to(ROOT)}: {target}: there is no such file")
            elif fragment and fragment not in headings(found):
                problems.append(f"{page.relative_to(ROOT)}: {target}: there is no such heading")
    tell(problems, "Mend the link, or the page that moved.")


# --- commands in the documents ---------------------------------------------------------------------------------------


def blocks(text: str) -> Iterator[str]:
    for found in re.finditer(r"^[ ]*```(\w*)\n(.*?)^[ ]*```", text, flags=re.DOTALL | re.MULTILINE):
        if found[1] in SHELL_BLOCKS:
            yield re.sub(r"<<'(\w+)'\n.*?\n\1\n", "\n", found[2], flags=re.DOTALL)


def typed(text: str) -> Iterator[list[str]]:
    """Every `quorate ...` in the shell blocks and in the code spans of a page, as words."""
    lines = [line.strip().removeprefix("$ ") for block in blocks(text) for line in block.splitlines()]
    lines += re.findall(r"`(quorate [^`]+)`", without_code(text))
    for line in lines:
        words = shlex.split(re.sub(r"\$\((quorate [^)]*)\)", r" ; \1 ; ", line), comments=True)
        while "quorate" in words:
            words = words[words.index("quorate") :]
            end = next(
                (place for place, word in enumerate(words) if word in {";", "|", "&", "&&", ">", "..."}), len(words)
            )
            yield words[:end]
            words = words[end:]


def mistakes(words: list[str], known: dict[str, Command]) -> Iterator[str]:
    path, rest = "quorate", words[1:]
    while known[path].is_group and rest and not rest[0].startswith("-"):
        path, rest = f"{path} {rest[0]}", rest[1:]
        if path not in known:
            yield f"there is no `{path}`"
            return
    flags = [word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)]
    for flag in flags:
        if flag not in known[path].flags:
            yield f"`{path}` has no {flag}"


def test_commands_in_the_documents_exist() -> None:
    known = {command.path: command for command in commands()}
    problems = [
        f"{page.relative_to(ROOT)}: {' '.join(words)}: {mistake}"
        for page in pages()
        for words in typed(page.read_text(encoding="utf-8"))
        for mistake in mistakes(words, known)
    ]
    tell(problems, "A reader types what stands there. See docs/reference/commands.md for what exists.")


def test_a_wrong_command_in_a_document_would_be_found() -> None:
    known = {command.path: command for command in commands()}
    text = "```sh\nquorate host nonsense\n```\nand `quorate host status --nonsense`"
    assert [list(mistakes(words, known)) for words in typed(text)] == [
        ["there is no `quorate host nonsense`"],
        ["`quorate host status` has no --nonsense"],
    ]


def test_commands_in_the_hints_of_errors_exist() -> None:
    known = {command.path: command for command in commands()}
    problems = [
        f"{kind.__name__}: {' '.join(words)}: {mistake}"
        for kind in errors.BY_CODE.values()
        for words in typed(re.sub(r"\{\w+\}", "X", f"{kind.template} {kind.hint_template}"))
        for mistake in mistakes(words, known)
    ]
    tell(problems, "A hint that does not work is worse than none.")
