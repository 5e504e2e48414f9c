"""The publisher's public keys on disk: the first set, every trust document since, and the newest set.

`publisher.first.jwks` is version 1; `publisher.trust` holds the documents that lead from it to the newest version, one
on each line, oldest first, and is what hosts and clients follow; `publisher.jwks` is the newest set, which ships with
every product from now on. The last one can always be made again from the other two.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from quorate.core.filekinds import as_utf8
from quorate.core.keys import Jwk, PublisherJwk
from quorate.core.messages import encode
from quorate.core.succession import CHAIN_BYTES_MAX, TrustState, chain_of, follow_chain
from quorate.errors import MalformedError
from quorate.files import read_bounded, replace_file

__all__ = ["KeySets", "Role", "jwks_path", "trust_path", "with_role"]

Role = Literal["root", "issuing"] | None

_JWKS_BYTES_MAX: Final = 16 * 1024


def jwks_path(folder: Path) -> Path:
    """The public keys."""
    return folder / "publisher.jwks"


def trust_path(folder: Path) -> Path:
    """What leads from any older public keys to these."""
    return folder / "publisher.trust"


def with_role(key: Jwk, role: Role) -> PublisherJwk:
    """A public key as it stands in the publisher's set."""
    return PublisherJwk(**{**msgspec.structs.asdict(key), "role": role})


class KeySets:
    """The three files of one publisher."""

    def __init__(self, folder: Path) -> None:
        self._newest = jwks_path(folder)
        self._first = folder / "publisher.first.jwks"
        self._chain = trust_path(folder)

    @property
    def has_any(self) -> bool:
        """Whether any set is there."""
        return self._first.exists() or self._newest.exists()

    def begin(self, keys: Sequence[PublisherJwk]) -> TrustState:
        """Write down the first set."""
        data = _jwks(TrustState(1, tuple(keys)))
        replace_file(self._first, data)
        return TrustState.shipped(data)

    def chain(self) -> tuple[str, ...]:
        """Every trust document, oldest first."""
        if not self._chain.exists():
            return ()
        try:
            return chain_of(read_bounded(self._chain, CHAIN_BYTES_MAX).decode("ascii"))
        except UnicodeDecodeError:
            raise MalformedError(what=str(self._chain), reason="it is not text") from None

    def state(self) -> TrustState:
        """The newest version, proven from the first one.

        Raises:
            FileAccessError, MalformedError, TrustError and its kind: a file is missing, damaged, or another's.
        """
        first = self._first if self._first.exists() else self._newest
        return follow_chain(TrustState.shipped(as_utf8(read_bounded(first, _JWKS_BYTES_MAX))), self.chain())

    def append(self, token: str) -> None:
        """Add the next trust document. From this moment on the new set counts."""
        if not self._first.exists():  # a publisher from before there was a second set
            replace_file(self._first, read_bounded(self._newest, _JWKS_BYTES_MAX))
        replace_file(self._chain, "".join(f"{each}\n" for each in (*self.chain(), token)).encode("ascii"))

    def publish(self, state: TrustState) -> None:
        """Make `publisher.jwks` the newest set, if it is missing or older.

        Raises:
            MalformedError: it is of another publisher, or damaged.
        """
        if self._newest.exists():
            found = TrustState.shipped(as_utf8(read_bounded(self._newest, _JWKS_BYTES_MAX)))
            if found.jwks() == state.jwks():
                return
            if found.version >= state.version:
                reason = "it does not belong to publisher.key; move it away, and it is made again"
                raise MalformedError(what=str(self._newest), reason=reason)
        replace_file(self._newest, _jwks(state))


def _jwks(state: TrustState) -> bytes:
    return msgspec.json.format(encode(state.jwks()), indent=2) + b"\n"
