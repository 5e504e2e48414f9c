"""The exception "KMS Traffic" in the words of every usual firewall: one TCP port, and nothing else (S33).

Texts only: nothing is read or changed here. The commands that `quorate host firewall --enable` runs are these, in
their places (`quorate.host.firewall.nft` and its neighbours).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["FORMS", "NAME", "RUNNABLE", "SERVICE", "Form", "form", "ufw_profile"]

NAME = "KMS Traffic"
SERVICE = "kms-traffic"
"""The exception's name where a name cannot have a space (firewalld)."""

UFW_PROFILE = "/etc/ufw/applications.d/quorate"
DESCRIPTION = "Quorate KMS host: activation of clients"


@dataclass(frozen=True)
class Form:
    """How one firewall is told.

    Attributes:
        name: as `--format` takes it.
        where: where the lines belong, for people.
        enable, disable: the lines, in order.
        note: what to know; empty when there is nothing.
    """

    name: str
    where: str
    enable: tuple[str, ...]
    disable: tuple[str, ...]
    note: str = ""


def form(name: str, port: int) -> Form:
    """The form of that name for a TCP port.

    Raises:
        KeyError: there is no such form; `FORMS` has all.
    """
    return FORMS[name](port)


def ufw_profile(port: int) -> str:
    """The application profile of ufw. A profile without a description is passed over by ufw."""
    return f"[{NAME}]\ntitle={NAME}\ndescription={DESCRIPTION}\nports={port}/tcp\n"


def _nft(port: int) -> Form:
    chain = "inet filter input"
    return Form(
        "nft",
        "a shell, as root; put the rule in /etc/nftables.conf too, so that it outlives a restart",
        (f"nft 'add rule {chain} tcp dport {port} accept comment \"{NAME}\"'",),
        (
            f"nft --handle list chain {chain}",
            f"nft delete rule {chain} handle NUMBER",
        ),
        "The rule belongs in your own input chain, before anything that drops the rest: a rule in a table of its own "
        "would not open the port, as every base chain must accept. NUMBER is what the list shows behind the rule.",
    )


def _ufw(port: int) -> Form:
    lines = ufw_profile(port).splitlines()
    return Form(
        "ufw",
        "a shell, as root",
        (
            f"cat > {UFW_PROFILE} <<'END'",
            *lines,
            "END",
            f"ufw allow '{NAME}'",
            f"ufw app update '{NAME}'",
        ),
        (f"ufw delete allow '{NAME}'", f"rm {UFW_PROFILE}"),
    )


def _firewalld(port: int) -> Form:
    permanent = "firewall-cmd --permanent"
    return Form(
        "firewalld",
        "a shell, as root; without --zone the default zone is meant",
        (
            f"{permanent} --new-service={SERVICE}",
            f"{permanent} --service={SERVICE} --set-short='{NAME}'",
            f"{permanent} --service={SERVICE} --set-description='{DESCRIPTION}'",
            f"{permanent} --service={SERVICE} --add-port={port}/tcp",
            f"{permanent} --add-service={SERVICE}",
            "firewall-cmd --reload",
        ),
        (
            f"{permanent} --remove-service={SERVICE}",
            f"{permanent} --delete-service={SERVICE}",
            "firewall-cmd --reload",
        ),
    )


def _iptables(port: int) -> Form:
    rule = f'INPUT -p tcp --dport {port} -m comment --comment "{NAME}" -j ACCEPT'
    return Form(
        "iptables",
        "a shell, as root",
        (f"iptables -I {rule}", f"ip6tables -I {rule}"),
        (f"iptables -D {rule}", f"ip6tables -D {rule}"),
        "Rules of iptables are forgotten at a restart unless they are saved: `netfilter-persistent save` on Debian.",
    )


def _netsh(port: int) -> Form:
    return Form(
        "netsh",
        "Windows, a command prompt as administrator",
        (
            f'netsh advfirewall firewall add rule name="{NAME}" dir=in action=allow protocol=TCP localport={port} '
            "profile=domain,private",
        ),
        (f'netsh advfirewall firewall delete rule name="{NAME}"',),
    )


def _powershell(port: int) -> Form:
    return Form(
        "powershell",
        "Windows, PowerShell as administrator",
        (
            f"New-NetFirewallRule -DisplayName '{NAME}' -Direction Inbound -Protocol TCP -LocalPort {port} "
            "-Action Allow -Profile Domain,Private",
        ),
        (f"Remove-NetFirewallRule -DisplayName '{NAME}'",),
    )


FORMS: dict[str, Callable[[int], Form]] = {
    "nft": _nft,
    "ufw": _ufw,
    "firewalld": _firewalld,
    "iptables": _iptables,
    "netsh": _netsh,
    "powershell": _powershell,
}
"""Every form by its name."""

RUNNABLE = ("nft", "ufw", "firewalld", "iptables")
"""Those that can be enabled and disabled on this machine; the others are shown."""
