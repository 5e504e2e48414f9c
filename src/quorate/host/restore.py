"""A host from its backup, or one that lost its database with a new one: into an empty folder, whole or not at all.

All of the backup is checked before anything is written. Each header of the archive is read by itself, and has to be the
plain file that the manifest names next: a foreign archive can neither lead elsewhere nor grow beyond what it says.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import re
import shutil
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import msgspec
from msgspec import Meta

from quorate import __version__
from quorate.clock import Clock, Entropy
from quorate.core.filekinds import FileKind, check_kind
from quorate.core.messages import decode_strict
from quorate.core.trust import utc_text
from quorate.errors import (
    BackupNewerError,
    FileAccessError,
    MalformedError,
    SchemaNewerError,
    StateExistsError,
    StateInUseError,
)
from quorate.files import give_to_folder_owner, make_private_folder, sync_folder
from quorate.host.audit import Actor
from quorate.host.audit import told as told_event
from quorate.host.backup import DATABASE, FORMAT, IDENTITY, MANIFEST, PLAIN, SECRET, Backup, new_file, told
from quorate.host.backup_file import BackupReader
from quorate.host.config import StatePaths
from quorate.host.keyring import HostKeyring
from quorate.host.process import StateLock, running_host
from quorate.host.store.database import Database
from quorate.host.store.transaction import transaction
from quorate.host.tokens import AdminTokens
from quorate.owner import working_as_owner
from quorate.rights import LOST_AND_FOUND

__all__ = ["new_database", "restore"]

MANIFEST_BYTES_MAX: Final = 256 * 1024  # three hundred members are 50 KiB
READ_AT_ONCE: Final = 1024 * 1024
PADDING_MAX: Final = 64 * 1024  # tar fills up to 10 KiB with zeros

_ASIDE = ".restore"
_BEGINNING: Final = 64 * 1024  # bytes by which a file of another kind is known


class _Heading(msgspec.Struct, frozen=True):
    format: int
    version: Annotated[str, Meta(pattern=r"^[0-9A-Za-z.+-]{1,64}\Z")]


def restore(
    source: Path, paths: StatePaths, clock: Clock, entropy: Entropy, ask: Callable[[], str] | None = None
) -> Backup:
    """Make the state folder, which must be empty, the host that `source` holds: same host id, key and certificate.

    All of `source` is checked before anything is written. Then it is unpacked into a folder aside, opened there as a
    host (an older database is brought up to date), and moved in place with the identity last: where a restore is
    interrupted there is no host, and the next restore begins anew. The folder is worked on with its owner's rights.

    Args:
        ask: gives the passphrase of a sealed backup; called where it is one.

    Raises:
        BackupSealedError: its passphrase is missing or wrong.
        WrongFileError: `source` is of another kind.
        StateExistsError, StateInUseError: the folder is not empty; nothing was changed.
        BackupNewerError, SchemaNewerError: written by a newer version; the backup was left as it is.
        MalformedError, TrustError: `source` is damaged, cut off, or no backup of a host; nothing was written.
        FileAccessError, FilePermissionsError: it cannot be read, or the folder not be written.
    """
    with told(source), _opened(source) as file, working_as_owner(paths.root):
        running = running_host(paths)
        if running is not None:
            raise StateInUseError(path=paths.root, owner=f" (pid {running.pid})" if running.pid else "")
        _check_empty(paths)
        reader = BackupReader(file, source, ask)
        backup = _walk(reader, source, lambda _: contextlib.nullcontext())
        make_private_folder(paths.root)
        with StateLock(paths), told(paths.root):
            give_to_folder_owner(paths.lock)
            _check_empty(paths)
            _clear(paths.root)
            aside = paths.root / _ASIDE
            make_private_folder(aside, is_inner=True)
            try:
                for inner in (StatePaths(aside).products, StatePaths(aside).requests):
                    make_private_folder(inner, is_inner=True)
                if _walk(reader, source, lambda name: new_file(aside / name, is_secret=_is_secret(name))) != backup:
                    raise MalformedError(what=str(source), reason="it was changed while it was read")
                _prove(StatePaths(aside), backup, source, clock, entropy)
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                raise
            _move_in(aside, paths.root)
    return backup


def new_database(paths: StatePaths, clock: Clock, entropy: Entropy) -> None:
    """An empty database for a host that has lost its own; its papers stay. Clients are counted as they come back.

    Raises:
        StateMissingError: there is no host.
        StateExistsError: there is a database.
        StateInUseError: the host runs.
        FileAccessError: it cannot be made.
    """
    with working_as_owner(paths.root):
        _new_database(paths, clock, entropy)


def _new_database(paths: StatePaths, clock: Clock, entropy: Entropy) -> None:
    HostKeyring(paths, clock, entropy)
    with StateLock(paths), told(paths.database):
        give_to_folder_owner(paths.lock)
        if os.path.lexists(paths.database):
            raise StateExistsError(role="KMS host database", path=paths.database)
        for ending in ("-wal", "-shm"):  # of the lost one: SQLite would read them into the new one
            paths.database.with_name(paths.database.name + ending).unlink(missing_ok=True)
        with contextlib.closing(Database.create(paths.database)) as database, transaction(database) as within:
            message = "empty database made, where the former one was lost"
            within.record(told_event(clock.now_s(), Actor.this_user(), "new-database", message))


def _check_empty(paths: StatePaths) -> None:
    """That nothing would be lost: at most the lock file, or what an interrupted restore has left."""
    with told(paths.root):
        if os.path.lexists(paths.identity):
            raise StateExistsError(role="KMS host", path=paths.root)
        found = {path.name for path in paths.root.iterdir()} if os.path.lexists(paths.root) else set()
    ours = {paths.lock.name, paths.running.name, LOST_AND_FOUND}
    if _ASIDE in found:
        ours |= {_ASIDE, paths.products.name, paths.requests.name, *PLAIN}
    if others := sorted(found - ours):
        raise StateExistsError(role=f"file {others[0]}", path=paths.root)


def _clear(root: Path) -> None:
    """What an interrupted restore has left goes, the mark that says so last."""
    for name in PLAIN:
        (root / name).unlink(missing_ok=True)
    for name in ("products", "requests", _ASIDE):
        if (root / name).is_symlink():
            (root / name).unlink()
        elif (root / name).exists():
            shutil.rmtree(root / name)


def _walk(
    reader: BackupReader, source: Path, taken: Callable[[str], AbstractContextManager[BinaryIO | None]]
) -> Backup:
    """Read the archive once, in order, and check all of it; `taken` says where a member's content goes."""
    what = str(source)
    try:
        with gzip.GzipFile(fileobj=reader.content(), mode="rb") as stream:
            size = _header(stream, MANIFEST)
            if size > MANIFEST_BYTES_MAX:
                raise MalformedError(what=what, reason="its manifest is too large")
            backup = _manifest(_exactly(stream, size), what)
            for member in backup.members:
                if _header(stream, member.name) != member.size:
                    raise MalformedError(what=what, reason=f"{member.name} has another size than its manifest says")
                with taken(member.name) as out:
                    found = _content(stream, member.size, out)
                if found != member.sha256:
                    raise MalformedError(what=what, reason=f"{member.name} is damaged")
            rest = stream.read(PADDING_MAX + 1)  # and to its end, where gzip has its own checksum
            if len(rest) > PADDING_MAX or rest.strip(b"\0"):
                raise MalformedError(what=what, reason="something follows where it should end")
    except EOFError:
        raise MalformedError(what=what, reason="it is cut off") from None
    except (gzip.BadGzipFile, zlib.error, tarfile.HeaderError):
        raise MalformedError(what=what, reason="it is damaged, or no backup of a KMS host") from None
    return backup


