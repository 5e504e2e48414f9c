"""The console's sessions: a random cookie for each sign-in, known here until it is signed out or its time is over.

They live in the running host's memory alone: a cookie that was signed out, or is of before a restart, is nobody's.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from quorate.clock import Clock, Entropy
from quorate.core.ids import b64url
from quorate.core.policy import HOUR_S

__all__ = ["SESSIONS_MAX", "SESSION_S", "Session", "Sessions"]

SESSION_S: Final = 12 * HOUR_S
SESSIONS_MAX: Final = 1024  # a hundred browsers of ten administrators; beyond, the oldest one has to sign in again
_SECRET_BYTES: Final = 32
_COOKIE_CHARACTERS: Final = 43


@dataclass(frozen=True)
class Session:
    """One sign-in: with which token (its name, and what the book keeps of it), and when by monotonic time."""

    name: str
    sha256: str
    since_s: float


class Sessions:
    """From one thread. Of a cookie only its hash is kept."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._open: OrderedDict[bytes, Session] = OrderedDict()

    def open(self, name: str, sha256: str) -> str:
        """Begin one; its cookie."""
        cookie = b64url(self._entropy.token(_SECRET_BYTES))
        self._open[_hash(cookie)] = Session(name, sha256, self._clock.monotonic_s())
        while len(self._open) > SESSIONS_MAX:
            self._open.popitem(last=False)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """Whose it is, while it is good."""
        if len(cookie) != _COOKIE_CHARACTERS:
            return None
        found = self._open.get(_hash(cookie))
        if found is not None and self._clock.monotonic_s() - found.since_s >= SESSION_S:
            self.close(cookie)
            return None
        return found

    def close(self, cookie: str) -> None:
        """It is good no more."""
        self._open.pop(_hash(cookie), None)


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).digest()
