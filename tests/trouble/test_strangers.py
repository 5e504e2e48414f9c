"""Names in a folder of lower rights lead root nowhere: links, pipes, and words for the terminal; and who gets what."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate import Client
from quorate.clock import SystemClock, SystemEntropy
from quorate.errors import (
    FileAccessError,
    FilePermissionsError,
    FolderNotPrivateError,
    HostCannotReadError,
    QuorateError,
)
from quorate.files import check_private, make_private_folder, read_secret
from quorate.host.administration import Administration
from quorate.host.backup import back_up
from quorate.host.config import StatePaths
from tests.dns.namespace import need_root
from tests.trouble.disks import disk
from tests.trouble.strangers import STRANGER, Field, as_stranger, field_of_strangers


@pytest.fixture(params=[False, True], ids=["entered", "behind-root"])
def field(request: pytest.FixtureRequest) -> Iterator[Field]:
    with field_of_strangers(is_behind_root=request.param) as made:
        yield made


@pytest.fixture
def open_field() -> Iterator[Field]:
    with field_of_strangers() as made:
        yield made


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("host.lock", ("host", "status")),
        ("host.lock", ("host", "new-database")),
        ("host.running", ("host", "status")),
        ("host.cert", ("host", "status")),
        ("host.key", ("host", "backup", "/nonexistent/kms.backup")),
        ("publisher.jwks", ("doctor", "--role", "host")),
    ],
)
def test_a_pipe_keeps_no_command_of_roots_waiting(open_field: Field, name: str, words: tuple[str, ...]) -> None:
    open_field.pipe(open_field.host / name)
    done = open_field.quorate(*words, "--state-dir", open_field.host)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1)


@pytest.mark.parametrize("name", ["host.lock", "host.running"])
def test_what_root_runs_writes_through_no_link_of_a_stranger(field: Field, name: str) -> None:
    (field.host / "host.db").unlink()
    field.link(field.host / name, field.victim)
    field.quorate("host", "new-database", "--state-dir", field.host)
    assert not field.victim.exists()
    field.victim.write_text("root's own")
    field.quorate("host", "new-database", "--state-dir", field.host)
    assert field.victim.read_text() == "root's own"
    assert field.victim.stat().st_uid == 0


@pytest.mark.parametrize("name", ["host.lock", "products"])
def test_a_restore_follows_no_link(open_field: Field, name: str) -> None:
    saved = open_field.root / "kms.backup"
    assert open_field.quorate("host", "backup", saved, "--state-dir", open_field.host).returncode == 0
    empty = open_field.root / "empty"
    empty.mkdir(mode=0o700)
    os.chown(empty, STRANGER, STRANGER)
    open_field.link(empty / name, open_field.victim.parent if name != "host.lock" else open_field.victim)
    done = open_field.quorate("host", "restore", saved, "--state-dir", empty)
    assert list(open_field.victim.parent.iterdir()) == []
    assert "Traceback" not in done.stderr


def test_a_product_goes_into_no_folder_that_a_link_names(field: Field) -> None:
    (field.root / "acme-cad.product").write_text(field.world.product_token)
    field.link(field.host / "products", field.victim.parent)
    done = field.quorate("host", "add-product", field.root / "acme-cad.product", "--state-dir", field.host)
    assert list(field.victim.parent.iterdir()) == [], done.stderr


@pytest.mark.parametrize("name", ["publisher.jwks", "host.json"])
def test_what_stands_in_a_strangers_file_moves_no_cursor(open_field: Field, name: str) -> None:
    open_field.text(open_field.host / name, b'{"\\u001b]0;owned\\u0007\xc2\x9b31m\xe2\x80\xae": 1}')
    done = open_field.quorate("host", "status", "--state-dir", open_field.host)
    assert done.returncode == 1
    for letter in ("\x1b", "\x07", "\x9b", "\u202e"):
        assert letter not in done.stdout + done.stderr


def test_an_errors_words_move_no_cursor() -> None:
    error = FileAccessError(path="/state/\x1b]0;owned\x07", reason="\u202eno\x9b31m")
    assert error.message == "/state/\\x1b]0;owned\\x07: \\u202eno\\x9b31m"


@pytest.mark.parametrize("name", ["events.jsonl", "client.lock", "seen", "client.json", "publisher.json", ""])
def test_a_program_of_roots_with_the_sdk_writes_through_no_link(open_field: Field, name: str) -> None:
    product, trust, home = (open_field.root / each for each in ("acme-cad.product", "publisher.jwks", "client"))
    product.write_text(open_field.world.product_token)
    trust.write_bytes(open_field.world.jwks)
    folder = home / "acme-cad"
    folder.mkdir(parents=True)
    for each in (home, folder):
        os.chown(each, STRANGER, STRANGER)
    if name:
        open_field.link(folder / name, open_field.victim)
    else:  # the whole folder of the product
        open_field.link(folder, open_field.victim.parent)
    for _ in range(2):
        client = Client(product=product, trust=trust, state_dir=home)
        with contextlib.suppress(QuorateError):
            client.set_host("127.0.0.1:9")
        client.status()
        client.renew_if_due()
    assert list(open_field.victim.parent.iterdir()) == []
    open_field.victim.write_text("root's own")
    Client(product=product, trust=trust, state_dir=home).renew_if_due()
    assert open_field.victim.read_text() == "root's own"


# --- backups ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["folder", "link"])
def test_a_backup_is_not_given_to_who_was_there_before(open_field: Field, what: str) -> None:
    shared = open_field.root / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    squatted = shared / ".kms.backup.unfinished"
    if what == "folder":
        assert as_stranger("mkdir", "-m", "777", str(squatted)).returncode == 0
    else:
        assert as_stranger("ln", "-s", str(open_field.host), str(squatted)).returncode == 0
    target = shared / "kms.backup"
    done = open_field.quorate("host", "backup", target, "--state-dir", open_field.host)
    assert done.returncode == 0, done.stderr
    found = target.stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o600)
    assert as_stranger("cat", str(target)).returncode != 0
    assert sorted(path.name for path in shared.iterdir()) == [".kms.backup.unfinished", "kms.backup"]


def test_a_backup_into_a_strangers_folder_belongs_to_who_asked(field: Field) -> None:
    inside = field.root / "inside"
    inside.mkdir()
    os.chown(inside, STRANGER, STRANGER)
    back_up(StatePaths(field.host), inside / "kms.backup", SystemClock(), SystemEntropy())
    found = (inside / "kms.backup").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o600)
    assert [path.name for path in inside.iterdir()] == ["kms.backup"]


# --- what the service may read ---------------------------------------------------------------------------------------

KEY = 'key "update" {\n  algorithm hmac-sha256;\n  secret "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDEyMw==";\n};\n'
_ENTRY = struct.Struct("<HHI")
NOBODY = 0xFFFFFFFF


def listed(path: Path, user: int, *, group_rights: int = 0) -> None:
    """As systemd 254 and later hand over a credential: root:root 0440, and a list that names the service's user."""
    entries = [(0x01, 4, NOBODY), (0x02, 4, user), (0x04, group_rights, NOBODY), (0x10, 4, NOBODY), (0x20, 0, NOBODY)]
    os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(_ENTRY.pack(*e) for e in entries))
    assert stat.S_IMODE(path.stat().st_mode) == 0o440


