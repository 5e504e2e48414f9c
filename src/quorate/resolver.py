"""This machine's DNS settings, read as its own resolver reads them: a line that is of no use is passed over, and told.

A library that refuses all of `/etc/resolv.conf` for one slip of a pen would take DNS away from a machine whose every
other program resolves names. So what reaches dnspython has been looked at before.
"""

from __future__ import annotations

import contextlib
import io
import re
import socket
import sys
from pathlib import Path
from typing import Any, Final

import dns.exception
import dns.inet
import dns.message
import dns.name
import dns.rcode
import dns.resolver
import dns.tsig

__all__ = [
    "RESOLV_CONF",
    "MachineResolver",
    "NoNameServerError",
    "machine_resolver",
    "read_resolver",
    "why_failed",
]

RESOLV_CONF: Final = Path("/etc/resolv.conf")
BYTES_MAX: Final = 64 * 1024
SERVERS_MAX: Final = 8  # the system's own resolver asks three
SUFFIXES_MAX: Final = 32
TOLD_MAX: Final = 8  # lines that are named; there is no use in more
TRY_S: Final = (1.0, 30.0)  # what a resolver makes of `options timeout:` (glibc's bounds)
_KEYWORDS: Final = frozenset({"domain", "search", "options", "sortlist", "lookup", "family", "interface", "port"})
_DNSPYTHONS_NAME = re.compile(r"^Do53:(.*)@\d+$")  # of a plain name server: protocol, address, port


class NoNameServerError(dns.resolver.NoResolverConfiguration):
    """This machine's settings name no name server; the words say what they name instead."""


class MachineResolver(dns.resolver.Resolver):
    """A resolver that no setting of this machine keeps from being made.

    Attributes:
        passed_over: the lines that were of no use, each with its reason.
    """

    passed_over: tuple[str, ...] = ()

    def reset(self) -> None:
        try:
            super().reset()
        except (dns.exception.DNSException, ValueError):
            # The library takes the domain from the host's name before anything else, and that name is one which DNS
            # cannot hold: Linux allows 64 letters, a label has 63.
            self.domain = dns.name.root
            self._nameservers = []
            self.nameserver_ports = {}
            self.port, self.search, self.use_search_by_default = 53, [], False
            self.timeout, self.lifetime = 2.0, 5.0
            self.keyring = self.keyname = None
            self.keyalgorithm = dns.tsig.default_algorithm
            self.edns, self.ednsflags, self.ednsoptions, self.payload = -1, 0, None, 0
            self.cache = self.flags = self.ndots = None
            self.retry_servfail = self.rotate = False


def machine_resolver(path: Path = RESOLV_CONF, *, servers: tuple[str, ...] = (), port: int = 53) -> MachineResolver:
    """The resolver that this machine has set, opened anew: networks come and go.

    Args:
        servers: IP addresses to ask instead of the machine's; its domain and search list count all the same.
        port: of those.

    Raises:
        NoNameServerError: nothing names a server; its words say why.
    """
    if sys.platform == "win32":
        resolver = _from_the_registry()
    else:
        try:
            with path.open("rb") as file:
                resolver = read_resolver(file.read(BYTES_MAX), str(path))
        except OSError as fault:
            resolver = read_resolver(b"", str(path))
            resolver.passed_over = (f"{path}: {(fault.strerror or type(fault).__name__).lower()}",)
    if servers:
        resolver.nameservers = list(servers)
        resolver.port = port
    if not resolver.nameservers:
        why = f" ({'; '.join(resolver.passed_over)})" if resolver.passed_over else ""
        nothing_set: Any = NoNameServerError  # dnspython's errors have no types
        raise nothing_set(f"this machine has no name server set{why}")
    return resolver


def read_resolver(data: bytes, where: str) -> MachineResolver:
    """What a file in the form of `resolv.conf` says, as far as it is of use; perhaps no server at all."""
    lines, passed_over = _readable(data, where)
    resolver = MachineResolver(configure=False)
    with contextlib.suppress(dns.resolver.NoResolverConfiguration):
        resolver.read_resolv_conf(io.StringIO(lines))
    resolver.timeout = min(max(resolver.timeout, TRY_S[0]), TRY_S[1])
    resolver.passed_over = passed_over
    return resolver


