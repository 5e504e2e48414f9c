"""Questions to DNS, always with absolute names and always with an end: SRV records of a domain, addresses of a target.

The machine's resolver is opened anew for each attempt: an agent lives for months, networks come and go.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.rdtypes.IN.SRV
import dns.resolver
import msgspec

from quorate.client.discovery.domains import Domain, machine_domains
from quorate.client.discovery.network import Network
from quorate.client.discovery.target import Target
from quorate.errors import HostUnreachableError, InvalidSettingError
from quorate.resolver import MachineResolver, NoNameServerError, why_failed

__all__ = ["DOMAIN_S", "Names", "Result", "SrvAnswer", "SrvRecord"]

DOMAIN_S = 3.0  # for one domain, with all its name servers
ADDRESSES_MAX = 4  # of one target, tried one after the other
RECORDS_MAX = 256  # of one domain; what is beyond was not meant for us
_TRY_S = 1.0  # for one name server, so that three get their turn within DOMAIN_S
_STUB = "127.0.0.53"  # systemd-resolved, which answers for nothing below .local unless it is told to


class Result(StrEnum):
    """What DNS said of one domain."""

    FOUND = "found"
    NOT_OFFERED = "not_offered"  # target ".": decidedly not here (RFC 2782)
    NO_SUCH_NAME = "no_such_name"
    NO_RECORDS = "no_records"
    FAILED = "failed"


class SrvRecord(msgspec.Struct, frozen=True):
    """One host that the domain names."""

    target: Target
    priority: int
    weight: int


class SrvAnswer(msgspec.Struct, frozen=True):
    """What came of one SRV query.

    Attributes:
        name: what was asked for, with its final dot.
        server: who answered; empty when nobody did.
        reason: why there are no records; or what was left out of them.
        detour: what was in the way first, when other servers than the machine's were asked.
    """

    name: str
    result: Result
    records: tuple[SrvRecord, ...] = ()
    server: str = ""
    reason: str = ""
    detour: str = ""


class Names:
    """DNS as this machine sees it now."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._resolver: dns.resolver.Resolver | None = None
        self._no_resolver = "this machine has no name server set"
        try:
            self._resolver = _bounded(network.open_resolver())
        except NoNameServerError as fault:
            self._no_resolver = str(fault)
        except (dns.exception.DNSException, OSError, ValueError):
            pass

    @property
    def passed_over(self) -> tuple[str, ...]:
        """The lines of this machine's DNS settings that are of no use, each with its reason."""
        return self._resolver.passed_over if isinstance(self._resolver, MachineResolver) else ()

    def domains(self) -> tuple[Domain, ...]:
        """Where to look when no domain was set by hand."""
        if self._resolver is None:
            return machine_domains(self._network.own_name(), "", ())
        search = tuple(_text(each.labels) for each in self._resolver.search)
        return machine_domains(self._network.own_name(), _text(self._resolver.domain.labels), search)

    def services(self, service: str, domain: str) -> SrvAnswer:
        """The SRV records of `service` in `domain`; takes at most twice `DOMAIN_S`. Never raises for DNS."""
        name = f"{service}.{domain}."
        detour = ""
        try:
            answer, detour = self._ask(_named(name), "SRV")
        except dns.resolver.NXDOMAIN:
            return SrvAnswer(name, Result.NO_SUCH_NAME, reason="the name does not exist")
        except dns.resolver.NoAnswer as nothing:
            response: dns.message.Message = nothing.kwargs["response"]
            if not response.flags & (dns.flags.AA | dns.flags.RA):
                # Neither its own knowledge nor somebody else's: a server that was named for a zone it does not hold.
                return SrvAnswer(name, Result.FAILED, reason="the name server refers elsewhere (lame)")
            return SrvAnswer(name, Result.NO_RECORDS, reason="the name exists, without an SRV record")
        except _FailedError as fault:
            return SrvAnswer(name, Result.FAILED, reason=str(fault))
        return _read(name, answer, detour)

    def addresses(self, target: Target) -> tuple[str, ...]:
        """The IP addresses of a target that DNS named, IPv4 first, at most `ADDRESSES_MAX`.

        Where DNS has none, the operating system is asked: the name may stand in the hosts file.

        Raises:
            HostUnreachableError: it has none, or it could not be found out.
        """
        name = _host_name(target.host)
        if name is None:
            return (target.host,)
        found: list[str] = []
        reasons: list[str] = []
        for kind in ("A", "AAAA"):
            try:
                answer, _ = self._ask(name, kind)
            except dns.resolver.NXDOMAIN:
                # Some servers say so of a name that has an address of the other family only.
                reasons.append("its name does not exist in DNS")
            except dns.resolver.NoAnswer:
                reasons.append("its name has no address in DNS")
            except _FailedError as fault:
                reasons.append(f"its address could not be looked up: {fault}")
            else:
                found += [str(each.address) for each in answer][: ADDRESSES_MAX // 2]
        if not found:
            found += self._network.system_addresses(target.host.rstrip("."))[:ADDRESSES_MAX]
        if not found:
            raise HostUnreachableError(tried=f"{target}: {max(reasons, key=_telling)}", port=target.port)
        return tuple(found)

    def _ask(self, name: dns.name.Name, kind: str) -> tuple[dns.resolver.Answer, str]:
        """The answer, and what made a detour necessary.

        Raises:
            dns.resolver.NXDOMAIN, dns.resolver.NoAnswer: there is none.
            _FailedError: no name server said anything of use.
        """
        if self._resolver is None:
            raise _FailedError(self._no_resolver)
        try:
            return _resolve(self._resolver, name, kind), ""
        except _FailedError as fault:
            if _STUB not in self._resolver.nameservers or not name.is_subdomain(dns.name.from_text("local.")):
                raise
            try:
                upstream = _bounded(self._network.open_upstream())
            except (dns.exception.DNSException, OSError, ValueError):
                raise fault from None
            upstream.port = self._resolver.port
            detour = f"{fault} (systemd-resolved does not pass on names below .local; asked the servers behind it)"
            return _resolve(upstream, name, kind), detour


@lru_cache(maxsize=64)  # an agent asks for the same few names for as long as it lives
def _named(text: str) -> dns.name.Name:
    return dns.name.from_text(text)


# By its labels, here and below: dnspython's own names are slow to hash and to compare.
@lru_cache(maxsize=64)
def _text(labels: tuple[bytes, ...]) -> str:
    return dns.name.Name(labels).to_text(omit_final_dot=True)


@lru_cache(maxsize=64)
def _target(labels: tuple[bytes, ...], port: int) -> Target:
    return Target.parse(f"{_text(labels).lower()}:{port}")


@lru_cache(maxsize=64)
def _host_name(host: str) -> dns.name.Name | None:
    """The name to look up; None for an address."""
    return None if dns.inet.is_address(host) else _named(host.rstrip(".") + ".")


def _telling(reason: str) -> int:
    """A server that failed says more than one that knows no address, and that more than a name that is not there."""
    return ("does not exist" not in reason) + 2 * ("could not be looked up" in reason)


class _FailedError(Exception):
    """DNS failed, in one sentence: who did not answer, or with what."""


def _bounded(resolver: dns.resolver.Resolver) -> dns.resolver.Resolver:
    resolver.timeout, resolver.lifetime = _TRY_S, DOMAIN_S
    return resolver


def _resolve(resolver: dns.resolver.Resolver, name: dns.name.Name, kind: str) -> dns.resolver.Answer:
    try:
        return resolver.resolve(name, kind, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        raise
    except (dns.exception.DNSException, OSError, ValueError) as fault:  # silence, a name too long with the label, ...
        raise _FailedError(why_failed(fault, DOMAIN_S)) from None


def _read(name: str, answer: dns.resolver.Answer, detour: str) -> SrvAnswer:
    records: dict[Target, SrvRecord] = {}
    left_out: list[str] = []
    is_dot = False
    for each in list(answer)[:RECORDS_MAX]:
        if not isinstance(each, dns.rdtypes.IN.SRV.SRV):
            continue
        if each.target.labels == dns.name.root.labels:
            is_dot = True
            continue
        try:
            target = _target(each.target.labels, each.port)
        except InvalidSettingError as fault:
            left_out.append(str(fault.values["reason"]))
            continue
        records.setdefault(target, SrvRecord(target, each.priority, each.weight))
    server = str(answer.nameserver or "")
    if records:
        reason = f"left out: {'; '.join(left_out)}"[:500] if left_out else ""
        return SrvAnswer(name, Result.FOUND, tuple(records.values()), server, reason, detour)
    if is_dot:
        reason = 'its record says ".": decidedly no KMS host in this domain'
        return SrvAnswer(name, Result.NOT_OFFERED, (), server, reason, detour)
    return SrvAnswer(name, Result.FAILED, (), server, f"no record names a host: {'; '.join(left_out)}"[:500], detour)
