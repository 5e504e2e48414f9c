"""In which DNS domains to look: the one set by hand, else this machine's own and then each suffix of its search list.

The search list gives candidates only. It is never left to a resolver to append suffixes: resolvers ask for the bare
name too, which leaks it to the root servers, and stop at the first suffix that exists without the record.
"""

from __future__ import annotations

import re
import socket
from functools import lru_cache
from pathlib import Path

import msgspec

from quorate.client.discovery.target import is_host_name
from quorate.errors import InvalidSettingError

__all__ = ["DOMAINS_MAX", "Domain", "machine_domains", "own_name", "parse_domain"]

DOMAINS_MAX = 8  # asked in one attempt, 3 s each
_DOMAIN_MAX = 230  # a service label and dots fit before it, within the 253 characters of a name
# Of one label: never in DNS, whatever a search list says (RFC 6761, RFC 6762, RFC 7686, and what installers leave).
_NOWHERE = {"localhost", "localdomain", "local", "invalid", "onion", "arpa"}
_HOSTS = Path("/etc/hosts")
_HOSTS_BYTES_MAX = 1024 * 1024


class Domain(msgspec.Struct, frozen=True):
    """One domain to look in, without its final dot, and why this one."""

    name: str
    why: str


def parse_domain(text: str) -> str:
    """A DNS domain as a person typed it, in lower case and without the final dot.

    Raises:
        InvalidSettingError: it is none.
    """
    typed = text.strip()
    domain = typed.removesuffix(".").lower()
    reason = None
    if domain.startswith("_"):
        reason = "begins with a service label, which the product file brings"
    elif not is_host_name(domain) or len(domain) > _DOMAIN_MAX or re.fullmatch(r"[0-9.]+", domain):
        reason = "is no DNS domain"
    if reason is not None:
        allowed = "A name such as corp.example."
        raise InvalidSettingError(name="domain", reason=f"{typed[:100]!r} {reason}", allowed=allowed)
    return domain


@lru_cache(maxsize=16)  # they change when the machine goes to another network
def machine_domains(name: str, domain: str, search: tuple[str, ...]) -> tuple[Domain, ...]:
    """The machine's own domain first, then its search list, each once, at most `DOMAINS_MAX`.

    Args:
        name: the machine's name; its domain is what stands behind the first dot.
        domain: the domain that the resolver's settings name as this machine's own.
        search: suffixes, in order.
    """
    own, suffix = "this machine's own domain", "from the DNS search list"
    asked = [(name.rstrip(".").partition(".")[2], own), (domain, own), *((each, suffix) for each in search)]
    found: dict[str, Domain] = {}
    for each, why in asked:
        try:
            clean = parse_domain(each)
        except InvalidSettingError:
            continue
        if clean not in _NOWHERE:
            found.setdefault(clean, Domain(clean, why))
    return tuple(found.values())[:DOMAINS_MAX]


def own_name() -> str:
    """This machine's full name as far as the machine itself knows it. No name server is asked, so nothing waits."""
    name = socket.gethostname()
    return name if "." in name else full_name_in(_hosts(), name)


def full_name_in(hosts: str, name: str) -> str:
    """The full name that `/etc/hosts` gives a machine called `name`, or `name` again."""
    bare = name.lower()  # names have no case (RFC 4343): `WS01` stands there as `ws01`
    for line in hosts.splitlines():
        names = line.partition("#")[0].lower().split()[1:]
        if bare in names:
            return next((each for each in names if each.startswith(f"{bare}.")), name)
    return name


def _hosts() -> str:
    try:
        with _HOSTS.open("rb") as file:
            return file.read(_HOSTS_BYTES_MAX).decode("utf-8", "replace")
    except OSError:
        return ""
