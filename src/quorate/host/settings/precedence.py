"""What says a setting beside the host's store: the configuration file below it, environment and flags above it.

In order, the later ones win: default, file, `quorate host set` (the store), environment, flag. Why this order:
docs/adr/0014-configuration.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from quorate.host.settings.settings import (
    RULES,
    Settings,
    settings_from,
    shown_value,
)

__all__ = ["SET", "Layers", "Origin", "Said", "Source"]

SET = "quorate host set"


class Said(msgspec.Struct, frozen=True):
    """A value, and where it is said: `host.toml:3`, `QUORATE_HOST_PORT`, `--port`."""

    value: str | int
    where: str


class Source(StrEnum):
    """Who says a setting, weakest first."""

    DEFAULT = "default"
    FILE = "file"
    SET = "set"
    ENVIRONMENT = "environment"
    FLAG = "flag"


@dataclass(frozen=True)
class Origin:
    """Where a setting's value comes from; `where` is None for a default."""

    source: Source
    where: str | None = None


class Layers(msgspec.Struct, frozen=True):
    """Values by setting name. A running host tells them in its lock file, so that commands know what it runs with."""

    file: dict[str, Said] = {}
    environment: dict[str, Said] = {}
    flags: dict[str, Said] = {}

    def settings(self, stored: Mapping[str, Any]) -> Settings:
        """What holds, with what the store says in between."""
        return settings_from(
            stored, _by_attribute(self.environment) | _by_attribute(self.flags), _by_attribute(self.file)
        )

    def origins(self, stored: Mapping[str, Any]) -> dict[str, Origin]:
        """Where each setting's value comes from."""
        found = dict.fromkeys(RULES, Origin(Source.DEFAULT))
        found |= {name: Origin(Source.FILE, said.where) for name, said in self.file.items()}
        found |= {name: Origin(Source.SET, SET) for name in stored if name in RULES}
        found |= {name: Origin(Source.ENVIRONMENT, said.where) for name, said in self.environment.items()}
        return found | {name: Origin(Source.FLAG, said.where) for name, said in self.flags.items()}

    def stronger(self, name: str) -> Said | None:
        """What says this setting louder than the store, if anything does."""
        return self.flags.get(name) or self.environment.get(name)


def _by_attribute(said: Mapping[str, Said]) -> dict[str, Any]:
    return {RULES[name].attribute: _typed(name, each.value) for name, each in said.items() if name in RULES}


def _typed(name: str, value: str | int) -> Any:
    """As the rule has it; what a rule refuses (port 0: any that is free) is what this run wants all the same."""
    try:
        return RULES[name].parse(str(shown_value(value)))
    except ValueError:
        return value
