"""`docs/how-to/replace-a-host.md`, typed as it stands there: activate, rotate, revoke, replace."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from quorate.cli import main
from tests.publisher.world import PASSPHRASE, write_source
from tests.support.source import ROOT

PAGE = ROOT / "docs" / "how-to" / "replace-a-host.md"
KEY = "QHXXX-XXXXX-XXXXX-XXXXX-XXXXX"
PUBLISHED = ("publisher.trust", "publisher.revocations")


def lines() -> Iterator[tuple[str, list[str]]]:
    """Each command with the title above it, up to the part that needs a publisher on the network."""
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title = section.split("\n", 1)[0]
        for block in re.findall(r"```\n(.*?)```", section, re.DOTALL):
            yield from ((title, shlex.split(line)) for line in block.splitlines() if title != "Online")


def _run() -> int:
    try:
        main.run()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


class Desk:
    """The publisher's machine and the hosts', each with its folder; files travel through the current one."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch, self.host = folder, patch, "first"
        patch.chdir(folder)
        patch.setenv("QUORATE_PASSPHRASE", PASSPHRASE)
        self.said("publisher", "init", "--name", "Acme Software")
        write_source(folder)
        self.said("publisher", "product", "add", "product.toml", "-o", "acme-cad.product")
        shutil.copy(folder / "publisher" / "publisher.jwks", folder)
        issued = self.said("publisher", "host-key", "issue", "--customer", "Contoso", "--group", "acme", "--hosts", "2")
        self.key = next(str(value) for value in issued.values() if str(value).startswith("QH"))

    def said(self, *words: str) -> dict[str, object]:
        """What a command prints with --json; it must work."""
        for name in PUBLISHED:  # carried by hand
            if (self.folder / "publisher" / name).exists():
                shutil.copy(self.folder / "publisher" / name, self.folder)
        self.patch.setenv("QUORATE_STATE_DIR", str(self.folder / (self.host if words[0] == "host" else "publisher")))
        self.patch.setattr("sys.argv", ["quorate", *words, "--json"])
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = _run()
        assert code == 0, f"{words}: {out.getvalue()} {err.getvalue()}"
        said = out.getvalue().splitlines()
        return dict(json.loads(said[-1])) if said else {}


def test_the_story_of_the_page_works_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path, monkeypatch)
    told: dict[str, dict[str, object]] = {}
    for title, words in lines():
        assert words[0] == "quorate"
        if title == "Replace":
            desk.host = "second"
        shown = [desk.key if word == KEY else word for word in words[1:]]
        if "revoke" in shown:
            shown[shown.index("--host") + 1] = str(told["Rotate status"]["host_id"])
        told[f"{title} {words[2]}"] = desk.said(*shown)
    assert told["Activate status"]["activated"] is True
    assert (told["Rotate status"]["activated"], told["Rotate status"]["keys_version"]) == (True, 3)
    assert (told["Revoke update"]["activated"], told["Revoke update"]["code"]) == (False, "HOST_REVOKED")
    replaced = told["Replace status"]
    assert (replaced["activated"], replaced["keys_version"], replaced["revocations"]) == (True, 3, 1)
    assert replaced["host_id"] != told["Rotate status"]["host_id"]
