"""A search whose hosts are only greeted: who would be asked, in which order, and what is wrong with each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from quorate.client.discovery.search import Search
from quorate.client.discovery.target import Found
from quorate.client.discovery.trail import Step, origin
from quorate.client.transport.exchange import Transport
from quorate.core.documents import HostCertificate
from quorate.core.messages import HostDescription
from quorate.core.trust import Anchor, check_certificate
from quorate.errors import HostNotActivatedError, NotAQuorateHostError, QuorateError

__all__ = ["Discovery", "Greeted", "survey"]


@dataclass(frozen=True)
class Greeted:
    """One host, and what came of a hello.

    Attributes:
        addresses: where it is; empty when the operating system looks its name up.
        description: what it says of itself; None when it said nothing of use.
        error: why an attempt would go on to the next; None when it would end here.
    """

    found: Found
    addresses: tuple[str, ...]
    description: HostDescription | None
    error: QuorateError | None

    def json(self) -> dict[str, Any]:
        """One flat object."""
        return {
            "host": self.found.target.host,
            "port": self.found.target.port,
            "source": None if self.found.source is None else self.found.source.value,
            "domain": self.found.domain,
            "cached": self.found.is_cached,
            "addresses": list(self.addresses),
            "host_id": None if self.description is None else self.description.host_id,
            "version": None if self.description is None else self.description.version,
            "ok": self.error is None,
            "code": None if self.error is None else self.error.code,
            "message": None if self.error is None else self.error.message,
            "hint": None if self.error is None else self.error.hint,
        }

    @property
    def origin(self) -> str:
        """Where it was found, for people."""
        words = origin(self.found.source, self.found.domain)
        return f"cached, {words}" if self.found.is_cached else words


@dataclass(frozen=True)
class Discovery:
    """What was found, in the order of an attempt.

    Attributes:
        error: why nobody would do; None when an attempt would reach a host that can answer.
    """

    service: str
    hosts: tuple[Greeted, ...]
    steps: tuple[Step, ...]
    error: QuorateError | None


CheckCertificate = Callable[[str, Anchor, int], HostCertificate]


def survey(
    search: Search, transport: Transport, anchor: Anchor, now_s: int, check: CheckCertificate = check_certificate
) -> Discovery:
    """Greet every host of the search, within its limits. Never raises for the network.

    `check`: how a host's certificate is verified, as `core.trust.check_certificate`.
    """
    greeted: list[Greeted] = []
    for found in search.hosts():
        each = _greet(search, found, transport, anchor, now_s, check)
        greeted.append(each)
        if each.error is None:
            search.trail.accepted(found, f"is a KMS host for {anchor.product.name}")
        else:
            search.reject(found, each.error)
    error = None if any(each.error is None for each in greeted) else search.failure()
    if error is not None:
        search.trail.end(error.message)
    return Discovery(anchor.product.service, tuple(greeted), tuple(search.trail.steps), error)


def _greet(
    search: Search, found: Found, transport: Transport, anchor: Anchor, now_s: int, check: CheckCertificate
) -> Greeted:
    addresses: tuple[str, ...] = ()
    description = None
    try:
        known = None if transport.is_proxied else search.addresses(found)
        addresses = known or ()
        description = transport.describe(found.target, now_s, known)
        if not description.activated:
            raise HostNotActivatedError
        if description.host_certificate is None:
            raise NotAQuorateHostError(
                host=str(found.target), reason="it calls itself activated, without a certificate"
            )
        check(description.host_certificate, anchor, now_s)
    except QuorateError as error:
        return Greeted(found, addresses, description, error)
    return Greeted(found, addresses, description, None)
