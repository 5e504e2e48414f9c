"""The house stands: imports only go down, siblings do not know each other, core is pure, one module knows the time.

Each failure names the line, the rule, and what to do instead.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator

import pytest

from quorate.errors.installing import DISTRIBUTION
from tests.support.source import ROOT, Import, Module, modules

FLOORS = {
    "errors": 0,
    "clock": 0,
    "files": 0,
    "opening": 0,
    "owner": 0,
    "rights": 0,
    "resolver": 0,
    "core": 1,
    "host": 2,
    "client": 2,
    "publisher": 2,
    "ingest": 2,
    "quorate": 3,  # the SDK's face, `quorate/__init__.py`: names from the client's room
    "sim": 3,
    "cli": 4,
    "__main__": 5,
}

# Third-party libraries by room, as the names of pyproject.toml's extras. `cli` may use all: each group's module is
# imported only when it is asked for (cli/main.py).
EXTRAS = {
    "errors": (),
    "clock": (),
    "files": (),
    "opening": (),
    "owner": (),
    "rights": (),
    "resolver": (),
    "core": (),
    "quorate": (),
    "client": (),
    "publisher": ("publisher",),
    "host": ("host",),
    "sim": ("publisher", "host", "sim"),
    "cli": ("cli", "publisher", "host", "sim"),
    "__main__": (),
}

CLIENT_DEPENDENCIES = {"cryptography", "dnspython", "joserfc", "msgspec", "urllib3"}
IMPORT_NAMES = {"dnspython": "dns", "prometheus-client": "prometheus_client"}
NOT_IMPORTED = {
    "plotly": "only its script is read, as a file: sim/page.py",
    "gssapi": "imported by name, as it may be missing: host/publication/gss.py",
    "zeroconf": "imported by name, as it may be missing: host/publication/mdns.py, client/discovery/mdns.py",
}

PURE_STANDARD_LIBRARY = {
    *("__future__", "base64", "binascii", "bisect", "collections", "dataclasses", "datetime", "difflib", "enum"),
    *("functools", "hashlib", "hmac", "itertools", "json", "math", "operator", "re", "string", "struct", "tomllib"),
    *("types", "typing", "unicodedata", "uuid"),
}
CORE_LIBRARIES = {"cryptography", "joserfc", "msgspec"}

IMPURE_BUILTINS = {"open", "print", "input", "breakpoint", "exec", "eval"}

TIME_AND_CHANCE_MODULES = {"time", "random", "secrets"}
TIME_AND_CHANCE_CALLS = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("uuid.uuid1", "uuid.uuid4", "uuid1", "uuid4", "os.urandom", "os.getrandom", "urandom", "getrandom", "os.times"),
}

IMPORTS_INSIDE_FUNCTIONS: dict[tuple[str, str], str] = {}
"""(module, imported module): the reason. Empty is best."""


def ours(found: Import) -> str | None:
    """The module of ours that is imported, or None."""
    if found.module == "quorate" and found.name is not None:
        inner = f"quorate.{found.name}"
        return inner if any(each.name == inner for each in modules()) else "quorate"
    if found.module == "quorate" or found.module.startswith("quorate."):
        inner = f"{found.module}.{found.name}"
        return inner if any(each.name == inner for each in modules()) else found.module
    return None


def is_version(found: Import) -> bool:
    """`from quorate import __version__`: a constant of the package, not a way into the client's room."""
    return found.module == "quorate" and found.name == "__version__"


def room_of(name: str) -> str:
    return name.split(".")[1] if "." in name else name


def tell(problems: list[str], rule: str) -> None:
    if problems:
        pytest.fail("\n".join([*problems, "", rule]), pytrace=False)


def test_every_room_has_a_floor() -> None:
    unknown = sorted({module.room for module in modules()} - set(FLOORS))
    assert not unknown, f"give {unknown} a floor in FLOORS and its libraries in EXTRAS, or move the code into a room"


def test_imports_only_go_down_and_siblings_never_meet() -> None:
    problems = []
    for module in modules():
        for found in module.imports():
            target = ours(found)
            if target is None or is_version(found):
                continue
            above, below = FLOORS[module.room], FLOORS[room_of(target)]
            if room_of(target) != module.room and not below < above and not above == below == 0:
                problems.append(
                    f"{module.where(found.line)}: {module.room} (floor {above}) imports {target} (floor {below})"
                )
    tell(
        problems,
        "Imports go down only. What two rooms share belongs in core, or is handed in by the one who builds both.",
    )


def test_no_import_cycles() -> None:
    graph = {
        module.name: {
            target
            for found in module.imports()
            if not is_version(found) and (target := ours(found)) is not None and target != module.name
        }
        for module in modules()
    }
    cycles = sorted({" -> ".join(cycle) for cycle in _cycles(graph)})
    tell(cycles, "Two modules that need each other are one idea, or share a third: move it below both.")


