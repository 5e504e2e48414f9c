"""The signing key at rest: opened by its passphrase alone, never overwritten, and damage has its own name."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwe, jwk

from quorate import files
from quorate.errors import (
    FileAccessError,
    FilePermissionsError,
    MalformedError,
    OutputExistsError,
    PassphraseError,
    PassphraseMissingError,
    StateExistsError,
    StateMissingError,
)
from quorate.publisher.keysets import jwks_path
from quorate.publisher.vault import create_vault, key_path, open_vault
from tests.publisher.world import PASSPHRASE
from tests.support.clocks import SeededEntropy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_vault(tmp_path / "publisher", "Acme Software", PASSPHRASE, SeededEntropy())
    return tmp_path / "publisher"


def test_the_right_passphrase_opens_the_same_key_and_name(tmp_path: Path) -> None:
    made = create_vault(tmp_path / "publisher", "Acme Ünïcode", PASSPHRASE, SeededEntropy())
    opened = open_vault(tmp_path / "publisher", PASSPHRASE)
    assert opened.name == "Acme Ünïcode"
    assert opened.signing_key.seed == made.signing_key.seed
    assert opened.trust.for_issuing().by_kid.keys() == {made.signing_key.kid}


def test_a_wrong_passphrase_is_told_as_such(folder: Path) -> None:
    with pytest.raises(PassphraseError, match="passphrase is wrong"):
        open_vault(folder, PASSPHRASE + " ")


def test_an_empty_passphrase_opens_nothing_and_makes_nothing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PassphraseMissingError):
        open_vault(folder, "")
    with pytest.raises(PassphraseMissingError):
        create_vault(tmp_path / "another", "Acme", "", SeededEntropy())
    assert not (tmp_path / "another").exists()


def test_a_passphrase_typed_decomposed_is_the_same(tmp_path: Path) -> None:
    create_vault(tmp_path / "publisher", "Acme", "caf\u00e9 au lait", SeededEntropy())
    assert open_vault(tmp_path / "publisher", "cafe\u0301 au lait").name == "Acme"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(min_value=0, max_value=580), replacement=st.sampled_from(b"AZaz09-_.\x00\xff\n"))
def test_any_damaged_byte_is_damage_and_not_a_wrong_passphrase(folder: Path, place: int, replacement: int) -> None:
    good = key_path(folder).read_bytes()
    bad = bytearray(good)
    bad[place] = replacement
    try:
        key_path(folder).write_bytes(bytes(bad))
        if bytes(bad).split() == good.split():
            assert open_vault(folder, PASSPHRASE).name == "Acme Software"
        else:
            with pytest.raises(MalformedError):
                open_vault(folder, PASSPHRASE)
    finally:
        key_path(folder).write_bytes(good)


@pytest.mark.parametrize("length", [0, 1, 100, 500])
def test_a_cut_off_key_file_is_damage(folder: Path, length: int) -> None:
    key_path(folder).write_bytes(key_path(folder).read_bytes()[:length])
    with pytest.raises(MalformedError, match="key line and a checksum line"):
        open_vault(folder, PASSPHRASE)


def test_the_key_file_is_plain_jose(folder: Path) -> None:
    line = key_path(folder).read_text().split()[0]
    key = jwk.OctKey.import_key(PASSPHRASE)
    opened = jwe.decrypt_compact(line, key, algorithms=["PBES2-HS512+A256KW", "A256GCM"])
    assert opened.headers()["p2c"] >= 210_000
    inside = json.loads(opened.plaintext or b"")
    assert jwk.OKPKey.import_key(inside).thumbprint() == inside["kid"]


def test_secrets_are_for_their_owner_only_and_public_keys_are_public(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(key_path(folder).stat().st_mode) == 0o600
    assert stat.S_IMODE(jwks_path(folder).stat().st_mode) == 0o644
    assert b'"d"' not in jwks_path(folder).read_bytes()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_key_file_that_others_may_read_is_refused(folder: Path, mode: int) -> None:
    key_path(folder).chmod(mode)
    with pytest.raises(FilePermissionsError) as caught:
        open_vault(folder, PASSPHRASE)
    assert "chmod 600" in caught.value.hint


def test_a_folder_that_others_may_enter_is_refused_for_opening_and_making(folder: Path, tmp_path: Path) -> None:
    folder.chmod(0o755)
    with pytest.raises(FilePermissionsError, match="0755"):
        open_vault(folder, PASSPHRASE)
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose").chmod(0o750)
    (tmp_path / "loose" / "somebody's").touch()
    with pytest.raises(FilePermissionsError) as caught:
        create_vault(tmp_path / "loose", "Acme", PASSPHRASE, SeededEntropy())
    assert "chmod 700" in caught.value.hint
    (tmp_path / "loose" / "somebody's").unlink()  # an empty one is nobody's yet: it is tightened
    create_vault(tmp_path / "loose", "Acme", PASSPHRASE, SeededEntropy())
    assert stat.S_IMODE((tmp_path / "loose").stat().st_mode) == 0o700


def test_a_publisher_is_never_overwritten(folder: Path) -> None:
    before = key_path(folder).read_bytes(), jwks_path(folder).read_bytes()
    with pytest.raises(StateExistsError):
        create_vault(folder, "Another", PASSPHRASE, SeededEntropy(2))
    assert (key_path(folder).read_bytes(), jwks_path(folder).read_bytes()) == before


def test_no_publisher_is_told_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(StateMissingError) as caught:
        open_vault(tmp_path / "nothing", PASSPHRASE)
    assert "quorate publisher init" in caught.value.hint


def test_lost_public_keys_are_made_again_from_the_key(folder: Path) -> None:
    before = jwks_path(folder).read_bytes()
    jwks_path(folder).unlink()
    open_vault(folder, PASSPHRASE)
    assert jwks_path(folder).read_bytes() == before


def test_public_keys_of_another_publisher_are_not_taken_for_ours(folder: Path, tmp_path: Path) -> None:
    create_vault(tmp_path / "other", "Other", PASSPHRASE, SeededEntropy(2))
    jwks_path(folder).write_bytes(jwks_path(tmp_path / "other").read_bytes())
    with pytest.raises(MalformedError, match=r"publisher\.key"):
        open_vault(folder, PASSPHRASE)
    jwks_path(folder).write_text("{}")
    with pytest.raises(MalformedError):
        open_vault(folder, PASSPHRASE)


def test_the_vault_never_shows_its_secret(folder: Path) -> None:
    vault = open_vault(folder, PASSPHRASE)
    shown = repr(vault) + str(vault)
    assert vault.signing_key.seed.hex() not in shown
    assert repr(vault.signing_key.seed) not in shown
    assert PASSPHRASE not in shown


def test_a_short_passphrase_makes_no_library_warn(tmp_path: Path) -> None:
    create_vault(tmp_path / "publisher", "Acme", "x", SeededEntropy())
    assert open_vault(tmp_path / "publisher", "x").name == "Acme"


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    script = (
        "import resource, signal, sys, pathlib\n"
        "from quorate.files import replace_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"  # as a full disk: a write is cut short
        "replace_file(pathlib.Path(sys.argv[1]), b'x' * 5000)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "file"], capture_output=True, text=True, timeout=60, check=False
    )
    assert "FileAccessError" in ended.stderr
    assert "file too large" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_an_output_may_be_written_again_but_not_over_another(tmp_path: Path) -> None:
    files.write_output(tmp_path / "a.cert", b"one\n")
    files.write_output(tmp_path / "a.cert", b"one\n")
    with pytest.raises(OutputExistsError):
        files.write_output(tmp_path / "a.cert", b"two\n")
    assert (tmp_path / "a.cert").read_bytes() == b"one\n"
    with pytest.raises(OutputExistsError):
        files.write_output(tmp_path, b"one\n")
    with pytest.raises(FileAccessError, match="no such file"):
        files.write_output(tmp_path / "no" / "folder", b"one\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.cert"]
