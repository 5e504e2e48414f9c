"""`quorate host enrolment` and `quorate client set-enrolment`, as an administrator types them, on a real host."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.clock import SystemClock
from quorate.core.enrolment import EnrolmentSecret
from tests.cli.test_host_cli import Done, quorate
from tests.client.parties import Installation
from tests.client.test_soft import two
from tests.support.clocks import ManualClock
from tests.support.hosting import Hosted, hosting


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Hosted]:
    with hosting(tmp_path, two(), ManualClock(SystemClock().now_s())) as hosted:
        hosted.activate(1)
        yield hosted


@pytest.fixture
def pc(tmp_path: Path, host: Hosted, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A machine that is to be activated there."""
    monkeypatch.delenv("QUORATE_ENROLMENT", raising=False)
    here = Installation(tmp_path / "pc", host.world)
    assert init(here).returncode == 0
    assert client(here, "set-host", f"127.0.0.1:{host.port}").returncode == 0
    return here


def init(here: Installation, *more: str) -> Done:
    words = ("client", "init", "--product", str(here.product), "--trust", str(here.trust), "--json", *more)
    return quorate(*words, state_dir=here.state_dir)


def client(here: Installation, *words: str) -> Done:
    return quorate("client", *words, "--json", state_dir=here.state_dir)


def admin(host: Hosted, *words: str) -> Done:
    return quorate("host", "enrolment", *words, state_dir=host.state_dir)


def switched_on(host: Hosted, tmp_path: Path) -> Path:
    """Enrolment turned on, and the file for the clients."""
    with host.noticing():
        assert admin(host, "on").returncode == 0
    path = tmp_path / "site.enrolment"
    assert admin(host, "show", "-o", str(path)).returncode == 0
    return path


def test_from_on_to_an_enrolled_client_by_file(tmp_path: Path, host: Hosted, pc: Installation) -> None:
    with host.noticing():
        on = admin(host, "on", "--json")
    assert json.loads(on.stdout) == {
        "required": True,
        "since_s": json.loads(on.stdout)["since_s"],
        "previous_until_s": None,
    }
    assert "QE" not in on.stdout + on.stderr  # the secret is shown when it is asked for
    refused = client(pc, "activate")
    assert (refused.returncode, json.loads(refused.stdout)["code"]) == (3, "ENROLMENT_REQUIRED")
    assert "quorate client set-enrolment FILE" in refused.stderr
    assert len(host.administration.clients()) == 1  # only the one from before

    path = tmp_path / "site.enrolment"
    written = admin(host, "show", "-o", str(path))
    assert (written.returncode, path.stat().st_mode & 0o777) == (0, 0o600)
    secret = EnrolmentSecret.parse(path.read_text().splitlines()[1])
    assert admin(host, "show").stdout == secret.text + "\n"
    assert admin(host, "show", "-o", str(path)).returncode == 1  # never over another file

    given = client(pc, "set-enrolment", str(path))
    assert given.returncode == 0
    assert secret.text not in given.stdout + given.stderr
    kept = pc.record.parent / "enrolment.key"
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (secret.text + "\n", 0o600)
    activated = client(pc, "activate")
    assert (activated.returncode, json.loads(activated.stdout)["status"]) == (0, "licensed")
    for file in pc.record.parent.iterdir():
        assert file == kept or secret.text.encode() not in file.read_bytes()


@pytest.mark.parametrize("how", ["file", "text", "stdin", "variable"])
def test_a_client_is_set_up_with_its_secret_in_one_command(
    tmp_path: Path, host: Hosted, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    path = switched_on(host, tmp_path)
    secret = path.read_text().splitlines()[1]
    here = Installation(tmp_path / "pc", host.world)
    if how == "variable":
        monkeypatch.setenv("QUORATE_ENROLMENT", str(path))
        made = init(here)
    elif how == "stdin":
        stdin = io.TextIOWrapper(io.BytesIO(path.read_bytes()))
        monkeypatch.setattr("sys.stdin", stdin)
        made = init(here, "--enrolment", "-")
    else:
        made = init(here, "--enrolment", str(path) if how == "file" else secret.lower())
    assert made.returncode == 0, made.stderr
    client(here, "set-host", f"127.0.0.1:{host.port}")
    assert client(here, "activate").returncode == 0


def test_the_file_may_stay_where_the_administrator_put_it(
    tmp_path: Path, host: Hosted, pc: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = switched_on(host, tmp_path)
    monkeypatch.setenv("QUORATE_ENROLMENT_FILE", str(path))
    assert client(pc, "activate").returncode == 0
    assert not (pc.record.parent / "enrolment.key").exists()
    monkeypatch.setenv("QUORATE_ENROLMENT_FILE", str(tmp_path / "gone"))
    lost = client(pc, "activate")
    assert (lost.returncode, json.loads(lost.stdout)["code"]) == (1, "FILE_ACCESS")
    assert json.loads(lost.stdout)["status"] == "licensed"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("QE234-56789-ABCDE-FGHJK-MNPQR-STUVW", "check digit"),
        ("QE234", "5 symbols instead of 30"),
        ("nowhere.enrolment", "no such file"),
        ("", "is a directory"),
        ("/proc/self/mem", "error"),
    ],
)
def test_what_is_no_secret_changes_nothing(pc: Installation, given: str, words: str) -> None:
    refused = client(pc, "set-enrolment", given)
    assert refused.returncode == 1
    assert words in refused.stderr
    assert not (pc.record.parent / "enrolment.key").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 lines that say something"),
        (b"# only words\n", "0 lines that say something"),
        (b"a\nb\n", "2 lines that say something"),
        (b"\xff\xfe\x00", "never has"),
        (b"Q" * 100_000, "more than 4096 bytes"),
    ],
)
def test_a_file_that_holds_no_secret_is_told(tmp_path: Path, pc: Installation, content: bytes, words: str) -> None:
    path = tmp_path / "spoiled"
    path.write_bytes(content)
    refused = client(pc, "set-enrolment", str(path))
    assert (refused.returncode, words in refused.stderr) == (1, True), refused.stderr


