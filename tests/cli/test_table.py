"""Lists as people and pipes get them: rows as they are read, fixed widths, whole CMIDs or none."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from quorate.cli.output import Output
from quorate.cli.progress import progress
from quorate.cli.table import Column, Table
from tests.support.documents import cmid_of
from tests.support.waiting import until

COLUMNS: dict[str, str | Column] = {
    "cmid": Column("CMID", 36),
    "machine": Column("machine", 24, rank=1),
    "address": Column("address", 15, rank=3),
    "last_seen": Column("last heard", 23, rank=2),
}


class Terminal(io.TextIOWrapper):
    """Stdout that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True


def rows(number: int) -> Iterator[dict[str, Any]]:
    for each in range(number):
        yield {
            "cmid": cmid_of(each),
            "machine": f"pc-{each:06d}.contoso.example.with.a.long.name",
            "address": "192.0.2.7",
            "last_seen": "2027-01-15 08:00:00 UTC",
        }


@pytest.mark.parametrize("width", [20, 40, 64, 80, 100, 120, 200])
def test_on_a_terminal_of_any_width_a_row_is_one_line_with_a_whole_cmid(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    table = Table(COLUMNS, Terminal())
    lines = list(table.lines(rows(50)))
    assert len(lines) == 51
    assert all(cmid_of(each) in line for each, line in enumerate(lines[1:]))
    assert max(map(len, lines)) <= max(width, 36)
    assert bool(table.left_out) == (width < 36 + 24 + 15 + 23 + 6)


def test_in_a_pipe_nothing_is_cut() -> None:
    lines = list(Table(COLUMNS, io.StringIO()).lines(rows(3)))
    assert "pc-000002.contoso.example.with.a.long.name" in lines[3]
    assert "2027-01-15 08:00:00 UTC" in lines[3]


def test_letters_that_the_terminal_lacks_and_those_that_move_it_are_spelt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    hostile = {"cmid": "x", "machine": "Łódź\x1b[2J\u202e", "address": "a\nb", "last_seen": "-"}
    [_, line] = Table(COLUMNS, Terminal("latin-1")).lines([hostile])
    assert "\\u0141" in line
    assert "\x1b" not in line
    assert "\u202e" not in line
    assert "\n" not in line


@pytest.mark.parametrize("as_json", [True, False])
def test_a_row_is_out_before_the_next_but_some_are_read(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    read = 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal read
        for row in rows(100_000):
            read += 1
            if read == 1000:
                assert cmid_of(0) in capsys.readouterr().out, "the first row waits for others"
                raise KeyboardInterrupt
            yield row

    with pytest.raises(KeyboardInterrupt):
        Output(as_json).rows(counted(), COLUMNS)


def test_what_takes_long_says_so_and_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Writing a.backup"):
        pass
    assert capsys.readouterr().err == ""
    said = ""

    def is_told() -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return "12,000 files" in said

    with progress("Writing a.backup") as told:
        told.told = "12,000 files"
        until(is_told, "the progress")
    assert said.startswith("Writing a.backup ... 12,000 files, ")
