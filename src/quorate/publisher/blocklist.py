"""What was revoked, and the signed list of it: one transaction enters it, blocks the key, counts, and signs.

Entries are never taken back, and a list's number is never used twice, also when the ledger was restored from a backup:
what the published list knows and the ledger has forgotten is entered again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from quorate.core.ids import ProductKey
from quorate.core.revocation import RevocationList, Revoked
from quorate.errors import HostRevokedError, InvalidSettingError, NotKnownError, ProductKeyInvalidError
from quorate.publisher.schema import Database, certificates, host_keys, hosts, revocation_lists, revocations

__all__ = ["Blocklist", "Kind", "Outcome", "check_certificate_not_revoked", "check_host_not_revoked"]

PREFIX_MIN: Final = 4  # characters; fewer are sooner a mistake than a name
_SHOWN_MAX: Final = 5

Seal = Callable[[int, tuple[Revoked, ...]], str]
"""Signs the list of that number with these entries."""


class Kind(StrEnum):
    """What can be revoked; the values are those of the signed entries."""

    HOST_KEY = "host-key"
    HOST = "host"
    CERTIFICATE = "certificate"
    SIGNING_KEY = "signing-key"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The newest list, and what became of the entry that was asked for."""

    entry: Revoked
    number: int
    token: str
    is_changed: bool


_WHERE: Final = {
    Kind.HOST_KEY: (host_keys.c.key_id, "host key", "host-keys"),
    Kind.HOST: (hosts.c.host_id, "host", "hosts"),
    Kind.CERTIFICATE: (certificates.c.serial, "certificate", "hosts"),
    Kind.SIGNING_KEY: (hosts.c.thumbprint, "host signing key", "hosts"),
}


