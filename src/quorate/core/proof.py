"""The proof that a CMID is one's own: a CMID is a name that anybody may read on the wire, and a name proves nothing.

A client keeps a secret. Each question has a key, made of the secret, the CMID and the nonce; a question shows only the
key's hash (`commit`), which the host keeps. Later questions show the keys of the ones before (`reveals`): who knows
what was hashed is the one who asked. A key is of use once, so whoever overhears it learns nothing that still is
(docs/adr/0020).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from quorate.core.ids import unb64url

__all__ = ["SECRET_BYTES", "commitment", "question_key", "reveals_one"]

SECRET_BYTES: Final = 32
_BYTES: Final = 16


def question_key(secret: bytes, cmid: str, nonce: str) -> bytes:
    """The 16 bytes that a question's `commit` hides, and that a later question reveals."""
    return hmac.digest(secret, f"quorate-question:{cmid}:{nonce}".encode("ascii"), "sha256")[:_BYTES]


def commitment(key: bytes) -> bytes:
    """The 16 bytes that stand for a question's key, and do not tell it."""
    return hashlib.sha256(b"quorate-commit:" + key).digest()[:_BYTES]


def reveals_one(reveals: Iterable[str], commit: bytes) -> bool:
    """Whether one of these keys, in base64url, is the one behind `commit`."""
    return any(commitment(unb64url(each)) == commit for each in reveals)
