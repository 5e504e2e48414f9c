"""`quorate publisher` as people and scripts use it: real exit codes, data on stdout, words on stderr."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from quorate.cli import main
from quorate.core.documents import HOST_CERTIFICATE, PRODUCT, VerifyKeys, read
from quorate.core.ids import ProductKey
from quorate.core.succession import TrustState
from tests.publisher.world import PASSPHRASE, SOURCE, AskingHost, write_source
from tests.support.waiting import PATIENCE_S


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class Terminal:
    """Runs `quorate publisher …` in this process, as the entry point does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.folder = folder
        self.state = folder / "state"
        for name in [name for name in os.environ if name.startswith("QUORATE_")]:
            monkeypatch.delenv(name)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("QUORATE_STATE_DIR", str(self.state))
        monkeypatch.setenv("QUORATE_PASSPHRASE", PASSPHRASE)
        monkeypatch.setenv("COLUMNS", "200")

    def __call__(self, *words: str | Path) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["quorate", "publisher", *map(str, words)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        out, err = self._capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, out, err)

    def well(self, *words: str | Path) -> Ended:
        """The command must work."""
        ended = self(*words)
        assert ended.code == 0, ended.err
        return ended

    def keys(self) -> VerifyKeys:
        return TrustState.shipped((self.state / "publisher.jwks").read_bytes()).for_issuing()


@pytest.fixture
def quorate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


@pytest.fixture
def acme(quorate: Terminal) -> Terminal:
    """A terminal where the publisher and its product are made."""
    quorate.well("init", "--name", "Acme Software")
    write_source(quorate.folder)
    quorate.well("product", "add", "product.toml")
    return quorate


def request_file(folder: Path, key: str, seed: int = 1) -> Path:
    path = folder / f"host{seed}.req"
    path.write_text(AskingHost(seed, f"kms{seed}").request(ProductKey.parse(key)))
    return path


def test_the_whole_way_from_nothing_to_a_certificate(quorate: Terminal) -> None:
    made = quorate.well("init", "--name", "Acme Software")
    assert "publisher.jwks" in made.out
    assert "Back up" in made.err
    write_source(quorate.folder)
    path = Path(quorate.well("product", "add", "product.toml").out.strip())
    assert read(PRODUCT, path.read_text().strip(), quorate.keys()).name == "Acme CAD"
    issued = quorate.well("host-key", "issue", "--customer", "Contoso", "--group", "acme-cad")
    key = issued.out.strip()
    assert ProductKey.parse(key).text == key
    assert "will not be shown again" in issued.err
    assert key not in issued.err
    confirmed = quorate.well("confirm", request_file(quorate.folder, key), "-o", "host.cert")
    certificate = read(HOST_CERTIFICATE, Path("host.cert").read_text().strip(), quorate.keys())
    assert certificate.host_id in confirmed.out
    assert "quorate host activate --confirmation host.cert" in confirmed.err


def test_every_answer_has_a_json_shape(quorate: Terminal) -> None:
    made = quorate.well("init", "--name", "Acme Software", "--json").json()
    assert made.keys() == {"publisher", "kid", "key", "jwks"}
    write_source(quorate.folder)
    added = quorate.well("product", "add", "product.toml", "--json").json()
    assert (added["product"], added["replaced"], added["output"]) == ("acme-cad", False, None)
    assert quorate.well("product", "show", "acme-cad", "--json").json()["policy"]["profile"] == "windows-7"
    issued = quorate.well("host-key", "issue", "--customer", "Contoso", "--group", "acme", "--json").json()
    assert ProductKey.parse(issued["product_key"]).key_id == issued["key_id"]
    request = request_file(quorate.folder, issued["product_key"])
    confirmed = quorate.well("confirm", request, "-o", "host.cert", "--json").json()
    assert confirmed["groups"] == ["acme"]
    assert confirmed["expires_s"] - confirmed["issued_s"] == 730 * 86_400
    (key,) = [json.loads(line) for line in quorate.well("list", "host-keys", "--json").out.splitlines()]
    assert (key["hosts_used"], key["hosts_max"], key["activations_max"], key["status"]) == (1, 6, 10, "active")
    assert "verifier" not in key
    assert "product_key" not in key
    (host,) = [json.loads(line) for line in quorate.well("list", "hosts", "--json").out.splitlines()]
    assert (host["host_id"], host["machine"], host["activations"]) == (confirmed["host_id"], "kms1", 1)
    assert (host["status"], host["revoked_reason"]) == ("active", None)
    assert host["certificate_expires_s"] == confirmed["expires_s"]
    summary = quorate.well("list", "--json").json()
    assert (summary["products"], summary["host_keys"], summary["hosts"]) == (["acme-cad"], 1, 1)


