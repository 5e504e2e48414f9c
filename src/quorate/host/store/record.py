"""What is kept of a machine: a row of `cmid_records`, the key it is found under, and the counts that it is part of."""

from __future__ import annotations

from typing import NamedTuple

from quorate.core.policy import Threshold

__all__ = ["CountKey", "Key", "Record", "cmid_bytes"]

Key = tuple[str, bytes]
"""What a machine is counted under: its product group and its CMID."""


class CountKey(NamedTuple):
    """One activation count: the machines of a group that count toward a threshold, heard within the window."""

    product_group: str
    threshold: Threshold
    window_s: int


class Record(NamedTuple):
    """A row of `cmid_records`, in the table's order, and its number there."""

    product_group: str
    cmid: bytes
    machine_class: str
    edition: str
    machine: str
    vm: bool
    status: str
    address: str
    first_heard_s: int
    last_heard_s: int
    requests: int
    link: bytes | None = None
    lease_edition: str | None = None
    lease_issued_s: int | None = None
    lease_expires_s: int | None = None
    lease_count: int | None = None
    exchanged: bytes | None = None
    fork: bytes | None = None
    lease_full_s: int | None = None
    lock: bytes | None = None
    proven_s: int | None = None
    # SQLite's own number of the row, in this transaction; None where there is none to write over.
    row: int | None = None


def cmid_bytes(cmid: str) -> bytes:
    """The 16 bytes of a CMID's text."""
    return bytes.fromhex(cmid.replace("-", ""))
