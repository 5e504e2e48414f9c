"""A KMS host to ask: its name and port, as people type it, and where it was found."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from functools import lru_cache

import msgspec

from quorate.errors import InvalidSettingError

__all__ = ["DEFAULT_PORT", "Found", "Source", "Target", "is_host_name", "split_port"]

DEFAULT_PORT = 1688  # S33

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\Z")
_ALLOWED = "NAME, NAME:PORT, 192.0.2.7:PORT or [2001:db8::7]:PORT; the port is 1688 unless said otherwise."


class Target(msgspec.Struct, frozen=True):
    """One KMS host to ask. `host` is a DNS name or an address; an IPv6 address stands without its brackets."""

    host: str
    port: int = DEFAULT_PORT

    @classmethod
    def parse(cls, text: str) -> Target:
        """What a person typed: `NAME[:PORT]`, an IPv6 address in brackets.

        Raises:
            InvalidSettingError: anything else, with the reason.
        """
        return _parsed(text)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Source(StrEnum):
    """How a host became known."""

    SET = "set"
    DNS = "dns"
    MDNS = "mdns"


class Found(msgspec.Struct, frozen=True):
    """A host to ask, and how it became known.

    Attributes:
        source: None when a record from before does not say.
        domain: the DNS domain whose SRV record names it.
        is_cached: it worked last, and was not looked for again.
        addresses: IP addresses that came with it (mDNS); empty: its name is looked up when its turn comes.
    """

    target: Target
    source: Source | None
    domain: str | None = None
    is_cached: bool = False
    addresses: tuple[str, ...] = ()


def is_host_name(text: str) -> bool:
    """Whether it can be a host's name in DNS: at most 253 characters, labels of letters, digits, `-` and `_`."""
    return 0 < len(text) <= 253 and all(_LABEL.match(label) for label in text.removesuffix(".").split("."))


def split_port(typed: str) -> tuple[str, str | None]:
    """Host and port of `HOST[:PORT]`, neither checked; None where no port stands.

    Raises:
        InvalidSettingError: brackets that are none.
    """
    if typed.startswith("["):
        host, bracket, rest = typed[1:].partition("]")
        if not bracket or ":" not in host or (rest and not rest.startswith(":")):
            raise _wrong(f"{typed[:100]!r} is no IPv6 address in brackets", "host")
        return host, rest[1:] if rest else None
    if typed.count(":") > 1:
        return typed, None  # an IPv6 address without brackets and port
    host, colon, port = typed.partition(":")
    return host, port if colon else None


@lru_cache(maxsize=64)  # an agent reads the same few names for as long as it lives
def _parsed(text: str) -> Target:
    typed = text.strip()
    if "://" in typed or "/" in typed or "@" in typed:
        raise _wrong(f"{typed[:100]!r} is an address of the web; only the name is wanted", "host")
    host, port = split_port(typed)
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise _wrong(f"{host[:100]!r} is no IP address", "host") from None
    elif not is_host_name(host):
        raise _wrong(f"{host[:100]!r} is no DNS name", "host")
    return Target(host, _port(port))


def _port(text: str | None) -> int:
    if text is None:
        return DEFAULT_PORT
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65_535:
        raise _wrong(f"{text[:20]!r} is no port (1 to 65535)", "port")
    return int(text)


def _wrong(reason: str, name: str) -> InvalidSettingError:
    return InvalidSettingError(name=name, reason=reason, allowed=_ALLOWED)
