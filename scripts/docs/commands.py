"""`docs/reference/commands.md`: every command with its flags, variables and defaults."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from quorate.cli.main import ROOMS, application, parser_of
from quorate.cli.variables import option_variables
from scripts.docs.words import anchor, cell, prose

__all__ = ["UNLISTED", "Command", "commands", "commands_page", "default_of", "metavar_of", "usage_of"]

UNLISTED = {"--help", "--install-completion", "--show-completion"}  # every command line has them


class Command:
    """One command of the command line, as its parser knows it."""

    def __init__(self, path: str, parser: Any) -> None:
        self.path = path
        self.parser = parser

    @property
    def is_group(self) -> bool:
        """Whether it only holds other commands."""
        return hasattr(self.parser, "commands")

    @property
    def options(self) -> list[Any]:
        """What begins with a dash."""
        return [each for each in self.parser.params if each.param_type_name == "option"]

    @property
    def arguments(self) -> list[Any]:
        """What is told by its place."""
        return [each for each in self.parser.params if each.param_type_name == "argument"]

    @property
    def flags(self) -> set[str]:
        """All spellings of all options; `--help` is everywhere."""
        spelled = {flag for option in self.options for flag in (*option.opts, *option.secondary_opts)}
        return spelled | {"--help", "-h"}

    def variable(self, option: Any) -> str | None:
        """The environment variable that sets an option."""
        return next(iter(option_variables(self.path, option)), None)


def commands() -> Iterator[Command]:
    """Every command, `quorate` itself first."""
    yield from _walk("quorate", parser_of(application(list(ROOMS))))


def _walk(path: str, parser: Any) -> Iterator[Command]:
    if getattr(parser, "hidden", False):
        return
    yield Command(path, parser)
    for name, below in getattr(parser, "commands", {}).items():
        yield from _walk(f"{path} {name}", below)


def commands_page() -> str:
    """Every command with its flags, variables and defaults."""
    lines = [
        "# Commands",
        "",
        "Data goes to stdout, words to stderr. `--json` prints one JSON object, or one per line for lists. Exit codes:",
        "0 worked, 1 failed, 2 misused, 3 refused by the host. Every flag has an environment variable.",
        "",
    ]
    for command in commands():
        lines += [f"## {command.path}", "", _help(command.parser.help), ""]
        if command.parser.epilog:
            lines += ["```", command.parser.epilog.strip().removeprefix("Example: "), "```", ""]
        if command.is_group:
            inner = [f"[`{name}`](#{anchor(f'{command.path} {name}')})" for name in command.parser.commands]
            lines += ["Commands: " + ", ".join(inner) + ".", ""]
        else:
            lines += [f"Usage: `{usage_of(command)}`", ""]
        if command.arguments:
            lines += ["| argument | |", "|---|---|"]
            lines += [
                f"| `{metavar_of(each)}` | {cell(getattr(each, 'help', '') or '')} |" for each in command.arguments
            ]
            lines.append("")
        if command.options:
            lines += ["| flag | variable | default | |", "|---|---|---|---|"]
            lines += [_option_row(command, each) for each in command.options if not UNLISTED & set(each.opts)]
            lines.append("")
    return "\n".join(lines)


def usage_of(command: Command) -> str:
    """How it is typed, with what must be said."""
    words = [command.path]
    for each in command.parser.params:
        if each.param_type_name == "argument":
            words.append(metavar_of(each) if each.required else f"[{metavar_of(each)}]")
        elif each.required:
            words.append(f"{each.opts[-1]} {metavar_of(each)}")
    return " ".join([*words, "[flags]"])


def _option_row(command: Command, option: Any) -> str:
    spelled = ", ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))
    if not option.is_flag:
        spelled += f" *{metavar_of(option)}*"
    variable = command.variable(option)
    return f"| {spelled} | {f'`{variable}`' if variable else ''} | {default_of(option)} | {cell(option.help or '')} |"


def default_of(option: Any) -> str:
    """Its default, as a table shows it; empty for none."""
    if isinstance(option.show_default, str):
        return cell(option.show_default)
    if option.required:
        return "required"
    if option.is_flag and not option.secondary_opts:
        return "off"
    default = option.default
    if default is None or default == () or callable(default):
        return ""
    return f"`{getattr(default, 'value', default)}`"


def metavar_of(parameter: Any) -> str:
    """What stands for its value."""
    if parameter.metavar:
        return str(parameter.metavar)
    annotation = parameter.type_descriptor.annotation
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return cell("|".join(str(choice.value) for choice in annotation))
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    return {int: "NUMBER", float: "NUMBER", Path: "PATH"}.get(annotation, "TEXT")


def _help(text: str | None) -> str:
    """A command's help as Markdown: the examples in it, two or more spaces in, as they are."""
    blocks = []
    for block in inspect.cleandoc((text or "").replace("\b", "")).split("\n\n"):
        lines = [line for line in block.split("\n") if line.strip()]
        shown = [line for line in lines if line.startswith("  ") or line.lstrip().startswith(("$ ", "quorate "))]
        words = [line for line in lines if line not in shown]
        if words:
            blocks.append(prose("\n".join(words)))
        if shown:
            blocks.append("```\n" + "\n".join(line.strip() for line in shown) + "\n```")
    return "\n\n".join(blocks)
