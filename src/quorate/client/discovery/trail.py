"""Every step of a search, in order, as words for people and as values for scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from quorate.client.discovery.domains import Domain
from quorate.client.discovery.names import SrvAnswer, SrvRecord
from quorate.client.discovery.target import Found, Source, Target
from quorate.client.discovery.verdict import Rejected

__all__ = ["Step", "Trail", "origin"]

STEPS_MAX = 200


@dataclass(frozen=True)
class Step:
    """One step.

    `step` names its kind: `set`, `cached`, `settings`, `domains`, `query`, `choice`, `target`, `mdns` or `end`.
    """

    step: str
    text: str
    facts: dict[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """One flat object."""
        return {"step": self.step, "text": self.text, **self.facts}


class Trail:
    """The steps of one search, at most `STEPS_MAX`.

    Every attempt makes some, and few are ever read: what happened is kept, and told in words when `steps` is read.
    """

    def __init__(self) -> None:
        self._happened: list[Callable[[], Step]] = []

    @property
    def steps(self) -> list[Step]:
        """All of them so far, in order."""
        return [told() for told in self._happened]

    def _add(self, told: Callable[[], Step]) -> None:
        if len(self._happened) < STEPS_MAX:
            self._happened.append(told)

    def host_set(self, target: Target) -> None:
        self._add(partial(_host_set, target))

    def cached(self, target: Target | None, *, is_caching: bool) -> None:
        self._add(partial(_cached, target, is_caching))

    def domains(self, domains: tuple[Domain, ...]) -> None:
        self._add(partial(_domains, domains))

    def query(self, answer: SrvAnswer) -> None:
        if answer.detour:
            self._add(partial(_detour, answer))
        self._add(partial(_query, answer))

    def passed_over(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._add(partial(Step, "settings", line))

    def order(self, records: Sequence[SrvRecord]) -> None:
        self._add(partial(_order, tuple(records)))

    def mdns(self, text: str, hosts: Sequence[Target] = ()) -> None:
        self._add(partial(_mdns, text, tuple(hosts)))

    def looked_up(self, found: Found, addresses: tuple[str, ...]) -> None:
        self._add(partial(_looked_up, found, addresses))

    def rejected(self, rejected: Rejected) -> None:
        self._add(partial(_rejected, rejected))

    def accepted(self, found: Found, words: str) -> None:
        self._add(partial(_accepted, found, words))

    def end(self, text: str) -> None:
        self._add(partial(Step, "end", text))


def _step(step: str, text: str, **facts: Any) -> Step:
    return Step(step, text, facts)


def _host_set(target: Target) -> Step:
    return _step("set", f"{target} was set by hand: no other host is looked for", host=str(target))


def _cached(target: Target | None, is_caching: bool) -> Step:
    if not is_caching:
        words = "host caching is off: DNS decides anew each time"
    elif target is None:
        words = "no host is remembered from before"
    else:
        words = f"{target} worked last: it is asked first, without asking DNS"
    return _step("cached", words, host=None if target is None else str(target), host_caching=is_caching)


def _domains(domains: Sequence[Domain]) -> Step:
    listed = "; ".join(f"{each.name} ({each.why})" for each in domains)
    text = f"DNS domains to look in: {listed}" if domains else "no DNS domain to look in"
    return _step("domains", text, domains=[{"name": each.name, "why": each.why} for each in domains])


def _detour(answer: SrvAnswer) -> Step:
    return _step("query", f"SRV {answer.name} -> {answer.detour}", name=answer.name, result="detour")


def _query(answer: SrvAnswer) -> Step:
    listed = "; ".join(f"{each.priority} {each.weight} {each.target}" for each in answer.records)
    words = f"{listed} (priority, weight, host)" if answer.records else answer.reason
    if answer.records and answer.reason:
        words += f"; {answer.reason}"
    return _step(
        "query",
        f"SRV {answer.name} -> {words}",
        name=answer.name,
        result=answer.result.value,
        records=[
            {"host": each.target.host, "port": each.target.port, "priority": each.priority, "weight": each.weight}
            for each in answer.records
        ],
        server=answer.server or None,
        reason=answer.reason or None,
    )


def _order(records: Sequence[SrvRecord]) -> Step:
    chosen = [str(each.target) for each in records]
    return _step("choice", f"order by priority, drawn by weight: {', '.join(chosen)}", hosts=chosen)


def _mdns(text: str, hosts: Sequence[Target]) -> Step:
    return _step("mdns", text, hosts=[str(each) for each in hosts])


def _looked_up(found: Found, addresses: Sequence[str]) -> Step:
    words = f"{found.target} is at {', '.join(addresses)}"
    return _step("target", words, host=str(found.target), result="resolved", addresses=list(addresses))


def _rejected(rejected: Rejected) -> Step:
    target = str(rejected.found.target)
    words = f"{target} will not do: {rejected.words.removeprefix(f'{target}: ')}"
    return _step("target", words, host=target, result=rejected.error.code)


def _accepted(found: Found, words: str) -> Step:
    return _step("target", f"{found.target} {words}", host=str(found.target), result="ok")


def origin(source: Source | str | None, domain: str | None) -> str:
    """Where a host came from, for people: `set by hand`, `DNS corp.example`."""
    if source == Source.SET:
        return "set by hand"
    if source == Source.MDNS:
        return "mDNS"
    return f"DNS {domain}" if source == Source.DNS else "from before"