def test_a_credential_of_the_service_manager_is_nobody_elses(tmp_path: Path) -> None:
    with disk(tmp_path / "credentials") as credentials:
        path = credentials.root / "dns-tsig-key"
        path.write_text(KEY)
        path.chmod(0o400)
        listed(path, os.geteuid())
        assert read_secret(path) == KEY.encode()
        assert check_private(path) == path
        listed(path, STRANGER)  # for root's process, this is another's
        with pytest.raises(FilePermissionsError):
            read_secret(path)
        with credentials.read_only():  # as the service manager mounts it: root's commands may look
            assert read_secret(path) == KEY.encode()
        listed(path, 0, group_rights=4)
        with pytest.raises(FilePermissionsError):
            read_secret(path)


def test_a_key_that_the_service_cannot_read_is_not_set(field: Field) -> None:
    key = field.root / "tsig.key"
    key.write_text(KEY)
    key.chmod(0o600)
    done = field.quorate("host", "set", "dns-tsig-key", key, "--state-dir", field.host)
    assert done.returncode != 0
    assert f"cannot be read by user {STRANGER}" in done.stderr
    with Administration.open(StatePaths(field.host), SystemClock(), SystemEntropy()) as host:
        with pytest.raises(HostCannotReadError):
            host.set_settings({"dns-keytab": str(key)})
        assert host.shown_settings()["dns-tsig-key"] == ""
    os.chown(key, STRANGER, STRANGER)
    done = field.quorate("host", "set", "dns-tsig-key", key, "--state-dir", field.host)
    assert (done.returncode == 0) is (field.root.stat().st_mode & 0o077 != 0), done.stderr


