"""iptables and ip6tables: one rule in each INPUT chain, before what closes it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from quorate.errors import FirewallFailedError
from quorate.host.firewall.forms import NAME, Form, form
from quorate.host.firewall.tools import Tools

__all__ = ["Iptables"]

_WAIT = ("-w", "5")  # seconds, for another program that changes rules at this moment
_CLOSING = ("DROP", "REJECT")


class Iptables:
    """The INPUT chains of IPv4 and, where ip6tables works, IPv6."""

    name = "iptables"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def filters(self) -> bool:
        """Whether one of the chains keeps something out."""
        return any(_is_closed(self._lines(program)) for program in self._programs())

    def ports(self) -> tuple[int, ...]:
        """Ports that are open in every chain that keeps something out (in any, when none does)."""
        chains = [self._lines(program) for program in self._programs()]
        closed = [lines for lines in chains if _is_closed(lines)] or chains
        opened = [{_port(words) for words in lines if _is_ours(words)} for lines in closed]
        return tuple(sorted(port for port in set.intersection(*opened) if port)) if opened else ()

    def form(self, port: int) -> Form:
        return form(self.name, port)

    def enable(self, port: int) -> None:
        for program in self._programs():
            if not any(_is_ours(words) and _port(words) == port for words in self._lines(program)):
                place = _place(self._lines(program))
                rule = f"-p tcp --dport {port} -m comment --comment".split()
                self._tools.change(program, *_WAIT, "-I", "INPUT", str(place), *rule, NAME, "-j", "ACCEPT")
            self._remove(program, but=port)

    def disable(self) -> None:
        for program in self._programs():
            self._remove(program, but=None)

    def note(self, port: int) -> str:
        saved = "netfilter-persistent save" if self._tools.has("netfilter-persistent") else "iptables-save"
        return (
            f"The rules for port {port} are forgotten at a restart unless they are saved, as your other rules are "
            f"(here: {saved})."
        )

    # --- inside ------------------------------------------------------------------------------------------------

    def _programs(self) -> list[str]:
        """`ip6tables` fails on a machine without IPv6; `iptables` has to work."""
        here = ["iptables"]
        if self._tools.has("ip6tables") and self._tools.answers("ip6tables", *_WAIT, "-S", "INPUT") is not None:
            here.append("ip6tables")
        return here

    def _lines(self, program: str) -> list[list[str]]:
        said = self._tools.ask(program, *_WAIT, "-S", "INPUT")
        try:
            return [shlex.split(line) for line in said.splitlines() if line.startswith("-")]
        except ValueError as fault:
            raise FirewallFailedError(
                tool=program, command=f"{program} -S INPUT", reason=f"its answer is not understood ({fault})"
            ) from None

    def _remove(self, program: str, but: int | None) -> None:
        for words in self._lines(program):
            if _is_ours(words) and _port(words) != but:
                self._tools.change(program, *_WAIT, "-D", *words[1:])


def _is_ours(words: Sequence[str]) -> bool:
    return words[:1] == ["-A"] and _after(words, "--comment") == NAME


def _port(words: Sequence[str]) -> int | None:
    port = _after(words, "--dport")
    return int(port) if port is not None and port.isdigit() else None


def _after(words: Sequence[str], option: str) -> str | None:
    place = words.index(option) + 1 if option in words else len(words)
    return words[place] if place < len(words) else None


def _is_closed(lines: Sequence[Sequence[str]]) -> bool:
    """Whether the policy or a rule ends every new TCP connection that comes so far."""
    return ["-P", "INPUT", "DROP"] in lines or any(_closes(words) for words in lines)


def _closes(words: Sequence[str]) -> bool:
    """`-A INPUT [-p tcp] -j DROP`, or REJECT in whatever way; nothing that asks for more."""
    if words[:2] != ["-A", "INPUT"] or _after(words, "-j") not in _CLOSING:
        return False
    asked = list(words[2 : words.index("-j")])
    return asked in ([], ["-p", "tcp"], ["-p", "tcp", "-m", "tcp"])


def _place(lines: Sequence[Sequence[str]]) -> int:
    """The number that the new rule gets: before the first that closes the chain, else after all."""
    rules = [words for words in lines if words[0] == "-A"]
    return next((number for number, words in enumerate(rules, 1) if _closes(words)), len(rules) + 1)
