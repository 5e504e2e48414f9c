"""What DNS said of KMS hosts, as a step of the client's checkup."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.client.discovery.search import Directions, Search
from quorate.core.checkup import RESOLV_CONF_FIX, Check, Level, failed
from quorate.errors import DnsServerFailureError

__all__ = ["check_dns"]


def check_dns(search: Search, directions: Directions, *, is_anybody: bool) -> Iterator[Check]:
    """What DNS said, before the host that worked last is asked; and what of this machine's settings is of no use."""
    yield _said(search, directions, is_anybody)
    passed_over = [step.text for step in search.trail.steps if step.step == "settings"]
    if passed_over:
        yield Check("dns", Level.WARN, "; ".join(passed_over), DnsServerFailureError.code, RESOLV_CONF_FIX)


def _said(search: Search, directions: Directions, is_anybody: bool) -> Check:
    if directions.host is not None:
        return Check("dns", Level.OK, f"not asked: {directions.host} was set by hand")
    queries = [step for step in search.trail.steps if step.step == "query"]
    told = [step.text for step in queries if step.facts.get("records")]
    told += [step.text for step in search.trail.steps if step.step == "mdns" and step.facts.get("hosts")]
    if not is_anybody:
        # A host that is remembered is asked all the same; what becomes of that is said below.
        is_remembered = directions.cached is not None and directions.is_caching
        return failed("dns", search.failure(), Level.WARN if is_remembered else Level.FAIL)
    broken = [step.text for step in queries if step.facts.get("result") == "failed"]
    if broken:
        fix = "Mend that name server, or name the domain: `quorate client set-domain DOMAIN`."
        return Check("dns", Level.WARN, "; ".join([*told, *broken]), DnsServerFailureError.code, fix)
    return Check("dns", Level.OK, "; ".join(told))
