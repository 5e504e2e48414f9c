"""A role's configuration file: flat TOML, each value with its line, and everything that is wrong with it at once; and
variables of the environment that nothing reads.

The rooms bring their settings; what a value may be is theirs to say.
"""

from __future__ import annotations

import datetime
import difflib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from quorate.core.filekinds import as_utf8
from quorate.core.toml import Broken, Said, plain, read_statements
from quorate.errors import ConfigurationInvalidError

__all__ = [
    "CONFIG_BYTES_MAX",
    "FLAWS_MAX",
    "VARIABLE_PREFIX",
    "Checked",
    "FileSetting",
    "FileValue",
    "Flaw",
    "check_text",
    "configuration_fault",
    "example_file",
    "said_variables",
    "toml_value",
    "unknown_variable",
    "wrong_variables",
]

CONFIG_BYTES_MAX = 64 * 1024  # thirty settings and their comments are a tenth of it
FLAWS_MAX = 100  # told at once; whoever has more has another kind of file
VARIABLE_PREFIX = "QUORATE_"
_VARIABLE_MAX = 60  # characters after the prefix; the longest of ours has 40, and what is longer is near to none
_NEAR = 0.7  # as difflib measures it: two letters exchanged within four (PROT, PORT) are 0.75
_ROLES = {"HOST", "CLIENT", "PUBLISHER"}
_SECRET = re.compile(r"passphrase|password|passwd|secret|token|private[-_.]?key", re.IGNORECASE)
_WHOLE_PATH = re.compile(r"/|[A-Za-z]:[\\/]")
_QUOTES_HINT = 'Text stands in quotes, as in address = "127.0.0.1"; numbers, true and false do not.'


@dataclass(frozen=True)
class FileSetting:
    """One setting that a file may have.

    Attributes:
        variable: the environment variable that says it too.
        allowed: in words, with the default.
        parse: from the text that people type; ValueError says why not.
        default: as a file would say it (text, number, true or false).
        meaning: what it is for, where `allowed` does not tell.
        is_list: a list is as good as a text with semicolons.
        is_file: the whole path of a file. What was typed is never repeated: it may be the secret itself.
        is_switch: `default` is on or off; a file says true or false.
    """

    name: str
    variable: str
    allowed: str
    parse: Callable[[str], Any] = field(repr=False)
    default: str | int = ""
    meaning: str = ""
    is_list: bool = False
    is_file: bool = False
    is_switch: bool = False

    @property
    def example(self) -> str:
        """The default as TOML writes it."""
        return toml_value(self.default == "on" if self.is_switch else self.default)


@dataclass(frozen=True)
class Flaw:
    """One thing that is wrong: where, with which setting, why, and what to write instead. Lines count from 1."""

    line: int | None
    name: str | None
    reason: str
    allowed: str
    column: int | None = None

    def __str__(self) -> str:
        return self.reason if self.name is None else f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class FileValue:
    """A typed value, and where it stands."""

    value: Any
    line: int
    column: int | None = None


@dataclass(frozen=True)
class Checked:
    """What a file says that is right, by setting, and what is wrong, by line."""

    values: Mapping[str, FileValue]
    flaws: tuple[Flaw, ...] = ()

    def with_flaws(self, more: Iterator[Flaw]) -> Checked:
        """The same with further flaws; the values they name are no longer among the right ones."""
        found = list(more)
        wrong = {flaw.name for flaw in found}
        kept = {name: value for name, value in self.values.items() if name not in wrong}
        return Checked(kept, _in_order([*self.flaws, *found]))


def check_text(data: bytes, settings: Mapping[str, FileSetting]) -> Checked:
    """What a file of these bytes says; never raises, whatever they are."""
    data = as_utf8(data)
    if len(data) > CONFIG_BYTES_MAX:
        return Checked({}, (Flaw(None, None, f"it has more than {CONFIG_BYTES_MAX} bytes", "Is it the right file?"),))
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        return Checked({}, (Flaw(line, None, "it is not UTF-8 text", "Save it as UTF-8."),))
    values: dict[str, FileValue] = {}
    flaws: list[Flaw] = []
    first_lines: dict[tuple[str, ...], int] = {}
    for each in read_statements(text):
        if isinstance(each, Broken):
            allowed = "Settings stand without tables: remove the line." if each.is_table else _QUOTES_HINT
            known = settings.get(each.name or "")
            allowed += f" Allowed: {known.allowed}." if known is not None else ""
            flaws.append(Flaw(each.line, each.name, each.reason, allowed, each.column))
            continue
        first = first_lines.setdefault(each.path, each.line)
        if first != each.line:
            reason = f"line {first} says it already"
            flaws.append(Flaw(each.line, plain(each.name), reason, "Keep one of the two.", each.column))
            continue
        typed = _typed(each, settings)
        if isinstance(typed, Flaw):
            flaws.append(typed)
        else:
            values[each.name] = typed
    return Checked(values, _in_order(flaws))


def configuration_fault(path: object, flaws: tuple[Flaw, ...], command: str) -> ConfigurationInvalidError:
    """All that is wrong with a file as one error: the first flaw in full.

    Args:
        command: shows all of them.
    """
    first = flaws[0]
    place = ":".join(str(part) for part in (path, first.line, first.column) if part is not None)
    more = f" (and {len(flaws) - 1} more)" if len(flaws) > 1 else ""
    return ConfigurationInvalidError(place=place, problem=f"{first}{more}", fix=f"{first.allowed} All: `{command}`.")