def test_the_lists_for_people_show_what_is_left(acme: Terminal) -> None:
    key = acme.well("host-key", "issue", "--customer", "Contoso", "--group", "acme", "--expires", "2090-12-31").out
    acme.well("confirm", request_file(acme.folder, key), "-o", "host.cert")
    keys = acme.well("list", "host-keys").out
    assert "1 of 6" in keys
    assert "2090-12-31" in keys
    assert key.strip() not in keys
    assert "1 of 10" in acme.well("list", "hosts").out
    assert "host keys active:" in acme.well("list").out


def test_a_second_init_changes_nothing(acme: Terminal) -> None:
    before = {path: path.read_bytes() for path in acme.state.iterdir() if path.is_file()}
    ended = acme("init", "--name", "Another")
    assert ended.code == 1
    assert "already a publisher" in ended.err
    assert {path: path.read_bytes() for path in acme.state.iterdir() if path.is_file()} == before


def test_an_error_with_json_is_an_object_too(quorate: Terminal) -> None:
    ended = quorate("list", "--json")
    assert ended.code == 1
    assert ended.json()["error"] == "STATE_MISSING"
    assert "quorate publisher init" in ended.err


def test_adding_a_product_again_says_so(acme: Terminal) -> None:
    write_source(acme.folder, SOURCE.replace('group = "acme"', 'group = "acme-new"'))
    ended = acme.well("product", "add", "product.toml")
    assert "signed anew" in ended.err
    assert "its group was acme and is acme-new" in ended.err


def test_a_product_written_elsewhere_replaces_a_product_and_nothing_else(acme: Terminal) -> None:
    assert acme("product", "add", "product.toml", "-o", "product.toml").code == 1
    assert Path("product.toml").read_text() == SOURCE
    for _ in range(2):
        assert acme.well("product", "add", "product.toml", "-o", "acme-cad.product").out == "acme-cad.product\n"
    assert read(PRODUCT, Path("acme-cad.product").read_text().strip(), acme.keys()).product == "acme-cad"


def test_a_wrong_source_names_the_file_the_key_and_the_fix(acme: Terminal) -> None:
    write_source(acme.folder, SOURCE + "[threshold.client]\nminimun = 2\n")
    ended = acme("product", "add", "product.toml")
    assert ended.code == 1
    assert ended.err == (
        "error: product.toml: `threshold.client.minimun` is not known\n"
        "hint: Did you mean minimum? Known here: minimum, counts, soft.\n"
    )


def test_confirming_again_is_free_and_another_file_is_not_overwritten(acme: Terminal) -> None:
    key = acme.well("host-key", "issue", "--customer", "Contoso", "--group", "acme").out
    one, two = request_file(acme.folder, key, 1), request_file(acme.folder, key, 2)
    acme.well("confirm", one, "-o", "host.cert")
    before = Path("host.cert").read_bytes()
    acme.well("confirm", one, "-o", "host.cert")
    ended = acme("confirm", two, "-o", "host.cert")
    assert (ended.code, Path("host.cert").read_bytes()) == (1, before)
    assert "another name with -o" in ended.err
    acme.well("confirm", two, "-o", "two.cert")
    hosts = [json.loads(line) for line in acme.well("list", "hosts", "--json").out.splitlines()]
    assert sorted((host["machine"], host["activations"]) for host in hosts) == [("kms1", 1), ("kms2", 1)]


