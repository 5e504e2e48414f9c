"""What people type who look for help: `quorate help`, `quorate help COMMAND`, `quorate -V`."""

from __future__ import annotations

import sys

import pytest

from quorate import __version__
from quorate.cli.main import run


def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str]:
    monkeypatch.setattr(sys, "argv", ["quorate", *words])
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        run()
    return end.value.code, capsys.readouterr().out


@pytest.mark.parametrize("words", [(), ("host",), ("host", "backup"), ("client",), ("simulate",)])
def test_help_is_the_option_as_a_word(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = typed(monkeypatch, capsys, "help", *words)
    assert asked == typed(monkeypatch, capsys, *words, "--help")
    assert asked[0] == 0
    assert f"Usage: {' '.join(('quorate', *words))}" in asked[1]


def test_the_version_has_a_short_option(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = typed(monkeypatch, capsys, "-V")
    assert (code, __version__ in said) == (0, True)
