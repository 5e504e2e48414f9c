"""Lineage: each lease has a link, each request shows the link of the lease it holds; who shows one that has been
exchanged for another since is a copy, or was brought back.

A record keeps the links that are known to be exchanged, the newest sixteen of them by six bytes each. A link that was
never seen here is no sign of anything: it may be of a lease that another host gave. Nobody is blocked by any of this: a
copy is told to take a CMID of its own, for as long as its answer may have been lost (the clock tolerance), and is then
answered like everybody else, as it may be a client that does not know how.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from quorate.core.policy import DAY_S

__all__ = ["Fork", "exchanged", "fork_of", "is_exchanged", "tell"]

LINK_BYTES: Final = 6  # two of a machine's links are alike once in 2^48
LINKS_MAX: Final = 16  # four months of weekly renewals
TOLD_MAX: Final = 256  # copies that are told at one time; those beyond are answered, and told the next time
TOLD_KEPT_S: Final = 2 * DAY_S


class Fork(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a CMID that was seen to fork. Times are of the last time.

    `known_machine`, `known_address`: whose record it was; `machine`, `address`: who came with an exchanged link.
    `told`: questions (hex of the beginning of their links) that were told to take another CMID, and when first.
    """

    known_machine: str = ""
    known_address: str = ""
    machine: str = ""
    address: str = ""
    cloned_s: int | None = None
    rolled_back_s: int | None = None
    told: Annotated[dict[str, int], Meta(max_length=TOLD_MAX)] = {}


_decoder = msgspec.json.Decoder(Fork)


def fork_of(data: bytes | None) -> Fork:
    """The fork that a record tells of; an empty one where it tells of none."""
    return Fork() if data is None else _decoder.decode(data)


def is_exchanged(known: bytes | None, current: bytes | None, presented: bytes | None, link: bytes) -> bool:
    """Whether the link that a request presents was exchanged for another.

    Args:
        known: exchanged links, as `exchanged` made them.
        current: the link of the last lease; the same question again (`link`) is a lost reply, and no sign of anything.
    """
    if presented is None or known is None or presented == current or link == current:
        return False
    return _holds(known, presented[:LINK_BYTES])


def exchanged(known: bytes | None, current: bytes | None, presented: bytes | None, link: bytes) -> bytes | None:
    """The exchanged links once a lease with `link` is given: whatever was held or shown before is not it any more."""
    if link == current:
        return known
    links = known or b""
    for each in (current,) if presented == current else (current, presented):
        if each is not None and each != link and not _holds(links, each[:LINK_BYTES]):
            links += each[:LINK_BYTES]
    return links[-LINKS_MAX * LINK_BYTES :] or None


def tell(fork: Fork, link: bytes, now_s: int, tolerance_s: int) -> dict[str, int] | None:
    """Whom to remember as told, when this question of a copy is to be told that it needs another CMID; None when it is
    to be answered like any other: it was told for long enough, or too many are told already."""
    told = {name: since_s for name, since_s in fork.told.items() if now_s - since_s < TOLD_KEPT_S}
    name = link[:LINK_BYTES].hex()
    since_s = told.get(name)
    if since_s is not None:
        return told if abs(now_s - since_s) < tolerance_s else None
    if len(told) >= TOLD_MAX:
        return None
    return {**told, name: now_s}


def _holds(links: bytes, beginning: bytes) -> bool:
    # Looked for in all the bytes first: it is seldom there, and cutting them into links costs ten times as much.
    if beginning not in links:
        return False
    return any(links[at : at + LINK_BYTES] == beginning for at in range(0, len(links), LINK_BYTES))
