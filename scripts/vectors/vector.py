"""One vector: one behaviour, its input, and what must come out of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["Vector", "invalid", "valid"]


@dataclass(frozen=True)
class Vector:
    """A file of spec/vectors, at `name`.json below it. spec/README.md says what the members of each kind are."""

    name: str
    shows: str
    section: str
    kind: str
    input: dict[str, Any]
    expected: dict[str, Any]

    def text(self) -> str:
        """The file: ASCII, so that strange characters can be seen."""
        members = {
            "name": self.name,
            "shows": self.shows,
            "section": self.section,
            "kind": self.kind,
            "input": self.input,
            "expected": self.expected,
        }
        return json.dumps(members, indent=2) + "\n"


def valid(**outcome: Any) -> dict[str, Any]:
    """The input is taken, and this is what it says."""
    return {"outcome": "valid"} | outcome


def invalid(*codes: str) -> dict[str, Any]:
    """The input is refused, for one of these reasons."""
    return {"outcome": "invalid", "codes": list(codes)}
