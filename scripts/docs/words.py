"""Plain text into Markdown."""

from __future__ import annotations

import re

__all__ = ["anchor", "cell", "prose"]


def prose(text: str) -> str:
    """One line; `<` only stays what it is inside code."""
    parts = " ".join(text.split()).split("`")
    return "`".join(part.replace("<", "&lt;") if place % 2 == 0 else part for place, part in enumerate(parts))


def cell(text: str) -> str:
    """For a table."""
    return prose(text).replace("|", "\\|")


def anchor(heading: str) -> str:
    """What a heading is linked to by."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")
