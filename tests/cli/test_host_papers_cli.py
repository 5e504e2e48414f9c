"""Papers of a host on their way: text for a mail, QR codes, pasted confirmations, files of the wrong kind."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from quorate.clock import SystemClock
from quorate.core.armor import armored, dearmored
from quorate.core.documents import HOST_REQUEST
from tests.cli.test_host_cli import quorate
from tests.support.documents import World
from tests.support.hosting import certificate_for, make_host

WORLD = World()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A host with its key installed."""
    folder = tmp_path / "host"
    make_host(folder, WORLD, SystemClock(), activated=False)
    assert quorate("host", "install-key", WORLD.product_key.text, state_dir=folder).returncode == 0
    return folder


class _Pasted(io.TextIOWrapper):
    def __init__(self, text: str) -> None:
        super().__init__(io.BytesIO(text.encode()))


def test_a_request_as_text_comes_back_as_text_that_a_mail_has_quoted(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = quorate("host", "request", "--text", state_dir=state)
    assert asked.stdout.startswith("-----BEGIN QUORATE HOST REQUEST-----")
    certificate = certificate_for(WORLD, dearmored(asked.stdout, HOST_REQUEST), SystemClock().now_s())
    mail = "Hello,\n\n" + "".join(f"> {line}\r\n" for line in armored(certificate).splitlines()) + "\nRegards"
    monkeypatch.setattr("sys.stdin", _Pasted(mail))
    done = quorate("host", "activate", "--confirmation", "-", "--json", state_dir=state)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["customer"] == "Contoso"


def test_a_damaged_text_is_told_from_a_foreign_one(state: Path, tmp_path: Path) -> None:
    asked = quorate("host", "request", "--text", state_dir=state).stdout
    text = armored(certificate_for(WORLD, dearmored(asked, HOST_REQUEST), SystemClock().now_s()))
    for content, code in ((text.replace("e", "f", 3), "TEXT_DAMAGED"), (asked, "WRONG_FILE"), ("hi", "TEXT_FOREIGN")):
        (tmp_path / "mail.txt").write_text(content)
        done = quorate("host", "activate", "--confirmation", str(tmp_path / "mail.txt"), "--json", state_dir=state)
        assert (done.returncode, json.loads(done.stdout)["error"]) == (1, code)


def test_a_request_goes_to_file_and_qr_code_and_never_over_another(state: Path, tmp_path: Path) -> None:
    file, code = tmp_path / "a.req", tmp_path / "a.png"
    assert quorate("host", "request", "-o", str(file), "--qr-file", str(code), state_dir=state).returncode == 0
    assert code.read_bytes().startswith(b"\x89PNG")
    waiting = len(list((state / "requests").iterdir()))
    again = quorate("host", "request", "-o", str(tmp_path / "b.req"), "--qr-file", str(code), state_dir=state)
    assert again.returncode == 1
    assert len(list((state / "requests").iterdir())) == waiting
    assert not (tmp_path / "b.req").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["request"],
        ["activate"],
        ["update"],
        ["activate", "--confirmation", "a.cert", "--publisher-url", "https://acme.example"],
        ["request", "--qr", "--json"],
    ],
)
def test_a_command_that_is_not_told_enough_or_too_much_is_misused(state: Path, words: list[str]) -> None:
    assert quorate("host", *words, state_dir=state).returncode == 2


def test_a_publisher_that_cannot_be_reached_is_told_with_the_way_around(state: Path) -> None:
    done = quorate("host", "activate", "--publisher-url", "https://127.0.0.1:9", state_dir=state)
    assert done.returncode == 1
    assert "connection refused" in done.stderr
    assert "quorate host request -o" in done.stderr
    plain = quorate("host", "activate", "--publisher-url", "http://acme.example", state_dir=state)
    assert (plain.returncode, "without TLS" in plain.stderr) == (2, True)


def test_keys_without_proof_are_no_update(state: Path, tmp_path: Path) -> None:
    (tmp_path / "publisher.jwks").write_bytes(WORLD.jwks)
    done = quorate("host", "update", str(tmp_path / "publisher.jwks"), state_dir=state)
    assert (done.returncode, "publisher.trust" in done.stderr) == (1, True)
    missing = quorate("host", "update", str(tmp_path / "no.trust"), state_dir=state)
    assert (missing.returncode, "no.trust" in missing.stderr) == (1, True)
