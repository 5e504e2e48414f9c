"""Where the publisher's state is, for whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.errors import PassphraseMissingError
from quorate.publisher.config import passphrase, state_dir

KEY = Path("/somewhere/publisher.key")


@pytest.mark.parametrize(
    ("given", "environ", "uid", "wanted"),
    [
        (Path("here"), {"XDG_DATA_HOME": "/x"}, 0, "here"),
        (None, {"XDG_DATA_HOME": "/x", "HOME": "/root"}, 0, "/var/lib/quorate/publisher"),
        (None, {"XDG_DATA_HOME": "/x", "HOME": "/h/anna"}, 1000, "/x/quorate/publisher"),
        (None, {"XDG_DATA_HOME": "relative", "HOME": "/h/anna"}, 1000, "/h/anna/.local/share/quorate/publisher"),
        (None, {"HOME": "/h/anna"}, 1000, "/h/anna/.local/share/quorate/publisher"),
    ],
)
def test_the_state_is_where_the_platform_puts_it_unless_told_otherwise(
    given: Path | None, environ: dict[str, str], uid: int, wanted: str
) -> None:
    assert state_dir(given, environ, uid) == Path(wanted)


def test_a_new_passphrase_is_asked_for_twice_and_an_old_one_once() -> None:
    answers = iter(["a", "a", "b"])
    assert passphrase(KEY, None, {}, lambda _: next(answers), is_new=True) == "a"
    assert passphrase(KEY, None, {}, lambda _: next(answers)) == "b"
    with pytest.raises(PassphraseMissingError, match="what was typed is empty"):
        passphrase(KEY, None, {}, lambda _: "")