def _header(stream: gzip.GzipFile, name: str) -> int:
    """The size of the next member, which must be a plain file of that name.

    Each header is read by itself: `tarfile`'s own reading follows extensions, links and any length it is told.
    """
    entry = tarfile.TarInfo.frombuf(_exactly(stream, tarfile.BLOCKSIZE, padded=False), "utf-8", "strict")
    if entry.name != name or entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or entry.size < 0:
        raise tarfile.HeaderError
    return entry.size


def _exactly(stream: gzip.GzipFile, size: int, *, padded: bool = True) -> bytes:
    buffer = io.BytesIO()
    _content(stream, size, buffer, padded=padded)
    return buffer.getvalue()


def _content(stream: gzip.GzipFile, size: int, out: BinaryIO | None, *, padded: bool = True) -> str:
    """Take `size` bytes and the padding after them; their SHA-256."""
    digest = hashlib.sha256()
    for left in range(size, 0, -READ_AT_ONCE):
        wanted = min(left, READ_AT_ONCE)
        data = stream.read(wanted)
        if len(data) != wanted:
            raise EOFError
        digest.update(data)
        if out is not None:
            out.write(data)
    padding = -size % tarfile.BLOCKSIZE if padded else 0
    if len(stream.read(padding)) != padding:
        raise EOFError
    return digest.hexdigest()


def _manifest(data: bytes, what: str) -> Backup:
    """The manifest; what a newer version wrote is told before it is found strange."""
    heading = decode_strict(msgspec.json.Decoder(_Heading), data, what)
    if heading.format > FORMAT or _number(heading.version) > _number(__version__):
        raise BackupNewerError(path=what, found=heading.version, known=__version__)
    return decode_strict(msgspec.json.Decoder(Backup), data, what)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d{1,9}", version)[:3])


def _prove(unpacked: StatePaths, backup: Backup, source: Path, clock: Clock, entropy: Entropy) -> None:
    """That what was unpacked is a whole host."""
    keyring = HostKeyring(unpacked, clock, entropy)
    if keyring.host_id != backup.host_id:
        raise MalformedError(what=str(source), reason="its manifest names another host")
    keyring.credentials()
    keyring.admin_token()
    keyring.product_key()
    AdminTokens(unpacked).book()
    made = f"host restored from the backup of {utc_text(backup.made_s)}; the tokens are those of that time"
    try:
        with contextlib.closing(Database.open(unpacked.database)) as database, transaction(database) as within:
            within.record(told_event(clock.now_s(), Actor.this_user(), "restore", made))
    except SchemaNewerError as fault:
        found, known = fault.values["found"], fault.values["known"]
        raise SchemaNewerError(path=source, found=found, known=known) from None


def _move_in(aside: Path, root: Path) -> None:
    names = sorted(path.name for path in aside.iterdir() if path.name != IDENTITY)
    for name in (*names, IDENTITY):
        if name == IDENTITY:
            sync_folder(root)
        (aside / name).rename(root / name)
    sync_folder(root)
    aside.rmdir()


def _is_secret(name: str) -> bool:
    return name in SECRET or name == DATABASE


@contextmanager
def _opened(source: Path) -> Iterator[BinaryIO]:
    if not stat.S_ISREG(source.stat().st_mode):  # a pipe would make it wait
        raise FileAccessError(path=source, reason="it is not a file")
    with source.open("rb") as file:
        check_kind(file.read(_BEGINNING), FileKind.BACKUP, source)
        yield file
