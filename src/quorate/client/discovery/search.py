"""The way through the hosts in one attempt: the host set by hand; else the one that worked last; else DNS, domain by
domain; else, where it is wished for, the local link.

Hosts come one at a time, and nothing is asked before it is needed: while the cached host answers, no query goes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from quorate.client.discovery.domains import Domain
from quorate.client.discovery.names import Names, Result, SrvAnswer, SrvRecord
from quorate.client.discovery.network import Network
from quorate.client.discovery.order import in_order
from quorate.client.discovery.target import Found, Source, Target
from quorate.client.discovery.trail import Trail
from quorate.client.discovery.verdict import Rejected, nobody_found, nobody_would_do
from quorate.clock import Clock, Entropy
from quorate.errors import MdnsNotInstalledError, QuorateError

__all__ = ["SEARCH_S", "TARGETS_MAX", "Directions", "Finder", "Search"]

TARGETS_MAX = 32  # asked in one attempt; who is left over is drawn another time
SEARCH_S = 40.0  # no other host is asked after that; with the last one's 15 s, an attempt lasts about a minute


class Directions(msgspec.Struct, frozen=True):
    """What this installation's record says of whom to ask.

    Attributes:
        host: set by hand, and then the only one.
        cached: the one that worked last.
        domain: set by hand, and then the only one that is looked in.
    """

    host: Target | None = None
    cached: Found | None = None
    domain: str | None = None
    is_caching: bool = True
    is_mdns: bool = False


class Finder:
    """Begins searches for the hosts of one service label."""

    __slots__ = ("_clock", "_entropy", "network", "service")

    def __init__(self, service: str, network: Network, clock: Clock, entropy: Entropy) -> None:
        self.service = service
        self.network = network
        self._clock = clock
        self._entropy = entropy

    def search(self, directions: Directions) -> Search:
        return Search(self.service, directions, self.network, self._clock, self._entropy)


class Search:
    """One attempt's search. Take a host from `hosts`, ask it, and say `reject` if it will not do.

    Attributes:
        trail: every step so far.
    """

    def __init__(self, service: str, directions: Directions, network: Network, clock: Clock, entropy: Entropy) -> None:
        self.trail = Trail()
        self._service = service
        self._directions = directions
        self._network = network
        self._clock = clock
        self._entropy = entropy
        self._ends_s = clock.monotonic_s() + SEARCH_S
        self._names_opened: Names | None = None
        self._given: set[Target] = set()
        self._rejected: list[Rejected] = []
        self._answers: list[SrvAnswer] = []
        self._more: list[str] = []
        self._mdns_fault: QuorateError | None = None

    def hosts(self) -> Iterator[Found]:
        """Whom to ask, in order, each once: at most `TARGETS_MAX`, and none later than `SEARCH_S` after the start."""
        for found in self._all():
            if found.target in self._given:
                continue
            if len(self._given) == TARGETS_MAX or self._is_late():
                why = f"{SEARCH_S:.0f} s were over" if self._is_late() else f"{TARGETS_MAX} hosts were asked"
                self._more.append(f"others were not tried: {why}")
                self.trail.end(self._more[-1])
                return
            self._given.add(found.target)
            yield found

    def addresses(self, found: Found) -> tuple[str, ...] | None:
        """Where to connect to; None: leave the name to the operating system, as for one that a person typed.

        Raises:
            HostUnreachableError: DNS names it and has no address for it.
        """
        if found.addresses:
            return found.addresses
        if found.source is not Source.DNS:
            return None
        addresses = self._names().addresses(found.target)
        self.trail.looked_up(found, addresses)
        return addresses

    def reject(self, found: Found, error: QuorateError) -> None:
        """This host will not do, for this reason."""
        rejected = Rejected(found, error)
        self._rejected.append(rejected)
        self.trail.rejected(rejected)

    def failure(self) -> QuorateError:
        """Why nobody would do, after `hosts` has come to its end."""
        if self._rejected:
            is_dns_empty = self._answers and not any(each.records for each in self._answers)
            more = [nobody_found(self._answers).message] if is_dns_empty else []
            return nobody_would_do(self._rejected, [*more, *self._more])
        return self._mdns_fault or nobody_found(self._answers)

    # --- where hosts come from -------------------------------------------------------------------------------------

    def _all(self) -> Iterator[Found]:
        directions = self._directions
        if directions.host is not None:
            self.trail.host_set(directions.host)
            yield Found(directions.host, Source.SET)
            return
        cached = directions.cached
        self.trail.cached(None if cached is None else cached.target, is_caching=directions.is_caching)
        if cached is not None and directions.is_caching:
            yield cached
        domains = self._domains()
        self.trail.domains(domains)
        for domain in domains:
            if self._is_late():
                self._more.append(f"{domain.name} was not looked in: {SEARCH_S:.0f} s were over")
                break
            yield from self._in_domain(domain)
        if directions.is_mdns or self._network.is_mdns:
            yield from self._on_link()

    def _domains(self) -> tuple[Domain, ...]:
        if self._directions.domain is not None:
            return (Domain(self._directions.domain, "set by hand: no other is looked in"),)
        return self._names().domains()

    def _in_domain(self, domain: Domain) -> Iterator[Found]:
        answer = self._names().services(self._service, domain.name)
        self._answers.append(answer)
        self.trail.query(answer)
        if answer.result is Result.FOUND:
            ordered = self._in_order(answer.records)
            for record in ordered:
                yield Found(record.target, Source.DNS, domain.name)

    def _on_link(self) -> Iterator[Found]:
        if self._is_late():
            return
        try:
            heard = self._network.browse(self._service, self._clock)
        except MdnsNotInstalledError as fault:
            self._mdns_fault = fault
            self._more.append(f"mDNS: {fault.message}")
            self.trail.mdns(fault.message)
            return
        except OSError as fault:
            self._more.append(f"mDNS: {fault.strerror or fault}")
            self.trail.mdns(f"mDNS does not work here: {fault.strerror or fault}")
            return
        by_target = {found.target: found for found, _, _ in heard}
        records = [SrvRecord(found.target, priority, weight) for found, priority, weight in heard]
        self.trail.mdns(
            f"mDNS: {len(records)} KMS host{'' if len(records) == 1 else 's'} on the local link", list(by_target)
        )
        for record in self._in_order(records):
            yield by_target[record.target]

    def _in_order(self, records: Iterable[SrvRecord]) -> list[SrvRecord]:
        ordered = in_order(records, self._entropy)
        if len(ordered) > 1:
            self.trail.order(ordered)
        return ordered

    def _names(self) -> Names:
        if self._names_opened is None:
            self._names_opened = Names(self._network)
            self.trail.passed_over(self._names_opened.passed_over)
        return self._names_opened

    def _is_late(self) -> bool:
        return self._clock.monotonic_s() > self._ends_s
