"""One change of our own record at one name server (RFC 2136): sent, judged, and read back from the same server.

Only exact values are ever added or removed: other hosts share the name. A changed value is removed and added in one
message, because Knot ignores a new TTL for a value it already has. A verified yes must be visible; after anything else
the record read back decides, since a no may come for what already stands (a record made by hand) and Windows and Samba
before 4.21 sign their yes wrongly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dns.rcode
import dns.update

from quorate.clock import Clock
from quorate.errors import DnsRecordNotThereError, QuorateError
from quorate.host.publication.name_servers import Names, Primary
from quorate.host.publication.record import SrvRecord
from quorate.host.publication.signature import Signature
from quorate.host.publication.tcp_exchange import Reply, signed
from quorate.host.publication.update_errors import Evidence, refusal

__all__ = ["Change", "apply_change"]


@dataclass(frozen=True)
class Change:
    """A change that is in force. `note` tells people what was unusual about it; empty when nothing was."""

    rcode: str
    is_verified: bool
    note: str = ""


def apply_change(
    names: Names,
    primary: Primary,
    signature: Signature,
    clock: Clock,
    *,
    add: SrvRecord | None = None,
    remove: Sequence[SrvRecord] = (),
) -> Change:
    """Add `add` and remove `remove`, all of one name, and see that it is so.

    Raises:
        DnsPublicationError and its kind: it is not so, with the cause.
    """
    name = add.name if add is not None else remove[0].name
    before = names.shown_by(primary, name)
    if add is None and before is not None and not any(old.same_value(each) for old in remove for each in before):
        return Change("", False, "it was not there")
    reply = _send(names, primary, signature, clock, _message(primary.zone, add, remove, before))
    after = names.shown_by(primary, name)
    missing = "" if after is None else _missing(after, add, remove)
    is_yes = reply.rcode == dns.rcode.NOERROR
    proven = is_yes and (reply.is_verified or signature.key is None)
    if after is None and proven:
        return Change(reply.rcode_text, reply.is_verified, "the server does not let the record be read back")
    if after is not None and not missing:
        return Change(reply.rcode_text, reply.is_verified, _note(reply, is_yes, proven))
    if is_yes:
        reason = missing or f"{reply.fault}, and the server does not let the record be read back"
        raise DnsRecordNotThereError(
            server=primary.server, name=name.rstrip("."), rcode=reply.rcode_text, reason=reason
        )
    raise _cause(names, primary, signature, clock, reply, name, after or ())


def _note(reply: Reply, is_yes: bool, proven: bool) -> str:
    if proven:
        return ""
    if is_yes:
        return f"{reply.fault}; read back, the record is right"
    return f"the update was not taken ({reply.rcode_text}), but what stands there is already right"


def _missing(shown: Sequence[SrvRecord], add: SrvRecord | None, remove: Sequence[SrvRecord]) -> str:
    if add is not None and not any(add.same_value(each) for each in shown):
        return f"{add.value} is missing"
    left = [old.value for old in remove if any(old.same_value(each) for each in shown)]
    return f"{', '.join(left)} is still there" if left else ""


def _message(
    zone: str, add: SrvRecord | None, remove: Sequence[SrvRecord], before: Sequence[SrvRecord] | None
) -> dns.update.UpdateMessage:
    message = dns.update.UpdateMessage(zone)
    for old in remove:
        message.delete(old.owner, old.rdata)
    if add is not None:
        if any(add.same_value(each) and add.ttl != each.ttl for each in before or ()):
            message.delete(add.owner, add.rdata)
        message.add(add.owner, add.ttl, add.rdata)
    return message


def _send(
    names: Names, primary: Primary, signature: Signature, clock: Clock, message: dns.update.UpdateMessage
) -> Reply:
    return names.ask(primary.address, signed(message, signature.key, clock.now_s()), primary.server)


def _cause(
    names: Names,
    primary: Primary,
    signature: Signature,
    clock: Clock,
    reply: Reply,
    name: str,
    shown: Sequence[SrvRecord],
) -> QuorateError:
    """Why the server said no, with what a few more questions tell about it."""
    # An update that changes nothing passes where only the name or the type is not allowed (seen: BIND, Knot, PowerDNS).
    empty = _send(names, primary, signature, clock, dns.update.UpdateMessage(primary.zone))
    realm_domain = signature.realm.lower()
    controllers = names.shown_by(primary, f"_ldap._tcp.{realm_domain}.") if realm_domain else ()
    return refusal(
        Evidence(
            reply=reply,
            primary=primary,
            name=name,
            kind=signature.kind,
            who=signature.who,
            realm=signature.realm,
            takes_empty=empty.rcode == dns.rcode.NOERROR,
            is_named_primary=names.is_own(primary, primary.mname),
            is_active_directory=bool(controllers),
            shown=tuple(shown),
            now_s=clock.now_s(),
        )
    )
