"""A whole story in processes of their own, publisher, host and client: nothing secret is in any output, log or answer.

What is secret is told only where it is asked for: `host-key issue`, `host token add`, `host enrolment show`. Files that
hold a secret are for their owner alone, and what is looser is refused with the command that mends it.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from quorate.core.ids import ProductKey, b64url, unb64url
from quorate.publisher.sealed import unsealed
from tests.support.child import Child

COMMAND = [sys.executable, "-c", "from quorate.cli.main import run; run()"]
PASSPHRASE, ROOT_PASSPHRASE, NEW_ROOT_PASSPHRASE = "marmot-passphrase-1", "heron-passphrase-2", "lynx-passphrase-3"
GUESSED_TOKEN = "c3VjaC1hLWd1ZXNzZWQtdG9rZW4tb2YtYS10aGllZi0x"
BOUND_S = 60.0
SOURCE = """
id = "acme-cad"
name = "Acme CAD"
group = "acme"

[[edition]]
id = "acme-cad-pro"
name = "Acme CAD Professional"
class = "client"

[threshold.client]
minimum = 1
counts = ["client"]
"""


@dataclass
class Site:
    """Three machines as folders below one, and all that was ever said on them."""

    folder: Path
    said: list[tuple[str, str]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)

    def environment(self, role: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "QUORATE_STATE_DIR": str(self.folder / role),
            "QUORATE_PASSPHRASE": PASSPHRASE,
            "COLUMNS": "250",
        }

    def run(self, *words: str, code: int = 0, asked_for: bool = False, **environ: str) -> str:
        """One command. Its words are kept, stdout only where no secret was asked for."""
        environment = self.environment(words[0]) | environ
        done = subprocess.run(
            [*COMMAND, *words], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=BOUND_S
        )
        assert done.returncode == code, (words, done.stdout, done.stderr)
        self.said.append((" ".join(words[:2]), done.stderr if asked_for else done.stdout + done.stderr))
        return done.stdout

    @contextmanager
    def process(self, *words: str) -> Iterator[dict[str, Any]]:
        """A command that runs until it is told to stop; what it says when it is ready."""
        command = [*COMMAND, *words, "--json"]
        environment = self.environment(words[0])
        with Child(command, cwd=self.folder, environ=environment) as process:
            yield process.told()
            process.terminate()
            self.said.append((" ".join(words[:2]), process.out + process.err))

    def ask(self, port: int, method: str, path: str, token: str | None = None, body: bytes | None = None) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=BOUND_S)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
            self.said.append((f"{method} {path}", f"{response.getheaders()}\n{text}"))
            return response.status
        finally:
            connection.close()

    def secret_file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text + "\n")
        path.chmod(0o600)
        self.secrets[name] = text
        return str(path)


def publish(site: Site) -> None:
    """A publisher with a root key, a product, and a host key that is shown once."""
    site.secrets["passphrase"] = PASSPHRASE
    root = site.secret_file("root.pass", ROOT_PASSPHRASE)
    site.run("publisher", "init", "--name", "Acme", "--offline-root", "--root-passphrase-file", root)
    (site.folder / "product.toml").write_text(SOURCE)
    site.run("publisher", "product", "add", "product.toml", "-o", "acme.product")
    words = ("publisher", "host-key", "issue", "--customer", "Contoso", "--group", "acme")
    key = site.run(*words, asked_for=True).strip()
    site.secrets["host key"] = key
    site.secrets["host key's verifier"] = b64url(ProductKey.parse(key).verifier)
    site.run("publisher", "list", "host-keys")
    site.run("publisher", "rotate", code=1, QUORATE_PASSPHRASE="guessed-passphrase-9")
    site.run("publisher", "rotate", "--root-passphrase-file", site.secret_file("guess.pass", "guessed-9"), code=1)
    seal = site.folder / "publisher" / "publisher.key"
    site.secrets["signing key"] = b64url(unsealed(seal, PASSPHRASE).key.seed)
    site.secrets["root key"] = b64url(unsealed(seal.with_name("publisher-root.key"), ROOT_PASSPHRASE).key.seed)


def set_up_host(site: Site) -> None:
    key = site.secrets["host key"]
    typo = key[:-1] + ("A" if key[-1] != "A" else "B")
    site.run("host", "init", "--product", "acme.product", "--trust", "publisher/publisher.jwks")
    site.run("host", "install-key", typo, code=1)
    site.run("host", "install-key", key)
    site.run("host", "request", "--text")
    with site.process("publisher", "serve", "--port", "0") as serving:
        site.run("host", "activate", "--publisher-url", serving["url"])
        site.run("host", "update")
        site.ask(serving["port"], "GET", "/v1/trust")
        site.ask(serving["port"], "POST", "/v1/activate-host", body=b"x.y.z")
    folder = site.folder / "host"
    site.secrets["administration token"] = (folder / "admin.token").read_text().strip()
    site.secrets["host's signing key"] = json.loads((folder / "host.key").read_text())["d"]
    site.run("host", "enrolment", "on")
    site.secrets["enrolment secret"] = json.loads((folder / "enrolment.json").read_text())["secret"]
    site.run("host", "enrolment", "show", "-o", "site.enrolment", asked_for=True)
    made = site.run("host", "token", "add", "alice", "--json", asked_for=True)
    site.secrets["named token"] = next(value for name, value in json.loads(made).items() if name == "token")
    site.run("host", "token", "list")


def serve_and_activate(site: Site) -> None:
    with site.process("host", "run", "--port", "0", "--admin-port", "0", "--address", "127.0.0.1", "--no-dns") as host:
        at = f"127.0.0.1:{host['port']}"
        site.run("client", "init", "--product", "acme.product", "--trust", "publisher/publisher.jwks")
        site.run("client", "set-host", at)
        site.run("client", "activate", code=3)  # it does not know the secret yet
        site.run("client", "set-enrolment", "site.enrolment")
        site.run("client", "activate")
        site.run("client", "status", "--json")
        site.run("doctor", "--json", QUORATE_STATE_DIR=str(site.folder / "client"))
        for path in ("/v1/host", "/v1/trust", "/v1/revocations"):
            site.ask(host["port"], "GET", path)
        site.ask(host["port"], "POST", "/v1/activate", body=b"{}")
        for token in (site.secrets["administration token"], site.secrets["named token"], GUESSED_TOKEN, None):
            for path in ("/", "/events", "/metrics", "/readyz", "/api/v1/status", "/api/v1/settings", "/api/v1/events"):
                site.ask(host["admin_port"], "GET", path, token)
        site.run("host", "status")
        site.run("host", "enrolment", "rotate")
        kept = json.loads((site.folder / "host" / "enrolment.json").read_text())
        site.secrets["next enrolment secret"] = kept["secret"]
        site.run("host", "backup", "kms.backup")
    site.run("host", "events", "--json")


def take_back(site: Site) -> None:
    """Root and signing key exchanged, a host revoked, and what is wrong told."""
    new = site.secret_file("new-root.pass", NEW_ROOT_PASSPHRASE)
    words = ("--root-passphrase-file", str(site.folder / "root.pass"), "--new-root-passphrase-file", new)
    site.run("publisher", "rotate", "--new-root", "--drop-old", *words)
    seal = site.folder / "publisher" / "publisher.key"
    site.secrets["next signing key"] = b64url(unsealed(seal, PASSPHRASE).key.seed)
    site.secrets["next root key"] = b64url(unsealed(seal.with_name("publisher-root.key"), NEW_ROOT_PASSPHRASE).key.seed)
    site.run("host", "update", "publisher/publisher.trust")
    host_id = json.loads((site.folder / "host" / "host.json").read_text())["host_id"]
    site.run("publisher", "revoke", "--host", host_id, "--reason", "sold")
    site.run("publisher", "revoke", "--host-key", site.secrets["host key"], "--reason", "leaked")
    site.run("host", "update", "publisher/publisher.revocations")
    site.run("host", "status", "--json")
    site.run("host", "restore", "kms.backup", QUORATE_STATE_DIR=str(site.folder / "restored"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = Site(tmp_path_factory.mktemp("site"))
    made.folder.chmod(0o700)
    for chapter in (publish, set_up_host, serve_and_activate, take_back):
        chapter(made)
    return made


def spellings(secret: str) -> set[str]:
    """The ways in which it would be written by mistake."""
    found = {secret, secret.lower(), secret.replace("-", ""), b64url(secret.encode()), secret.encode().hex()}
    if len(secret) == 43:  # 32 bytes
        found |= {unb64url(secret).hex(), repr(unb64url(secret))[2:-1]}
    return found


def test_every_secret_of_the_story_is_known_here(site: Site) -> None:
    assert len(site.secrets) >= 14
    assert all(len(secret) >= 8 for secret in site.secrets.values())
    assert len(set(site.secrets.values())) == len(site.secrets)
    assert sum(len(text) for _, text in site.said) > 20_000


def test_nothing_secret_is_said_by_any_command_log_or_answer(site: Site) -> None:
    shown = [
        (name, where)
        for name, secret in site.secrets.items()
        for where, text in site.said
        for spelled in spellings(secret)
        if spelled in text
    ]
    assert shown == []
    assert not [where for where, text in site.said if GUESSED_TOKEN in text]  # nor what somebody tried
    assert not [where for where, text in site.said if "guessed-" in text]


def test_files_with_secrets_are_for_their_owner_alone_in_folders_that_are(site: Site) -> None:
    given = {site.folder / name for name in ("root.pass", "guess.pass", "new-root.pass")}
    open_to_others = []
    for path in site.folder.rglob("*"):
        if not path.is_file() or path in given:
            continue
        data = path.read_bytes()
        holds = [name for name, secret in site.secrets.items() if secret.encode() in data]
        # A client's folder is read by every user's program on the machine; what is secret in it is not.
        folder_mode = 0 if site.folder / "client" in path.parents else path.parent.stat().st_mode
        if holds and (path.stat().st_mode | folder_mode) & 0o077:
            open_to_others.append((str(path.relative_to(site.folder)), f"{path.stat().st_mode & 0o777:04o}", holds))
    assert open_to_others == []


@pytest.mark.parametrize(
    ("role", "name", "words"),
    [
        ("publisher", "publisher.key", ("publisher", "rotate", "--finish")),
        ("publisher", "publisher-root.key", ("publisher", "rotate")),
        ("publisher", "ledger.db", ("publisher", "list")),
        ("publisher", "", ("publisher", "list")),
        ("host", "host.key", ("host", "status")),
        ("host", "product.key", ("host", "request", "--text")),
        ("host", "admin.token", ("host", "run", "--port", "0", "--admin-port", "0", "--no-dns")),
        ("host", "enrolment.json", ("host", "enrolment", "show")),
        ("host", "", ("host", "status")),
        ("client", "acme-cad/enrolment.key", ("client", "activate")),
    ],
)
def test_what_is_looser_is_refused_with_the_fix(site: Site, role: str, name: str, words: tuple[str, ...]) -> None:
    path = site.folder / role / name
    before = path.stat().st_mode & 0o777
    path.chmod(0o750 if path.is_dir() else 0o640)
    try:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=site.folder,
            env=site.environment(role),
            capture_output=True,
            text=True,
            timeout=BOUND_S,
        )
    finally:
        path.chmod(before)
    wanted = "700" if path.is_dir() else "600"
    assert done.returncode == 1, done.stdout
    assert f"chmod {wanted} {str(path).rstrip('/')}" in done.stderr
