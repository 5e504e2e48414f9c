"""The collections as they lie in this folder."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Final

__all__ = ["json_texts", "llhttp_requests", "naughty_strings", "rows"]

_HERE: Final = Path(__file__).parent


def rows(name: str) -> list[Any]:
    """The rows of one file."""
    found: list[Any] = json.loads((_HERE / name).read_text("utf-8"))
    return found


def json_texts() -> dict[str, bytes]:
    """JSONTestSuite by the names of its files: `y_` is JSON, `n_` is not, `i_` is left to the reader."""
    return {row["name"]: base64.b64decode(row["unit"]) * row["times"] for row in rows("jsontestsuite.json")}


def naughty_strings() -> list[str]:
    """The Big List of Naughty Strings."""
    return [base64.b64decode(each).decode("utf-8") for each in rows("naughty-strings.base64.json")]


def llhttp_requests() -> dict[str, bytes]:
    """The requests of llhttp's own tests, by the place where they stand; those of one title are numbered."""
    found: dict[str, bytes] = {}
    for row in rows("llhttp-requests.json"):
        name, number = row["name"], 2
        while name in found:
            name, number = f"{row['name']} {number}", number + 1
        found[name] = base64.b64decode(row["sent"])
    return found
