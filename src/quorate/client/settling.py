"""A record that was made where no machine has an identity yet, as while an image is made: it settles on a machine.

At its first question on a machine that has an identity it takes that machine's mark. Where no host can have heard of it
before, it takes a CMID of its own as well: every copy of the image does so, and none of them is another's copy.
"""

from __future__ import annotations

import msgspec

from quorate.client.identity import Machine
from quorate.client.state import ClientState
from quorate.clock import Entropy
from quorate.core.ids import b64url, new_cmid

__all__ = ["settled"]


def settled(state: ClientState, machine: Machine, entropy: Entropy) -> ClientState:
    """The record as it goes on here; itself, where it has settled before, or where this machine has no identity."""
    if state.machine is not None or machine.identity is None:
        return state
    state = msgspec.structs.replace(state, machine=machine.mark(b64url(entropy.token(16))))
    if state.lease is not None or state.previous_cmid is not None or any(each.host is not None for each in state.heard):
        return state  # a host knows it: should others have it too, the host tells them apart
    return msgspec.structs.replace(state, cmid=new_cmid(entropy.token(16)), heard=(), has_secret=False, nonce=None)
