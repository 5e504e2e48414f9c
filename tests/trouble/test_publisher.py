"""The publisher's vault and ledger on a disk that is full, read-only or somebody else's, and killed in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_host_cli import Done, quorate
from tests.publisher.test_activation_api import serving
from tests.publisher.world import PASSPHRASE, AskingHost, new_publisher, write_source
from tests.support.child import Child
from tests.support.clocks import ManualClock
from tests.trouble.disks import Disk, disk

BOUND_S = 60.0


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    monkeypatch.setenv("QUORATE_PASSPHRASE", PASSPHRASE)
    with disk(tmp_path / "disk") as made:
        yield made


class Vault:
    """The publisher of a state folder, by its commands."""

    def __init__(self, state: Path, beside: Path) -> None:
        self.state = state
        self.beside = beside
        self._source = write_source(beside)

    def says(self, *words: str | Path) -> Done:
        return quorate("publisher", *map(str, words), "--state-dir", str(self.state))

    def well(self, *words: str | Path) -> Any:
        """The JSON rows of a command that works."""
        done = self.says(*words, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def fails(self, reason: str, *words: str | Path) -> None:
        """The command fails as the disk does, and says so, the file and what to look at."""
        done = self.says(*words)
        assert done.returncode == 1, done
        assert "Traceback" not in done.stderr
        assert str(self.state) in done.stderr
        assert reason in done.stderr.lower()
        assert "the disk is not full or read-only" in done.stderr

    def made(self) -> Vault:
        """With a product and nothing else."""
        self.well("init", "--name", "Acme Software")
        self.well("product", "add", self._source)
        return self

    def key(self) -> str:
        """A host key."""
        key: str = self.well("host-key", "issue", "--customer", "Contoso", "--group", "acme")[0]["product_key"]
        return key

    def request(self, key: str) -> Path:
        """The request of a new host with that key."""
        state, path = self.beside / "host", self.beside / "host.req"
        files = ("--product", self.state / "products/acme-cad.product", "--trust", self.state / "publisher.jwks")
        for words in (("init", *files), ("install-key", key), ("request", "-o", path)):
            done = quorate("host", *map(str, words), "--state-dir", str(state))
            assert done.returncode == 0, done.stderr
        return path


@pytest.fixture
def vault(small: Disk, tmp_path: Path) -> Vault:
    return Vault(small.root / "publisher", tmp_path)


def test_a_full_disk_makes_no_half_publisher_and_the_same_command_works_later(small: Disk, vault: Vault) -> None:
    with small.full():
        vault.fails("disk is full", "init", "--name", "Acme Software")
        assert not (vault.state / "publisher.key").exists()
    vault.made()
    assert vault.well("list", "host-keys") == []


def test_a_full_disk_issues_and_confirms_nothing_and_counts_nothing(small: Disk, vault: Vault) -> None:
    vault.made()
    request = vault.request(vault.key())
    with small.full():
        vault.fails("full", "host-key", "issue", "--customer", "Fabrikam", "--group", "acme")
        vault.fails("full", "confirm", request, "-o", vault.beside / "host.cert")
        vault.fails("no space left", "rotate")
        assert [each["customer"] for each in vault.well("list", "host-keys")] == ["Contoso"], "it can still be read"
    assert not (vault.beside / "host.cert").exists()
    assert vault.well("list", "hosts") == []
    vault.well("confirm", request, "-o", vault.beside / "host.cert")
    assert [each["activations"] for each in vault.well("list", "hosts")] == [1]


def test_a_certificate_that_found_no_room_is_given_again_for_the_same_request_and_counted_once(
    small: Disk, tmp_path: Path
) -> None:
    """The ledger is on a disk with room, the certificate's place is not."""
    vault = Vault(tmp_path / "publisher", tmp_path).made()
    request = vault.request(vault.key())
    with small.full():
        done = vault.says("confirm", request, "-o", small.root / "host.cert")
        assert (done.returncode, "no space left" in done.stderr.lower()) == (1, True)
    assert not list(small.root.iterdir()), "nothing half-written is left"
    vault.well("confirm", request, "-o", small.root / "host.cert")
    assert [each["activations"] for each in vault.well("list", "hosts")] == [1]