class Blocklist:
    """The part of the ledger that says no."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, kind: Kind, typed: str) -> str:
        """The full id that `typed` begins (at least four characters); for a host key also its last five symbols, or
        the key itself.

        Raises:
            NotKnownError: nothing of that kind begins so.
            InvalidSettingError: too short, or several do.
        """
        column, what, listing = _WHERE[kind]
        typed = typed.strip()
        if kind is Kind.HOST_KEY:
            typed = _key_id(typed)
        matches = sa.func.substr(column, 1, len(typed)) == typed
        if kind is Kind.HOST_KEY:
            matches |= host_keys.c.last_five == typed.upper()
        query = sa.select(column).distinct().where(matches).order_by(column).limit(_SHOWN_MAX + 1)
        with self._database.reading() as connection:
            found = list(connection.execute(query).scalars())
        if len(typed) < PREFIX_MIN:
            reason = f"{typed!r} is too short to name one"
            raise InvalidSettingError(name=f"--{_option(kind)}", reason=reason, allowed="Give 4 characters or more.")
        if not found:
            raise NotKnownError(what=what, name=typed, known=f"see quorate publisher list {listing}")
        if len(found) > 1:
            shown = ", ".join(found[:_SHOWN_MAX]) + (", ..." if len(found) > _SHOWN_MAX else "")
            reason = f"{typed!r} may be each of {shown}"
            raise InvalidSettingError(name=f"--{_option(kind)}", reason=reason, allowed="Give more of it.")
        return str(found[0])

    def add(self, entry: Revoked, now_s: int, published: RevocationList | None, seal: Seal) -> Outcome:
        """Enter `entry` and sign the next list. What is entered already may only begin earlier.

        Args:
            published: the list that was given out last, as far as it is still there.
            seal: called inside the transaction.

        Raises:
            MalformedError: the list would be longer than a list can be; nothing was changed.
        """
        with self._database.writing() as connection:
            newest = _newest(connection)
            is_behind = _catch_up(connection, published, now_s)
            if not _enter(connection, entry, now_s) and newest is not None and not is_behind:
                standing = next(each for each in _entries(connection) if _name(each) == _name(entry))
                return Outcome(entry=standing, number=newest[0], token=newest[1], is_changed=False)
            number, token = _sign_next(connection, published, seal)
        return Outcome(entry=entry, number=number, token=token, is_changed=True)

    def sign_again(self, now_s: int, published: RevocationList | None, seal: Seal) -> tuple[int, str]:
        """The same entries as the next list, as `add` without an entry: the signing key was exchanged, or the ledger
        restored."""
        with self._database.writing() as connection:
            _catch_up(connection, published, now_s)
            return _sign_next(connection, published, seal)

    def newest(self) -> tuple[int, str] | None:
        """Number and token of the newest list, None if nothing was ever revoked."""
        with self._database.reading() as connection:
            return _newest(connection)

    def entries(self) -> list[Revoked]:
        """Everything that is revoked, the oldest entry first."""
        with self._database.reading() as connection:
            return list(_entries(connection))


def check_host_not_revoked(connection: sa.Connection, host_id: str, thumbprint: str) -> str:
    """The host's id, if neither it nor its signing key is revoked.

    Raises:
        HostRevokedError: with the reason.
    """
    return _check(connection, host_id, {Kind.HOST: host_id, Kind.SIGNING_KEY: thumbprint})


def check_certificate_not_revoked(connection: sa.Connection, host_id: str, serial: str) -> str:
    """The host's id, if this certificate of it is not revoked.

    Raises:
        HostRevokedError: with the reason.
    """
    return _check(connection, host_id, {Kind.CERTIFICATE: serial})


def _check(connection: sa.Connection, host_id: str, names: dict[Kind, str]) -> str:
    for kind, name in names.items():
        reason = connection.execute(
            sa.select(revocations.c.reason).where(revocations.c.kind == kind.value, revocations.c.id == name)
        ).scalar_one_or_none()
        if reason is not None:
            raise HostRevokedError(host_id=host_id, reason=reason)
    return host_id


def _catch_up(connection: sa.Connection, published: RevocationList | None, now_s: int) -> bool:
    """Whether the ledger was behind the list that was given out; now it knows what that one did."""
    newest = _newest(connection)
    if published is None or (newest is not None and published.number <= newest[0]):
        return False
    for entry in published.entries:
        _enter(connection, entry, now_s)
    return True


def _enter(connection: sa.Connection, entry: Revoked, now_s: int) -> bool:
    """Whether it changed anything."""
    kind, name = _name(entry)
    this = (revocations.c.kind == kind, revocations.c.id == name)
    since_s = connection.execute(sa.select(revocations.c.since_s).where(*this)).scalar_one_or_none()
    if since_s is not None and since_s <= entry.since_s:
        return False
    values = {"since_s": entry.since_s, "reason": entry.reason, "revoked_s": now_s}
    if since_s is None:
        connection.execute(revocations.insert().values(kind=kind, id=name, **values))
    else:
        connection.execute(revocations.update().where(*this).values(**values))
    if kind == Kind.HOST_KEY:
        connection.execute(
            host_keys.update()
            .where(host_keys.c.key_id == name, host_keys.c.blocked_s.is_(None))
            .values(blocked_s=now_s, blocked_reason=entry.reason)
        )
    return True


def _sign_next(connection: sa.Connection, published: RevocationList | None, seal: Seal) -> tuple[int, str]:
    newest = _newest(connection)
    number = max(0 if newest is None else newest[0], 0 if published is None else published.number) + 1
    token = seal(number, _entries(connection))
    connection.execute(revocation_lists.delete())
    connection.execute(revocation_lists.insert().values(number=number, token=token))
    return number, token


def _newest(connection: sa.Connection) -> tuple[int, str] | None:
    query = sa.select(revocation_lists).order_by(revocation_lists.c.number.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.number, row.token)


def _entries(connection: sa.Connection) -> tuple[Revoked, ...]:
    columns = revocations.c
    query = sa.select(columns.kind, columns.id, columns.since_s, columns.reason)
    rows = connection.execute(query.order_by(columns.revoked_s, columns.kind, columns.id))
    return tuple(
        msgspec.convert({"kind": row.kind, "id": row.id, "since_s": row.since_s, "reason": row.reason}, Revoked)
        for row in rows
    )


def _name(entry: Revoked) -> tuple[str, str]:
    built: dict[str, Any] = msgspec.to_builtins(entry)
    return built["kind"], entry.id


def _key_id(typed: str) -> str:
    try:
        return ProductKey.parse(typed).key_id
    except ProductKeyInvalidError:
        return typed


def _option(kind: Kind) -> str:
    return "serial" if kind is Kind.CERTIFICATE else kind.value
