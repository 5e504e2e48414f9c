"""Why no host would do, as one error: the most telling of all, whose words name every target with its reason."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from quorate.client.discovery.names import Result, SrvAnswer
from quorate.client.discovery.target import Found
from quorate.errors import (
    DnsNameDoesNotExistError,
    DnsServerFailureError,
    HostBusyError,
    HostNotActivatedError,
    HostStoppingError,
    HostUnreachableError,
    NotAQuorateHostError,
    QuorateError,
    RateLimitedError,
    RefusedError,
    StoreUnavailableError,
    TrustError,
)

__all__ = ["Rejected", "nobody_found", "nobody_would_do"]

# The first kind that fits. A host that will serve us by itself in a while comes first, for it says when; then what an
# administrator can mend there; then answers that proved nothing; silence last, for it says least.
_TELLING: tuple[tuple[type[QuorateError], ...], ...] = (
    (RateLimitedError, HostBusyError, StoreUnavailableError, HostStoppingError),
    (HostNotActivatedError,),
    (RefusedError,),
    (TrustError,),
    (NotAQuorateHostError,),
)


class Rejected(msgspec.Struct, frozen=True):
    """A host that was asked in vain."""

    found: Found
    error: QuorateError

    @property
    def words(self) -> str:
        """`kms01.corp.example:1688: connection refused`."""
        if isinstance(self.error, HostUnreachableError) and "tried" in self.error.values:
            return str(self.error.values["tried"])
        return f"{self.found.target}: {self.error.message}"


def nobody_would_do(rejected: Sequence[Rejected], more: Sequence[str]) -> QuorateError:
    """The error after at least one host was asked.

    Args:
        more: what else belongs in the message: that DNS knew no other, that some were not tried.
    """
    first = min(rejected, key=lambda each: _rank(each.error))
    words = [each.words for each in rejected]
    if isinstance(first.error, HostUnreachableError):
        return HostUnreachableError(tried="; ".join([*words, *more]), port=first.found.target.port)
    others = [each.words for each in rejected if each is not first] + list(more)
    if not others:
        return first.error
    message = f"{first.error.message} ({first.found.target}); tried too: {'; '.join(others)}"
    error = type(first.error).carried(message, first.error.hint)
    if "retry_after_s" in first.error.values:
        error.values["retry_after_s"] = first.error.values["retry_after_s"]
    return error


def nobody_found(answers: Sequence[SrvAnswer]) -> QuorateError:
    """The error when no host is known: S27, or that DNS failed to tell."""
    if not answers:
        return DnsNameDoesNotExistError(reason="no host was set, and this machine has no DNS domain to look in")
    asked = "; ".join(f"{each.name} {_WORDS[each.result] or each.reason}" for each in answers)
    if any(each.result is Result.FAILED for each in answers):
        return DnsServerFailureError(reason=asked)
    return DnsNameDoesNotExistError(reason=f"DNS has no SRV record for one ({asked})")


_WORDS = {
    Result.FOUND: "",
    Result.FAILED: "",
    Result.NOT_OFFERED: "says that there is none",
    Result.NO_SUCH_NAME: "does not exist",
    Result.NO_RECORDS: "has no SRV record",
}


def _rank(error: QuorateError) -> int:
    if isinstance(error, HostUnreachableError):
        return len(_TELLING) + 1
    return next((place for place, kinds in enumerate(_TELLING) if isinstance(error, kinds)), len(_TELLING))
