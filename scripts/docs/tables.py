"""The pages that are tables of the code: errors, settings, events, client states."""

from __future__ import annotations

import inspect
import re
import string
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from quorate import errors
from quorate.core import events
from quorate.core.lifecycle import TRANSITIONS, USABLE, Effect
from quorate.core.messages import LicenseStatus
from quorate.host.config import RULES
from scripts.docs.words import cell, prose

__all__ = ["errors_page", "events_page", "settings_page", "states_page"]


# --- errors ----------------------------------------------------------------------------------------------------------


def errors_page() -> str:
    """All errors with a code of their own, file by file."""
    files = [
        f"quorate.errors.{name}"
        for name in (
            "host",
            "way",
            "trust",
            "administration",
            "listening",
            "access",
            "eventlog",
            "publication",
            "machine",
        )
    ]
    kinds = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    kinds = [kind for kind in kinds if "code" in vars(kind) and kind is not errors.QuorateError]
    kinds.sort(key=lambda kind: (files.index(kind.__module__), inspect.getsourcelines(kind)[1]))
    lines = [
        "# Errors",
        "",
        "Every error has a stable `code` for scripts, a message with the values that matter, and a hint with the",
        "next step. The HRESULT is the number that Microsoft's tools show for the same cause, where there is one. The",
        "HTTP status is what a host answers with when it cannot sign the refusal (200: a signed refusal). The exit",
        "code of a command is 3 when a host refused and 1 for everything else.",
        "",
    ]
    for kind in kinds:
        lines += [f"## {kind.code}", ""]
        doc = vars(kind).get("__doc__")
        if doc:
            lines += [inspect.cleandoc(doc), ""]
        hresult = f"`0x{kind.hresult:08X}`" if kind.hresult is not None else "none"
        refused = issubclass(kind, errors.RefusedError)
        lines += [
            "| HRESULT | HTTP status | exit | values |",
            "|---|---|---|---|",
            f"| {hresult} | {kind.http_status} | {3 if refused else 1} | {_values(kind)} |",
            "",
            f"> error: {_slots(kind.template)}  ",
            f"> hint: {_slots(kind.hint_template)}",
            "",
        ]
    return "\n".join(lines)


def _slots(template: str) -> str:
    return re.sub(r"\{(\w+)\}", r"*\1*", prose(template))


def _values(kind: type[errors.QuorateError]) -> str:
    templates = (kind.template, kind.hint_template)
    names = [name for text in templates for _, name, _, _ in string.Formatter().parse(text) if name]
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names)) or "none"


# --- settings --------------------------------------------------------------------------------------------------------


def settings_page() -> str:
    """Every setting of a host."""
    lines = [
        "# Settings of a KMS host",
        "",
        "`quorate host set NAME VALUE` writes a setting into the host's store; a running host notices within about a",
        "second. `quorate host config show` shows them, and who says so: a [file or a variable](configuration.md) may.",
        "",
        "| setting | allowed |",
        "|---|---|",
        *(f"| `{rule.name}` | {cell(rule.allowed)} |" for rule in RULES.values()),
    ]
    return "\n".join(lines)


# --- events ----------------------------------------------------------------------------------------------------------


def events_page() -> str:
    """Every event with its fields, and the line that Microsoft's parsers know."""
    kinds = {kind.__struct_config__.tag: kind for kind in _event_kinds()}
    lines = [
        "# Events",
        "",
        "Ids and field order are Microsoft's, so existing parsing habits work on the `Info` line; the named fields are",
        "what `quorate host events --json` prints. A failure has a `code` ([errors](errors.md)) and its HRESULT.",
        "",
    ]
    for number, title in events.EVENT_TITLES.items():
        lines += [f"## {number}", "", f"{title[0].upper()}{title[1:]}.", ""]
        kind = kinds.get(number)
        if kind is None:
            continue
        lines += [prose(inspect.getdoc(kind) or ""), "", "| field | type |", "|---|---|"]
        lines += [f"| `{each.name}` | {_type_name(each.type)} |" for each in msgspec.structs.fields(kind)]
        lines += ["", f"`Info: {events.info_text(_sample(kind))}`", ""]
    return "\n".join(lines)


def _event_kinds() -> Iterable[Any]:
    return [
        kind
        for kind in vars(events).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and not kind.__name__.startswith("_")
    ]


def _sample(kind: Any) -> Any:
    samples: dict[Any, Any] = {int: 0, bool: False, str: "", LicenseStatus: LicenseStatus.LICENSED}
    texts = {
        "host": "kms.contoso.example:1688",
        "cmid": "00000000-0000-4000-8000-000000000000",
        "host_id": "00000000-0000-4000-8000-000000000001",
        "machine": "pc-17.contoso.example",
        "edition": "acme-cad-pro",
        "domain": "contoso.example",
        "actor": "alice",
        "source": "10.0.0.7",
        "action": "settings",
        "group": "acme-cad",
        "falls_on": "2027-02-10",
    }
    lists = {"machine_classes": ("client", "ephemeral")}
    numbers = {"threshold": 25, "count": 26, "activation_interval_min": 120, "renewal_interval_min": 10080}
    given = {
        each.name: {**texts, **numbers, **lists}.get(each.name, samples.get(each.type))
        for each in msgspec.structs.fields(kind)
        if each.required
    }
    return kind(**{**given, "time_s": 1_800_000_000})


def _type_name(kind: Any) -> str:
    if not hasattr(kind, "__args__"):
        return cell(getattr(kind, "__name__", str(kind)))
    kinds = [str(getattr(each, "__name__", each)) for each in kind.__args__ if each is not msgspec.UnsetType]
    if len(kinds) < len(kind.__args__):
        return cell(f"{' | '.join(kinds)}, or left out")
    return cell(str(kind))


# --- client states ---------------------------------------------------------------------------------------------------


def states_page() -> str:
    """The client's life: the drawing and the table of core.lifecycle."""
    usable = ", ".join(f"*{_state(each)}*" for each in LicenseStatus if each in USABLE)
    lines = [
        "# A client's life",
        "",
        "Drawn from `quorate.core.lifecycle.TRANSITIONS`, which the agent and the simulator run. One success leads",
        "from any installed state straight to *Licensed*; a refusal changes nothing. The application does its work",
        f"(`status.usable`) in {usable}; what it does in the others is the publisher's choice.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        *(f'    state "{_state(each)}" as {each.value}' for each in LicenseStatus),
        "    [*] --> unlicensed",
        *_arrows(),
        "```",
        "",
        "| state | event | next state | what follows |",
        "|---|---|---|---|",
    ]
    for state, row in TRANSITIONS.items():
        for event, (after, effects) in row.items():
            lines.append(f"| {_state(state)} | {event.value} | {_state(after)} | {_effects(effects)} |")
    return "\n".join(lines)


def _arrows() -> Iterator[str]:
    for state, row in TRANSITIONS.items():
        labels: dict[LicenseStatus, list[str]] = {}
        for event, (after, _) in row.items():
            labels.setdefault(after, []).append(event.value)
        for after, words in labels.items():
            yield f"    {state.value} --> {after.value}: {'<br/>'.join(words)}"


def _state(state: LicenseStatus) -> str:
    return state.value.replace("_", " ").capitalize()


def _effects(effects: Iterable[Effect]) -> str:
    return "; ".join(effect.value for effect in effects)
