"""A flat TOML text cut into its statements: each with its line, its name and its value, or why it is none.

Each statement is read by `tomllib` alone, so one mistake does not hide the next, and a value's line is known. What the
cuts give together is held against `tomllib`'s reading of the whole text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Broken", "Said", "plain", "read_statements"]

_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)\Z")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_NAME_MAX = 300  # characters; thousands of dots take tomllib seconds
_WORDS_MAX = 120  # of what was typed, in an error


@dataclass(frozen=True)
class Said:
    """`name = value`, and where each of them begins. A dotted name has several parts."""

    path: tuple[str, ...]
    value: Any
    line: int
    column: int = 1
    value_column: int = 1

    @property
    def name(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True)
class Broken:
    """A statement that is none, or one that a flat file has no use for. Lines and columns count from 1."""

    line: int | None
    column: int | None
    name: str | None
    reason: str
    is_table: bool = False


def read_statements(text: str) -> list[Said | Broken]:
    """Every statement of a TOML text with line breaks `\\n`, in order; never raises, whatever it is."""
    read = [_read(statement, line) for statement, line in _cut(text)]
    if all(isinstance(each, Said) for each in read):
        read += _second_reading(text, [each for each in read if isinstance(each, Said)])
    return read


def plain(text: str) -> str:
    """What was typed, short and harmless, to be repeated in an error."""
    return "".join(c if c.isprintable() else "?" for c in text.strip())[:_WORDS_MAX]


def _read(statement: str, line: int) -> Said | Broken:
    """One statement, as `tomllib` reads it alone."""
    if len(statement.partition("=")[0]) > _NAME_MAX:
        return Broken(line, None, None, f"{plain(statement)[:30]}... is no name")
    try:
        read: Any = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            return Broken(line, None, None, f"{plain(statement.split('#')[0])} begins a table", is_table=True)
        path, at = _path_of(statement)
    except tomllib.TOMLDecodeError as fault:
        return _not_toml(statement, line, str(fault))
    except (ValueError, RecursionError):  # a number of thousands of digits; brackets in brackets
        return Broken(line, None, None, "it is too long or too deep to be read")
    for part in path:
        read = read[part]
    value_at = at + 1 + len(statement[at + 1 :]) - len(statement[at + 1 :].lstrip(" \t"))
    return Said(path, read, line, len(statement) - len(statement.lstrip(" \t")) + 1, value_at + 1)


def _path_of(statement: str) -> tuple[tuple[str, ...], int]:
    """The name of a statement that was read, and where its `=` is: read once more, with a value that is no table."""
    at = 0
    while statement[at] != "=":
        at = _string_end(statement, at) if statement[at] in "\"'" else at + 1
    inner: Any = tomllib.loads(f"{statement[:at]}= 0")
    path = []
    while isinstance(inner, dict):  # bounded by the length of the name
        [(part, inner)] = inner.items()
        path.append(part)
    return tuple(path), at


def _not_toml(statement: str, line: int, told: str) -> Broken:
    found = _PLACE.search(told)
    column = None
    if found is not None and found[1] is not None:
        line, column = line + int(found[1]) - 1, int(found[2])
    reason = plain(_PLACE.sub("", told))
    name = _BARE_KEY.match(statement.lstrip()) if "=" in statement else None
    reason = (
        "what stands after the = is no TOML value" if reason == "Invalid value" else reason[:1].lower() + reason[1:]
    )
    return Broken(line, column, None if name is None else name[0], reason)


def _second_reading(text: str, said: Sequence[Said]) -> Iterator[Broken]:
    """That the statements together say what the whole text says.

    Names that stand twice are left to the reader of the statements, who knows both lines.
    """
    if len({each.path for each in said}) < len(said):
        return
    try:
        whole: Any = tomllib.loads(text)
    except (ValueError, RecursionError) as fault:
        yield Broken(None, None, None, plain(str(fault)))
        return
    for each in said:
        read = whole
        for part in each.path:
            read = read.get(part) if isinstance(read, dict) else None
        if repr(read) != repr(each.value):
            yield Broken(each.line, None, each.name, "it can be read in two ways")


# --- where a statement ends ------------------------------------------------------------------------------------------


def _cut(text: str) -> Iterator[tuple[str, int]]:
    """The statements and their lines; of a broken text as far as strings and brackets say where they end."""
    at, line = 0, 1
    while at < len(text):
        end = _end_of(text, at)
        statement = text[at:end]
        bare = statement.strip()
        if bare and not bare.startswith("#"):
            yield statement, line
        line += statement.count("\n") + 1
        at = end + 1


def _end_of(text: str, at: int) -> int:
    """Where the statement that begins at `at` ends: at the first line break outside strings and brackets."""
    depth, is_value = 0, False
    while at < len(text):
        char = text[at]
        if char == "\n" and depth <= 0:
            return at
        if char == "#":
            at = _line_end(text, at)
            continue
        if char in "\"'":
            at = _string_end(text, at)
            continue
        if char == "=" and depth == 0:
            is_value = True
        elif char in "[{" and is_value:  # a table's own brackets stand on one line
            depth += 1
        elif char in "]}" and is_value:
            depth -= 1
        at += 1
    return at


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _string_end(text: str, at: int) -> int:
    """The place after the string that begins at `at`; one on a single line ends with its line at the latest."""
    quote = text[at]
    if text.startswith(quote * 3, at):
        at += 3
        while at < len(text):
            if text[at] == "\\" and quote == '"':
                at += 2
            elif text.startswith(quote * 3, at):
                at += 3
                for _ in range(2):  # two quotes may stand right before the closing ones
                    at += text.startswith(quote, at)
                return at
            else:
                at += 1
        return len(text)
    at += 1
    while at < len(text) and text[at] != "\n":
        if text[at] == "\\" and quote == '"':
            at += 1
            if text[at : at + 1] == "\n":
                return at
        elif text[at] == quote:
            return at + 1
        at += 1
    return min(at, len(text))
