"""Why an update was refused: name servers say the same cause in different words, and people need the cause.

What was seen with real servers (BIND 9.18, Knot 3.2, PowerDNS 4.7, Samba 4.17), and is decided from here:

- TSIG error BADKEY: the key is not known there. Knot says so as well when the key is known but has no right.
- A signed question answered without signature: PowerDNS does not accept the key (name, secret or clock; it tells none).
- REFUSED with a good signature: no right on this name if an update that changes nothing passes, else no updates at all.
- Samba's internal server says SERVFAIL where a name belongs to another computer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import dns.rcode

from quorate.core.trust import utc_text
from quorate.errors import (
    DnsClockSkewError,
    DnsKeyRefusedError,
    DnsNoRightError,
    DnsNotPrimaryError,
    DnsPublicationError,
    DnsRecordOwnedByAnotherError,
    DnsUpdatesNotOfferedError,
)
from quorate.host.publication.name_servers import Primary
from quorate.host.publication.record import SrvRecord
from quorate.host.publication.tcp_exchange import FUDGE_S, Reply

__all__ = ["GROUP", "Evidence", "refusal"]

GROUP = "Quorate Hosts"
"""The Active Directory group that the remedy makes."""

_COMPUTER = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*\Z")
_BADSIG, _BADKEY, _BADTIME = 16, 17, 18  # RFC 8945, section 3


@dataclass(frozen=True)
class Evidence:
    """All that is known about a refused update.

    Attributes:
        takes_empty: whether an update that changes nothing is taken from us.
        is_named_primary: whether the server is the one that the zone's SOA record names; None when unknown.
        is_active_directory: whether the Kerberos realm is a domain of domain controllers.
        shown: the SRV records of the name, after the refusal.
    """

    reply: Reply
    primary: Primary
    name: str
    kind: str
    who: str
    realm: str
    takes_empty: bool
    is_named_primary: bool | None
    is_active_directory: bool
    shown: tuple[SrvRecord, ...]
    now_s: int


def refusal(seen: Evidence) -> DnsPublicationError:
    """The error that names the cause."""
    reply, server, name = seen.reply, seen.primary.server, seen.name.rstrip(".")
    if reply.tsig_error == _BADTIME and reply.server_time_s is not None:
        return clock_skew(server, host_s=seen.now_s, server_s=reply.server_time_s)
    if seen.takes_empty and seen.kind != "unsigned":
        return _no_right(seen)
    if seen.kind == "TSIG" and (reply.tsig_error or not reply.is_signed):
        return DnsKeyRefusedError(server=server, key=seen.who, reason=_key_reason(reply))
    if seen.kind == "GSS-TSIG" and reply.rcode in (dns.rcode.REFUSED, dns.rcode.SERVFAIL):
        return _no_right(seen)
    if reply.rcode in (dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.NOTAUTH):
        if seen.is_named_primary is False:
            reason = f"it refuses updates ({reply.rcode_text}), and the zone's SOA record names {seen.primary.mname}"
            return DnsNotPrimaryError(server=server, name=name, reason=reason, primary=f", here {seen.primary.mname}")
        kind = "unsigned" if seen.kind == "unsigned" else f"{seen.kind} ({seen.who})"
        return DnsUpdatesNotOfferedError(
            server=server, kind=kind, zone=seen.primary.zone.rstrip("."), rcode=reply.rcode_text
        )
    if reply.rcode == dns.rcode.NOTZONE:
        reason = f"its zone {seen.primary.zone} does not hold that name (NOTZONE)"
        return DnsNotPrimaryError(server=server, name=name, reason=reason, primary="")
    return DnsPublicationError(
        server=server, name=name, reason=f"{reply.rcode_text}; {reply.fault or 'no more is told'}"
    )


def clock_skew(server: str, *, host_s: int, server_s: int) -> DnsClockSkewError:
    """The error that shows both clocks."""
    return DnsClockSkewError(
        server=server,
        host_time=utc_text(host_s),
        server_time=utc_text(server_s),
        difference=f"{abs(host_s - server_s)} s",
        fudge_s=FUDGE_S,
    )


def _key_reason(reply: Reply) -> str:
    if reply.tsig_error == _BADSIG:
        return "the secret is another one there (BADSIG)"
    if reply.tsig_error == _BADKEY:
        return "it has no such key with this algorithm, or (Knot) no ACL that lets the key update this zone (BADKEY)"
    return (
        f"{reply.rcode_text} without a signature; PowerDNS answers so when the key's name, algorithm or secret is "
        "wrong, or when the clocks differ by more than 5 minutes"
    )


def _no_right(seen: Evidence) -> DnsNoRightError:
    name, rcode = seen.name.rstrip("."), seen.reply.rcode_text
    if not seen.is_active_directory:
        who = f'"{seen.who}"' if seen.kind == "GSS-TSIG" else seen.who
        grant = f"`update-policy {{ grant {who} name {seen.name} SRV; }};`"
        return DnsNoRightError(server=seen.primary.server, who=seen.who, name=name, rcode=rcode, grant=grant)
    holders = [each.target.rstrip(".") for each in seen.shown]
    return DnsRecordOwnedByAnotherError(
        server=seen.primary.server,
        who=seen.who,
        name=name,
        rcode=rcode,
        holders=f"now there: {', '.join(holders)}"
        if holders
        else "it has withdrawn its record, but the name still belongs to it",
        remedy=_remedy(seen, holders),
    )


def _remedy(seen: Evidence, holders: list[str]) -> str:
    """Commands for a domain administrator, on Windows or on Samba; the group makes room for every host to come."""
    own = seen.who.split("@", 1)[0].upper()
    # The holders come from DNS and go into a command: only what can be a computer's name is let through.
    computers = {host.split(".", 1)[0].upper() for host in holders if _COMPUTER.match(host)}
    members = [own, *sorted({f"{name}$" for name in computers} - {own})]
    domain = ",".join(f"DC={part}" for part in seen.realm.lower().split("."))
    zone = seen.primary.zone.rstrip(".")
    node = seen.name.rstrip(".").removesuffix(f".{zone}")
    object_name = f"DC={node},DC={zone},CN=MicrosoftDNS,DC=DomainDnsZones,{domain}"
    quoted = ",".join(f"'{member}'" for member in members)
    sid = f"$(samba-tool group show '{GROUP}' --attributes=objectSid | sed -n 's/^objectSid: //p')"
    return "\n".join(
        [
            "on Windows (PowerShell on a domain controller):",
            f'  New-ADGroup -Name "{GROUP}" -GroupScope DomainLocal',
            f'  Add-ADGroupMember -Identity "{GROUP}" -Members {quoted}',
            f'  dsacls "{object_name}" /G "{GROUP}@{seen.realm.lower()}:GA"',
            "on Samba (as root on a domain controller):",
            f"  samba-tool group add '{GROUP}'",
            f"  samba-tool group addmembers '{GROUP}' '{','.join(members)}'",
            f'  samba-tool dsacl set --objectdn="{object_name}" --sddl="(A;;GA;;;{sid})"',
            "then here: quorate host dns publish",
            "(A zone that is replicated to the whole forest has ForestDnsZones in place of DomainDnsZones.)",
        ]
    )
