"""A list as lines of a table: rows go out as they come in, and nothing but the first few is ever held.

Into a pipe or a file a row is one line, however long (`quorate host clients | grep PC7`). On a terminal there are as
many columns as it has room for: a value that must be copied whole, as a CMID, is there whole or not at all.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from rich.cells import cell_len, set_cell_size

from quorate.errors import written_out

__all__ = ["Column", "Table", "plain"]

_GAP = "  "
_LOOKED_AT = 200  # rows from which the widths are taken that nobody has set
_TEXT_WIDTH = 24  # cells that running text needs at least to be of use
_BOLD, _NORMAL = "\x1b[1m", "\x1b[0m"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        title: its head.
        width: cells; None: as wide as the first rows need.
        rank: on a narrow terminal the columns with the highest go first; equal ones from the right.
        is_text: running text, which a terminal may wrap; only of use in the last place.
    """

    title: str
    width: int | None = None
    rank: int = 0
    is_text: bool = False


class Table:
    """The lines of one list. `left_out`: titles for which the terminal had no room, once lines have been read.

    Args:
        stream: where the lines will go; only looked at.
    """

    def __init__(self, columns: Mapping[str, str | Column], stream: TextIO | None) -> None:
        self._columns = {name: Column(each) if isinstance(each, str) else each for name, each in columns.items()}
        is_terminal = stream is not None and stream.isatty()
        self._room = shutil.get_terminal_size().columns if is_terminal else None
        self._is_bold = is_terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self.left_out: list[str] = []

    def lines(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        """The head, then a line for each row."""
        following = iter(rows)
        looked_at: list[Mapping[str, Any]] = []
        if any(each.width is None for each in self._columns.values()):
            looked_at = list(itertools.islice(following, _LOOKED_AT))
        widths = {name: self._width(name, each, looked_at) for name, each in self._columns.items()}
        names = self._fitting(widths)
        self.left_out = [each.title for name, each in self._columns.items() if name not in names]
        head = self._line([self._columns[name].title for name in names], names, widths)
        yield f"{_BOLD}{head}{_NORMAL}" if self._is_bold else head
        for row in itertools.chain(looked_at, following):
            yield self._line([self._cell(row.get(name)) for name in names], names, widths)

    def _width(self, name: str, column: Column, rows: Sequence[Mapping[str, Any]]) -> int:
        if column.width is not None:
            return column.width
        return max(cell_len(column.title), *(cell_len(self._cell(row.get(name))) for row in rows), 0)

    def _fitting(self, widths: Mapping[str, int]) -> list[str]:
        names = list(self._columns)
        while self._room is not None and len(names) > 1 and self._needed(names, widths) > self._room:
            place = max(range(1, len(names)), key=lambda place: (self._columns[names[place]].rank, place))
            del names[place]
        return names

    def _needed(self, names: Sequence[str], widths: Mapping[str, int]) -> int:
        *before, last = names
        text = self._columns[last].is_text or len(self._columns) == 2
        end = min(widths[last], _TEXT_WIDTH) if text else widths[last]
        return sum(widths[name] + len(_GAP) for name in before) + end

    def _line(self, cells: Sequence[str], names: Sequence[str], widths: Mapping[str, int]) -> str:
        *before, last = zip(names, cells, strict=True)
        padded = [self._padded(cell, widths[name]) for name, cell in before]
        name, cell = last
        if self._room is not None and not self._columns[name].is_text and len(self._columns) > 2:
            cell = self._padded(cell, widths[name])
        return _GAP.join([*padded, cell]).rstrip()

    def _padded(self, cell: str, width: int) -> str:
        """As wide as the column; what is longer is cut on a terminal only."""
        length = cell_len(cell)
        if length <= width:
            return cell + " " * (width - length)
        return cell if self._room is None else set_cell_size(cell, max(width - 1, 0)) + self._said("…", "~")

    def _cell(self, value: Any) -> str:
        """What it says, in letters that the stream has: an escape that is made later would move the columns."""
        text = plain(value)
        if not text.isprintable():
            text = "".join(each if each.isprintable() else _escaped(each) for each in text)
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            return text.encode(self._encoding, "backslashreplace").decode(self._encoding)
        return text

    def _said(self, wanted: str, otherwise: str) -> str:
        try:
            wanted.encode(self._encoding)
        except UnicodeEncodeError:
            return otherwise
        return wanted


def plain(value: Any) -> str:
    """A value for people: `-`, `yes`, `a, b`."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(plain(each) for each in value)
    return written_out(str(value))


def _escaped(letter: str) -> str:
    """A letter that would move the cursor or hide others."""
    return letter.encode("ascii", "backslashreplace").decode("ascii") if ord(letter) > 0x7F else f"\\x{ord(letter):02x}"
