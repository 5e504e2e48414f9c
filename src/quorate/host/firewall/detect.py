"""Which firewall keeps this machine: asked in the order in which they sit on top of each other.

firewalld and ufw write rules of nftables or iptables themselves, and would overwrite what is put between them. So the
highest that is in use is the one to tell; nftables and iptables can be in use side by side, and then both must open.
"""

from __future__ import annotations

from quorate.host.firewall.firewalld import Firewalld
from quorate.host.firewall.iptables import Iptables
from quorate.host.firewall.nft import Nft
from quorate.host.firewall.tools import Firewall, Tools
from quorate.host.firewall.ufw import Ufw

__all__ = ["firewall_named", "firewalls_in_use"]


def firewalls_in_use(tools: Tools) -> list[Firewall]:
    """Those that keep something out; empty when nothing does. Needs root.

    Raises:
        FirewallFailedError: one of them is here and does not answer.
    """
    firewalld, ufw = Firewalld(tools), Ufw(tools)
    if firewalld.filters():
        return [firewalld]
    if tools.has("ufw") and ufw.filters():
        return [ufw]
    found: list[Firewall] = []
    nft, iptables = Nft(tools), Iptables(tools)
    if tools.has("nft") and nft.filters():
        found.append(nft)
    if tools.has("iptables") and iptables.filters():
        found.append(iptables)
    return found


def firewall_named(name: str, tools: Tools) -> Firewall:
    """The firewall of that name; `forms.RUNNABLE` has all."""
    kinds: dict[str, type[Firewalld] | type[Ufw] | type[Nft] | type[Iptables]] = {
        "firewalld": Firewalld,
        "ufw": Ufw,
        "nft": Nft,
        "iptables": Iptables,
    }
    return kinds[name](tools)
