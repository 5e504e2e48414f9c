"""The enrolment secret: for sites that want no anonymous clients.

The administrator of a KMS host gives a secret to each machine that may ask; every request then carries a proof that the
client knows it, over all the request's members, and the secret itself never travels. It keeps strangers out; it does
not tell one machine from another: who has it can enrol as many as he likes (docs/adr/0016).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import UNSET

from quorate.core.ids import b64url, in_groups, random_symbols, read_symbols
from quorate.core.messages import ActivationRequest
from quorate.errors import EnrolmentRequiredError, EnrolmentSecretInvalidError, EnrolmentWrongError

__all__ = ["EnrolmentSecret", "check_enrolment", "enrolled"]

_MARK = "QE"  # as host keys begin with QH: it can be told from anything else at a glance
_SYMBOLS = 30  # 27 of them are chance: 133 bits, so a proof that was overheard cannot be guessed back
ENTROPY_BYTES = 32


@dataclass(frozen=True)
class EnrolmentSecret:
    """A secret as people type it: six groups of five, `QExxx-…`, the last symbol a check digit as in product keys."""

    text: str

    @classmethod
    def parse(cls, typed: str) -> EnrolmentSecret:
        """The secret in what was typed, as tolerant as a product key is read.

        Raises:
            EnrolmentSecretInvalidError: with the first reason found, never with what was typed.
        """
        try:
            symbols = read_symbols(typed, _SYMBOLS, "an enrolment secret")
        except ValueError as fault:
            raise EnrolmentSecretInvalidError(reason=str(fault)) from None
        if not symbols.startswith(_MARK):
            raise EnrolmentSecretInvalidError(reason=f"enrolment secrets begin with {_MARK}")
        return cls(in_groups(symbols))

    @classmethod
    def from_entropy(cls, random_bytes: bytes) -> EnrolmentSecret:
        """A new secret from at least 32 bytes of entropy."""
        if len(random_bytes) < ENTROPY_BYTES:
            raise ValueError(f"an enrolment secret needs {ENTROPY_BYTES} bytes of entropy")
        return cls.parse(random_symbols(_MARK, _SYMBOLS, random_bytes))

    @property
    def key(self) -> bytes:
        """What proofs are made with (32 bytes); as secret as the secret."""
        return hashlib.sha256(b"quorate-enrolment-key:" + self.text.encode("ascii")).digest()

    def __repr__(self) -> str:
        return "EnrolmentSecret(…)"

    __str__ = __repr__  # it is written out with `.text`, on purpose only


def enrolled(request: ActivationRequest, key: bytes) -> ActivationRequest:
    """The request with its proof. Changed in any other member afterwards, it proves nothing."""
    return msgspec.structs.replace(request, enrolment=_proof(request, key))


def check_enrolment(request: ActivationRequest, keys: Sequence[bytes]) -> None:
    """That whoever made this request knew a secret behind one of the keys.

    Raises:
        EnrolmentRequiredError: it has no proof.
        EnrolmentWrongError: it was made with another secret, or changed on its way.
    """
    if request.enrolment is UNSET:
        raise EnrolmentRequiredError
    found = [hmac.compare_digest(_proof(request, key), request.enrolment) for key in keys]  # each takes its time
    if not any(found):
        raise EnrolmentWrongError


def _proof(request: ActivationRequest, key: bytes) -> str:
    """`spec/protocol.md`, section 12: every member on a line of its own; none of them can hold a line break."""
    lines = [
        "quorate-enrolment",
        str(request.v),
        request.edition,
        request.cmid,
        request.machine,
        request.status.value,
        str(request.time_s),
        request.nonce,
        str(request.expires_in_min),
        "true" if request.vm else "false",
        request.previous_cmid or "",
        request.link or "",
    ]
    # As a client of before proves them, where they are left out.
    if request.commit is not UNSET:
        lines.append(f"commit:{request.commit}")
    if request.reveals is not UNSET:
        lines.append(f"reveals:{','.join(request.reveals)}")
    return b64url(hmac.digest(key, "\n".join(lines).encode("utf-8"), "sha256"))
