"""A whole host in one file, packed while the host runs; `restore` makes it a host again.

The file is a gzipped tar: first `manifest.json` with the size and SHA-256 of each member, then the papers (the host's
signing key is one of them), then the database as it stood at one moment. Only names that a host has are written or
read, each a plain file of the size the manifest says, so nothing in a foreign archive finds its way elsewhere.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import re
import sqlite3
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from quorate import __version__
from quorate.clock import Clock, Entropy
from quorate.core.ids import HostId
from quorate.core.messages import encode
from quorate.errors import (
    DatabaseDamagedError,
    FileAccessError,
    OutputExistsError,
    StoreUnavailableError,
)
from quorate.files import SECRET_MODE, give_to_folder_owner, read_bounded, read_secret, sync_folder
from quorate.host.audit import Actor
from quorate.host.audit import told as told_event
from quorate.host.backup_file import PieceWriter, clear_leftovers, new_output, workroom
from quorate.host.config import StatePaths
from quorate.host.keyring import PENDING_MAX, PRODUCTS_MAX, HostKeyring
from quorate.host.store.database import Database, revision_of
from quorate.host.store.transaction import transaction
from quorate.owner import as_asker, working_as_owner

__all__ = [
    "DATABASE",
    "FORMAT",
    "IDENTITY",
    "MANIFEST",
    "PLAIN",
    "SECRET",
    "Backup",
    "Member",
    "back_up",
    "new_file",
    "told",
]

FORMAT: Final = 1
PAPER_BYTES_MAX: Final = 4 * 1024 * 1024  # the longest, a revocation list, has 2 MiB
DATABASE_BYTES_MAX: Final = 64 * 1024**3  # a million machines are a few hundred MiB
MEMBERS_MAX: Final = 16 + PRODUCTS_MAX + PENDING_MAX
PAGES_AT_ONCE: Final = 2048  # 8 MiB
TRIES: Final = 3  # papers change a few times a year

MANIFEST = "manifest.json"
IDENTITY, DATABASE = "host.json", "host.db"
SECRET = frozenset({"host.key", "admin.token", "admin.tokens", "product.key", "enrolment.json"})
_NEEDED = frozenset({IDENTITY, "host.key", "admin.token", "publisher.jwks", DATABASE})
PLAIN = (*sorted(_NEEDED | SECRET), "publisher.trust", "publisher.revocations", "host.req", "host.cert")
_INNER = ("products/*.product", "requests/*.req")
_NAME = re.compile(
    "|".join(re.escape(name) for name in PLAIN)
    + r"|products/[a-z0-9][a-z0-9._-]{0,63}\.product|requests/[A-Za-z0-9_-]{22}\.req"
)


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the host; `size` in bytes."""

    name: Annotated[str, Meta(max_length=100)]
    size: Annotated[int, Meta(ge=0, le=DATABASE_BYTES_MAX)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("a member is not a file of a KMS host")
        if self.name != DATABASE and self.size > PAPER_BYTES_MAX:
            raise ValueError(f"{self.name} is larger than {PAPER_BYTES_MAX} bytes")


class Backup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The manifest: which host, when, written by which version, and every member in order."""

    format: int
    version: Annotated[str, Meta(pattern=r"^[0-9A-Za-z.+-]{1,64}\Z")]
    schema: Annotated[str, Meta(pattern=r"^[0-9A-Za-z_]{1,64}\Z")]
    host_id: HostId
    made_s: int
    members: Annotated[tuple[Member, ...], Meta(max_length=MEMBERS_MAX)]

    def __post_init__(self) -> None:
        names = [member.name for member in self.members]
        if len(set(names)) != len(names):
            raise ValueError("a member stands twice in it")
        if missing := sorted(_NEEDED.difference(names)):
            raise ValueError(f"it has no {missing[0]}")


# --- packing -------------------------------------------------------------------------------------------------------


def back_up(paths: StatePaths, target: Path, clock: Clock, entropy: Entropy, passphrase: str | None = None) -> Backup:
    """Pack the host of a state folder into `target`, mode 0600; the host may run meanwhile and is not held up.

    What is in it is what the host holds at one moment. Beside `target` there must be room for it and for the database.
    The folder is read with the rights of its owner; the file belongs to who asked for it.

    Args:
        passphrase: seals it; None: whoever can read the file has the host's signing key.

    Raises:
        OutputExistsError: there is a file of that name; it was left as it is.
        StateMissingError: there is no host, or it has lost its database.
        MalformedError, TrustError, FilePermissionsError: the host's own papers are damaged; a backup would not help.
        FileAccessError: it cannot be written; nothing is left.
        StoreUnavailableError: the database cannot be read.
    """
    if os.path.lexists(target):
        raise OutputExistsError(path=target)
    with working_as_owner(paths.root):
        host_id = _whole_host(paths, clock, entropy)
        with contextlib.closing(Database.open(paths.database)) as database, told(target):
            with database.reading() as connection:
                schema = str(revision_of(connection))
                papers = _papers(paths)
                with as_asker():
                    clear_leftovers(target)
                    with workroom(target, entropy) as room:
                        _copy(connection, room / DATABASE, paths.database)
                        members = [Member(name, len(data), _sha256(data)) for name, data in papers.items()]
                        backup = Backup(
                            format=FORMAT,
                            version=__version__,
                            schema=schema,
                            host_id=host_id,
                            made_s=clock.now_s(),
                            members=(*members, _member(room / DATABASE)),
                        )
                        with new_output(target, entropy) as file, _sealed(file, passphrase, entropy) as out:
                            _pack(out, backup, papers, room / DATABASE)
            _note(database, f"backup written to {target}, with the host's signing key", clock)
    return backup


def _whole_host(paths: StatePaths, clock: Clock, entropy: Entropy) -> HostId:
    keyring = HostKeyring(paths, clock, entropy)
    keyring.credentials()
    return keyring.host_id


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def _sealed(file: BinaryIO, passphrase: str | None, entropy: Entropy) -> Iterator[BinaryIO | PieceWriter]:
    if passphrase is None:
        yield file
        return
    pieces = PieceWriter(file, passphrase, entropy)
    yield pieces
    pieces.close()


def _note(database: Database, message: str, clock: Clock) -> None:
    """Event 12315. A store that cannot be written is a reason to have a backup, not to have none."""
    with contextlib.suppress(StoreUnavailableError), transaction(database) as within:
        within.record(told_event(clock.now_s(), Actor.this_user(), "backup", message))


def _copy(connection: Connection, copy: Path, database: Path) -> None:
    """The database as it stands at one moment, in bounded steps.

    The open transaction holds that moment: what others write meanwhile does not make the copy begin anew.
    """
    with contextlib.closing(sqlite3.connect(copy)) as made:
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection), "a host's store is SQLite"  # noqa: S101  (our own mistake only)
        made.execute("PRAGMA synchronous=OFF")
        source.backup(made, pages=PAGES_AT_ONCE)
        made.execute("PRAGMA journal_mode=DELETE")  # one file
        found = made.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise DatabaseDamagedError(path=database, reason=f"the database is damaged: {found}")


def _papers(paths: StatePaths) -> dict[str, bytes]:
    """Every paper by its name, all of one moment: a running host may take a new certificate meanwhile."""
    seen: dict[str, bytes] = {}
    for _ in range(TRIES):
        papers = _read_papers(paths.root)
        if papers == seen:
            return papers
        seen = papers
    raise FileAccessError(path=paths.root, reason="its papers change all the time")


def _read_papers(root: Path) -> dict[str, bytes]:
    names = [name for name in PLAIN if name != DATABASE and (root / name).exists()]
    names += [str(path.relative_to(root)) for pattern in _INNER for path in sorted(root.glob(pattern))]
    return {
        name: (read_secret if name in SECRET else read_bounded)(root / name, PAPER_BYTES_MAX)
        for name in names
        if _NAME.fullmatch(name)
    }


def _member(path: Path) -> Member:
    with path.open("rb") as file:
        return Member(path.name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _pack(file: BinaryIO | PieceWriter, backup: Backup, papers: Mapping[str, bytes], database: Path) -> None:
    packed = gzip.GzipFile("", "wb", compresslevel=3, fileobj=file, mtime=backup.made_s)
    with packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in {MANIFEST: msgspec.json.format(encode(backup)) + b"\n", **papers}.items():
            tar.addfile(_entry(name, len(data), backup.made_s), io.BytesIO(data))
        with database.open("rb") as content:
            tar.addfile(_entry(DATABASE, backup.members[-1].size, backup.made_s), content)


def _entry(name: str, size: int, made_s: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = size, made_s, SECRET_MODE
    return entry


# --- files ---------------------------------------------------------------------------------------------------------


@contextmanager
def new_file(path: Path, *, is_secret: bool = True) -> Iterator[BinaryIO]:
    """A new file, on disk when the block ends."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET_MODE if is_secret else 0o644)
    with os.fdopen(descriptor, "wb") as file:
        give_to_folder_owner(path, descriptor)
        yield file
        file.flush()
        os.fsync(descriptor)
    sync_folder(path.parent)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Faults of files and of the copy's database, in plain words."""
    try:
        yield
    except OSError as fault:
        raise FileAccessError(path=path, reason=fault.strerror or type(fault).__name__) from None
    except sqlite3.Error as fault:
        raise FileAccessError(path=path, reason=str(fault)) from None
