"""nftables: one rule in each of the administrator's own input chains that keep something out.

Never a table of our own: a packet has to be accepted by every base chain, so a rule elsewhere opens nothing. The rule
goes before whatever closes the chain (a final drop, reject, or jump to a chain that ends so), and after all else, so
that what the administrator blocked stays blocked. It says nothing of connection tracking: a stateless chain will do.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from quorate.errors import FirewallFailedError
from quorate.host.firewall.forms import NAME, Form, form
from quorate.host.firewall.tools import Tools

__all__ = ["Nft"]

_FAMILIES = ("inet", "ip", "ip6")
_JUMPS_MAX = 16  # nft allows 16 itself
_FIREWALLD_TABLE = "firewalld"
_IPTABLES_CHAIN = "INPUT"  # of iptables-nft; it must be changed with iptables


@dataclass(frozen=True)
class _Rule:
    handle: int
    comment: str
    statements: tuple[dict[str, Any], ...]

    @property
    def port(self) -> int | None:
        """The TCP port, if it is a rule of ours."""
        for statement in self.statements:
            payload = statement.get("match", {}).get("left", {}).get("payload", {})
            if payload.get("field") == "dport" and self.comment == NAME:
                right = statement["match"]["right"]
                return right if isinstance(right, int) else None
        return None


@dataclass(frozen=True)
class _Chain:
    family: str
    table: str
    name: str
    hook: str
    policy: str
    rules: tuple[_Rule, ...]

    @property
    def words(self) -> str:
        """As commands name it."""
        return f"{self.family} {self.table} {self.name}"

    @property
    def is_ours_to_change(self) -> bool:
        """Whether it is an administrator's input chain, and not another program's."""
        return (
            self.hook == "input"
            and self.family in _FAMILIES
            and not (self.table == _FIREWALLD_TABLE or (self.table == "filter" and self.name == _IPTABLES_CHAIN))
        )


_Chains = dict[tuple[str, str, str], _Chain]


class Nft:
    """The rule set of this machine."""

    name = "nft"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def filters(self) -> bool:
        """Whether a chain that may be changed with nft keeps something out."""
        return bool(_filtering(self._chains()))

    def ports(self) -> tuple[int, ...]:
        """Ports that are open in every chain that keeps something out."""
        opened = [{rule.port for rule in chain.rules if rule.port} for chain in _filtering(self._chains())]
        return tuple(sorted(set.intersection(*opened))) if opened else ()

    def form(self, port: int) -> Form:
        """With the names of this machine's own chains."""
        usual, chains = form(self.name, port), self._chains()
        rules = [_insertion(chain, chains, port) for chain in _filtering(chains)]
        return replace(usual, enable=tuple(f"nft {shlex.quote(rule)}" for rule in rules)) if rules else usual

    def enable(self, port: int) -> None:
        """One transaction: old rules of ours go, and one comes into each chain."""
        chains = self._chains()
        filtering = _filtering(chains)
        if not filtering:
            reason = "no input chain of nftables keeps anything out, so there is nothing to open"
            raise FirewallFailedError(tool="nft", command="nft list ruleset", reason=reason)
        lines = [line for chain in chains.values() for line in _deletions(chain, but=port)]
        lines += [
            _insertion(chain, chains, port) for chain in filtering if port not in {rule.port for rule in chain.rules}
        ]
        self._apply(lines)

    def disable(self) -> None:
        self._apply([line for chain in self._chains().values() for line in _deletions(chain, but=None)])

    def note(self, port: int) -> str:
        chains = _filtering(self._chains())
        places = " and ".join(f"chain {chain.name} of table {chain.family} {chain.table}" for chain in chains)
        return (
            "nftables forgets this at a restart. To keep it, put this line into your rules file (usually "
            f'/etc/nftables.conf), in {places}, before what drops the rest: tcp dport {port} accept comment "{NAME}"'
        )

    # --- inside ------------------------------------------------------------------------------------------------

    def _apply(self, lines: list[str]) -> None:
        if lines:
            self._tools.change("nft", "-f", "-", stdin="".join(f"{line}\n" for line in lines))

    def _chains(self) -> _Chains:
        said = self._tools.ask("nft", "-j", "list", "ruleset")
        try:
            return {(chain.family, chain.table, chain.name): chain for chain in _read(json.loads(said)["nftables"])}
        except (ValueError, KeyError, TypeError) as fault:
            raise FirewallFailedError(
                tool="nft", command="nft -j list ruleset", reason=f"its answer is not understood ({fault})"
            ) from None


def _filtering(chains: _Chains) -> list[_Chain]:
    """The administrator's own input chains that keep something out."""
    return [
        chain
        for chain in chains.values()
        if chain.is_ours_to_change and (chain.policy == "drop" or _closing_rule(chain, chains) is not None)
    ]


def _read(objects: Iterable[dict[str, Any]]) -> Iterator[_Chain]:
    objects = list(objects)
    rules: dict[tuple[str, str, str], list[_Rule]] = {}
    for each in (one["rule"] for one in objects if "rule" in one):
        statements = tuple(one for one in each.get("expr", ()) if isinstance(one, dict))
        place = each["family"], each["table"], each["chain"]
        rules.setdefault(place, []).append(_Rule(each["handle"], each.get("comment", ""), statements))
    for each in (one["chain"] for one in objects if "chain" in one):
        place = each["family"], each["table"], each["name"]
        yield _Chain(*place, each.get("hook", ""), each.get("policy", ""), tuple(rules.get(place, ())))


def _deletions(chain: _Chain, but: int | None) -> Iterator[str]:
    """Rules of ours that go. `but`: of this port one stays."""
    for rule in chain.rules:
        if rule.comment == NAME and not (chain.is_ours_to_change and rule.port == but):
            yield f"delete rule {chain.words} handle {rule.handle}"


def _insertion(chain: _Chain, chains: _Chains, port: int) -> str:
    rule = f'tcp dport {port} accept comment "{NAME}"'
    closing = _closing_rule(chain, chains)
    if closing is None:
        return f"add rule {chain.words} {rule}"
    return f"insert rule {chain.words} handle {closing.handle} {rule}"


def _closing_rule(chain: _Chain, chains: _Chains, depth: int = 0) -> _Rule | None:
    """The first rule that ends every new TCP connection that comes so far, or None."""
    for rule in chain.rules:
        if all(_is_for_all_tcp(statement) for statement in rule.statements):
            for statement in rule.statements:
                if "drop" in statement or "reject" in statement:
                    return rule
                target = (statement.get("jump") or statement.get("goto") or {}).get("target")
                inner = chains.get((chain.family, chain.table, target)) if isinstance(target, str) else None
                if inner is not None and depth < _JUMPS_MAX and _closing_rule(inner, chains, depth + 1) is not None:
                    return rule
    return None


def _is_for_all_tcp(statement: dict[str, Any]) -> bool:
    """Whether a statement lets every TCP packet pass on to the rule's verdict."""
    match = statement.get("match")
    if match is None:
        return bool(statement.keys() & {"counter", "log", "drop", "reject", "jump", "goto"})
    left = match.get("left", {})
    if left.get("meta", {}).get("key") != "l4proto" or match.get("op") != "==":
        return False
    right = match.get("right")
    return "tcp" in (right.get("set", ()) if isinstance(right, dict) else (right,))
