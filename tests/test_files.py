"""Files that are never half written and secrets that nobody else can read (`quorate.files`)."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from quorate import files
from quorate.errors import FileAccessError, FilePermissionsError, MalformedError, OutputExistsError


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole_with_the_rights_of_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "host.key"
    path.write_bytes(b"old")
    path.chmod(0o644)
    assert files.replace_file(path, b"new", files.SECRET_MODE) == path
    assert (path.read_bytes(), mode_of(path), names(tmp_path)) == (b"new", 0o600, ["host.key"])
    assert files.read_secret(path) == b"new"


def test_a_new_file_takes_nobodys_place(tmp_path: Path) -> None:
    path = tmp_path / "a.cert"
    files.write_new(path, b"one")
    with pytest.raises(OutputExistsError):
        files.write_new(path, b"two")
    assert files.write_output(path, b"one") == path
    with pytest.raises(OutputExistsError):
        files.write_output(path, b"one and more")
    assert (path.read_bytes(), names(tmp_path)) == (b"one", ["a.cert"])


@pytest.mark.parametrize("fault", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_memory_stick_without_links_takes_requests_and_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    def no_link(*_: object, **__: object) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(os, "link", no_link)
    path = tmp_path / "contoso.req"
    files.write_new(path, b"one")
    with pytest.raises(OutputExistsError):
        files.write_new(path, b"two")
    assert (path.read_bytes(), names(tmp_path)) == (b"one", ["contoso.req"])


def test_of_many_writers_at_once_one_makes_the_file_and_none_leaves_litter(tmp_path: Path) -> None:
    path, won = tmp_path / "a.cert", []

    def write(number: int) -> None:
        try:
            files.write_new(path, b"%d" % number * 5000)
            won.append(number)
        except OutputExistsError:
            pass
        files.replace_file(tmp_path / "shared", b"%d" % number * 5000)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert path.read_bytes() == b"%d" % won[0] * 5000
    assert (len(won), len(set((tmp_path / "shared").read_bytes()))) == (1, 1)
    assert names(tmp_path) == ["a.cert", "shared"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_fault_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        if call == "fsync":
            patched.setattr(os, "fsync", full)
        else:
            patched.setattr(os, "replace", full)
        with pytest.raises(FileAccessError, match="no space left"):
            files.replace_file(path, b"new")
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["file"])


def test_what_a_crash_left_under_the_fixed_name_is_never_written_into(tmp_path: Path) -> None:
    path, aside = tmp_path / "client.json", tmp_path / "client.json.new"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"untouched")
    aside.symlink_to(elsewhere)
    files.replace_file(path, b"new", aside=aside)
    assert (path.read_bytes(), path.is_symlink(), elsewhere.read_bytes()) == (b"new", False, b"untouched")
    assert not aside.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_secret_that_others_may_read_is_refused_with_the_fix(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "host.key"
    path.write_bytes(b"secret")
    path.chmod(mode)
    for look in (files.read_secret, files.check_private):
        with pytest.raises(FilePermissionsError, match=f"{mode:04o}") as caught:
            look(path)
        assert f"chmod 600 {path}" in caught.value.hint


def test_a_folder_is_made_private_tightened_while_it_is_empty_and_refused_when_it_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert mode_of(files.make_private_folder(folder)) == 0o700
    folder.chmod(0o755)
    assert mode_of(files.make_private_folder(folder)) == 0o700
    (folder / "file").touch()
    folder.chmod(0o755)
    with pytest.raises(FilePermissionsError) as caught:
        files.make_private_folder(folder)
    assert f"chmod 700 {folder}" in caught.value.hint


def test_a_file_of_another_kind_is_not_read_into_memory(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 11)
    assert files.read_bounded(tmp_path / "big", 11) == b"x" * 11
    with pytest.raises(MalformedError, match="larger than 10 bytes"):
        files.read_bounded(tmp_path / "big", 10)
    with pytest.raises(FileAccessError, match="no such file"):
        files.read_bounded(tmp_path / "none", 10)
    with pytest.raises(FileAccessError, match="is a directory"):
        files.read_bounded(tmp_path, 10)


def test_what_is_removed_stays_removed_and_what_was_not_there_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert files.remove_file(tmp_path / "file") is True
    assert files.remove_file(tmp_path / "file") is False
    with pytest.raises(FileAccessError):
        files.remove_file(tmp_path)
