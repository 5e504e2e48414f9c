"""No test stands still: every wait has a bound and says what it waited for."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

import pytest

from tests.support.child import Child
from tests.support.source import ROOT, python_files
from tests.support.waiting import until
from tests.test_tidy import tell

WITHOUT_END = {"acquire", "communicate", "join", "readline", "wait"}
"""Methods that wait for ever when they get no argument."""
RUNS = {"call", "check_call", "check_output", "run"}
MAY_START = {
    "tests/support/child.py",
    "tests/support/terminal.py",
    "tests/dns/servers.py",  # its output goes into a file, so nobody waits for a line
    "tests/cli/test_publisher_cli.py",  # its terminal is read with `select` and a bound
}


def unbounded(tree: ast.Module, may_start: bool) -> Iterator[tuple[int, str]]:
    """Lines that may wait for ever, and what is there."""
    awaited = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Await)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or id(node) in awaited:
            continue
        method, owner = node.func.attr, node.func.value
        words = {each.arg for each in node.keywords}
        if method in WITHOUT_END and not node.args and "timeout" not in words:
            yield node.lineno, f"{method}() without a bound"
        if isinstance(owner, ast.Name) and owner.id == "subprocess":
            if method in RUNS and "timeout" not in words:
                yield node.lineno, f"subprocess.{method} without timeout="
            if method == "Popen" and not may_start:
                yield node.lineno, "subprocess.Popen where tests.support.child.Child would do"


def test_every_wait_of_a_test_has_a_bound() -> None:
    problems = []
    for path in python_files():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("tests/"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            problems += [f"{name}:{line}: {what}" for line, what in unbounded(tree, name in MAY_START)]
    tell(problems, "Give it tests.support.waiting.PATIENCE_S, so that a fault is a failure and no standstill.")


@pytest.mark.parametrize(
    "source",
    [
        "event.wait()",
        "thread.join()",
        "child.stdout.readline()",
        "child.communicate(input='x')",
        "subprocess.run(['true'], check=True)",
        "subprocess.Popen(['true'])",
    ],
)
def test_a_wait_without_a_bound_is_found(source: str) -> None:
    assert list(unbounded(ast.parse(source), may_start=False))


def program(code: str, bound_s: float = 60) -> Child:
    return Child([sys.executable, "-c", code], bound_s=bound_s)


def test_a_line_that_does_not_come_is_a_failure_that_tells_all_that_was_said() -> None:
    code = "import sys; print('one', flush=True); sys.stderr.write('a reason\\n'); sys.stderr.flush(); input()"
    with program(code) as child:
        child.error_with("a reason")
        with pytest.raises(pytest.fail.Exception) as caught:
            child.line_with("two", within_s=0.5)
    told = str(caught.value)
    assert "waited in vain for 'two' on stdout, for 0.5 s" in told
    assert "which runs" in told
    assert "--- stdout ---\none\n" in told
    assert "--- stderr ---\na reason\n" in told


def test_a_program_that_ends_too_early_is_a_failure_at_once() -> None:
    with program("raise SystemExit(7)", bound_s=600) as child, pytest.raises(pytest.fail.Exception) as caught:
        child.told()
    assert "waited in vain for a JSON object on stdout, which has ended" in str(caught.value)
    assert child.ends() == 7


def test_a_program_that_does_not_end_is_a_failure() -> None:
    with program("import time; time.sleep(600)") as child, pytest.raises(pytest.fail.Exception) as caught:
        child.ends(within_s=0.5)
    assert "waited in vain for its end, for 0.5 s" in str(caught.value)


def test_a_program_that_says_much_on_stderr_is_heard_on_stdout() -> None:
    code = "import sys; sys.stderr.write('x' * 1_000_000 + '\\n'); print('done'); print(input())"
    with program(code) as child:
        assert child.line() == "done"
        child.types("and heard")
        assert child.line() == "and heard"
        assert child.ends() == 0
        assert len(child.err) == 1_000_001


def test_what_a_program_started_ends_with_it() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with program(code) as child:
        assert child.line() == "1"
        assert child.kill() == -9
    assert child.out == "1\n"


def test_until_says_what_did_not_come() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"waited 0[.]1 s in vain for the moon"):
        until(lambda: False, "the moon", within_s=0.1)