def why_failed(fault: BaseException, patience_s: float) -> str:
    """What each name server last did, once each: `127.0.0.1 answered SERVFAIL`. For any error of dnspython's resolver.

    Args:
        patience_s: how long all of them together were waited for.
    """
    errors = getattr(fault, "kwargs", {}).get("errors") or ()
    said: dict[str, str] = {}
    for server, is_tcp, port, reason, response in errors:
        address = _DNSPYTHONS_NAME.sub(r"\1", str(getattr(server, "address", server)))
        place = address if port == 53 else f"{address}:{port}"
        if response is not None and response.rcode() != dns.rcode.NOERROR:
            words = f"answered {dns.rcode.to_text(response.rcode())}"
        elif isinstance(reason, dns.message.Truncated):
            # The whole answer is asked for by TCP next; what becomes of that comes after this in the list, or never.
            words = said.get(place) or f"answered in part, and nobody answered at its TCP port {port} in time"
        elif is_tcp:
            words = f"answers in part by UDP; its whole answer needs TCP port {port}, which {_at_tcp(reason)}"
        elif isinstance(reason, dns.exception.Timeout):
            words = f"did not answer within {patience_s:.0f} s"
        else:
            words = _plain(reason)
        said[place] = words
    if said:
        return ", ".join(f"{server} {words}" for server, words in said.items())
    if isinstance(fault, dns.resolver.LifetimeTimeout):
        return f"no answer within {patience_s:.0f} s"
    if isinstance(fault, dns.resolver.NoNameservers):
        return "no name server is of use"
    return str(fault).rstrip(": ") or type(fault).__name__


# --- inside ----------------------------------------------------------------------------------------------------------


def _readable(data: bytes, where: str = str(RESOLV_CONF)) -> tuple[str, tuple[str, ...]]:
    """The lines that are of use, fit for the library; and those that are not, each with its reason."""
    kept: list[str] = []
    told: list[str] = []
    servers = 0
    for number, line in enumerate(data[:BYTES_MAX].decode("utf-8", "replace").split("\n"), start=1):
        words = line.split()
        if not words or words[0][0] in "#;":
            continue
        flaw = ""
        if words[0] == "nameserver":
            address = _address(words[1]) if len(words) > 1 else None
            if address is None:
                flaw = f"{_shown(words[1:2])} is no IP address of a name server"
            elif servers < SERVERS_MAX:
                servers += 1
                kept.append(f"nameserver {address}")
        elif words[0] in ("search", "domain"):
            good = [each for each in words[1 : 1 + SUFFIXES_MAX] if _is_name(each)]
            bad = [each for each in words[1:] if not _is_name(each)]
            if good or not bad:
                kept.append(" ".join([words[0], *good]))
            if bad:
                flaw = f"{_shown(bad)} is no DNS domain"
        elif words[0] in _KEYWORDS:
            kept.append(line)
        else:
            flaw = f"{_shown(words[:1])} is no setting"
        if flaw and len(told) < TOLD_MAX:
            told.append(f"{where} line {number} is passed over: {flaw}")
    return "\n".join(kept), tuple(told)


def _from_the_registry() -> MachineResolver:
    try:
        return MachineResolver()
    except (dns.exception.DNSException, OSError, ValueError):
        return MachineResolver(configure=False)


def _address(text: str) -> str | None:
    """An IP address as the library wants it; the short forms that the system's resolver takes are written out."""
    if dns.inet.is_address(text):
        return text
    with contextlib.suppress(OSError, ValueError):
        return socket.inet_ntoa(socket.inet_aton(text))
    return None


def _is_name(text: str) -> bool:
    try:
        dns.name.from_text(text)
    except (dns.exception.DNSException, ValueError):
        return False
    return True


def _shown(words: list[str]) -> str:
    """What stands there, in quotes, short and harmless; `nothing` where nothing stands."""
    text = " ".join(words)[:60]
    return "'" + "".join(c if c.isprintable() else "?" for c in text) + "'" if words else "nothing"


def _at_tcp(reason: object) -> str:
    if isinstance(reason, ConnectionRefusedError):
        return "refused"
    if isinstance(reason, dns.exception.Timeout):
        return "did not answer"
    return _plain(reason)


def _plain(reason: object) -> str:
    """`cannot be reached (network is unreachable)`, without the operating system's number."""
    if isinstance(reason, OSError) and reason.strerror:
        return f"cannot be reached ({reason.strerror.lower()})"
    return str(reason) or type(reason).__name__
