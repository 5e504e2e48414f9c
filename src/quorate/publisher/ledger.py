"""What was issued, and what is left of it: host keys, the hosts activated with them, their certificates.

The limits are held here. One transaction (`BEGIN IMMEDIATE`) checks the key, counts, writes the certificate down and
only then lets it out, so that two confirmations at the same moment cannot both take the last place.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Final

import sqlalchemy as sa

from quorate.core.documents import HostCertificate, HostRequest
from quorate.core.ids import key_proof
from quorate.core.trust import utc_text
from quorate.core.words import counted
from quorate.errors import (
    HostCertificateExpiredError,
    HostKeyUsedUpError,
    NotKnownError,
    ProductKeyBlockedError,
    ProductKeyExpiredError,
    ProductKeyUnknownError,
    ProductKeyUnprovenError,
)
from quorate.publisher.blocklist import Blocklist, check_certificate_not_revoked, check_host_not_revoked
from quorate.publisher.schema import Database, certificates, host_keys, hosts

__all__ = ["ACTIVATIONS_DEFAULT", "HOSTS_DEFAULT", "HostEntry", "HostKey", "Ledger", "Totals"]

HOSTS_DEFAULT: Final = 6  # as Microsoft's KMS host keys: 6 hosts, each activated up to 10 times
ACTIVATIONS_DEFAULT: Final = 10


@dataclass(frozen=True, kw_only=True)
class HostKey:
    """An issued host key, as the ledger knows it: everything but the key.

    `verifier` is as good as the key for making proofs, so it is in no `repr` and no listing.
    """

    STATUSES: ClassVar = ("active", "used up", "expired", "blocked")

    key_id: str
    verifier: bytes = field(repr=False)
    last_five: str
    customer: str
    groups: tuple[str, ...]
    hosts_max: int
    activations_max: int
    issued_s: int
    expires_s: int | None
    blocked_s: int | None = None
    blocked_reason: str | None = None
    hosts_used: int = 0

    def status(self, now_s: int) -> str:
        """`active`, `used up` (no further host; those it has may come again), `expired` or `blocked`."""
        if self.blocked_s is not None:
            return "blocked"
        if self.expires_s is not None and now_s >= self.expires_s:
            return "expired"
        return "used up" if self.hosts_used >= self.hosts_max else "active"


@dataclass(frozen=True, kw_only=True)
class HostEntry:
    """A host that was activated with a host key."""

    host_id: str
    thumbprint: str
    machine: str
    key_id: str
    last_five: str
    customer: str
    activations: int
    activations_max: int
    first_s: int
    last_s: int
    certificate_expires_s: int
    revoked_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Totals:
    """The ledger in numbers."""

    host_keys: int
    hosts: int
    certificates: int


class Ledger:
    """The publisher's book, `ledger.db`.

    Attributes:
        blocklist: what was revoked.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.blocklist = Blocklist(database)

    @classmethod
    def create(cls, path: Path) -> Ledger:
        """A new one; errors as `schema.Database.create`."""
        return cls(Database.create(path))

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """The one that is there; errors as `schema.Database.open`."""
        return cls(Database.open(path))

    def add_key(self, key: HostKey) -> None:
        """Enter a new host key."""
        row = {column.name: getattr(key, column.name) for column in host_keys.columns}
        with self._database.writing() as connection:
            connection.execute(host_keys.insert().values({**row, "groups": list(key.groups)}))

    def block_key(self, key_id: str, reason: str, now_s: int) -> None:
        """No host is activated with this key from now on. A key that is blocked stays as it is.

        Hosts that were activated with it go on; `Publisher.revoke` ends them too.

        Raises:
            NotKnownError: no key has that id.
        """
        with self._database.writing() as connection:
            if _key_of(connection, key_id) is None:
                raise NotKnownError(what="host key", name=key_id, known="see quorate publisher list host-keys")
            connection.execute(
                host_keys.update()
                .where(host_keys.c.key_id == key_id, host_keys.c.blocked_s.is_(None))
                .values(blocked_s=now_s, blocked_reason=reason)
            )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes anything in this publisher's state meanwhile; the ledger itself is not changed in it."""
        with self._database.writing():
            yield

    def grant(
        self,
        request: HostRequest,
        thumbprint: str,
        now_s: int,
        make: Callable[[HostKey], tuple[HostCertificate, str]],
    ) -> str:
        """The certificate for a verified request: the one already given for it, or a new one within the limits.

        Args:
            request: its signature has been checked.
            thumbprint: of the key that signed it.
            now_s: now.
            make: the certificate and its signed token for a host of this key; called inside the transaction.

        Raises:
            ProductKeyUnknownError, ProductKeyUnprovenError: the key was not issued here, or is not known over there.
            ProductKeyBlockedError, ProductKeyExpiredError: it may not be used any more.
            HostKeyUsedUpError: all its hosts are taken, or this host has been activated often enough.
            HostRevokedError: the host, its signing key, or the certificate it was given is revoked.
            HostCertificateExpiredError: this request was confirmed long ago, and what it got has ended.
        """
        with self._database.writing() as connection:
            key = _checked_key(connection, request, thumbprint)
            check_host_not_revoked(connection, request.host_id, thumbprint)
            given = _given(connection, request, thumbprint)
            if given is not None:
                token, ends_s, serial = given
                check_certificate_not_revoked(connection, request.host_id, serial)
                if now_s >= ends_s:
                    raise HostCertificateExpiredError(host_id=request.host_id, expired=utc_text(ends_s))
                return token
            if key.expires_s is not None and now_s >= key.expires_s:
                raise ProductKeyExpiredError(last_five=key.last_five, expired=utc_text(key.expires_s))
            _count(connection, key, request, thumbprint, now_s)
            certificate, token = make(key)
            connection.execute(
                certificates.insert().values(
                    serial=certificate.serial,
                    key_id=key.key_id,
                    host_id=request.host_id,
                    thumbprint=thumbprint,
                    request_id=request.request_id,
                    token=token,
                    issued_s=certificate.issued_s,
                    expires_s=certificate.expires_s,
                )
            )
        return token

    def keys(self) -> list[HostKey]:
        """Every host key, the newest last."""
        with self._database.reading() as connection:
            rows = connection.execute(_keys_query().order_by(host_keys.c.issued_s, host_keys.c.key_id))
            return [_key(row) for row in rows.mappings()]

    def hosts(self) -> list[HostEntry]:
        """Every activated host, the newest last."""
        ends = (
            sa.select(sa.func.max(certificates.c.expires_s))
            .where(*_same_host(certificates))
            .scalar_subquery()
            .label("certificate_expires_s")
        )
        query = (
            sa.select(hosts, host_keys.c.last_five, host_keys.c.customer, host_keys.c.activations_max, ends)
            .join_from(hosts, host_keys)
            .order_by(hosts.c.first_s, hosts.c.host_id)
        )
        with self._database.reading() as connection:
            found = [HostEntry(**row) for row in connection.execute(query).mappings()]
        reasons = {entry.id: entry.reason for entry in self.blocklist.entries()}
        # Ids of different kinds have different lengths, so none stands in for another.
        return [
            replace(
                host, revoked_reason=reasons.get(host.host_id, reasons.get(host.thumbprint, reasons.get(host.key_id)))
            )
            for host in found
        ]

    def replace_token(self, serial: str, token: str) -> None:
        """The same certificate, signed anew."""
        with self._database.writing() as connection:
            connection.execute(certificates.update().where(certificates.c.serial == serial).values(token=token))

    def newest_certificates(self, now_s: int) -> list[str]:
        """The tokens of the certificates that are in force, the last one of each host."""
        query = (  # SQLite takes the other columns from the row of the greatest value
            sa.select(certificates.c.token, sa.func.max(certificates.c.issued_s))
            .where(certificates.c.expires_s > now_s)
            .group_by(certificates.c.host_id, certificates.c.thumbprint)
        )
        with self._database.reading() as connection:
            return [row.token for row in connection.execute(query)]

    def totals(self) -> Totals:
        """How many of each."""
        with self._database.reading() as connection:
            counts = [
                connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in (host_keys, hosts, certificates)
            ]
        return Totals(host_keys=counts[0], hosts=counts[1], certificates=counts[2])


