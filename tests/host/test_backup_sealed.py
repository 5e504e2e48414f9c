"""A backup that a passphrase seals: opened by it alone, and found damaged wherever it was touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.errors import BackupSealedError, MalformedError, WrongFileError
from quorate.host.backup import back_up
from quorate.host.backup_file import PIECE, BackupReader, PieceWriter
from quorate.host.config import StatePaths
from quorate.host.restore import restore
from tests.cli.test_host_cli import quorate
from tests.host.backups import CLOCK, ENTROPY, everything, made, rows
from tests.support.documents import World

__all__ = ["made"]

SECRET = "correct horse battery staple"


def sealed(made: Path, folder: Path) -> Path:
    target = folder / "sealed.backup"
    back_up(StatePaths(made / "host"), target, CLOCK, ENTROPY, SECRET)
    return target


def test_a_sealed_backup_is_the_host_for_who_knows_the_passphrase(made: Path, tmp_path: Path) -> None:
    target = sealed(made, tmp_path)
    key = (made / "host" / "host.key").read_bytes()
    assert key not in target.read_bytes()
    for ask in (None, lambda: "wrong"):
        with pytest.raises(BackupSealedError):
            restore(target, StatePaths(tmp_path / "again"), CLOCK, ENTROPY, ask)
        assert not (tmp_path / "again" / "host.json").exists()
    restore(target, StatePaths(tmp_path / "again"), CLOCK, ENTROPY, lambda: SECRET)
    assert everything(tmp_path / "again") == everything(made / "host")
    assert rows(tmp_path / "again") == rows(made / "host")


def test_a_piece_that_was_touched_moved_or_left_out_is_found(made: Path, tmp_path: Path) -> None:
    whole = sealed(made, tmp_path).read_bytes()
    body = whole.index(b"sha256:") + len("sha256:") + 65
    spoilt = [
        whole[:-1],
        whole + b"x",
        whole[:body],
        whole[:-1] + bytes([whole[-1] ^ 1]),
        whole[:body] + bytes([whole[body] ^ 1]) + whole[body + 1 :],
        whole[: body - 80] + b"0" + whole[body - 79 :],
        whole + whole[body:],
    ]
    for number, data in enumerate(spoilt):
        source = tmp_path / f"spoilt-{number}"
        source.write_bytes(data)
        with pytest.raises(MalformedError):
            restore(source, StatePaths(tmp_path / "again"), CLOCK, ENTROPY, lambda: SECRET)
        assert not (tmp_path / "again" / "host.json").exists()
    assert len(whole) < PIECE, "one piece; several are in the next test"


def test_a_backup_of_several_pieces_is_whole(tmp_path: Path) -> None:
    data = b"".join(ENTROPY.token(32) for _ in range(3 * PIECE // 32))
    for size in (0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE):
        path = tmp_path / f"{size}"
        with path.open("wb") as file:
            pieces = PieceWriter(file, SECRET, ENTROPY)
            pieces.write(data[:size])
            pieces.close()
        with path.open("rb") as file:
            content = BackupReader(file, path, lambda: SECRET).content()
            found = b""
            while got := content.read(300_000):
                found += got
        assert found == data[:size]


def test_the_commands_seal_and_open(made: Path, tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_bytes(b"\xef\xbb\xbf" + SECRET.encode() + b"\r\n")  # as an editor on Windows saves it
    secret.chmod(0o600)
    target, there = tmp_path / "kms.backup", tmp_path / "again"
    done = quorate("host", "backup", str(target), "--passphrase-file", str(secret), state_dir=made / "host")
    assert done.returncode == 0, done.stderr
    assert "sealed with the passphrase" in done.stderr
    missing = quorate("host", "restore", str(target), state_dir=there)
    assert missing.returncode == 1
    assert "passphrase" in missing.stderr
    opened = quorate("host", "restore", str(target), "--passphrase-file", str(secret), state_dir=there)
    assert opened.returncode == 0, opened.stderr


def test_what_is_no_backup_is_named(tmp_path: Path) -> None:
    source = tmp_path / "acme-cad.product"
    source.write_text(World().product_token)
    with pytest.raises(WrongFileError, match="a product file"):
        restore(source, StatePaths(tmp_path / "again"), CLOCK, ENTROPY)
