"""The firewalls of the tests, each real and closed, as on a server whose administrator opened SSH and no more."""

from __future__ import annotations

from collections.abc import Callable

from tests.firewall.room import Room, need_programs

__all__ = ["NFT_RULES", "WALLS", "behind_nft"]

NFT_RULES = """
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        iif lo accept
        ct state established,related accept
        meta l4proto { icmp, ipv6-icmp } accept
        tcp dport 22 accept
    }
}
"""

_BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth><policy context="default">
<allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow receive_sender="*"/></policy></busconfig>
"""


def behind_nft(room: Room, rules: str = NFT_RULES) -> None:
    need_programs(nft="nftables")
    room.host_run("nft", "-f", "-", stdin=rules)


def _behind_iptables(room: Room) -> None:
    need_programs(iptables="iptables", ip6tables="iptables")
    for program, icmp in (("iptables", "icmp"), ("ip6tables", "ipv6-icmp")):
        for words in (
            "-A INPUT -i lo -j ACCEPT",
            f"-A INPUT -p {icmp} -j ACCEPT",
            "-A INPUT -p tcp --dport 22 -j ACCEPT",
        ):
            room.host_run(program, *words.split())
        room.host_run(program, *["-A", "INPUT", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"])
        room.host_run(program, *["-A", "INPUT", "-j", "DROP"])


def _behind_ufw(room: Room) -> None:
    need_programs(ufw="ufw", iptables="iptables")
    room.host_run("ufw", "--force", "enable")


def _behind_firewalld(room: Room) -> None:
    need_programs(firewalld="firewalld", firewall_cmd="firewalld", dbus_daemon="dbus", nft="nftables")
    path = room.folder / "bus"
    (room.folder / "bus.conf").write_text(_BUS.format(path=path))
    bus = room.spawn("bus", "dbus-daemon", "--nofork", "--config-file", str(room.folder / "bus.conf"))
    bus.wait_until(path.exists, "dbus-daemon")
    daemon = room.spawn("firewalld", "firewalld", "--nofork", "--nopid", "--log-file", str(room.folder / "fw.log"))
    daemon.wait_until(lambda: "running" in room.host_run("firewall-cmd", "--state", check=False).split(), "firewalld")


WALLS: dict[str, Callable[[Room], None]] = {
    "nft": behind_nft,
    "iptables": _behind_iptables,
    "ufw": _behind_ufw,
    "firewalld": _behind_firewalld,
}
"""How to close each, by its name."""
