"""Networks as people type them, and which of them an address belongs to."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

__all__ = [
    "NETWORKS_MAX",
    "Network",
    "is_among",
    "is_loopback",
    "networks_in",
    "networks_text",
    "source_of",
]

NETWORKS_MAX = 256

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks_text(text: str) -> str:
    """`10.0.0.0/8, 2001:db8::/32` in one form; empty is everybody.

    Raises:
        ValueError: which entry is none, or too many of them.
    """
    return ", ".join(str(network) for network in networks_in(text))


def networks_in(text: str) -> tuple[Network, ...]:
    """The networks of such a text; raises as `networks_text`."""
    words = text.replace(";", ",").replace(",", " ").split()
    if len(words) > NETWORKS_MAX:
        raise ValueError(f"they are more than {NETWORKS_MAX}")
    found = []
    for word in words:
        try:
            found.append(ipaddress.ip_network(word))
        except ValueError as fault:
            shown = "".join(c if c.isprintable() else "?" for c in word)[:60]
            if "host bits" in str(fault):
                raise ValueError(f"{shown} is an address with a length; its network is {_meant(word)}") from None
            raise ValueError(f"{shown} is no network such as 10.0.0.0/8") from None
    return tuple(found)


def is_among(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether `address` is in one of them. What is no address is in none."""
    ip = _ip(address)
    return ip is not None and any(ip in network for network in networks)


@lru_cache(maxsize=4096)
def source_of(address: str) -> str | None:
    """Whom questions from `address` are counted for: an IPv4 address, of IPv6 the /64, as everybody has as many
    addresses in it as he likes. None for this machine itself."""
    ip = _ip(address)
    if ip is None:
        return "unknown"
    if ip.is_loopback:
        return None
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return ip if ip.version == 4 else ip.ipv4_mapped or ip


def _meant(word: str) -> str:
    return str(ipaddress.ip_network(word, strict=False))


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach it, or it is this machine that asks from it."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback
