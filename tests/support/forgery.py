"""Tokens that no honest maker would sign: any header and payload, the signature right."""

from __future__ import annotations

import json

from quorate.core.documents import SigningKey
from quorate.core.ids import b64url
from tests.support.documents import signing_key

__all__ = ["ATTACKER", "forged"]

ATTACKER = signing_key(66)


def forged(header: dict[str, object] | bytes, payload: bytes, key: SigningKey) -> str:
    """A token of `header` and `payload`, signed by `key`."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    said = f"{b64url(head)}.{b64url(payload)}"
    return f"{said}.{b64url(key.sign_bytes(said.encode()))}"
