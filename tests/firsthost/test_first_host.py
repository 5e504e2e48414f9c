"""A new administrator with docs/how-to/first-host.md alone: every line of the page is typed, and prints what it says.

A real systemd, BIND and nftables, each on its machine; see `machines.py` for what stands for what. A block of the
language `text` is what the block before it prints: those lines, in that order, where `…` is anything.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.firsthost.machines import Machines, machines
from tests.support.source import ROOT
from tests.support.terminal import failures

PAGE = ROOT / "docs/how-to/first-host.md"
KEY = re.compile(r"\bQH[A-Z0-9]{3}(?:-[A-Z0-9]{5}){4}\b")
TRIES = 10
CAUSES = {  # the acceptance of the page: each is broken on it, and named by doctor
    "HOST_NOT_RUNNING",
    "HOST_UNREACHABLE",
    "FIREWALL_CLOSED",
    "NOT_PUBLISHED",
    "DNS_NAME_DOES_NOT_EXIST",
    "HOST_KEY_MISSING",
    "HOST_NOT_ACTIVATED",
    "CLOCK_SKEW",
    "PRODUCT_NOT_COVERED",
}


@dataclass(frozen=True)
class Step:
    """A block of the page, and what it is said to print."""

    language: str
    text: str
    printed: tuple[str, ...] = ()

    @property
    def machine(self) -> str:
        """Where it is typed."""
        found = re.match(r"# on (\w+)\n", self.text)
        assert found, f"its first line does not say where it is typed:\n{self.text}"
        return found[1]

    @property
    def may_fail(self) -> bool:
        return any(line.startswith(("[fail]", "error:", "not yet activated:")) for line in self.printed)


def steps(page: str) -> Iterator[Step]:
    found = re.findall(r"^```(\w*)\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    for (language, text), (after, printed) in zip(found, [*found[1:], ("", "")], strict=True):
        if language != "text":
            yield Step(language, text, tuple(printed.splitlines()) if after == "text" else ())


def missing(printed: tuple[str, ...], said: str) -> list[str]:
    """What of the page's lines is not in what was said, in their order."""
    lines, place, gone = said.splitlines(), 0, []
    for wanted in printed:
        pattern = ".*".join(re.escape(part) for part in wanted.strip().split("…"))
        at = next((n for n in range(place, len(lines)) if re.fullmatch(pattern, lines[n].strip())), None)
        if at is None:
            gone.append(wanted)
        else:
            place = at + 1
    return gone


def typed(network: Machines, step: Step, text: str) -> str:
    """What a block prints. A running host takes what is new within about a second, so on a client, where doing it twice
    does no harm, it is typed again if what was expected is not there yet."""
    pause = threading.Event()
    for _ in range(TRIES if step.machine.startswith("pc") else 1):
        said = network.types(step.machine, text)
        if not missing(step.printed, said):
            break
        pause.wait(1.0)
    return said


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Machines]:
    with machines(tmp_path) as made:
        yield made


def test_typing_the_page_sets_up_a_host_and_doctor_names_each_cause_that_is_provoked(network: Machines) -> None:
    key = ""
    for step in steps(PAGE.read_text(encoding="utf-8")):
        if step.language == "named":
            network.edit_named(step.text)
            continue
        said = typed(network, step, KEY.sub(key, step.text))
        told = f"{step.text}\nprinted:\n{said}"
        assert not missing(step.printed, said), f"not printed: {missing(step.printed, said)}\n{told}"
        assert bool(failures(said)) == step.may_fail, told
        assert "Traceback" not in said, told
        key = next(iter(KEY.findall(said)), key)
    journal = network.types("kms01", "journalctl --no-pager -u quorate-host -o cat")
    assert "Traceback" not in journal


def test_every_block_of_the_page_is_typed_on_one_of_the_machines() -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = list(steps(page))
    assert {step.language for step in found} == {"sh", "named"}, "what else there were, nobody would type"
    assert {step.machine for step in found if step.language == "sh"} == {"vault", "kms01", "ns1", "pc1", "pc2"}
    shown = {code for step in found for line in step.printed for code in re.findall(r"\(([A-Z_]{5,})\)", line)}
    assert shown >= CAUSES


def test_a_line_that_is_not_printed_would_be_noticed() -> None:
    assert missing(("a … c", "d"), "a b c\nd\n") == []
    assert missing(("d", "a … c"), "a b c\nd\n") == ["a … c"]
    assert missing(("a b",), "a b c\n") == ["a b"]
