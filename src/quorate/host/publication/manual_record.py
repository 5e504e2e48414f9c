"""The record to add by hand (S4), in the words of every usual name server.

Each form was checked with the real tool and read back (tests/dns/test_advice.py), except the two for Windows, which
are as Microsoft documents them. Samba's tool has its own order: target, port, priority, weight.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from quorate.host.publication.record import SrvRecord

__all__ = ["Advice", "advice_for", "removal_line"]


_PLAIN = re.compile(r"[A-Za-z0-9.:-]{1,253}( [0-9]{1,5})?\Z")


@dataclass(frozen=True)
class Advice:
    """How to add the record in one kind of name server: `text` is to be pasted as it is.

    Attributes:
        tool: stable name for scripts.
        where: for people, which server and where in it.
    """

    tool: str
    where: str
    text: str


def advice_for(record: SrvRecord, *, zone: str, server: str) -> tuple[Advice, ...]:
    """The same record for each kind of name server.

    Args:
        zone: the zone that holds the record; its domain where the zone is not known.
        server: the primary name server's name or address, for the tools that talk to it. It comes from DNS and goes
            into commands, so one that is no plain name or address is left to be filled in.
    """
    server = server if _PLAIN.match(server) else "PRIMARY-NAME-SERVER"
    zone = zone.rstrip(".")
    node = record.name.rstrip(".").removesuffix(f".{zone}")
    name, target = record.name.rstrip("."), record.target.rstrip(".")
    priority, weight, port, ttl = record.priority, record.weight, record.port, record.ttl
    hours, rest = divmod(ttl, 3600)
    span = f"{hours // 24}.{hours % 24:02}:{rest // 60:02}:{rest % 60:02}"
    samba = f'samba-tool dns add {server} {zone} {node} SRV "{target} {port} {priority} {weight}"'
    knot = f"{node} {ttl} SRV {record.value}"
    return (
        Advice("zone-file", "zone file (BIND, NSD, Knot; then raise the serial and reload)", record.line),
        Advice(
            "nsupdate",
            "nsupdate (with -k KEYFILE, or -g in a Kerberos domain)",
            f"server {server}\nzone {zone}.\nupdate add {record.name} {ttl} SRV {record.value}\nsend",
        ),
        Advice(
            "powershell",
            "Windows DNS server, PowerShell",
            f'Add-DnsServerResourceRecord -Srv -ZoneName "{zone}" -Name "{node}" -DomainName "{record.target}" '
            f"-Priority {priority} -Weight {weight} -Port {port} -TimeToLive {span}",
        ),
        Advice(
            "dnscmd",
            "Windows DNS server, command prompt",
            f"dnscmd {server} /RecordAdd {zone} {node} {ttl} SRV {record.value}",
        ),
        Advice("samba-tool", "Samba domain controller", samba),
        Advice(
            "pdnsutil",
            "PowerDNS (replaces nothing; other hosts' records stay)",
            f'pdnsutil add-record {zone} {node} SRV {ttl} "{record.value}"',
        ),
        Advice(
            "knotc",
            "Knot DNS",
            f"knotc zone-begin {zone}\nknotc zone-set {zone} {knot}\nknotc zone-commit {zone}",
        ),
        Advice("dnsmasq", "dnsmasq.conf", f"srv-host={name},{target},{port},{priority},{weight}"),
        Advice(
            "unbound",
            "unbound.conf, in the server: clause",
            f'local-zone: "{zone}." transparent\nlocal-data: "{record.line}"',
        ),
    )


def removal_line(record: SrvRecord) -> str:
    """The one line of nsupdate that removes exactly this record and no other host's."""
    return f"update delete {record.name} SRV {record.value}"
