"""The manual pages are as the commands are, and the programs that read manual pages read them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from quorate.host.settings.settings import RULES
from scripts.docs.commands import commands
from scripts.docs.man import PAGES, man_pages
from tests.support.source import ROOT

MAN = ROOT / "docs" / "man"
FILES = sorted(MAN.rglob("*.[15]"))


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed. Run: make test, as root", pytrace=False)
    return found


def shown(page: Path) -> str:
    """The page as a reader sees it, without the backspaces of bold letters."""
    made = subprocess.run(
        [program("man"), "-l", str(page)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""},
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""
    return made.stdout


def test_there_is_a_page_for_each_part_and_no_other() -> None:
    assert {path.relative_to(MAN).as_posix() for path in FILES} == set(man_pages())


@pytest.mark.parametrize("page", FILES, ids=lambda page: page.name)
def test_mandoc_has_nothing_to_complain_of(page: Path) -> None:
    told = subprocess.run(
        [program("mandoc"), "-Tlint", "-Wwarning", str(page)], capture_output=True, text=True, timeout=60, check=False
    )
    complaints = [line for line in told.stdout.splitlines() if "missing date" not in line]  # the version says it
    assert complaints == []


@pytest.mark.parametrize("page", FILES, ids=lambda page: page.name)
def test_groff_has_nothing_to_complain_of(page: Path) -> None:
    told = subprocess.run(
        [program("groff"), "-man", "-ww", "-Tutf8", str(page)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (told.returncode, told.stderr) == (0, "")


def test_man_shows_every_command_with_its_flags() -> None:
    for name in PAGES:
        text = " ".join(shown(MAN / "man1" / f"{name.replace(' ', '-')}.1").split())
        for command in commands():
            if command.path != name and not (command.path.startswith(f"{name} ") and name != "quorate"):
                continue
            if command.is_group and command.path != name:
                continue
            assert command.path in text
            missing = [
                flag for flag in command.flags - {"--help", "-h", "--show-completion"} if f" {flag}" not in f" {text}"
            ]
            assert not missing, f"{command.path}: {missing}"


def test_man_shows_every_setting_of_the_hosts_file() -> None:
    text = shown(MAN / "man5" / "quorate-host.toml.5")
    for rule in RULES.values():
        assert f"       {rule.name} = " in text
    assert "QUORATE_HOST_RENEWAL_INTERVAL" in text
