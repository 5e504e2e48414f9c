"""What a client's record keeps of its attempts: why the last one failed, and which questions hosts have heard."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from quorate.core.ids import HostId, Nonce
from quorate.errors import BY_CODE, QuorateError

__all__ = ["Heard", "Outcome"]

_Words = Annotated[str, Meta(max_length=2000)]
_HostText = Annotated[str, Meta(max_length=300)]


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the last attempt, or the reading of the last record, did not go well."""

    code: Annotated[str, Meta(max_length=64)]
    message: _Words
    hint: _Words

    @classmethod
    def of(cls, error: QuorateError) -> Outcome:
        return cls(error.code, error.message[:2000], error.hint[:2000])

    def error(self) -> QuorateError:
        """The error that this outcome was."""
        return BY_CODE.get(self.code, QuorateError).carried(self.message, self.hint)


class Heard(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A question that a host keeps a record of (`core.proof`).

    Attributes:
        host: which host that is; None: it may have been any, as no answer has come.
        at: where it was asked, as `Target` reads it.
    """

    nonce: Nonce
    host: HostId | None = None
    at: _HostText | None = None
