"""What a question proves: the secret that an installation keeps, and the keys of its own questions that it shows.

The secret stands in a file of its own beside the record, `client.key`, for its owner alone: the record may be read by
everybody. It never leaves the machine. Where it is lost or cannot be read, questions prove nothing, and are asked all
the same.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from quorate.client.state import ClientState
from quorate.core.ids import b64url
from quorate.core.messages import ActivationRequest
from quorate.core.proof import commitment, question_key

__all__ = ["ProofKey"]


class ProofKey:
    """Makes the proofs of one installation.

    Args:
        secret: its 32 bytes.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def signed(self, request: ActivationRequest, state: ClientState, hosts: Collection[str]) -> ActivationRequest:
        """The request with its own commit, and with the keys of the questions that these hosts have answered.

        Args:
            hosts: ids of the hosts that may be asked. What another host has answered is not shown: whoever listens
                here could use it there.
        """
        of = state.heard_cmid
        reveals = tuple(
            b64url(question_key(self._secret, of, each.nonce))
            for each in state.heard
            if each.host is None or each.host in hosts
        )
        commit = b64url(commitment(question_key(self._secret, request.cmid, request.nonce)))
        return msgspec.structs.replace(request, commit=commit, reveals=reveals or msgspec.UNSET)

    def __repr__(self) -> str:
        return "ProofKey(…)"
