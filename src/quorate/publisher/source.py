"""Strict reading of a TOML table: each value is asked for by name, type and bounds, and every mistake is explained."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from quorate.core.ids import text_flaw
from quorate.errors import InvalidSourceError

__all__ = ["Source", "Table"]

TEXT_MAX = 200  # as core.documents has it for names
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MISSING: Final = object()


class Source:
    """The file that is read; it makes the errors, so that each of them names it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def error(self, reason: str, fix: str) -> InvalidSourceError:
        """An error of this file, to be raised."""
        return InvalidSourceError(path=self.path, reason=reason, fix=fix)


class Table:
    """One table of the file.

    Args:
        source: the file.
        place: how people find it: "" is the top, else such as `threshold.client`.
        values: what stands in it.
        known: the only keys it may have.
        top: the keys of the top table, to tell who wrote one of them below a table heading.

    Raises:
        InvalidSourceError: it has other keys than the known ones.
    """

    def __init__(
        self, source: Source, place: str, values: dict[str, Any], known: Sequence[str], top: Sequence[str] = ()
    ) -> None:
        self._source = source
        self._place = place
        self._values = values
        self._top = top or known
        for key in values:
            if key not in known:
                raise self._unknown_key(key, known)

    def text(self, key: str, example: str, default: str | None = None) -> str:
        """A text of 1 to 200 characters, fit to be shown and signed."""
        value = self._value(key, f'"{example}"', default)
        if not isinstance(value, str):
            raise self.error(key, f"must be a text, not {_kind(value)}", f'Write {key} = "{example}".')
        if not value.strip():
            raise self.error(key, "is empty", f'Write {key} = "{example}".')
        if len(value) > TEXT_MAX:
            raise self.error(key, f"has {len(value)} characters", f"At most {TEXT_MAX} are allowed.")
        flaw = text_flaw(value)
        if flaw is not None:
            raise self.error(key, f"cannot stand there: {flaw}", "Write it in one line.")
        return value

    def has(self, key: str) -> bool:
        """Whether the key stands there."""
        return key in self._values

    def prose(self, key: str, length_max: int) -> str:
        """A text of several lines, which may be missing."""
        value = self._value(key, '"""..."""', "")
        if not isinstance(value, str):
            raise self.error(key, f"must be a text, not {_kind(value)}", f'Write {key} = """...""".')
        if len(value) > length_max:
            raise self.error(key, f"has {len(value)} characters", f"At most {length_max} are allowed.")
        return value.strip()

    def slug(self, key: str, example: str) -> str:
        """An id: a-z, 0-9, dot, dash, underscore; at most 64."""
        return self._slug(key, self.text(key, example), example)

    def slugs(self, key: str, items_max: int) -> tuple[str, ...]:
        """A list of ids, which may be missing."""
        values = self.texts(key, f'{key} = ["lower-group"]', default=())
        if len(values) > items_max:
            raise self.error(key, f"has {len(values)} entries", f"At most {items_max} are allowed.")
        if len(set(values)) != len(values):
            raise self.error(key, "names a group twice", "Name each group once.")
        return tuple(self._slug(key, value, "lower-group") for value in values)

    def texts(self, key: str, example: str, default: Sequence[str]) -> list[str]:
        """A list of texts, which may be missing."""
        values = self._value(key, example, list(default))
        if not isinstance(values, list):
            raise self.error(key, f"must be a list of texts, not {_kind(values)}", f"Write {example}.")
        for value in values:
            if not isinstance(value, str):
                raise self.error(key, f"must be a list of texts, and has {_kind(value)} in it", f"Write {example}.")
        return values

    def integer(self, key: str, low: int, high: int, default: int) -> int:
        """A whole number from `low` to `high`, which may be missing."""
        value = self._value(key, str(default), default)
        wanted = f"a whole number from {low} to {high}"
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(key, f"must be {wanted}, not {_kind(value)}", f"Write {key} = {default}.")
        if not low <= value <= high:
            raise self.error(key, f"must be {wanted}, not {_number(value)}", f"The usual value is {key} = {default}.")
        return value

    def choice(self, key: str, allowed: Sequence[str], default: str | None = None) -> str:
        """One of the allowed texts."""
        value = self.text(key, allowed[0], default)
        if value not in allowed:
            raise self.unknown(key, value, allowed)
        return value

    def table(self, key: str, known: Sequence[str]) -> Table:
        """The table below; an empty one if it is missing."""
        value = self._values.get(key, {})
        if not isinstance(value, dict):
            heading = self._at(key)
            raise self.error(key, f"must be a table, not {_kind(value)}", f"Write [{heading}] and its values below it.")
        return Table(self._source, self._at(key), value, known, self._top)

    def tables(self, key: str, known: Sequence[str], items_max: int) -> list[Table]:
        """A list of tables, `[[key]]`; at least one."""
        values = self._values.get(key, [])
        if isinstance(values, dict):
            raise self.error(key, "is a single table", f"Write its heading with two brackets: [[{key}]].")
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise self.error(key, f"must be a list of tables, not {_kind(values)}", f"Write [[{key}]] before each.")
        if not 1 <= len(values) <= items_max:
            found = f"has {len(values)} entries" if values else "is missing"
            raise self.error(key, found, f"Write 1 to {items_max} tables, each with the heading [[{key}]].")
        return [
            Table(self._source, f"{key} {number}", value, known, self._top)
            for number, value in enumerate(values, start=1)
        ]

    def error(self, key: str, reason: str, fix: str) -> InvalidSourceError:
        """An error about one key, to be raised."""
        return self._source.error(f"`{self._at(key)}` {reason}", fix)

    def unknown(self, key: str, name: str, allowed: Sequence[str]) -> InvalidSourceError:
        """An error about a value that is not one of the allowed names, to be raised."""
        return self.error(key, f'has "{_cut(name)}", which is not known', _nearest(name, allowed))

    def _unknown_key(self, key: str, known: Sequence[str]) -> InvalidSourceError:
        fix = _nearest(key, known)
        if self._place and key in self._top:
            fix = f"`{key}` belongs to the top of the file: move its line above the first [heading]."
        return self._source.error(f"`{self._at(_cut(key))}` is not known", fix)

    def _value(self, key: str, example: str, default: Any = None) -> Any:
        value = self._values.get(key, _MISSING)
        if value is _MISSING:
            if default is None:
                raise self.error(key, "is missing", f"Add the line {key} = {example}.")
            return default
        return value

    def _slug(self, key: str, value: str, example: str) -> str:
        if not _SLUG.fullmatch(value):
            tidy = re.sub(r"[^a-z0-9._-]+", "-", value.lower()).strip("-._")[:64] or example
            raise self.error(
                key,
                f'has "{_cut(value)}", which is no id',
                f'An id has a-z, 0-9, dot, dash and underscore, at most 64. Perhaps "{tidy}"?',
            )
        return value

    def _at(self, key: str) -> str:
        return f"{self._place}.{key}" if self._place else key


def _nearest(name: str, allowed: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.lower(), allowed, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}? " if near else ""
    return f"{hint}Known here: {', '.join(allowed)}."


def _cut(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:60]) + ("…" if len(text) > 60 else "")


def _kind(value: object) -> str:
    """What stands there, in the words of somebody who writes TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'the text "{_cut(value)}"'
    if isinstance(value, int | float):
        return f"the number {_number(value)}"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a table"
    return "a date or time"


def _number(value: int | float) -> str:
    # Python refuses to write out whole numbers of many thousand digits, which TOML can have.
    return str(value) if isinstance(value, float) or abs(value) < 10**15 else "one of many digits"
