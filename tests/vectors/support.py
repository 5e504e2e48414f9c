"""The files of spec/vectors, and the programs that are not ours and must agree with them."""

from __future__ import annotations

import base64
import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

from scripts.vectors.__main__ import FOLDER
from tests.support.needs import lacking
from tests.support.source import ROOT

__all__ = ["EXAMPLES", "Vector", "body_of", "codes_of", "program", "readme_commands", "vectors"]

Vector = dict[str, Any]
EXAMPLES = ROOT / "examples"


@cache
def vectors() -> tuple[Vector, ...]:
    """All of them, as they stand in the files."""
    return tuple(json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.rglob("*.json")))


def body_of(given: dict[str, Any]) -> bytes:
    """A vector's `body`, or its `body_base64url` where that is no text."""
    if "body" in given:
        return str(given["body"]).encode("utf-8")
    text = given["body_base64url"]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def codes_of(vector: Vector) -> list[str]:
    """The codes it may be refused with; none when it is valid."""
    codes: list[str] = vector["expected"].get("codes", [])
    return codes


def program(name: str, package: str) -> str:
    """Path of a program. Without it the test cannot run: skipped at home, a failure in CI."""
    found = shutil.which(name)
    if found is None:
        lacking(f"{name} is not installed; fix: sudo apt-get install {package}")
    return found


def readme_commands(example: Path) -> str:
    """The commands that the README of an example tells people to try."""
    block = re.search(r"```sh\n(.*?)```", (example / "README.md").read_text("utf-8"), re.DOTALL)
    assert block is not None
    return block[1]
