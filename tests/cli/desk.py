"""Pages of docs/how-to, typed as they stand there: the publisher's machine, the hosts', and files carried by hand."""

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

__all__ = ["KEY", "Desk", "lines"]

KEY = "QHXXX-XXXXX-XXXXX-XXXXX-XXXXX"
PUBLISHED = ("publisher.trust", "publisher.revocations")


def lines(page: str, *, leave_out: str = "") -> Iterator[tuple[str, list[str]]]:
    """Each command of a page with the title above it; `leave_out`: the title of a part that is not typed."""
    text = (ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8")
    for section in text.split("\n## ")[1:]:
        title = section.split("\n", 1)[0]
        for block in re.findall(r"```\n(.*?)```", section, re.DOTALL):
            yield from ((title, shlex.split(line)) for line in block.splitlines() if title != leave_out)


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
        code, out, err = self.ended(*words)
        assert code == 0, f"{words}: {out} {err}"
        said = out.splitlines()
        return dict(json.loads(said[-1])) if said else {}

    def ended(self, *words: str) -> tuple[int, str, str]:
        """How a command ends with --json: its code, stdout and stderr."""
        for name in PUBLISHED:  # carried by hand
            if (self.folder / "publisher" / name).exists():
                shutil.copy(self.folder / "publisher" / name, self.folder)
        self.patch.setenv("QUORATE_STATE_DIR", str(self.folder / (self.host if words[0] == "host" else "publisher")))
        self.patch.setattr("sys.argv", ["quorate", *words, *([] if "--json" in words else ["--json"])])
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = _run()
        return code, out.getvalue(), err.getvalue()
