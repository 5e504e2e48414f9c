"""This machine as DNS publication meets it: its full name, its resolver, its key in a Kerberos domain."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dns.exception

from quorate.clock import Clock
from quorate.host.publication.locate import Names
from quorate.resolver import machine_resolver

__all__ = ["MACHINE_KEYTAB", "Surroundings", "full_machine_name", "qualified"]

MACHINE_KEYTAB = Path("/etc/krb5.keytab")


@dataclass(frozen=True)
class Surroundings:
    """What publication needs from the machine it runs on.

    Attributes:
        names: how to ask name servers.
        machine: this machine's full name, asked for when it is needed; may take the resolver's time.
        keytab: the machine's own key, used where it can be read.
    """

    names: Names
    machine: Callable[[], str]
    keytab: Path = MACHINE_KEYTAB

    @classmethod
    def of_this_machine(cls, clock: Clock) -> Surroundings:
        """As the operating system has them."""
        return cls(Names(machine_resolver, clock), full_machine_name)

    @property
    def machine_keytab(self) -> Path | None:
        """The machine's keytab, if this process may read it."""
        return self.keytab if os.access(self.keytab, os.R_OK) else None


def full_machine_name() -> str:
    """This machine's name with its domain, or its bare name where it has none. May take the resolver's time."""
    name = socket.gethostname()
    return qualified(name, _canonical, _suffixes)


def qualified(name: str, canonical: Callable[[str], str], suffixes: Callable[[], list[str]]) -> str:
    """`name` with a domain: its own, or that of its canonical name, or the first suffix of the resolver.

    A suffix is only a guess. It does no harm, as nothing is published for a name without an address in DNS.
    """
    bare = name.strip().rstrip(".")
    if "." in bare or bare.lower() in ("", "localhost"):
        return bare
    full = canonical(bare).rstrip(".")
    if full.lower().startswith(f"{bare.lower()}."):
        return full
    return next((f"{bare}.{suffix}" for suffix in suffixes()), bare)


def _canonical(name: str) -> str:
    try:
        found = socket.getaddrinfo(name, None, flags=socket.AI_CANONNAME)
    except (OSError, UnicodeError):
        return ""
    return next((canonical for _, _, _, canonical, _ in found if canonical), "")


def _suffixes() -> list[str]:
    try:
        resolver = machine_resolver()
    except dns.exception.DNSException:  # this machine has no DNS settings
        return []
    found = [*resolver.search, resolver.domain]
    return [suffix for each in found if (suffix := each.to_text(True)) not in ("", "@", ".")]
