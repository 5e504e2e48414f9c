"""Whose word a request is: what it proves of the record that it names, and what it may therefore change. Pure.

A record's lock is what the last question that proved itself left: its commit, and the link that its lease would have.
The next one shows the key behind that commit. What proves nothing is answered, where it comes from the record's own
machine, and told to take a CMID of its own where it does not; the record stays as it was in either case. That is no
offence: a database or a machine that was brought back from before cannot prove anything for a while.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import UNSET

from quorate.core.count import is_in_window
from quorate.core.ids import unb64url
from quorate.core.messages import ActivationRequest
from quorate.core.proof import reveals_one

__all__ = ["Claim", "claim_of", "is_stale", "lock_of", "removes"]

_COMMIT_BYTES: Final = 16


class Claim(Enum):
    """What a request has proved of the record of its CMID.

    OWN: it is the record's own machine; everything moves. ASIDE: it may well be; it is heard and answered, and nothing
    else moves. OTHER: it is another machine. UNLOCKED: there is nothing to prove yet; the links alone tell.
    """

    OWN = "own"
    ASIDE = "aside"
    OTHER = "other"
    UNLOCKED = "unlocked"


def lock_of(request: ActivationRequest, link: bytes) -> bytes | None:
    """The lock that this question leaves; None where its client keeps no secret."""
    return None if request.commit is UNSET else unb64url(request.commit) + link


def claim_of(
    request: ActivationRequest,
    link: bytes,
    lock: bytes | None,
    *,
    is_same_machine: bool,
    is_same_place: bool,
    is_same_edition: bool,
) -> Claim:
    """The claim of a request on a record with this lock.

    Args:
        link: the request's own (`core.ids.link_bytes`).
        is_same_machine, is_same_place: the record has its machine name, and its machine name and address.
    """
    if lock is None:
        return Claim.UNLOCKED
    if request.commit is not UNSET:
        if request.reveals is not UNSET and reveals_one(request.reveals, lock[:_COMMIT_BYTES]):
            return Claim.OWN
        # The same question again: its answer was lost. Anybody could say it again who has overheard it.
        if is_same_machine and unb64url(request.commit) + link == lock:
            return Claim.OWN if is_same_place and is_same_edition else Claim.ASIDE
    return Claim.ASIDE if is_same_place else Claim.OTHER


def is_stale(proven_s: int | None, now_s: int, window_s: int) -> bool:
    """Whether a lock is over: nobody has proved anything for as long as a record lasts that is not heard."""
    return proven_s is not None and not is_in_window(proven_s, now_s, window_s)


def removes(request: ActivationRequest, lock: bytes | None) -> bool:
    """Whether the request proves that the record with this lock is its machine's from before a rearm. A record without
    a lock is left to lapse: nothing that is known of it is a secret."""
    return lock is not None and request.reveals is not UNSET and reveals_one(request.reveals, lock[:_COMMIT_BYTES])