def test_a_wrong_secret_is_told_and_the_lease_runs_on(tmp_path: Path, host: Hosted, pc: Installation) -> None:
    path = switched_on(host, tmp_path)
    client(pc, "set-enrolment", str(path))
    assert client(pc, "activate").returncode == 0
    with host.noticing():
        assert admin(host, "rotate", "--grace-days", "1").returncode == 0
    assert client(pc, "activate").returncode == 0  # the secret until now is good for a day
    with host.noticing():
        assert admin(host, "rotate", "--grace-days", "0").returncode == 0
    refused = client(pc, "activate")
    told = json.loads(refused.stdout)
    assert (refused.returncode, told["code"], told["status"], told["usable"]) == (
        3,
        "ENROLMENT_WRONG",
        "licensed",
        True,
    )


def test_the_clients_copy_may_be_read_by_nobody_else(tmp_path: Path, host: Hosted, pc: Installation) -> None:
    client(pc, "set-enrolment", str(switched_on(host, tmp_path)))
    (pc.record.parent / "enrolment.key").chmod(0o644)
    refused = client(pc, "activate")
    assert (refused.returncode, json.loads(refused.stdout)["code"]) == (1, "FILE_PERMISSIONS")
    assert "chmod 600" in refused.stderr


def test_off_and_clear_end_it(tmp_path: Path, host: Hosted, pc: Installation) -> None:
    client(pc, "set-enrolment", str(switched_on(host, tmp_path)))
    with host.noticing():
        off = admin(host, "off")
    assert "no" in off.stdout
    assert client(pc, "clear-enrolment").returncode == 0
    assert client(pc, "clear-enrolment").returncode == 0  # twice does no harm
    assert client(pc, "activate").returncode == 0


def test_a_second_host_of_the_site_takes_the_same_secret(tmp_path: Path, host: Hosted) -> None:
    path = switched_on(host, tmp_path)
    with hosting(tmp_path / "second", host.world, host.clock) as second:
        assert admin(second, "on", "--secret-file", str(path)).returncode == 0
        assert admin(second, "show").stdout == admin(host, "show").stdout
        assert admin(second, "on").returncode == 0  # again: it stays
        assert admin(second, "show").stdout == admin(host, "show").stdout


def test_without_a_secret_the_commands_say_so(host: Hosted) -> None:
    for words in (("show",), ("off",), ("rotate",)):
        refused = admin(host, *words)
        assert (refused.returncode, "quorate host enrolment on" in refused.stderr) == (1, True)


def test_status_and_the_event_log_tell_it_without_the_secret(tmp_path: Path, host: Hosted) -> None:
    path = switched_on(host, tmp_path)
    status = quorate("host", "status", state_dir=host.state_dir)
    assert "required, with the secret of" in status.stdout
    events = quorate("host", "events", "--id", "12315", "--json", state_dir=host.state_dir)
    assert "only clients that know the enrolment secret are served" in events.stdout
    secret = path.read_text().splitlines()[1]
    assert secret[6:11] not in status.stdout + events.stdout


def test_doctor_names_both_causes(tmp_path: Path, host: Hosted, pc: Installation) -> None:
    path = switched_on(host, tmp_path)
    doctor = quorate("doctor", "--role", "client", "--json", state_dir=pc.state_dir)
    assert "ENROLMENT_REQUIRED" in doctor.stdout
    other = EnrolmentSecret.from_entropy(bytes(32))
    client(pc, "set-enrolment", other.text)
    doctor = quorate("doctor", "--role", "client", "--json", state_dir=pc.state_dir)
    assert "ENROLMENT_WRONG" in doctor.stdout
    client(pc, "set-enrolment", str(path))
    doctor = quorate("doctor", "--role", "client", "--json", state_dir=pc.state_dir)
    assert "ENROLMENT" not in doctor.stdout
    assert len(host.administration.clients()) == 1  # a probe counts nobody
