"""Whose record a CMID's is, in the words of the protocol (section 5), for the book that the watch keeps.

Written from the protocol and not from the host's code: a mistake there shows as a difference here.
"""

from __future__ import annotations

from enum import Enum

import msgspec
from msgspec import UNSET

from quorate.core.ids import link_of, unb64url
from quorate.core.messages import ActivationRequest
from quorate.core.proof import commitment

__all__ = ["Owner", "Whose", "owner_after", "removes", "whose"]


class Whose(Enum):
    """The record's own question; one that proves nothing, from the record's place; another machine's."""

    OWN = "own"
    ASIDE = "aside"
    OTHER = "other"


class Owner(msgspec.Struct, frozen=True, gc=False):
    """Of a record: what its own machine said last. `commit` is None where there is no lock."""

    machine: str
    address: str
    edition: str
    commit: str | None
    nonce: str
    proven_s: int


def whose(owner: Owner | None, request: ActivationRequest, address: str, now_s: int, window_s: int) -> Whose:
    """What the request proves of the record; without a record, or a lock, there is nothing to prove."""
    if owner is None or owner.commit is None:
        return Whose.OWN
    is_same_machine = request.machine == owner.machine
    is_at_home = is_same_machine and address == owner.address
    if _reveals(request, owner.commit) and request.commit is not UNSET:
        return Whose.OWN
    is_again = request.commit == owner.commit and request.nonce == owner.nonce
    if is_again and is_at_home and request.edition == owner.edition:
        return Whose.OWN
    if now_s - owner.proven_s >= window_s:
        return Whose.OWN
    return Whose.ASIDE if is_at_home or (is_again and is_same_machine) else Whose.OTHER


def removes(owner: Owner | None, request: ActivationRequest) -> bool:
    """Whether the request proves that the record with this owner is its machine's from before a rearm."""
    return owner is not None and owner.commit is not None and _reveals(request, owner.commit)


def owner_after(
    owner: Owner | None, request: ActivationRequest, address: str, now_s: int, lease_nonce: str | None
) -> Owner:
    """The owner once a request of the record's own was heard.

    Args:
        owner: the one before, None where there was no record.
        lease_nonce: of the last lease that the record tells of.
    """
    commit = None if request.commit is UNSET else str(request.commit)
    if owner is not None and owner.commit is None:  # it takes a lock of its own machine alone
        is_at_home = (request.machine, address) == (owner.machine, owner.address)
        shown = request.link, link_of(request.cmid, request.nonce)
        if not is_at_home or (lease_nonce is not None and link_of(request.cmid, lease_nonce) not in shown):
            commit = None
    return Owner(request.machine, address, request.edition, commit, request.nonce, now_s)


def _reveals(request: ActivationRequest, commit: str) -> bool:
    if request.reveals is UNSET:
        return False
    return any(commitment(unb64url(key)) == unb64url(commit) for key in request.reveals)
