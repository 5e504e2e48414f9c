"""Which server takes the update of a name, and what it shows there: everything that is only asked, never changed.

The server comes from the zone's SOA record (or is set by hand), never from `resolv.conf`: what stands there is usually
a resolver that takes no updates. It is asked for the zone once more itself, so that a resolver, a secondary or a
parent zone's server is recognised before anything is sent to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rdtypes.IN.SRV
import dns.resolver

from quorate.clock import Clock
from quorate.errors import (
    DnsNotPrimaryError,
    DnsServerFailureError,
    DnsServerUnreachableError,
    DnsTargetIsAliasError,
    DnsTargetNoAddressError,
    DnsZoneNotFoundError,
)
from quorate.host.publication.exchange import Reply, Wire, exchange, read_reply
from quorate.host.publication.record import SrvRecord
from quorate.host.publication.settings import ServerAddress
from quorate.resolver import MachineResolver, why_failed

__all__ = ["Names", "Primary"]

ADDRESSES_MAX = 4  # of one server, tried one after the other
LABELS_MAX = 10  # climbed in search of the zone


@dataclass(frozen=True)
class Primary:
    """A server that takes updates of a zone.

    Attributes:
        server: its name (or address, when it was set so), without the final dot.
        mname: the primary's name in the zone's SOA record, as this server shows it.
        address: IP address and port.
    """

    zone: str
    server: str
    mname: str
    address: tuple[str, int]

    @property
    def service_host(self) -> str:
        """The name in its Kerberos principal `DNS/…`: each domain controller names itself in the SOA record."""
        return self.mname if dns.inet.is_address(self.server) else self.server


class Names:
    """Questions to the resolver and to single name servers, each with a bound in time.

    Args:
        resolver: how this machine resolves names; or what makes one, called for each question, so that a host that
            was started before its network, or moved to another, follows the machine's DNS settings.
        port: of name servers that are found by their SOA record.
        timeout_s: for one exchange with one server; finding a zone may take twice that.
    """

    def __init__(
        self,
        resolver: dns.resolver.Resolver | Callable[[], dns.resolver.Resolver],
        clock: Clock,
        *,
        port: int = 53,
        timeout_s: float = 5.0,
    ) -> None:
        self._source = resolver
        self._clock = clock
        self._port = port
        self._timeout_s = timeout_s

    def locate(self, name: str, override: ServerAddress | None = None) -> Primary:
        """The server to send an update of `name` to.

        Raises:
            DnsZoneNotFoundError, DnsServerUnreachableError, DnsNotPrimaryError
        """
        if override is not None:
            server, port = override.host.rstrip("."), override.port
        else:
            server, port = self._soa_server(name), self._port
        tried = []
        for address in self._server_addresses(server):
            try:
                zone, mname = self._zone_at((address, port), name, server)
            except DnsServerUnreachableError as silent:
                tried.append(str(silent.values["tried"]))
            else:
                return Primary(zone, server, mname, (address, port))
        raise DnsServerUnreachableError(server=server, tried="; ".join(tried))

    def ask(self, address: tuple[str, int], question: Wire, server: str) -> Reply:
        """One exchange.

        Raises:
            DnsServerUnreachableError
        """
        return read_reply(self.send(address, question.data), question, server=server)

    def send(self, address: tuple[str, int], data: bytes) -> bytes:
        """One exchange, the reply's bytes as they are.

        Raises:
            DnsServerUnreachableError
        """
        return exchange(address, data, clock=self._clock, timeout_s=self._timeout_s)

    def shown_by(self, primary: Primary, name: str) -> tuple[SrvRecord, ...] | None:
        """The SRV records of `name` at that server, asked by TCP; None when it does not tell (it refuses questions)."""
        try:
            reply = self.ask(primary.address, _question(name, "SRV"), primary.server)
        except DnsServerUnreachableError:
            return None
        if reply.rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return None
        return _records(reply.message, name)

    def is_own(self, primary: Primary, host: str) -> bool | None:
        """Whether `host` is the machine at the primary's address; None when that cannot be found out."""
        try:
            return primary.address[0] in self._resolver().resolve_name(host, lifetime=2 * self._timeout_s).addresses()
        except dns.exception.DNSException:
            return None

    def check_target(self, target: str) -> tuple[str, ...]:
        """The IP addresses of an SRV target, after checking what RFC 2782 demands of it.

        Raises:
            DnsTargetNoAddressError, DnsTargetIsAliasError: clients would not get there.
            DnsServerFailureError: it could not be found out; that proves nothing against the target.
        """
        shown = target.rstrip(".")
        found: list[str] = []
        reason = "no A and no AAAA record"
        for kind in ("A", "AAAA"):
            try:
                answer = self._resolver().resolve(target, kind, lifetime=2 * self._timeout_s, search=False)
            except dns.resolver.NXDOMAIN:
                reason = "the name does not exist"
                continue
            except dns.resolver.NoAnswer as nothing:
                self._check_no_alias(target, nothing.kwargs["response"])
                continue
            except dns.exception.DNSException as fault:
                raise DnsServerFailureError(reason=why_failed(fault, 2 * self._timeout_s)) from None
            if answer.canonical_name != answer.qname:
                raise DnsTargetIsAliasError(target=shown, canonical=answer.canonical_name.to_text(True))
            found += [str(each.address) for each in answer]
        if not found:
            raise DnsTargetNoAddressError(target=shown, reason=reason)
        return tuple(found)

    def records(self, name: str) -> tuple[SrvRecord, ...]:
        """The SRV records that clients of this machine's resolver see; none when there are none.

        Raises:
            DnsServerFailureError: it could not be found out.
        """
        try:
            answer = self._resolver().resolve(name, "SRV", lifetime=2 * self._timeout_s, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except dns.exception.DNSException as fault:
            raise DnsServerFailureError(reason=why_failed(fault, 2 * self._timeout_s)) from None
        return _records(answer.response, name)

    def passed_over(self) -> tuple[str, ...]:
        """The lines of this machine's DNS settings that are of no use, each with its reason."""
        try:
            resolver = self._resolver()
        except dns.exception.DNSException:  # told by every question
            return ()
        return resolver.passed_over if isinstance(resolver, MachineResolver) else ()

    def _resolver(self) -> dns.resolver.Resolver:
        return self._source if isinstance(self._source, dns.resolver.Resolver) else self._source()

    def _soa_server(self, name: str) -> str:
        owner = dns.name.from_text(name)
        domain = dns.name.Name(owner.labels[2:])
        lifetime = 2 * self._timeout_s
        try:
            zone = dns.resolver.zone_for_name(owner, resolver=self._resolver(), lifetime=lifetime)
            if len(zone) <= 2 and zone != domain:
                # The root, or a top level domain: only its emptiness was found. Nothing is ever sent there unasked.
                raise DnsZoneNotFoundError(name=name.rstrip("."), reason=f"{domain} does not exist in DNS")
            soa = self._resolver().resolve(zone, "SOA", lifetime=lifetime, search=False)
        except dns.resolver.NoRootSOA:
            reason = "the name servers of this machine know no zone above it, not even the root"
            raise DnsZoneNotFoundError(name=name.rstrip("."), reason=reason) from None
        except dns.exception.DNSException as fault:
            raise DnsZoneNotFoundError(name=name.rstrip("."), reason=why_failed(fault, lifetime)) from None
        return str(soa[0].mname.to_text(True)).lower()

    def _server_addresses(self, server: str) -> list[str]:
        if dns.inet.is_address(server):
            return [server]
        try:
            found = self._resolver().resolve_name(server, lifetime=2 * self._timeout_s)
        except dns.exception.DNSException as fault:
            why = why_failed(fault, 2 * self._timeout_s)
            raise DnsServerUnreachableError(server=server, tried=f"it has no address ({why})") from None
        return list(found.addresses())[:ADDRESSES_MAX]

    def _zone_at(self, address: tuple[str, int], name: str, server: str) -> tuple[str, str]:
        """Zone and primary's name, as the server at `address` has them with authority."""
        asked = dns.name.from_text(name)
        for _ in range(LABELS_MAX):
            reply = self.ask(address, _question(asked.to_text(), "SOA"), server)
            if reply.rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                break
            if not reply.message.flags & dns.flags.AA:
                break
            for rrset in (*reply.message.answer, *reply.message.authority):
                if rrset.rdtype == dns.rdatatype.SOA and asked.is_subdomain(rrset.name):
                    return rrset.name.to_text().lower(), rrset[0].mname.to_text(True).lower()
            if len(asked) <= 2:
                break
            asked = asked.parent()
        reason = f"it does not answer for it with authority ({reply.rcode_text})"
        raise DnsNotPrimaryError(server=server, name=name.rstrip("."), reason=reason, primary="")

    @staticmethod
    def _check_no_alias(target: str, response: dns.message.QueryMessage) -> None:
        for rrset in response.answer:
            if rrset.rdtype == dns.rdatatype.CNAME:
                canonical = rrset[0].target.to_text(True)
                raise DnsTargetIsAliasError(target=target.rstrip("."), canonical=canonical)


def _question(name: str, kind: str) -> Wire:
    message = dns.message.make_query(name, kind)
    message.flags = dns.flags.Flag(0)  # no recursion: this server's own knowledge is asked for
    return Wire(message.to_wire())


def _records(message: dns.message.Message, name: str) -> tuple[SrvRecord, ...]:
    owner = dns.name.from_text(name)
    return tuple(
        SrvRecord.of(owner, each, rrset.ttl)
        for rrset in message.answer
        if rrset.rdtype == dns.rdatatype.SRV
        for each in rrset
        if isinstance(each, dns.rdtypes.IN.SRV.SRV)
    )
