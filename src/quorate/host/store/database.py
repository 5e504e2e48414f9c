"""One SQLite file: how it is made, opened, brought up to date, written and read, and how its faults are said.

WAL with `synchronous=FULL`: what was committed survives a power cut, and readers never wait for the writer. There is
one writing connection; readers have their own.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from quorate.errors import (
    DatabaseDamagedError,
    DatabaseMissingError,
    FileAccessError,
    SchemaNewerError,
    StateExistsError,
    StoreUnavailableError,
)
from quorate.files import access_fault, give_to_folder_owner, sync_folder
from quorate.host.store.driver import rows_of
from quorate.opening import open_plain

__all__ = ["REVISIONS", "Database", "revision_of"]

BUSY_TIMEOUT_S: Final = 5  # another process holds the write lock for milliseconds; longer is a fault worth an answer
RETRY_AFTER_S: Final = 30  # what clients are told while the store cannot be written
WAL_PAGES: Final = 4000  # 16 MB before a checkpoint: the best worst case at a million records (reference, section 6)
READERS_MAX: Final = 8
CACHE_KIB: Final = 8192  # more made no difference at a million records

WRITE: Final = "BEGIN IMMEDIATE"
READ: Final = "BEGIN"

_MAGIC: Final = b"SQLite format 3\0"
_MIGRATIONS = Path(__file__).parent / "migrations"

REVISIONS: Final = tuple(sorted(script.name[1:5] for script in (_MIGRATIONS / "versions").glob("v????_*.py")))
"""Every shape a database may have, oldest first; the last is the one that is known here."""

_WRITER_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA wal_autocheckpoint={WAL_PAGES}",
)
_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_BUSY: "another process holds the database locked",
    sqlite3.SQLITE_LOCKED: "another connection holds the database locked",
    sqlite3.SQLITE_READONLY: "the database is read-only",
    sqlite3.SQLITE_IOERR: "the disk gave an I/O error",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened",
    sqlite3.SQLITE_PERM: "the database may not be opened by this user",
    sqlite3.SQLITE_CORRUPT: "the database is damaged",
    sqlite3.SQLITE_NOTADB: "the file is not a database",
    sqlite3.SQLITE_PROTOCOL: "the database's locks do not work here",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
}
_DAMAGED = (
    "it does not recover by itself. Stop the host and keep a copy of {path}. With a backup: `quorate host restore "
    "FILE` into another folder. Without one: move {path} away with its -wal and -shm, and begin a new one: `quorate "
    "host new-database`; only records and settings are lost."
)
_ADVICE = {  # the next step; for all others, those of the error itself
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_READONLY: "make {path} and its folder writable for the user that runs it; it works again at once.",
    sqlite3.SQLITE_PERM: "make {path} and its folder writable for the user that runs it; it works again at once.",
    sqlite3.SQLITE_PROTOCOL: "keep the state folder on a disk of this machine: on this one file locks do not work.",
    sqlite3.SQLITE_NOMEM: "free memory, or give the host more; it recovers by itself.",
}
_MOVED = "the database file was moved away or replaced while it was in use"
_MOVED_ADVICE = (
    "put {path} back with its -wal, as they were: it works again at once. Is what is there now meant to be used? "
    "Restart the host."
)
_Identity = tuple[int, int]

_T = TypeVar("_T")


class Database:
    """The file and its connections. Closing it lets go of all of them.

    Args:
        is_durable: False only where no power cut can be (`quorate.sim`): a commit then does not wait for the disk.
    """

    def __init__(self, path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S, *, is_durable: bool = True) -> None:
        self.path = path
        pragmas = _WRITER_PRAGMAS if is_durable else (*_WRITER_PRAGMAS, "PRAGMA synchronous=OFF")
        self._writer = _engine(path, WRITE, pragmas, 1, busy_timeout_s)
        self._reader = _engine(path, READ, ("PRAGMA query_only=ON",), READERS_MAX, busy_timeout_s)
        self._wal = path.with_name(path.name + "-wal")
        self._folder = str(path.parent)
        self._seen_ns: int | None = None
        self._anchor: sqlite3.Connection | None = None
        self._opened: tuple[_Identity, _Identity] | None = None

    @classmethod
    def create(cls, path: Path, *, is_durable: bool = True) -> Database:
        """A new, empty database, readable by its owner alone. It appears under its name complete or not at all.

        Raises:
            StateExistsError: there is a file of that name.
            FileAccessError: the folder is missing or not writable.
        """
        if path.exists():
            raise StateExistsError(role="KMS host's store", path=path)
        unfinished = path.with_name(path.name + ".new")
        try:
            unfinished.unlink(missing_ok=True)
            descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                give_to_folder_owner(unfinished, descriptor)  # SQLite gives its own files to this one's owner
            finally:
                os.close(descriptor)
            made = cls(unfinished)
            try:
                with made.writing() as connection:
                    _migrate(connection)
            finally:
                made.close()  # the last connection to close leaves everything in the one file
            unfinished.rename(path)
            sync_folder(path.parent)
        except OSError as fault:
            raise FileAccessError(path=path, reason=fault.strerror) from None
        finally:
            unfinished.unlink(missing_ok=True)
        return cls(path, is_durable=is_durable)._remember_files()

    @classmethod
    def open(cls, path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S, *, is_durable: bool = True) -> Database:
        """The database, brought up to date in one transaction.

        Raises:
            DatabaseMissingError: there is no such file.
            SchemaNewerError: written by a newer version; nothing was changed.
            DatabaseDamagedError: a file that is not a host's database.
            FileAccessError: it cannot be read.
            StoreUnavailableError: it has to be brought up to date and cannot be written.
        """
        if not path.is_file():
            raise DatabaseMissingError(path=path)
        if _beginning_of(path) != _MAGIC:
            raise DatabaseDamagedError(path=path, reason="it is not a database")
        opened = cls(path, busy_timeout_s, is_durable=is_durable)
        try:
            with opened.reading() as connection:
                found = revision_of(connection)
            if found is None:
                raise DatabaseDamagedError(path=path, reason="it is not the database of a KMS host")
            if found not in REVISIONS:
                raise SchemaNewerError(path=path, found=found, known=REVISIONS[-1])
            if found != REVISIONS[-1]:
                with opened.writing() as connection:
                    _migrate(connection)
        except BaseException:
            opened.close()
            raise
        return opened._remember_files()

    @property
    def dialect(self) -> Dialect:
        """What SQL this database speaks."""
        return self._writer.dialect

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, committed and on disk when the block ends; nothing of it is left when the block raises.

        Raises:
            StoreUnavailableError: the transaction could not be begun or committed. The next one begins afresh, so
                it works as soon as the cause is gone.
        """
        self.check_in_place()
        with self._failures(), self._writer.connect() as connection:
            try:
                with connection.begin():
                    yield connection
            except DBAPIError:
                # A connection that was opened on a read-only or vanished file stays so: the next call opens anew.
                connection.invalidate()
                raise

    def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """What `work` returns, done in a transaction as `writing`, and raising as it; on the driver's own connection.

        For what every answer pays for: it costs 9 µs in the place of 21.
        """
        self.check_in_place()  # before: a connection to nothing would make a new file there
        try:
            pooled = self._writer.raw_connection()
            connection = cast("sqlite3.Connection", pooled.dbapi_connection)
            try:
                rows_of(connection, WRITE)
                try:
                    done = work(connection)
                    rows_of(connection, "COMMIT")
                except BaseException:
                    connection.rollback()  # nothing, where SQLite has done so already
                    raise
                return done
            except (DBAPIError, sqlite3.Error):
                pooled.invalidate()  # as in `writing`
                raise
            finally:
                pooled.close()
        except (PoolTimeoutError, DBAPIError, sqlite3.Error) as fault:
            self._tell(fault)
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the database, on a connection of its own, from any thread. Keep it short.

        Raises:
            StoreUnavailableError: the database cannot be read.
        """
        self.check_in_place()
        with self._failures(), self._reader.connect() as connection:
            try:
                connection.begin()  # ended by closing it
                yield connection
            except DBAPIError:
                connection.invalidate()
                raise

    def close(self) -> None:
        """Let go of the file. Closing twice does no harm."""
        self._opened = None
        if self._anchor is not None:
            self._anchor.close()
        self._reader.dispose()
        self._writer.dispose()

    def _remember_files(self) -> Database:
        """Which files are open from now on. One more connection keeps SQLite from replacing its log file by itself."""
        with suppress(sqlite3.Error):  # a folder that is read-only: it has no such file
            self._anchor = sqlite3.connect(self.path, check_same_thread=False)
            self._anchor.execute("SELECT count(*) FROM sqlite_master").fetchone()
            file, wal = _identity(self.path), _identity(self._wal)
            if file is not None and wal is not None:
                self._opened = file, wal
        return self

    def check_in_place(self, *, is_thorough: bool = False) -> None:
        """That the files at our path are those that we have open: what is written into one that was moved away, or
        whose name another has now, is seen by nobody who comes later. From any thread; one look at the folder, and at
        the files where something in it has changed.

        Args:
            is_thorough: look at the files in any case.

        Raises:
            StoreUnavailableError: they are not. It works again when they are back.
        """
        if self._opened is None:
            return
        changed_ns = _changed_ns(self._folder)
        if changed_ns is not None and changed_ns == self._seen_ns and not is_thorough:
            return
        if self._opened != (_identity(self.path), _identity(self._wal)):
            self._seen_ns = None
            raise self._unavailable(_MOVED, _MOVED_ADVICE)
        self._seen_ns = changed_ns

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Faults of the disk and of locks, said in plain words; faults of ours pass as they are."""
        try:
            yield
        except (PoolTimeoutError, DBAPIError) as fault:
            self._tell(fault)
            raise

    def _tell(self, fault: Exception) -> None:
        """Raise what a fault of the disk or of locks is in plain words; return where it is one of ours."""
        if isinstance(fault, PoolTimeoutError):
            raise self._unavailable("all connections are in use") from fault
        code = getattr(fault.orig if isinstance(fault, DBAPIError) else fault, "sqlite_errorcode", None)
        reason = None if code is None else _REASONS.get(code & 0xFF)  # the upper bits only refine
        if reason is None:
            return
        if code is not None and code & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
            reason = _trouble_in(self.path.parent) or reason
        raise self._unavailable(reason, _ADVICE.get((code or 0) & 0xFF)) from fault

    def _unavailable(self, reason: str, advice: str | None = None) -> StoreUnavailableError:
        said = None if advice is None else advice.format(path=self.path)
        return StoreUnavailableError(reason=reason, path=self.path, retry_after_s=RETRY_AFTER_S, advice=said)