# --- volumes ---------------------------------------------------------------------------------------------------------


def test_a_volume_that_is_roots_is_named_with_the_way_out(open_field: Field) -> None:
    volume = open_field.root / "volume"
    volume.mkdir()
    (volume / "lost+found").mkdir(mode=0o700)
    os.chown(volume, 0, STRANGER)
    volume.chmod(0o2775)
    product, trust = open_field.root / "acme-cad.product", open_field.root / "publisher.jwks"
    product.write_text(open_field.world.product_token)
    trust.write_bytes(open_field.world.jwks)
    files = ("--product", str(product), "--trust", str(trust))
    refused = open_field.quorate("host", "init", *files, "--state-dir", volume, user=STRANGER)
    assert refused.returncode == 1
    assert f"--state-dir {volume}/state" in refused.stderr
    inside = volume / "state"
    volume.chmod(0o2777)
    made = open_field.quorate("host", "init", *files, "--state-dir", inside, user=STRANGER)
    assert made.returncode == 0, made.stderr
    for path in (inside, *inside.rglob("*")):  # the pod starts again: the volume's group gets everything
        os.chown(path, STRANGER, STRANGER + 1)
        path.chmod(0o2770 if path.is_dir() else 0o660)
    for _ in range(2):
        shown = open_field.quorate("host", "status", "--state-dir", inside, user=STRANGER)
        assert shown.returncode == 0, shown.stderr
    assert stat.S_IMODE(inside.stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE((inside / "host.key").stat().st_mode) == 0o600


def test_what_a_person_has_opened_to_a_group_is_still_refused(tmp_path: Path) -> None:
    folder = make_private_folder(tmp_path / "host")
    secret = folder / "host.key"
    secret.write_bytes(b"secret")
    for mode in (0o640, 0o660, 0o604):
        secret.chmod(mode)
        with pytest.raises(FilePermissionsError):
            read_secret(secret)
    folder.chmod(0o750)
    with pytest.raises(FilePermissionsError):
        check_private(folder)


def test_a_new_volume_of_our_own_is_as_good_as_empty(tmp_path: Path) -> None:
    (tmp_path / "volume" / "lost+found").mkdir(parents=True)
    (tmp_path / "volume").chmod(0o755)
    assert stat.S_IMODE(make_private_folder(tmp_path / "volume").stat().st_mode) == 0o700


def test_a_folder_of_roots_is_not_for_an_ordinary_user_to_close(tmp_path: Path) -> None:
    need_root()
    (tmp_path / "file").touch()
    tmp_path.chmod(0o775)
    os.seteuid(STRANGER)
    try:
        with pytest.raises((FolderNotPrivateError, FileAccessError)):
            make_private_folder(tmp_path)
    finally:
        os.seteuid(0)