def example_file(title: str, settings: Mapping[str, FileSetting]) -> str:
    """A file with every setting, all of it comment."""
    lines = [f"# {line}".rstrip() for line in title.splitlines()]
    for each in settings.values():
        lines += ["", *_comment(f"{each.meaning} {_sentence(each.allowed)}".strip())]
        lines.append(f"# Environment: {each.variable}")
        lines.append(f"#{each.name} = {each.example}")
    return "\n".join(lines) + "\n"


def toml_value(value: str | int) -> str:
    """A value as TOML writes it. JSON's escapes are among TOML's."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else json.dumps(str(value), ensure_ascii=False)


def said_variables(environ: Mapping[str, str]) -> set[str]:
    """The variables of an environment that are named as ours; an empty one says nothing."""
    return {name for name, text in environ.items() if name.startswith(VARIABLE_PREFIX) and text}


def wrong_variables(environ: Mapping[str, str], settings: Mapping[str, FileSetting]) -> Iterator[Flaw]:
    """Every setting's variable whose value cannot be one."""
    for each in settings.values():
        text = environ.get(each.variable)
        if text:
            try:
                each.parse(text)
            except ValueError as fault:
                yield Flaw(None, each.variable, str(fault), f"Allowed: {each.allowed}.")


def unknown_variable(name: str, known: Collection[str], own: Collection[str], all_of_them: str) -> Flaw:
    """A variable that nothing reads, with the nearest that something does.

    Args:
        name: with the prefix; what it says is never repeated: it may be a secret.
        known: every variable that may be meant.
        own: those of the role that asks, which win where others are as near.
        all_of_them: the command that shows every variable of a setting, where none is near.
    """
    near = _nearest_variable(name.upper(), known, own)
    meant = f"Did you mean {near}?" if near is not None else f"Variables of settings: `{all_of_them}`."
    return Flaw(None, plain(name), "nothing here reads this variable", meant)


# --- values ----------------------------------------------------------------------------------------------------------


def _typed(said: Said, settings: Mapping[str, FileSetting]) -> FileValue | Flaw:
    name, value, line, column = said.name, said.value, said.line, said.value_column
    setting = settings.get(name)
    if setting is None:
        return replace(_unknown(name, line, settings), column=said.column)
    allowed = f"Allowed: {setting.allowed}."
    if setting.is_file and isinstance(value, str) and value and not _WHOLE_PATH.match(value):
        return Flaw(line, name, "it is not the whole path of a file", allowed, column)
    try:
        return FileValue(setting.parse(_text(value, setting)), line, column)
    except ValueError as fault:
        return Flaw(line, name, str(fault), allowed, column)


def _unknown(name: str, line: int, settings: Mapping[str, FileSetting]) -> Flaw:
    typed = re.sub(r"[_.\s]", "-", name.lower())
    near = difflib.get_close_matches(typed, settings, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    if _SECRET.search(name):
        files = [each.name for each in settings.values() if each.is_file]
        into = f" Files can be named: {', '.join(files)}." if files else ""
        return Flaw(line, plain(name), "a secret does not belong in this file", f"{meant}Remove it from here.{into}")
    known = f"Did you mean {near[0]}?" if near else f"Settings: {', '.join(settings)}."
    return Flaw(line, plain(name), "there is no such setting", known)


def _nearest_variable(name: str, known: Collection[str], own: Collection[str]) -> str | None:
    typed = name.removeprefix(VARIABLE_PREFIX)
    if len(typed) > _VARIABLE_MAX:
        return None
    measured = [(_likeness(typed, each.removeprefix(VARIABLE_PREFIX)), each in own, each) for each in sorted(known)]
    near, _, found = max(measured, default=(0.0, False, ""), key=lambda each: each[:2])
    return found if near >= _NEAR else None


def _likeness(typed: str, name: str) -> float:
    """How near two names are, 0 to 1. Words that both begin with count for nothing; a role may be left out or added."""
    some, other = typed.split("_"), name.split("_")
    pairs = [(typed, name)]
    if (some[0] in _ROLES) != (other[0] in _ROLES):
        bare = ["_".join(words[1:] if words[0] in _ROLES else words) for words in (some, other)]
        pairs.append((bare[0], bare[1]))
    elif some[0] == other[0]:
        while len(some) > 1 and len(other) > 1 and some[0] == other[0]:
            some, other = some[1:], other[1:]
        pairs = [("_".join(some), "_".join(other))]
    return max(difflib.SequenceMatcher(None, one, two).ratio() for one, two in pairs)


def _text(value: Any, setting: FileSetting) -> str:
    """The value as people type it for `set`.

    Raises:
        ValueError: a kind of value that no setting has.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        if not setting.is_list:
            raise ValueError("it takes one value, not a list")
        if not all(isinstance(each, str | int) and not isinstance(each, bool) for each in value):
            raise ValueError("its list may have texts and numbers")
        return "; ".join(str(each) for each in value)
    if isinstance(value, datetime.date | datetime.time):
        raise ValueError("it takes no date; text stands in quotes")
    raise ValueError("it takes one value, not a table")


# --- words -----------------------------------------------------------------------------------------------------------


def _in_order(flaws: list[Flaw]) -> tuple[Flaw, ...]:
    return tuple(sorted(flaws, key=lambda flaw: (flaw.line or 0, flaw.column or 0))[:FLAWS_MAX])


def _comment(text: str, width: int = 110) -> Iterator[str]:
    line = "#"
    for word in text.split():
        if len(line) + len(word) >= width:
            yield line
            line = "#"
        line += f" {word}"
    yield line


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