def _keys_query() -> sa.Select[Any]:
    used = sa.select(sa.func.count()).where(hosts.c.key_id == host_keys.c.key_id).scalar_subquery()
    return sa.select(host_keys, used.label("hosts_used"))


def _key(row: sa.RowMapping) -> HostKey:
    return HostKey(**{**row, "groups": tuple(row["groups"])})


def _key_of(connection: sa.Connection, key_id: str) -> HostKey | None:
    row = connection.execute(_keys_query().where(host_keys.c.key_id == key_id)).mappings().one_or_none()
    return None if row is None else _key(row)


def _checked_key(connection: sa.Connection, request: HostRequest, thumbprint: str) -> HostKey:
    key = _key_of(connection, request.key_id)
    if key is None:
        raise ProductKeyUnknownError(last_five=request.last_five)
    proof = key_proof(key.verifier, request.host_id, thumbprint, request.request_id)
    if not hmac.compare_digest(proof, request.key_proof):
        raise ProductKeyUnprovenError(last_five=key.last_five)
    if key.blocked_s is not None:
        raise ProductKeyBlockedError(last_five=key.last_five, reason=key.blocked_reason)
    return key


def _same_host(table: sa.Table) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == hosts.c[name] for name in ("key_id", "host_id", "thumbprint")]


def _this_host(table: sa.Table, request: HostRequest, thumbprint: str) -> list[sa.ColumnElement[bool]]:
    return [
        table.c.key_id == request.key_id,
        table.c.host_id == request.host_id,
        table.c.thumbprint == thumbprint,
    ]


def _given(connection: sa.Connection, request: HostRequest, thumbprint: str) -> tuple[str, int, str] | None:
    row = connection.execute(
        sa.select(certificates.c.token, certificates.c.expires_s, certificates.c.serial).where(
            *_this_host(certificates, request, thumbprint), certificates.c.request_id == request.request_id
        )
    ).one_or_none()
    return None if row is None else (row.token, row.expires_s, row.serial)


def _count(connection: sa.Connection, key: HostKey, request: HostRequest, thumbprint: str, now_s: int) -> None:
    this = _this_host(hosts, request, thumbprint)
    used = connection.execute(sa.select(hosts.c.activations).where(*this)).scalar_one_or_none()
    if used is None:
        if key.hosts_used >= key.hosts_max:
            taken = f"{key.hosts_used} of {counted(key.hosts_max, 'host')} activated with it"
            raise HostKeyUsedUpError(last_five=key.last_five, used=taken)
        connection.execute(
            hosts.insert().values(
                key_id=key.key_id,
                host_id=request.host_id,
                thumbprint=thumbprint,
                machine=request.machine,
                activations=1,
                first_s=now_s,
                last_s=now_s,
            )
        )
        return
    if used >= key.activations_max:
        taken = f"this host ({request.machine}) has had {used} of {key.activations_max} activations"
        raise HostKeyUsedUpError(last_five=key.last_five, used=taken)
    connection.execute(hosts.update().where(*this).values(activations=used + 1, last_s=now_s, machine=request.machine))