def test_the_limits_of_a_key_are_told_with_their_numbers(acme: Terminal) -> None:
    key = acme.well("host-key", "issue", "--customer", "Contoso", "--group", "acme", "--hosts", "1").out
    acme.well("confirm", request_file(acme.folder, key, 1), "-o", "one.cert")
    ended = acme("confirm", request_file(acme.folder, key, 2), "-o", "two.cert", "--json")
    assert (ended.code, ended.json()["error"], ended.json()["hresult"]) == (1, "HOST_KEY_USED_UP", "0xC004C008")
    assert "1 of 1 host " in ended.err
    assert not Path("two.cert").exists()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["init"],
        ["init", "--name"],
        ["product", "add"],
        ["product", "bury"],
        ["list", "things"],
        ["confirm", "a.req"],
        ["confirm", "a.req", "--qr", "--json"],
        ["confirm", "a.req", "--qr-file", "a.gif"],
        ["revoke"],
        ["revoke", "--reason", "x"],
        ["revoke", "--host", "abcd"],
        ["revoke", "--host", "abcd", "--serial", "abcd", "--reason", "x"],
        ["revoke", "--host", "abcd", "--reason", "x", "--since", "yesterday"],
        ["rotate", "--drop-old", "--finish"],
        ["serve", "--port", "70000"],
        ["host-key", "issue", "--customer", "Contoso"],
        ["host-key", "issue", "--customer", "Contoso", "--group", "acme", "--hosts", "0"],
        ["host-key", "issue", "--customer", "Contoso", "--group", "acme", "--hosts", "six"],
        ["host-key", "issue", "--customer", "Contoso", "--group", "acme", "--expires", "soon"],
        ["host-key", "issue", "--customer", "Contoso", "--group", "acme", "--expires", "2026-02-30"],
    ],
    ids=" ".join,
)
def test_misuse_ends_with_two(acme: Terminal, words: list[str]) -> None:
    assert acme(*words).code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["host-key", "issue", "--customer", "Contoso", "--group", "acmee"], "Known: acme."),
        (["host-key", "issue", "--customer", "C", "--group", "acme", "--expires", "2020-01-01"], "that time is over"),
        (["host-key", "issue", "--customer", "C", "--group", "acme", "--expires", "9999-12-31"], "too far away"),
        (["product", "show", "acme"], "Known: acme-cad."),
        (["product", "add", "nothing.toml"], "no such file"),
        (["confirm", "nothing.req", "-o", "a.cert"], "no such file"),
        (["confirm", "product.toml", "-o", "a.cert"], "is the source of a product file"),
        (["revoke", "--host", "abcd", "--reason", "x"], "see quorate publisher list hosts"),
        (["revoke", "--host-key", "abcd", "--reason", "x", "--since", "2999-01-01"], "that time has not come"),
        (["rotate", "--finish"], "no old key is left to drop"),
        (["serve", "--address", "192.0.2.1"], "--insecure-http"),
        (["serve", "--tls-cert", "c.pem"], "--tls-key"),
        (["confirm", "state/products/acme-cad.product", "-o", "a.cert"], "is a product file"),
    ],
    ids=str,
)
def test_a_failure_ends_with_one_and_tells_the_way_on(acme: Terminal, words: list[str], told: str) -> None:
    ended = acme(*words)
    assert ended.code == (2 if ended.err.startswith("error: --") else 1)  # an option's value, or what was found
    assert told in ended.err
    assert "hint: " in ended.err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["init"],
        ["product"],
        ["product", "add"],
        ["product", "show"],
        ["host-key"],
        ["host-key", "issue"],
        ["confirm"],
        ["revoke"],
        ["rotate"],
        ["serve"],
        ["list"],
    ],
    ids=" ".join,
)
def test_every_help_ends_with_an_example(quorate: Terminal, words: list[str]) -> None:
    ended = quorate.well(*words, "--help")
    last = ended.out.rstrip().split("\n\n")[-1]
    assert last.strip().startswith("Example: quorate publisher")


