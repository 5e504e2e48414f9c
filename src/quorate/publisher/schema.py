"""The ledger's tables, and opening them: one SQLite file, `ledger.db`, with a schema version."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from quorate.errors import FileAccessError, MalformedError, SchemaNewerError
from quorate.files import SECRET_MODE, check_private

__all__ = ["Database", "certificates", "host_keys", "hosts", "revocation_lists", "revocations"]

SCHEMA_VERSION: Final = 2  # 2: revocations; kept in SQLite's own `user_version`
LOCK_TIMEOUT_S: Final = 10.0  # a transaction here takes milliseconds; who waits longer should hear of it

_metadata = sa.MetaData()

host_keys = sa.Table(
    "host_keys",
    _metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("verifier", sa.LargeBinary, nullable=False),  # checks proofs; the product key itself is never stored
    sa.Column("last_five", sa.Text, nullable=False),
    sa.Column("customer", sa.Text, nullable=False),
    sa.Column("groups", sa.JSON, nullable=False),
    sa.Column("hosts_max", sa.Integer, nullable=False),
    sa.Column("activations_max", sa.Integer, nullable=False),
    sa.Column("issued_s", sa.Integer, nullable=False),
    sa.Column("expires_s", sa.Integer),
    sa.Column("blocked_s", sa.Integer),
    sa.Column("blocked_reason", sa.Text),
)

# A host is a key pair under a host id: a second key pair under the same id takes a second place.
hosts = sa.Table(
    "hosts",
    _metadata,
    sa.Column("key_id", sa.Text, sa.ForeignKey("host_keys.key_id"), primary_key=True),
    sa.Column("host_id", sa.Text, primary_key=True),
    sa.Column("thumbprint", sa.Text, primary_key=True),
    sa.Column("machine", sa.Text, nullable=False),
    sa.Column("activations", sa.Integer, nullable=False),
    sa.Column("first_s", sa.Integer, nullable=False),
    sa.Column("last_s", sa.Integer, nullable=False),
)

certificates = sa.Table(
    "certificates",
    _metadata,
    sa.Column("serial", sa.Text, primary_key=True),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("host_id", sa.Text, nullable=False),
    sa.Column("thumbprint", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("issued_s", sa.Integer, nullable=False),
    sa.Column("expires_s", sa.Integer, nullable=False),
    sa.UniqueConstraint("key_id", "host_id", "thumbprint", "request_id"),
    sa.ForeignKeyConstraint(["key_id", "host_id", "thumbprint"], ["hosts.key_id", "hosts.host_id", "hosts.thumbprint"]),
)

revocations = sa.Table(
    "revocations",
    _metadata,
    sa.Column("kind", sa.Text, primary_key=True),  # as in the entries of core.revocation
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("since_s", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("revoked_s", sa.Integer, nullable=False),
)

# The newest list alone: it holds all that the older ones did.
revocation_lists = sa.Table(
    "revocation_lists",
    _metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("token", sa.Text, nullable=False),
)


class Database:
    """`ledger.db`. A connection is opened for each transaction, so threads and processes may share the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = sa.create_engine(
            f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": LOCK_TIMEOUT_S}
        )
        sa.event.listen(self._engine, "connect", _prepare)
        sa.event.listen(self._engine, "begin", _begin)

    @classmethod
    def create(cls, path: Path) -> Database:
        """A new, empty one, or the empty one that is there.

        Raises:
            FileAccessError, MalformedError, SchemaNewerError: it cannot be made, or something else is there.
        """
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, SECRET_MODE))
        except OSError as fault:
            raise FileAccessError(path=path, reason=(fault.strerror or str(fault)).lower()) from None
        check_private(path)
        database = cls(path)
        with database.writing() as connection:
            if _version(connection) == 0:
                _bring_up(connection)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Database:
        """The one that is there.

        Raises:
            FileAccessError: it is missing. It cannot be made up: it knows what was issued.
            FilePermissionsError: others may read it.
            SchemaNewerError, MalformedError: of a newer version, or no ledger.
        """
        if not path.exists():
            raise FileAccessError(path=path, reason="the publisher's ledger is missing; restore it from a backup")
        check_private(path)
        database = cls(path)
        with database.reading() as connection:
            found = _version(connection)
        if found > SCHEMA_VERSION:
            raise SchemaNewerError(path=path, found=found, known=SCHEMA_VERSION)
        if found < 1:
            raise MalformedError(what=str(path), reason="it is a database, but not a publisher's ledger")
        if found < SCHEMA_VERSION:
            with database.writing() as connection:
                _bring_up(connection)
        return database

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent look."""
        with self._transaction("DEFERRED") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that is alone from its first read on, so that what it counted is still so when it writes."""
        with self._transaction("IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def _transaction(self, kind: Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[sa.Connection]:
        try:
            with (
                self._engine.connect().execution_options(quorate_begin=kind) as connection,
                connection.begin(),
            ):
                yield connection
        except sa.exc.OperationalError as fault:  # locked, disk full, read-only
            raise FileAccessError(path=self._path, reason=str(fault.orig)) from None
        except sa.exc.DatabaseError as fault:
            raise MalformedError(what=str(self._path), reason=str(fault.orig)) from None


def _version(connection: sa.Connection) -> int:
    version: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    return version


def _bring_up(connection: sa.Connection) -> None:
    _metadata.create_all(connection)  # so far every version only added tables
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin`, not by the driver's guess
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = EXTRA")  # a certificate that was handed out is in the ledger


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options()['quorate_begin']}")
