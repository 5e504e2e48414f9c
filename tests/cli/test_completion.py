"""Completion as a person has it: the script that is installed, in a real bash, asked as the Tab key asks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.cli.common.completion import setting_values
from quorate.host.admin.configuration import FILE_SETTINGS
from quorate.host.settings.settings import RULES

PROGRAMS = Path(sys.executable).parent

ASK = """
source "$1"; shift
FUNCTION=$1; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
$FUNCTION "$1"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def in_bash(script: str, *words: str, home: Path) -> subprocess.CompletedProcess[str]:
    bash = shutil.which("bash")
    assert bash is not None
    environ = {**os.environ, "HOME": str(home), "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    return subprocess.run(
        [bash, "--norc", "-c", script, "bash", *words],
        capture_output=True,
        text=True,
        timeout=120,
        env=environ,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's home, with completion installed for both programs."""
    folder = tmp_path_factory.mktemp("home")
    script = "quorate --install-completion && quorate-slmgr --install-completion; true"  # bash is its parent process
    done = in_bash(script, home=folder)
    assert done.stdout.count("bash completion installed in") == 2, done.stderr
    return folder


def offered(home: Path, *words: str) -> list[str]:
    program = words[0]
    script = home / ".bash_completions" / f"{program}.sh"
    assert str(script) in (home / ".bashrc").read_text()
    function = f"_{program.replace('-', '_')}_completion"
    done = in_bash(ASK, str(script), function, *words, home=home)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_groups_commands_and_flags_are_offered(home: Path) -> None:
    assert offered(home, "quorate", "") == ["publisher", "host", "client", "doctor", "demo", "simulate"]
    assert offered(home, "quorate", "host", "config", "") == ["check", "show", "example"]
    assert "--admin-port" in offered(home, "quorate", "host", "run", "--a")


def test_settings_and_their_values_are_offered(home: Path) -> None:
    assert set(offered(home, "quorate", "host", "set", "")) == set(RULES)
    assert offered(home, "quorate", "host", "set", "dns-publishing", "o") == ["on", "off"]
    assert setting_values(FILE_SETTINGS, "priority", "") == ["normal", "low", "default"]
    assert setting_values(FILE_SETTINGS, "port", "") == ["default"]


def test_scenarios_are_offered(home: Path) -> None:
    assert offered(home, "quorate", "simulate", "25") == ["25-to-23"]


def test_slmgrs_switches_are_offered(home: Path) -> None:
    assert offered(home, "quorate-slmgr", "/d") == ["/dli", "/dlv", "/dti"]
    assert "--json" in offered(home, "quorate-slmgr", "/dlv", "--")