# --- where the passphrase comes from ---------------------------------------------------------------------------------


def test_the_passphrase_comes_from_the_file_before_the_environment(
    quorate: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = quorate.folder / "passphrase"
    file.write_text("from a file\r\nand a second line\n")
    file.chmod(0o600)
    quorate.well("init", "--name", "Acme", "--passphrase-file", file)
    write_source(quorate.folder)
    refused = quorate("product", "add", "product.toml")
    assert refused.code == 1
    assert "passphrase is wrong" in refused.err
    monkeypatch.setenv("QUORATE_PASSPHRASE", "from a file")
    quorate.well("product", "add", "product.toml")
    file.chmod(0o644)
    refused = quorate("product", "add", "product.toml", "--passphrase-file", file)
    assert "chmod 600" in refused.err


@pytest.mark.parametrize("content", [b"", b"\nsecond line\n", b"\xff\xfe\n", b"x" * 5000])
def test_a_passphrase_file_without_passphrase_makes_nothing(quorate: Terminal, content: bytes) -> None:
    file = quorate.folder / "passphrase"
    file.write_bytes(content)
    file.chmod(0o600)
    assert quorate("init", "--name", "Acme", "--passphrase-file", file).code == 1
    assert not quorate.state.exists()


def test_without_terminal_the_ways_to_give_a_passphrase_are_named(
    quorate: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORATE_PASSPHRASE", "")
    assert "QUORATE_PASSPHRASE is empty" in quorate("init", "--name", "Acme").err
    monkeypatch.delenv("QUORATE_PASSPHRASE")
    ended = quorate("init", "--name", "Acme")
    assert ended.code == 1
    assert "no terminal to ask" in ended.err
    assert "QUORATE_PASSPHRASE, or with --passphrase-file" in ended.err
    assert not quorate.state.exists()


def at_a_terminal(words: list[str], environment: dict[str, str], answers: list[str]) -> tuple[int, str]:
    """Run a command with a pseudo-terminal and type `answers`, each after a prompt: exit code and what was shown."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", "from quorate.cli.main import run; run()", *words],
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as command:
        os.close(theirs)
        shown = b""
        waiting = list(answers)
        while select.select([ours], [], [], PATIENCE_S)[0]:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # the command has ended
                break
            if waiting and shown.endswith(b": "):
                os.write(ours, waiting.pop(0).encode() + b"\n")
        os.close(ours)
        return command.wait(PATIENCE_S), shown.decode()


def test_at_a_terminal_the_passphrase_is_asked_for_twice_and_not_shown(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "QUORATE_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)}
    words = ["publisher", "init", "--name", "Acme"]
    code, shown = at_a_terminal(words, environment, ["one passphrase", "another passphrase"])
    assert code == 1
    assert "second time is not the same" in " ".join(shown.split())
    assert not (tmp_path / "state").exists()
    code, shown = at_a_terminal(words, environment, ["one passphrase", "one passphrase"])
    assert code == 0, shown
    assert "one passphrase" not in shown
    source = write_source(tmp_path)
    code, shown = at_a_terminal(["publisher", "product", "add", str(source)], environment, ["one passphrase"])
    assert code == 0, shown


def test_the_installed_command_has_the_same_exit_codes(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("quorate")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "QUORATE_PASSPHRASE": PASSPHRASE,
        "QUORATE_STATE_DIR": str(tmp_path / "state"),
    }
    for words, code in ((["list"], 1), (["init", "--name", "Acme"], 0), (["list"], 0), (["list", "x"], 2)):
        ended = subprocess.run(
            [command, "publisher", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert ended.returncode == code, ended.stderr
    assert (tmp_path / "state" / "publisher.key").exists()
