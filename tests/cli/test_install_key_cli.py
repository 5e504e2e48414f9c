"""`quorate host install-key`: the host key from a file, from stdin, or as an answer, where nobody else sees it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from quorate.cli import main
from quorate.clock import SystemClock
from tests.support.documents import World
from tests.support.hosting import make_host

WORLD = World()
KEY = WORLD.product_key.text
FORMS = {
    "plain": KEY.encode(),
    "line end": KEY.encode() + b"\r\n",
    "byte order mark": b"\xef\xbb\xbf" + KEY.encode(),
    "utf-16": KEY.encode("utf-16"),
    "lower case": b"\n " + KEY.lower().replace("-", " ").encode() + b"\n",
}


class _Stdin:
    def __init__(self, data: bytes, is_terminal: bool = False) -> None:
        self.buffer = io.BytesIO(data)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.fixture
def state(tmp_path: Path) -> Path:
    make_host(tmp_path / "host", WORLD, SystemClock(), activated=False)
    return tmp_path / "host"


def typed(state: Path, monkeypatch: pytest.MonkeyPatch, *words: str, stdin: _Stdin | None = None) -> int:
    monkeypatch.setenv("QUORATE_STATE_DIR", str(state))
    monkeypatch.setattr(sys, "argv", ["quorate", "host", "install-key", *words])
    monkeypatch.setattr(sys, "stdin", stdin or _Stdin(b""))
    with pytest.raises(SystemExit) as end:
        main.run()
    return int(end.value.code or 0)


def installed(state: Path) -> str | None:
    path = state / "product.key"
    return path.read_text().strip() if path.exists() else None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", ["file", "stdin", "file that is stdin"])
def test_a_key_that_is_read_is_installed_and_is_in_no_argument(
    state: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    way: str,
    form: str,
) -> None:
    (tmp_path / "contoso.key").write_bytes(FORMS[form])
    file = "-" if way == "file that is stdin" else str(tmp_path / "contoso.key")
    words = ["-"] if way == "stdin" else ["--key-file", file]
    assert typed(state, monkeypatch, *words, stdin=_Stdin(FORMS[form])) == 0
    assert installed(state) == KEY
    said = capsys.readouterr()
    assert KEY not in said.out + said.err
    assert KEY[-5:] in said.out


def test_at_a_terminal_it_is_asked_for_and_not_shown(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return KEY

    monkeypatch.setattr("getpass.getpass", ask)
    assert typed(state, monkeypatch, stdin=_Stdin(b"", is_terminal=True)) == 0
    assert asked == ["Host key: "]
    assert installed(state) == KEY


def test_what_is_not_one_key_is_refused(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "long").write_bytes(b"x" * 5000)
    (tmp_path / "empty").write_bytes(b"")
    assert typed(state, monkeypatch) == 2
    assert typed(state, monkeypatch, KEY, "--key-file", str(tmp_path / "empty")) == 2
    for words in (
        ["--key-file", str(tmp_path / "long")],
        ["--key-file", str(tmp_path / "empty")],
        ["--key-file", "none"],
    ):
        assert typed(state, monkeypatch, *words) == 1
    for data in (b"", b"x" * 5000, b"\x00" * 30, (KEY + "\n" + KEY).encode()):
        assert typed(state, monkeypatch, "-", stdin=_Stdin(data)) == 1
    assert installed(state) is None
