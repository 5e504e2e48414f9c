"""`scripts/bootstrap venv` where it cannot work: it says which of the causes it was, with a fix for that one."""

from __future__ import annotations

import http.server
import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.source import ROOT
from tests.support.tlspair import make_pair
from tests.trouble.disks import disk

BOUND_S = 300.0


def checkout(folder: Path) -> Path:
    """What `scripts/bootstrap venv` needs of one."""
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "bootstrap", folder / "scripts")
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, folder)
    return folder


def set_up(folder: Path, **variables: str) -> str:
    """What is said on stderr; it must fail."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull, "PYTHON": sys.base_prefix + "/bin/python3"}
    done = subprocess.run(
        [str(folder / "scripts" / "bootstrap"), "venv"],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
        env=environment | variables,
    )
    assert done.returncode == 1, done
    assert done.stderr.count("error: ") >= 1
    return done.stderr.splitlines()[-1]


def test_a_read_only_checkout_is_told_as_such(tmp_path: Path) -> None:
    with disk(tmp_path / "disk") as small:
        folder = checkout(small.root / "quorate")
        with small.read_only():
            said = set_up(folder)
    assert "cannot be written" in said
    assert "git clone" in said
    assert "package index" not in said


@contextmanager
def index(folder: Path) -> Iterator[tuple[str, Path]]:
    """A package index with nothing in it, with a certificate of a company's own authority: its URL, the authority."""
    pair = make_pair(folder, names=("localhost",))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}/simple", pair.cert
    finally:
        server.shutdown()
        server.server_close()


def test_an_authority_that_is_not_trusted_is_told_and_one_that_is_counts(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "quorate")
    with index(tmp_path) as (url, authority):
        said = set_up(folder, PIP_INDEX_URL=url)
        assert "certificate that this machine does not trust" in said
        assert "update-ca-certificates" in said
        trusted = set_up(folder, PIP_INDEX_URL=url, SSL_CERT_FILE=str(authority), PIP_CERT=str(authority))
        assert "certificate" not in trusted
        assert "package index" in trusted
