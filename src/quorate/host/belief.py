"""What a host believes of its publisher: the keys, followed from those it began with, and the newest revocation list.

Three files: `publisher.jwks` as it came with the first product file, `publisher.trust` with every exchange of keys
since, `publisher.revocations` with the newest list. Only what proves itself by what is already believed is ever kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quorate.core.filekinds import as_utf8
from quorate.core.revocation import REVOCATIONS, RevocationList, accept_list, read_held
from quorate.core.succession import CHAIN_BYTES_MAX, TrustState, chain_of, follow_chain
from quorate.errors import ListConflictError, ListOutdatedError, MalformedError, TrustError
from quorate.files import read_bounded, replace_file
from quorate.host.config import StatePaths

__all__ = ["JWKS_BYTES_MAX", "Belief", "BeliefFiles", "TakenBelief"]

JWKS_BYTES_MAX = 64 * 1024
_LINE_ENDS = 2


@dataclass(frozen=True)
class Belief:
    """The keys at their newest version, the chain that led there, and the list, with its token."""

    trust: TrustState
    chain: tuple[str, ...] = ()
    revocations: RevocationList | None = None
    revocations_token: str | None = None

    @property
    def number(self) -> int:
        """Of the revocation list; 0 without one. Answers carry it."""
        return 0 if self.revocations is None else self.revocations.number


@dataclass(frozen=True)
class TakenBelief:
    """What came of an offer: the version and the number that are new, each None where nothing was."""

    version: int | None
    number: int | None


class BeliefFiles:
    """The three files."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths

    def read(self) -> Belief:
        """What is believed now, proven anew from the first file on.

        Raises:
            MalformedError, TrustError, FileAccessError: a file was damaged or exchanged.
        """
        trust, chain = self._followed()
        token = self._list_token()
        revocations = None if token is None else read_held(token, trust)
        return Belief(trust, chain, revocations, token)

    def take(self, chain: Sequence[str] | None, revocations: str | None) -> TakenBelief:
        """Keep what is new of an offer; the keys are followed first, as they judge the list. All of it is good, or
        nothing is kept. A damaged file here does not stand in the way of a good one.

        Args:
            chain: every trust document of the publisher, version 2 first; None: none was offered.
            revocations: the token of a list; None: none was offered.

        Raises:
            MalformedError, TrustError: the offer proves nothing. A list that is not newer is no error, but of the same
                number with another content it is (`ListConflictError`).
            FileAccessError: it cannot be kept.
        """
        held = self._held()
        trust = held if chain is None else follow_chain(held, chain)
        if chain is not None and trust.version > held.version:
            # What is known already was passed over unread, and is read again from the first file at each start, by
            # clients too: the whole chain must hold, or somebody could spoil it from the way.
            follow_chain(self._shipped(), chain)
        number = None
        if revocations is not None:
            number = self._judged(revocations.strip(), trust)
        if chain is not None and trust.version > held.version:
            replace_file(self._paths.chain, "".join(f"{token}\n" for token in chain).encode("ascii"))
        if revocations is not None and number is not None:
            replace_file(self._paths.revocations, revocations.strip().encode("ascii") + b"\n")
        return TakenBelief(trust.version if trust.version > held.version else None, number)

    def _judged(self, offered: str, trust: TrustState) -> int | None:
        """The number of the offered list, if it is newer."""
        try:
            held = self._list_token()
        except MalformedError:
            held = None
        try:
            return accept_list(held, offered, trust).number
        except ListConflictError:
            raise
        except ListOutdatedError:
            return None

    def _held(self) -> TrustState:
        try:
            return self._followed()[0]
        except (MalformedError, TrustError):
            return self._shipped()

    def _followed(self) -> tuple[TrustState, tuple[str, ...]]:
        shipped = self._shipped()
        if not self._paths.chain.exists():
            return shipped, ()
        text = _text(read_bounded(self._paths.chain, CHAIN_BYTES_MAX), str(self._paths.chain))
        chain = chain_of(text)
        return follow_chain(shipped, chain), chain

    def _shipped(self) -> TrustState:
        return TrustState.shipped(as_utf8(read_bounded(self._paths.trust, JWKS_BYTES_MAX)))

    def _list_token(self) -> str | None:
        path = self._paths.revocations
        return _text(read_bounded(path, REVOCATIONS.bytes_max + _LINE_ENDS), str(path)) if path.exists() else None


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode("ascii").strip()
    except UnicodeDecodeError:
        raise MalformedError(what=what, reason="it is not text") from None