def test_a_read_only_disk_can_be_read_and_nothing_else_and_all_works_again(small: Disk, vault: Vault) -> None:
    vault.made()
    key = vault.key()
    request = vault.request(key)
    with small.read_only():
        assert len(vault.well("list", "host-keys")) == 1
        assert vault.well("product", "show", "acme-cad")[0]["group"] == "acme"
        vault.fails("readonly", "host-key", "issue", "--customer", "Fabrikam", "--group", "acme")
        vault.fails("readonly", "confirm", request, "-o", vault.beside / "host.cert")
        vault.fails("read-only", "rotate")
    vault.well("confirm", request, "-o", vault.beside / "host.cert")
    vault.well("rotate")


_AS_NOBODY = """
import contextlib, io, os, sys
from quorate.cli import main
words = sys.argv[1:]
# Once before: a checkout in a home folder that others may not enter gives nobody no more modules afterwards.
quiet = io.StringIO()
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
    sys.argv[1:] = [*words[:-1], words[-1] + ".none"]
    main.run()
sys.argv[1:] = words
os.setgroups([]); os.setgid(65534); os.setuid(65534)
main.run()
"""


def test_another_user_is_told_whose_it_is_and_reads_nothing(small: Disk, vault: Vault) -> None:
    vault.made()
    small.root.chmod(0o755)
    words = ["publisher", "list", "host-keys", "--state-dir", str(vault.state)]
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, *words],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        cwd="/",
        check=False,
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr
    assert "hint: " in done.stderr
    assert done.stdout == ""


_ISSUES = """
import os, sys
from pathlib import Path
from quorate.clock import SystemClock, SystemEntropy
from quorate.publisher.issue import Publisher
publisher = Publisher.open(Path(sys.argv[1]), sys.argv[2], SystemClock(), SystemEntropy())
for number in range(10_000):  # until it is killed
    issued = publisher.issue_host_key(f"Customer {number}", ["acme"])
    os.write(1, f"{issued.key_id}\\n".encode())
"""


@pytest.mark.parametrize("after", [1, 5, 12])
def test_kill_9_while_keys_are_issued_loses_none_that_was_told(tmp_path: Path, after: int) -> None:
    vault = Vault(tmp_path / "publisher", tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUORATE_PASSPHRASE", PASSPHRASE)
        vault.made()
        command = [sys.executable, "-c", _ISSUES, str(vault.state), PASSPHRASE]
        with Child(command) as process:
            for _ in range(after):
                process.line("the number of a key")
            assert process.kill() == -signal.SIGKILL
            told = [line.strip() for line in process.out.splitlines(keepends=True) if line.endswith("\n")]
        kept = {each["key_id"] for each in vault.well("list", "host-keys")}
        assert set(told) <= kept
        vault.well("confirm", vault.request(vault.key()), "-o", tmp_path / "host.cert")


@pytest.mark.parametrize("trouble", ["full", "read_only"])
def test_the_activation_service_says_that_it_cannot_now_counts_nothing_and_recovers(small: Disk, trouble: str) -> None:
    clock = ManualClock()
    publisher = new_publisher(small.root, clock)
    request = AskingHost(1).request(publisher.issue_host_key("Contoso", ["acme"]))
    with serving(publisher, clock) as service:
        with getattr(small, trouble)():
            answer = service.activate(request)
            assert (answer.status, answer.code) == (503, "PUBLISHER_UNAVAILABLE")
            assert int(answer.headers["retry-after"]) > 0
            assert str(small.root).encode() not in answer.body, "strangers are told nothing of the machine"
            assert service.ask("GET", "/livez").status == 200
        assert service.activate(request).status == 200
        assert [host.activations for host in publisher.hosts()] == [1]
