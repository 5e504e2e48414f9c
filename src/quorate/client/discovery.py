"""Which KMS hosts to ask, in order: the host that was set by hand; otherwise the one that worked last.

Finding hosts through DNS SRV records comes here: it puts its targets behind the cached one.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from quorate.errors import DnsNameDoesNotExistError, InvalidSettingError

__all__ = ["DEFAULT_PORT", "TARGETS_MAX", "Target", "targets"]

DEFAULT_PORT = 1688  # S33
TARGETS_MAX = 8  # asked in one attempt; with 15 s each, two minutes at the worst

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\Z")
_ALLOWED = "NAME, NAME:PORT, 192.0.2.7:PORT or [2001:db8::7]:PORT; the port is 1688 unless said otherwise."


@dataclass(frozen=True)
class Target:
    """One KMS host to ask. `host` is a DNS name or an address; an IPv6 address stands without its brackets."""

    host: str
    port: int = DEFAULT_PORT

    @classmethod
    def parse(cls, text: str) -> Target:
        """What a person typed: `NAME[:PORT]`, an IPv6 address in brackets.

        Raises:
            InvalidSettingError: anything else, with the reason.
        """
        typed = text.strip()
        if "://" in typed or "/" in typed or "@" in typed:
            raise _wrong(f"{typed[:100]!r} is an address of the web; only the name is wanted", "host")
        host, port = _split(typed)
        if ":" in host or re.fullmatch(r"[0-9.]+", host):
            try:
                ipaddress.ip_address(host)
            except ValueError:
                raise _wrong(f"{host[:100]!r} is no IP address", "host") from None
        elif len(host) > 253 or not all(_LABEL.match(label) for label in host.removesuffix(".").split(".")):
            raise _wrong(f"{host[:100]!r} is no DNS name", "host")
        return cls(host, _port(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def targets(host: Target | None, cached: Target | None) -> list[Target]:
    """Whom to ask, in order; at least one, at most `TARGETS_MAX`. A host set by hand is the only one asked.

    Raises:
        DnsNameDoesNotExistError: nobody is known (S27).
    """
    if host is not None:
        return [host]
    if cached is not None:
        return [cached]
    raise DnsNameDoesNotExistError(reason="no host was set")


def _split(typed: str) -> tuple[str, str | None]:
    if typed.startswith("["):
        host, bracket, rest = typed[1:].partition("]")
        if not bracket or ":" not in host or (rest and not rest.startswith(":")):
            raise _wrong(f"{typed[:100]!r} is no IPv6 address in brackets", "host")
        return host, rest[1:] if rest else None
    if typed.count(":") > 1:
        return typed, None  # an IPv6 address without brackets and port
    host, colon, port = typed.partition(":")
    return host, port if colon else None


def _port(text: str | None) -> int:
    if text is None:
        return DEFAULT_PORT
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65_535:
        raise _wrong(f"{text[:20]!r} is no port (1 to 65535)", "port")
    return int(text)


def _wrong(reason: str, name: str) -> InvalidSettingError:
    return InvalidSettingError(name=name, reason=reason, allowed=_ALLOWED)