def _cycles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> Iterator[list[str]]:
        if name in path:
            yield [*path[path.index(name) :], name]
            return
        if name in done:
            return
        for target in sorted(graph.get(name, ())):
            yield from visit(target, [*path, name])
        done.add(name)

    for name in sorted(graph):
        yield from visit(name, [])


def test_imports_stand_at_the_top_of_files() -> None:
    problems, used = [], set()
    for module in modules():
        for found in module.imports():
            if not found.is_in_function:
                continue
            key = (module.name, found.module)
            if key in IMPORTS_INSIDE_FUNCTIONS:
                used.add(key)
            else:
                problems.append(f"{module.where(found.line)}: {found.module} is imported inside a function")
    tell(problems, "Move it to the top; if that makes a cycle or a slow start, the module holds two ideas.")
    assert used == set(IMPORTS_INSIDE_FUNCTIONS), "an exception nobody needs any more: remove it from the list"


def test_core_is_pure() -> None:
    problems = []
    for module in (each for each in modules() if each.room == "core"):
        for found in module.imports():
            top = found.module.split(".")[0]
            if ours(found) is None and top not in PURE_STANDARD_LIBRARY | CORE_LIBRARIES:
                problems.append(f"{module.where(found.line)}: core imports {found.module}")
        problems += [
            f"{module.where(node.lineno)}: core calls {_dotted(node.func)}()"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Call) and _dotted(node.func) in IMPURE_BUILTINS
        ]
    tell(
        problems,
        "Core decides; it touches no clock, entropy, file, socket or log. Do it in the actor and pass the value down.",
    )


def test_only_clock_asks_for_time_or_randomness() -> None:
    problems = []
    for module in (each for each in modules() if each.name != "quorate.clock"):
        problems += [
            f"{module.where(found.line)}: imports {found.module}"
            for found in module.imports()
            if found.module.split(".")[0] in TIME_AND_CHANCE_MODULES
        ]
        problems += [
            f"{module.where(node.lineno)}: calls {_dotted(node.func)}()"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Call) and _asks_for_time(_dotted(node.func))
        ]
    tell(problems, "Take a Clock or an Entropy (quorate.clock) by constructor, and pass `now_s` down.")


def _asks_for_time(dotted: str) -> bool:
    return any(dotted == call or dotted.endswith("." + call) for call in TIME_AND_CHANCE_CALLS)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""


def test_the_environment_is_read_in_config_and_cli_only() -> None:
    problems = []
    for module in modules():
        if module.room == "cli" or module.name.split(".")[-1] == "config":
            continue
        problems += [
            f"{module.where(node.lineno)}: reads os.{node.attr}"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Attribute) and _dotted(node) in {"os.environ", "os.getenv", "os.environb"}
        ]
    tell(problems, "Read it in config.py or in the command, and hand the value in.")


# --- libraries -------------------------------------------------------------------------------------------------------


def declared() -> dict[str, set[str]]:
    """Distribution names by extra; the client's own under the empty name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: {_distribution(line) for line in lines} - {DISTRIBUTION} for extra, lines in lists.items()}


def _distribution(requirement: str) -> str:
    return requirement.split(";")[0].split("[")[0].split(">")[0].split("=")[0].split("<")[0].strip()


def import_name(distribution: str) -> str:
    return IMPORT_NAMES.get(distribution, distribution)


def third_party(module: Module) -> Iterator[Import]:
    for found in module.imports():
        top = found.module.split(".")[0]
        if ours(found) is None and top not in sys.stdlib_module_names:
            yield found


def test_the_client_needs_five_libraries_and_no_more() -> None:
    assert declared()[""] == CLIENT_DEPENDENCIES, "an embeddable client stays small: docs/adr/0002-dependencies.md"


def test_every_room_imports_only_what_its_extra_brings() -> None:
    brings = declared()
    problems = []
    for module in modules():
        allowed = {import_name(each) for extra in ("", *EXTRAS[module.room]) for each in brings[extra]}
        problems += [
            f"{module.where(found.line)}: {module.room} imports {found.module}, which its extra does not bring"
            for found in third_party(module)
            if found.module.split(".")[0] not in allowed
        ]
    tell(
        problems,
        "Use what is there; a new library needs a line in pyproject.toml and in docs/adr/0002-dependencies.md.",
    )


def test_every_declared_library_is_used() -> None:
    imported = {found.module.split(".")[0] for module in modules() for found in third_party(module)}
    unused = {
        each
        for libraries in declared().values()
        for each in libraries
        if import_name(each) not in imported and each not in NOT_IMPORTED
    }
    assert not unused, f"nobody imports {sorted(unused)}: remove them from pyproject.toml"
    stale = {each for each in NOT_IMPORTED if import_name(each) in imported}
    assert not stale, f"{sorted(stale)} are imported now: remove them from NOT_IMPORTED"
