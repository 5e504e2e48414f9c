"""Every step of a search, in order, as words for people and as values for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from quorate.client.discovery.domains import Domain
from quorate.client.discovery.names import SrvAnswer, SrvRecord
from quorate.client.discovery.target import Found, Source, Target

__all__ = ["Step", "Trail", "origin"]

STEPS_MAX = 200


@dataclass(frozen=True)
class Step:
    """One step. `step` names its kind: `set`, `cached`, `domains`, `query`, `choice`, `target`, `mdns` or `end`."""

    step: str
    text: str
    facts: dict[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """One flat object."""
        return {"step": self.step, "text": self.text, **self.facts}


class Trail:
    """The steps of one search, at most `STEPS_MAX`."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, step: str, text: str, **facts: Any) -> None:
        if len(self.steps) < STEPS_MAX:
            self.steps.append(Step(step, text, facts))

    def host_set(self, target: Target) -> None:
        self.add("set", f"{target} was set by hand: no other host is looked for", host=str(target))

    def cached(self, target: Target | None, *, is_caching: bool) -> None:
        if not is_caching:
            words = "host caching is off: DNS decides anew each time"
        elif target is None:
            words = "no host is remembered from before"
        else:
            words = f"{target} worked last: it is asked first, without asking DNS"
        host = None if target is None else str(target)
        self.add("cached", words, host=host, host_caching=is_caching)

    def domains(self, domains: Sequence[Domain]) -> None:
        listed = "; ".join(f"{each.name} ({each.why})" for each in domains)
        text = f"DNS domains to look in: {listed}" if domains else "no DNS domain to look in"
        self.add("domains", text, domains=[{"name": each.name, "why": each.why} for each in domains])

    def query(self, answer: SrvAnswer) -> None:
        if answer.detour:
            self.add("query", f"SRV {answer.name} -> {answer.detour}", name=answer.name, result="detour")
        listed = "; ".join(f"{each.priority} {each.weight} {each.target}" for each in answer.records)
        words = f"{listed} (priority, weight, host)" if answer.records else answer.reason
        if answer.records and answer.reason:
            words += f"; {answer.reason}"
        self.add(
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

    def order(self, records: Sequence[SrvRecord]) -> None:
        chosen = [str(each.target) for each in records]
        self.add("choice", f"order by priority, drawn by weight: {', '.join(chosen)}", hosts=chosen)

    def mdns(self, text: str, hosts: Sequence[Target] = ()) -> None:
        self.add("mdns", text, hosts=[str(each) for each in hosts])

    def looked_up(self, found: Found, addresses: Sequence[str]) -> None:
        words = f"{found.target} is at {', '.join(addresses)}"
        self.add("target", words, host=str(found.target), result="resolved", addresses=list(addresses))

    def rejected(self, found: Found, code: str, message: str) -> None:
        self.add("target", f"{found.target} will not do: {message}", host=str(found.target), result=code)

    def accepted(self, found: Found, words: str) -> None:
        self.add("target", f"{found.target} {words}", host=str(found.target), result="ok")

    def end(self, text: str) -> None:
        self.add("end", text)


def origin(source: Source | str | None, domain: str | None) -> str:
    """Where a host came from, for people: `set by hand`, `DNS corp.example`."""
    if source == Source.SET:
        return "set by hand"
    if source == Source.MDNS:
        return "mDNS"
    return f"DNS {domain}" if source == Source.DNS else "from before"