def _engine(path: Path, begin: str, pragmas: tuple[str, ...], pool_size: int, busy_timeout_s: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=busy_timeout_s,
        pool_reset_on_return="rollback" if begin == READ else None,  # a writer has ended its transaction by itself
        connect_args={"timeout": busy_timeout_s, "check_same_thread": False, "cached_statements": 512},
    )

    @event.listens_for(engine, "connect")
    def set_up(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # transactions are begun by us, before the first read
        cursor = raw.cursor()
        for pragma in (f"PRAGMA cache_size=-{CACHE_KIB}", *pragmas):
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        rows_of(connection, begin)

    return engine


def _identity(path: Path) -> _Identity | None:
    """Which file stands there; None: none, or none that can be seen."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _changed_ns(folder: str) -> int | None:
    """When something in it was made, moved or removed last; None: it cannot be seen."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return None


def _beginning_of(path: Path) -> bytes:
    try:
        with os.fdopen(open_plain(path), "rb") as file:
            return file.read(len(_MAGIC))
    except OSError as fault:
        raise access_fault(path, fault) from None


def revision_of(connection: Connection) -> str | None:
    """The shape of a database; None: it is none of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def _migrate(connection: Connection) -> None:
    """All pending steps, in the transaction of `connection`."""
    import_module("quorate.host.store.migrate").migrate(connection, _MIGRATIONS)


def _trouble_in(folder: Path) -> str | None:
    """Why SQLite could not make its files beside the database, as it does not say itself; None: the folder is well."""
    try:
        found = os.statvfs(folder)
        if found.f_flag & os.ST_RDONLY:
            return "the disk is read-only"
        if found.f_bavail == 0:
            return "the disk is full"
        return None if os.access(folder, os.W_OK | os.X_OK) else "its folder may not be written by this user"
    except OSError as fault:
        return (fault.strerror or type(fault).__name__).lower()
