"""Revocation: the publisher's numbered list of hosts that are no longer believed, and from when on.

An entry names a host key, a host, a host certificate, or a host's signing key, and a time. All four mean the same:
whatever a host that matches has signed at or after that time is void. No new lease is taken from it; a stored lease
that was issued at or after that time is void; older leases run their time.

Lists are numbered. Who has seen list n never again takes an older one, so nobody can undo a revocation by carrying
around what was true last year. Each list repeats all entries of the one before.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from quorate.core.documents import DocumentKind, HostCertificate, read
from quorate.core.ids import HostId, Nonce, ShownText
from quorate.core.messages import TimeS
from quorate.core.succession import TrustState, read_issued
from quorate.errors import HostRevokedError, ListConflictError, ListOutdatedError, MalformedError, TrustError

__all__ = [
    "ENTRIES_MAX",
    "NUMBER_MAX",
    "REVOCATIONS",
    "CertificateRevoked",
    "HostKeyRevoked",
    "HostRevoked",
    "RevocationList",
    "Revoked",
    "SigningKeyRevoked",
    "accept_list",
    "check_not_revoked",
    "newer",
    "read_held",
    "read_list",
]

ENTRIES_MAX: Final = 10_000  # with the usual 100 bytes for each, a list stays below its greatest size
NUMBER_MAX: Final = 2**53 - 1  # as RFC 8259 advises: whole in every JSON reader
_TOKEN_BYTES_MAX: Final = 2 * 1024 * 1024


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    since_s: TimeS
    reason: ShownText


class HostKeyRevoked(_Entry, frozen=True, kw_only=True, tag="host-key"):
    """Every host that was activated with this product key."""

    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{16}\Z")]


class HostRevoked(_Entry, frozen=True, kw_only=True, tag="host"):
    """The host of this id, whatever its certificate."""

    id: HostId


class CertificateRevoked(_Entry, frozen=True, kw_only=True, tag="certificate"):
    """One certificate, by its serial. A host may hold another."""

    id: Nonce


class SigningKeyRevoked(_Entry, frozen=True, kw_only=True, tag="signing-key"):
    """Everything signed by this key of a host (its thumbprint): it has leaked."""

    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]


Revoked = HostKeyRevoked | HostRevoked | CertificateRevoked | SigningKeyRevoked


class RevocationList(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"publisher": "iss", "issued_s": "iat"},
):
    """`revocations+jwt`: list `number` of this publisher, with everything that was ever revoked."""

    v: Literal[1] = 1
    publisher: ShownText
    issued_s: TimeS
    number: Annotated[int, Meta(ge=1, le=NUMBER_MAX)]
    entries: Annotated[tuple[Revoked, ...], Meta(max_length=ENTRIES_MAX)]

    def __post_init__(self) -> None:
        if len({(type(entry), entry.id) for entry in self.entries}) != len(self.entries):
            raise ValueError("an entry stands twice")


REVOCATIONS = DocumentKind("revocations+jwt", RevocationList, bytes_max=_TOKEN_BYTES_MAX, what="the revocation list")


def read_list(token: str, trust: TrustState) -> RevocationList:
    """A list that is offered now: signed by a key that the publisher uses now.

    Raises:
        MalformedError, TrustError and its kind: as `core.succession.read_issued`.
    """
    return read_issued(REVOCATIONS, token, trust)


def read_held(token: str, trust: TrustState) -> RevocationList:
    """A list that was accepted earlier, read again: the publisher may have dropped the key that signed it since. It
    stays in force until a newer one comes, as nobody may be made to forget it.

    Raises:
        MalformedError, TrustError and its kind: it was changed where it was kept.
    """
    return read(REVOCATIONS, token, trust.for_memory())


def accept_list(held: str | None, offered: str, trust: TrustState) -> RevocationList:
    """The offered list, if it takes the place of the one that is held.

    A held one that was signed by a dropped key has no number that binds (a thief of that key could have written the
    highest), nor has one that cannot be read any more.

    Args:
        held: the token that was accepted last, None if there was none.
        offered: the token of the other.

    Raises:
        ListOutdatedError: it is not newer; ListConflictError where it contradicts the one that is held.
        MalformedError, TrustError and its kind: as `read_list`.
    """
    new = read_list(offered, trust)
    if held is None:
        return new
    try:
        old = read_list(held, trust)
    except (MalformedError, TrustError):
        return new
    return newer(old, new)


def newer(held: RevocationList | None, offered: RevocationList) -> RevocationList:
    """The offered list, if its number is higher than that of the one that is held. Both have been verified.

    Raises:
        ListConflictError: the same number, another content.
        ListOutdatedError: the same list again, or an older one.
    """
    if held is None or offered.number > held.number:
        return offered
    if offered.number == held.number and offered != held:
        raise ListConflictError(offered=offered.number, held=held.number)
    raise ListOutdatedError(offered=offered.number, held=held.number)


def check_not_revoked(certificate: HostCertificate, at_s: int, revocations: RevocationList | None) -> HostCertificate:
    """The certificate, if its holder was still believed at `at_s`.

    Args:
        certificate: verified.
        at_s: for an answer that just came: the later one of now and its `iat`, as a host that was revoked would date
            its leases back. For a stored lease: its `iat`.
        revocations: the newest list that is known, None for none.

    Raises:
        HostRevokedError: with the publisher's reason, the earliest where several entries match.
    """
    if revocations is None:
        return certificate
    named: dict[str, type[Revoked]] = {
        certificate.key_id: HostKeyRevoked,
        certificate.host_id: HostRevoked,
        certificate.serial: CertificateRevoked,
        certificate.jwk.key().thumbprint(): SigningKeyRevoked,
    }
    found = [each for each in revocations.entries if each.since_s <= at_s and named.get(each.id) is type(each)]
    if found:
        first = min(found, key=lambda entry: entry.since_s)
        raise HostRevokedError(host_id=certificate.host_id, reason=first.reason)
    return certificate
