"""A test run is the same whoever starts it: no variable, no file at home and no ignored signal reaches a test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.support.child import Child
from tests.support.source import ROOT
from tests.support.surroundings import outer
from tests.support.waiting import PATIENCE_S

HABITS = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONWARNINGS": "ignore",
    "PYTHONPATH": "somewhere",
    "QUORATE_STATE_DIR": "somewhere",
    "QUORATE_VERSION": "1",
    "https_proxy": "http://proxy.example:1",
    "NO_PROXY": "*",
    "LANG": "de_DE.ISO-8859-1",
    "LC_ALL": "tr_TR.UTF-8",
    "TZ": "Asia/Kathmandu",
    "XDG_CONFIG_HOME": "somewhere",
    "COLUMNS": "20",
    "NO_COLOR": "1",
    "FORCE_COLOR": "1",
    "GITHUB_ACTIONS": "true",
    "PAGER": "less",
    "CDPATH": "/usr:/etc",
    "BASH_ENV": "/etc/profile",
    "GIT_DIR": "somewhere",
    "NOTIFY_SOCKET": "somewhere",
    "LISTEN_FDS": "1",
    "SSL_CERT_FILE": "somewhere.pem",
    "KRB5_CONFIG": "somewhere",
}
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD)
TELLS = """
import json, os, signal, subprocess, sys
from tests.support.surroundings import as_at_log_in, outer
as_at_log_in()
child = "import signal; print([int(n) for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN])"
ignored = json.loads(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, timeout=100).stdout)
home = os.environ["HOME"]
print(json.dumps({"here": dict(os.environ), "outer": outer(), "ignored": ignored, "in_home": os.listdir(home)}))
"""


class Told(msgspec.Struct):
    """What a program has after `as_at_log_in`."""

    here: dict[str, str]
    outer: dict[str, str]
    ignored: list[int]
    in_home: list[str]


@pytest.fixture(scope="module")
def told() -> Told:
    """What a test run that somebody with many habits starts in the background has."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in IGNORED}
    try:
        child = Child(
            [sys.executable, "-c", TELLS], cwd=ROOT, environ={**os.environ, **HABITS, "PYTHONPATH": str(ROOT)}
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    with child:
        said = child.told()
        assert child.ends() == 0, child.err
    return msgspec.convert(said, Told)


def test_no_variable_of_the_caller_reaches_a_test(told: Told) -> None:
    assert not set(told.here) & set(HABITS)
    assert set(os.environ) - {"PYTEST_CURRENT_TEST"} <= {
        *("PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "CI", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"),
        *("PYTEST_XDIST_TESTRUNUID", "PYTEST_VERSION", "LC_CTYPE"),
    }


def test_the_home_folder_of_tests_is_empty_and_goes_with_them(told: Told) -> None:
    assert told.here["HOME"] != os.environ["HOME"]
    assert told.in_home == []
    assert not Path(told.here["HOME"]).exists()


def test_signals_that_a_parent_ignores_are_heard_by_what_tests_start(told: Told) -> None:
    assert set(told.ignored) <= {signal.SIGPIPE, signal.SIGXFSZ}, "Python itself ignores these"


def test_who_fetches_packages_knows_the_way_to_the_index(told: Told) -> None:
    assert told.outer["https_proxy"] == HABITS["https_proxy"]
    assert told.outer["SSL_CERT_FILE"] == HABITS["SSL_CERT_FILE"]
    assert not [name for name in told.outer if name.startswith(("PYTHON", "QUORATE_"))]
    assert "PATH" in outer(), "in this process too, though pytest-xdist may have started it"


@pytest.mark.parametrize("target", ["test", "lint"])
def test_make_takes_what_changes_python_ruff_or_mypy_out_of_the_environment(target: str) -> None:
    environ = {**os.environ, **HABITS, "MYPYPATH": "somewhere", "RUFF_LINE_LENGTH": "10", "PYTEST_ADDOPTS": "-x"}
    command = ["make", "--dry-run", "--always-make", target]
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    started = [line for line in done.stdout.splitlines() if ".venv/bin/" in line or "scripts/" in line]
    assert len(started) >= 4
    for line in started:
        for name in ("PYTHONUNBUFFERED", "PYTHONPATH", "PYTHONWARNINGS", "MYPYPATH", "RUFF_LINE_LENGTH", "LC_ALL"):
            assert f"-u {name} " in line, line


@pytest.mark.parametrize(("script", "last"), [(".ci/run", "exec make test"), ("scripts/bootstrap", 'main "$@"')])
def test_a_script_finds_its_checkout_whatever_cdpath_says(script: str, last: str, tmp_path: Path) -> None:
    text = (ROOT / script).read_text(encoding="utf-8")
    assert text.rstrip().endswith(last)
    checkout = tmp_path / "checkout"
    for folder in (checkout, tmp_path / "elsewhere"):
        (folder / script).parent.mkdir(parents=True)
    (checkout / script).write_text(text.replace(last, "pwd"))
    environ = {**os.environ, "CDPATH": str(tmp_path / "elsewhere")}
    command = ["bash", script]
    done = subprocess.run(
        command, cwd=checkout, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.stdout, done.stderr) == (f"{checkout}\n", "")
