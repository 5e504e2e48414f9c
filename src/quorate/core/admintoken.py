"""A token of administration: 256 random bits as text, with a prefix to know it by and a check for its being whole.

What a host keeps is its SHA-256. A slow hash (scrypt, Argon2) makes guessing expensive where people choose the secret;
nobody guesses one of 2^256, so it would only make every request expensive.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Final

from quorate.core.ids import b64url
from quorate.errors import TokenDamagedError

__all__ = ["PREFIX", "SECRET_BYTES", "TOKEN_CHARACTERS", "Scope", "check_token", "token_hash", "token_text"]

PREFIX: Final = "qadm_"  # for people, and for programs that look for secrets where none belong
SECRET_BYTES: Final = 32
_CHECK_CHARACTERS: Final = 6  # 36 bits: a changed or lost character passes once in 69 thousand millions
TOKEN_CHARACTERS: Final = len(PREFIX) + 43 + _CHECK_CHARACTERS


class Scope(StrEnum):
    """What a token lets its holder do: look, or change as well."""

    READ = "read"
    OPERATE = "operate"

    def includes(self, needed: Scope) -> bool:
        """Whether this is enough for what needs `needed`."""
        return self is Scope.OPERATE or needed is Scope.READ


def token_text(secret: bytes) -> str:
    """The token as it is printed once; `secret` are 32 random bytes."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a token has {SECRET_BYTES} secret bytes, not {len(secret)}")
    body = PREFIX + b64url(secret)
    return body + _check_of(body)


def check_token(text: str) -> None:
    """That `text` is a whole token, if it begins like one; what begins otherwise is of another kind and passes.

    Raises:
        TokenDamagedError: it was cut off, or a character is another one.
    """
    if not text.startswith(PREFIX):
        return
    if len(text) != TOKEN_CHARACTERS:
        side = "cut off" if len(text) < TOKEN_CHARACTERS else "too long"
        raise TokenDamagedError(reason=f"it is {side}, with {len(text)} of {TOKEN_CHARACTERS} characters")
    if _check_of(text[:-_CHECK_CHARACTERS]) != text[-_CHECK_CHARACTERS:]:
        raise TokenDamagedError(reason="a character in it is not what it was")


def token_hash(text: str) -> str:
    """What is kept of a token: 64 hexadecimal digits, by which it is known again."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _check_of(body: str) -> str:
    return b64url(hashlib.sha256(body.encode("utf-8", "replace")).digest())[:_CHECK_CHARACTERS]
