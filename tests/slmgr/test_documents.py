"""What the documents and the program's own words tell people to type with `quorate-slmgr` is understood."""

from __future__ import annotations

import re
import shlex

import pytest

from quorate import errors
from quorate.cli.slmgr_words import SWITCHES, parse
from quorate.errors import MisusedError
from tests.support.source import ROOT
from tests.test_docs import pages

TYPED = re.compile(r"(?<!/bin/)quorate-slmgr[ ][^`\n]+")  # not a file's path among others
PATTERNS = ("ComputerName", "switch", "/?", "{", "_", '"', ":")  # grammar, not a call; or Python


def calls() -> list[str]:
    texts = [path.read_text(encoding="utf-8") for path in pages()]
    texts += [f"{kind.template} {kind.hint_template}" for kind in errors.BY_CODE.values()]
    found = {line.strip() for text in texts for line in TYPED.findall(text)}
    return sorted(line for line in found if "/" in line and not any(each in line for each in PATTERNS))


@pytest.mark.parametrize("line", calls())
def test_a_call_that_is_written_somewhere_can_be_typed(line: str) -> None:
    words = shlex.split(line.split("  ")[0].rstrip(".,;)'"))[1:]
    try:
        call = parse(words)
    except MisusedError as wrong:
        pytest.fail(f"{line}: {wrong.message}")
    assert call.asked


def test_there_are_calls_to_look_at() -> None:
    assert len(calls()) > 5


def test_every_switch_has_its_row_in_the_reference() -> None:
    page = (ROOT / "docs/reference/slmgr.md").read_text(encoding="utf-8")
    missing = [name for name in SWITCHES if f"| `/{name}" not in page]
    assert not missing, f"undocumented: {missing}. Run: make docs"
