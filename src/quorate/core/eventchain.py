"""The chain that ties each event of a log to all before it: no edit, removal or reordering goes unseen.

Every event carries a digest over the one before, its own number, the size of the log up to it, and its bytes as they
are stored. Whoever knows one digest can tell whether anything before it was changed; `core.checkpoint` is how the host
vouches for one. What is measured about its cost stands in `benchmarks/README.md`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

__all__ = ["DIGEST_BYTES", "EVENT_OVERHEAD", "LOG_BYTES", "Link", "administrative_log", "begin", "follow"]

DIGEST_BYTES: Final = 32
LOG_BYTES: Final = 16  # the name of a log: chance, so that the events of one database fit into no other
EVENT_OVERHEAD: Final = 96  # bytes a row takes beside its JSON: the other columns, SQLite's own (measured: 90 to 98)

_TAG = b"quorate event log 1\0"
_ADMINISTRATIVE_TAG = b"quorate administrative events 1\0"
_PLACE = struct.Struct(">QQ")


class Link(NamedTuple):
    """One event's place in the chain.

    Attributes:
        number: of the event; each is one more than that of the event before, the first has 1.
        digest: SHA-256 over the digest before, number and `upto_bytes` (8 bytes each, big-endian), and the stored JSON.
        upto_bytes: the size of all events up to this one, removed ones included.
    """

    number: int
    digest: bytes
    upto_bytes: int

    def then(self, data: bytes) -> Link:
        """The place of the next event, whose stored JSON is `data`."""
        return self.on_to(self.number + 1, data)

    def on_to(self, number: int, data: bytes) -> Link:
        """The same of a chain that holds some events of a log only: the next one has this number."""
        upto_bytes = self.upto_bytes + len(data) + EVENT_OVERHEAD
        return Link(number, digest_of(self.digest, number, upto_bytes, data), upto_bytes)


def begin(log: bytes) -> Link:
    """What the first event of the log of this name follows."""
    return Link(0, hashlib.sha256(_TAG + log).digest(), 0)


def administrative_log(log: bytes) -> bytes:
    """The name of the chain of a log's administrative events, which are kept longer (ADR 0022)."""
    return hashlib.sha256(_ADMINISTRATIVE_TAG + log).digest()[:LOG_BYTES]


def digest_of(before: bytes, number: int, upto_bytes: int, data: bytes) -> bytes:
    """The digest of one event. The first three parts have fixed lengths, so no two events have the same input."""
    return hashlib.sha256(b"".join((before, _PLACE.pack(number, upto_bytes), data))).digest()


def follow(head: Link, written: Iterable[bytes]) -> list[tuple[int, bytes, int]]:
    """The places of these events, in order, after `head`: what `Link.then` says, each as a plain tuple.

    Every answer pays for this (0.7 µs of the 20 that its row costs), so it is written out.
    """
    number, digest, upto_bytes = head
    sha256, pack = hashlib.sha256, _PLACE.pack
    places = []
    for data in written:
        number += 1
        upto_bytes += len(data) + EVENT_OVERHEAD
        digest = sha256(digest + pack(number, upto_bytes) + data).digest()
        places.append((number, digest, upto_bytes))
    return places
