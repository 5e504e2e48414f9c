"""The manual pages in `docs/man`, from the same commands and settings as the reference: plain roff for `man`.

click-man, which makes such pages, reads click's own objects, and typer has others (docs/adr/0014-configuration.md).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterable, Iterator

from quorate import __version__
from quorate.cli.slmgr.grammar import SWITCHES
from scripts.docs.commands import UNLISTED, Command, commands, default_of, metavar_of, usage_of
from scripts.docs.configuration import ROLES, FileOf

__all__ = ["man_pages"]

EXIT_CODES = (("0", "worked"), ("1", "failed"), ("2", "misused"), ("3", "refused by the host"))
PAGES = (
    "quorate",
    "quorate host",
    "quorate client",
    "quorate publisher",
    "quorate doctor",
    "quorate simulate",
    "quorate demo",
)
SHARED = {"--json", "--state-dir"}  # of nearly all commands: told once
PLACES = (
    ("/etc/quorate/host.toml, client.toml, publisher.toml", "Configuration, as root and for the services."),
    ("~/.config/quorate/", "The same of a user."),
    ("/var/lib/quorate/host, client, publisher", "State, as root and for the services."),
    ("~/.local/share/quorate/", "The same of a user."),
)
_NAME = re.compile(r"[A-Z]+_[A-Z_]+|(?<![\w%])quorate\\-")
_ESCAPES = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}


def man_pages() -> dict[str, str]:
    """Every page by its place below `share/man`: `man1/quorate-host.1`."""
    known = {command.path: command for command in commands()}
    made = {f"man1/{path.replace(' ', '-')}.1": _command_page(path, known) for path in PAGES}
    made["man1/quorate-slmgr.1"] = _slmgr_page()
    return made | {f"man5/quorate-{each.name}.5": _file_page(each) for each in ROLES}


# --- commands --------------------------------------------------------------------------------------------------------


def _command_page(path: str, known: dict[str, Command]) -> str:
    command = known[path]
    name = path.replace(" ", "-")
    text = inspect.cleandoc(command.parser.help or "")
    below = [each for each in known.values() if path != "quorate" and each.path.startswith(f"{path} ")]
    lines = [*_head(name, "1", _first_sentence(text)), ".SH SYNOPSIS"]
    lines += [f".B {_roff(path)}", "command [flags]" if command.is_group else _roff(usage_of(command)[len(path) + 1 :])]
    lines += [".SH DESCRIPTION", *_prose(text)]
    if path == "quorate":
        lines += [*_groups(known), ".SH OPTIONS", *_parameters(command, frozenset())]
        lines += _items([("--install-completion", "Install completion for this shell.")])
    if not command.is_group:
        lines += [".SH OPTIONS", *_parameters(command, frozenset())]
    if below:
        lines.append(".SH COMMANDS")
        for each in below:
            if not each.is_group or each.flags > {"--help", "-h"}:
                lines += _subcommand(each)
        lines += [".SH SHARED OPTIONS", *_shared(below)]
    lines += [".SH FILES", *_items(PLACES)]
    lines += _tail([other for other in PAGES if other != path])
    return "\n".join(lines) + "\n"


def _groups(known: dict[str, Command]) -> Iterator[str]:
    yield ".SH COMMANDS"
    for name in known["quorate"].parser.commands:
        yield ".TP"
        yield f".B quorate {_roff(name)}"
        yield _roff(_first_sentence(inspect.cleandoc(known[f"quorate {name}"].parser.help or "")) + ".")


def _subcommand(command: Command) -> Iterator[str]:
    yield f".SS {_roff(command.path)}"
    yield from _prose(command.parser.help or "")
    yield ".PP"
    yield f"Usage: \\fB{_roff(usage_of(command))}\\fR"
    yield from _parameters(command, SHARED)
    if command.parser.epilog:
        yield from _example([command.parser.epilog.strip().removeprefix("Example: ")])


def _shared(below: Iterable[Command]) -> Iterator[str]:
    """What most of the commands take as well, as the first of them that has it tells it."""
    for flag in sorted(SHARED):
        option = next(each for command in below for each in command.options if flag in each.opts)
        variable = f" Variable: {option.envvar}." if isinstance(option.envvar, str) else ""
        yield from _items([(flag, f"{option.help}{variable}")])


def _items(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, words in pairs:
        yield from (".TP", f"\\fB{_roff(name)}\\fR", _code(words))


def _parameters(command: Command, without: Collection[str]) -> Iterator[str]:
    for each in command.arguments:
        yield ".TP"
        yield f"\\fI{_roff(metavar_of(each).strip('[]'))}\\fR"
        yield from _prose(getattr(each, "help", "") or "As its name says.")
    for each in command.options:
        if (UNLISTED | set(without)) & set(each.opts):
            continue
        value = "" if each.is_flag else f" \\fI{_roff(metavar_of(each))}\\fR"
        yield ".TP"
        yield ", ".join(f"\\fB{_roff(flag)}\\fR" for flag in (*each.opts, *each.secondary_opts)) + value
        default, variable = default_of(each).strip("`"), command.variable(each)
        more = [
            f"Default: {default}." if default not in ("", "off", "required") else "",
            f"Variable: {variable}." if variable else "",
        ]
        yield from _prose(" ".join(part for part in (each.help or "", *more) if part))


# --- slmgr and files -------------------------------------------------------------------------------------------------


def _slmgr_page() -> str:
    lines = [*_head("quorate-slmgr", "1", "slmgr's own switches, for hands that know them"), ".SH SYNOPSIS"]
    lines += [".B quorate\\-slmgr", _roff("[ComputerName [User Password]] [switch ...]"), ".SH DESCRIPTION"]
    lines += _prose(
        "Each switch with `/` or `-`, in any case. Several are done in order, and the first failure ends the call. "
        "A switch for a KMS host works on a host, one for a client on a client; `--role` decides where a machine is "
        "both. With a computer's name they work on that host's administration, with its token as the password."
    )
    lines.append(".SH SWITCHES")
    for switch in SWITCHES.values():
        lines += [
            ".TP",
            f"\\fB{_roff(switch.shown)}\\fR",
            *_prose(f"{switch.does} ({', '.join(role.value for role in switch.roles)})"),
        ]
    lines += [".SH OPTIONS"]
    lines += _items(
        (
            ("--json", "One JSON object for each switch."),
            ("--role", "host or client, where this machine is both."),
            ("--product-id", "Which product, where a client has several."),
            ("--state-dir", "Folder of this machine's state. Variable: QUORATE_STATE_DIR."),
        )
    )
    lines += [*_example(["quorate-slmgr /sai 60 /sri 20160", "quorate-slmgr kms.contoso.example admin TOKEN /dlv"])]
    return "\n".join([*lines, *_tail(PAGES)]) + "\n"


def _file_page(file: FileOf) -> str:
    name = f"quorate-{file.name}"
    lines = [*_head(name, "5", f"configuration of {file.title[:1].lower()}{file.title[1:]}"), ".SH DESCRIPTION"]
    lines += _prose(
        f"A flat TOML file; every setting is optional. {file.order} Read again: {file.reload} "
        f"Checked by `quorate {file.role} config check`, explained by `quorate {file.role} config show`. "
        "No secret belongs in it."
    )
    lines.append(".SH SETTINGS")
    for each in file.settings.values():
        lines += [".TP", f"\\fB{_roff(each.name)}\\fR = {_roff(each.example)}"]
        words = f"{each.meaning} {each.allowed[:1].upper()}{each.allowed[1:]}. Variable: {each.variable}."
        lines += _prose(words.strip())
    lines += [".SH FILES"]
    places = (
        (f"/etc/quorate/{file.name}", "As root, and for the service."),
        (f"~/.config/quorate/{file.name}", "Of a user."),
    )
    lines += _items(places)
    return "\n".join([*lines, ".SH SEE ALSO", f"\\fBquorate\\-{file.role}\\fR(1)"]) + "\n"


# --- roff ------------------------------------------------------------------------------------------------------------


def _head(name: str, section: str, what: str) -> list[str]:
    return [
        '.\\" Made from the code by `make docs`. Edit the code, not this page.',
        f'.TH "{_roff(name.upper())}" {section} "" "Quorate {__version__}" "Quorate"',
        ".ad l",
        ".SH NAME",
        f"{_roff(name)} \\- {_roff(what[:1].lower() + what[1:])}",
    ]


def _tail(others: Iterable[str]) -> Iterator[str]:
    yield ".SH EXIT STATUS"
    for code, words in EXIT_CODES:
        yield from (".TP", f".B {code}", words)
    yield ".SH SEE ALSO"
    names = [*(name.replace(" ", "-") for name in others), "quorate-slmgr"]
    pages = [*((name, "1") for name in dict.fromkeys(names)), *((f"quorate-{each.name}", "5") for each in ROLES)]
    yield ",\n".join(f"\\fB{_roff(name)}\\fR({section})" for name, section in pages)


def _first_sentence(text: str) -> str:
    words = " ".join(text.split("\n\n")[0].split()).replace("`", "")
    return re.split(r"\.(?= [A-Z]|$)", words)[0]


def _prose(text: str) -> Iterator[str]:
    """Paragraphs; lines that are commands stay as they are."""
    is_first = True
    for block in inspect.cleandoc(text.replace("\b", "")).split("\n\n"):
        lines = [line for line in block.split("\n") if line.strip()]
        shown = [line for line in lines if line.startswith("  ") or line.lstrip().startswith(("$ ", "quorate "))]
        words = " ".join(" ".join(line for line in lines if line not in shown).split())
        if words:
            if not is_first:
                yield ".PP"
            yield _code(words)
            is_first = False
        if shown:
            yield from _example([line.strip() for line in shown])


def _example(lines: Iterable[str]) -> Iterator[str]:
    yield from (".PP", ".EX", *(_roff(line) for line in lines), ".EE")


def _code(text: str) -> str:
    """What stands in backquotes is bold."""
    parts = text.split("`")
    shown = (
        _roff(part, is_begin=at == 0) if at % 2 == 0 else f"\\fB{_roff(part)}\\fR" for at, part in enumerate(parts)
    )
    return "".join(shown)


def _roff(text: str, *, is_begin: bool = True) -> str:
    escaped = "".join(_ESCAPES.get(c) or (c if c.isascii() else f"\\[u{ord(c):04X}]") for c in text)
    escaped = _NAME.sub(r"\\%\g<0>", escaped)  # a name that is broken at the end of a line cannot be copied
    return f"\\&{escaped}" if is_begin and escaped.startswith(".") else escaped
