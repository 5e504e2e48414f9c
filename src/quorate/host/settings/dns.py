"""The settings of DNS publication as people type them, made one text each: what is stored, shown, and read again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.inet
import dns.name

from quorate.errors import InvalidSettingError

__all__ = [
    "DOMAINS_MAX",
    "Domain",
    "ServerAddress",
    "domains_text",
    "file_text",
    "full_name",
    "parse_domains",
    "server_text",
    "target_text",
]


def target_text(text: str) -> str:
    """This host's full name, without the final dot; empty is the machine's own.

    Raises:
        ValueError: no DNS name, or one without a domain.
    """
    if not text.strip():
        return ""
    name = full_name(text).rstrip(".")
    if "." not in name:
        raise ValueError(f"{name!r} has no domain in it")
    return name


def domains_text(text: str) -> str:
    """`a.example; b.example, 10, 5`; numbers that are 0 are left out.

    Raises:
        ValueError: which entry, and why.
    """
    try:
        domains = parse_domains(text)
    except InvalidSettingError as fault:
        raise ValueError(fault.values["reason"]) from None
    return "; ".join(
        each.name.rstrip(".") + (f", {each.priority}, {each.weight}" if each.priority or each.weight else "")
        for each in domains
    )


def server_text(text: str) -> str:
    """A name server, `NAME` or `NAME:PORT`; empty is the one in the zone's SOA record.

    Raises:
        ValueError: neither name nor address.
    """
    if not text.strip():
        return ""
    try:
        return str(ServerAddress.parse(text))
    except InvalidSettingError as fault:
        raise ValueError(fault.values["reason"]) from None


def file_text(text: str) -> str:
    """The whole path of a file; empty is none. What is in the file is never stored.

    Raises:
        ValueError: a path that depends on where the host was started.
    """
    path = text.strip()
    if path and not Path(path).is_absolute():
        raise ValueError(f"{path[:100]!r} is not a whole path, and a host may be started anywhere")
    return path


def full_name(text: str) -> str:
    """A DNS name as we write it: absolute, lower case, ASCII (international names in their A-label form).

    Raises:
        ValueError: not a DNS name, with the reason.
    """
    try:
        name = dns.name.from_text(text.strip().rstrip(".") + ".")
    except (dns.exception.DNSException, UnicodeError) as fault:
        raise ValueError(f"{text!r} is not a DNS name: {fault}") from None
    if len(name.labels) < 2:
        raise ValueError("a name is missing")
    return name.to_text().lower()


DOMAINS_MAX = 32  # each costs a few exchanges with a name server, one after the other


@dataclass(frozen=True)
class Domain:
    """One domain to publish to. `name` is absolute; clients try the lowest priority first, then draw by weight."""

    name: str
    priority: int = 0
    weight: int = 0


@dataclass(frozen=True)
class ServerAddress:
    """A name server set by hand: a name or an IP address, and its port."""

    host: str
    port: int = 53

    @classmethod
    def parse(cls, text: str) -> ServerAddress:
        """`NAME`, `NAME:PORT`, `1.2.3.4:PORT`, `2001:db8::1`, `[2001:db8::1]:PORT`.

        Raises:
            InvalidSettingError: anything else.
        """
        host, port = text.strip(), "53"
        if bracketed := re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?", host):
            host, port = bracketed[1], bracketed[2] or port
        elif host.count(":") == 1:
            host, port = host.split(":")
        is_address = dns.inet.is_address(host)
        try:
            if not is_address:
                host = full_name(host)
            if not 1 <= int(port) <= 65_535:
                raise ValueError(f"{port} is not a port")
        except ValueError as fault:
            raise _invalid("dns-server", str(fault), "NAME, NAME:PORT or an IP address") from None
        return cls(host, int(port))

    def __str__(self) -> str:
        """As `parse` takes it."""
        host = self.host.rstrip(".")
        return host if self.port == 53 else f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def parse_domains(text: str) -> tuple[Domain, ...]:
    """The domains in a list such as `corp.example; lab.example, 10, 5`.

    Raises:
        InvalidSettingError: which entry, and why.
    """
    domains = []
    for entry in filter(str.strip, re.split(r"[;\n\r]+", text)):
        name, *numbers = (part.strip() for part in entry.split(","))
        if len(numbers) > 2:
            raise _invalid("dns-domains", f"{entry.strip()!r} has more than three parts", _DOMAIN_HELP)
        try:
            full = full_name(name)
        except ValueError as fault:
            raise _invalid("dns-domains", str(fault), _DOMAIN_HELP) from None
        priority, weight = (_number("dns-domains", number, 0, 65_535) for number in (*numbers, "0", "0")[:2])
        domains.append(Domain(full, priority, weight))
    _check_domains(domains)
    return tuple(domains)


_DOMAIN_HELP = "`domain` or `domain, priority, weight`, entries between semicolons or on lines of their own."


def _check_domains(domains: Sequence[Domain]) -> None:
    if len(domains) > DOMAINS_MAX or len({each.name for each in domains}) != len(domains):
        raise _invalid("dns-domains", "a domain stands twice, or there are too many", f"At most {DOMAINS_MAX}.")


def _number(name: str, text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise _invalid(name, f"{text!r} is not a whole number", f"{low}..{high}")
    _check_number(name, int(text), low, high)
    return int(text)


def _check_number(name: str, number: int, low: int, high: int) -> None:
    if not low <= number <= high:
        raise _invalid(name, f"{number} is outside {low}..{high}", f"{low}..{high}")


def _switch(name: str, text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise _invalid(name, f"{text!r} is neither on nor off", "on or off")
    return text.lower() == "on"


def _invalid(name: str, reason: str, allowed: str) -> InvalidSettingError:
    return InvalidSettingError(name=name, reason=reason, allowed=allowed)
