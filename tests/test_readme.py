"""What the README and the tutorial tell people to type works as it stands there: real processes, in a fresh folder."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.source import ROOT
from tests.support.terminal import ANSWER_S, Terminal, blocks, failures
from tests.support.waiting import PATIENCE_S, until

BIN = Path(sys.executable).parent
EXPECTED_REFUSAL = ("3", "quorate client activate --state-dir pc1")
PORT = "1688"  # what the pages say; the test takes a free one, so that it can run beside anything


def free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Reader(Terminal):
    """A person who types in a fresh folder, with a host's ports that are free."""

    def __init__(self, folder: Path) -> None:
        self.port, admin_port = free_ports(2)
        self._home = folder
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("QUORATE_", "XDG_"))}
        self._environment = {
            **kept,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(folder),
            "QUORATE_HOST_RUN_PORT": str(self.port),
            "QUORATE_HOST_RUN_ADMIN_PORT": str(admin_port),
        }
        super().__init__(folder=folder, environment=self._environment)

    @property
    def folder(self) -> Path:
        """Where the page has led: an empty folder of its own, below the home folder."""
        return self._home / "quorate-walk"

    def types(self, block: str) -> str:
        """What one block prints."""
        return super().types(block.replace(PORT, str(self.port)))

    def status(self, client: str) -> dict[str, object]:
        """`quorate client status --json` of one client."""
        found: dict[str, object] = json.loads(self.types(f"quorate client status --state-dir {client} --json"))
        return found

    def waits_for_the_host(self) -> None:
        """Until the host's port takes a connection."""

        def listens() -> bool:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S).close()
            except OSError:
                return False
            return True

        until(listens, f"the host of {self.folder / 'host.log'} to listen")

    def runs_python(self, program: str) -> str:
        """What a program prints that is licensed as the first client is."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            capture_output=True,
            text=True,
            timeout=ANSWER_S,
            cwd=self.folder,
            env={**self._environment, "QUORATE_STATE_DIR": "pc1"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    person = Reader(tmp_path)
    yield person
    person.leaves()


@pytest.mark.parametrize("page", ["README.md", "docs/tutorials/first-activation.md"])
def test_typing_the_lines_of_the_page_ends_with_two_activated_clients(page: str, reader: Reader) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    failed: list[tuple[str, str]] = []
    for block in blocks(text, "sh"):
        answer = reader.types(block)
        failed += failures(answer)
        assert set(failed) <= {EXPECTED_REFUSAL}, f"{block}\nprinted:\n{answer}"
        if "quorate host run" in block:
            reader.waits_for_the_host()
        for promised in re.findall(r"^# prints: (.*)$", block, flags=re.MULTILINE):
            assert promised.lower() in answer.lower(), f"{block}\nprinted:\n{answer}"
        if "client init --state-dir pc1" in block:
            assert reader.status("pc1")["status"] == "initial_grace"
        if "client init --state-dir pc2" in block:  # at once, at its first request
            assert reader.status("pc2")["status"] == "licensed"
    assert failed == [EXPECTED_REFUSAL], "only the first client is refused, once"
    assert reader.types("wait $!; echo ended with $?").strip() == "ended with 0", "SIGTERM ends a host in good order"
    assert [reader.status(client)["status"] for client in ("pc1", "pc2")] == ["licensed", "licensed"]
    assert {path.name for path in (reader.folder).iterdir()} >= {"vault", "host", "pc1", "pc2"}, (
        "keys outside the checkout"
    )
    for program in blocks(text, "python"):
        assert reader.runs_python(program) == "", "a licensed program says nothing"
