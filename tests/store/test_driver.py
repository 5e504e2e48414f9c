"""Statements on the driver's own cursor store what they are given, whatever its adapters are."""

from __future__ import annotations

from typing import Any

import pytest

from quorate.host.store.cursor import rows_of, run_many
from tests.store.world import Site


@pytest.mark.parametrize(
    ("value", "kind", "stored"),
    [
        (None, "null", None),
        (True, "integer", 1),
        (False, "integer", 0),
        (b"", "blob", b""),
        (b"\0\xff\0", "blob", b"\0\xff\0"),
        ("", "text", ""),
        ("\0é", "text", "\0é"),
        (-(2**63), "integer", -(2**63)),
    ],
)
def test_a_value_is_stored_as_it_is(site: Site, value: Any, kind: str, stored: Any) -> None:
    with site.store.database.writing() as connection:
        rows_of(connection, "CREATE TEMP TABLE kept (value)")
        run_many(connection, "INSERT INTO kept VALUES (?)", [(value,)])
        found = rows_of(connection, "SELECT typeof(value), value FROM kept WHERE value IS ?", (value,))
        rows_of(connection, "DROP TABLE kept")
    assert found == [(kind, stored)]
