"""How an update is signed: not at all, with a shared secret, or with a Kerberos context."""

from __future__ import annotations

from dataclasses import dataclass

import dns.tsig

__all__ = ["Signature"]


@dataclass(frozen=True, repr=False)
class Signature:
    """What to sign with, and who that makes us.

    Attributes:
        kind: `unsigned`, `TSIG` or `GSS-TSIG`.
        who: the key's or the principal's name.
        realm: the Kerberos realm, for GSS-TSIG.
    """

    kind: str = "unsigned"
    who: str = "anybody"
    key: dns.tsig.Key | None = None
    realm: str = ""

    def __repr__(self) -> str:
        return f"Signature({self.kind} {self.who})"
