"""`quorate host token` as it is typed, beside a running host; and what is on record of what is done on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate.clock import SystemClock
from quorate.core.policy import DAY_S
from tests.dns.namespace import need_root
from tests.host.processes import quorate
from tests.support.clocks import ManualClock
from tests.support.documents import World
from tests.support.hosting import Hosted, hosting, make_host

BOUND_S = 60
NOBODY = 65_534
# Once as root, where there is no host: an ordinary user may not be able to enter the folder that Python is in, and what
# is imported late is then there.
AS_NOBODY = f"""
import contextlib, io, os, sys
from quorate.__main__ import run, slmgr
program, *words = sys.argv[1:]
type_it = slmgr if program == "quorate-slmgr" else run
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    with contextlib.suppress(SystemExit):
        sys.argv = [program, *words, "--state-dir", os.environ["QUORATE_STATE_DIR"] + ".none"]
        type_it()
os.setgid({NOBODY}); os.setuid({NOBODY}); os.environ["HOME"] = "/"
sys.argv = [program, *words]
type_it()
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Hosted]:
    with hosting(tmp_path, clock=ManualClock(SystemClock().now_s())) as hosted:
        yield hosted


def said(host: Hosted, *words: str, code: int = 0) -> list[dict[str, Any]]:
    done = quorate("host", *words, "--json", state_dir=host.state_dir)
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def status_of(host: Hosted, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return host.http("GET", "/api/v1/status", headers=headers, port=host.admin_port).status


def test_a_token_is_shown_once_and_good_at_once_and_not_any_more_once_it_is_removed(host: Hosted) -> None:
    [made] = said(host, "token", "add", "alice", "--scope", "operate", "--expires", "90")
    token = made["token"]
    assert (made["name"], made["scope"]) == ("alice", "operate")
    assert abs(made["expires_s"] - SystemClock().now_s() - 90 * DAY_S) < BOUND_S
    assert status_of(host, token) == 200
    [listed] = said(host, "token", "list")
    assert (listed["name"], listed["scope"], listed["state"]) == ("alice", "operate", "good")
    shown = quorate("host", "token", "list", state_dir=host.state_dir)
    assert "alice" in shown.stdout
    assert token not in shown.stdout + shown.stderr
    assert token not in (host.state_dir / "admin.tokens").read_text()
    assert said(host, "token", "remove", "alice") == [{"removed": "alice"}]
    assert status_of(host, token) == 401
    assert "makes one" in quorate("host", "token", "list", state_dir=host.state_dir).stderr


def test_for_people_the_token_stands_alone_on_stdout(host: Hosted) -> None:
    done = quorate("host", "token", "add", "bob", state_dir=host.state_dir)
    assert done.stdout.splitlines()[0].startswith("Token: qadm_")
    assert "this once" in done.stderr
    assert "listens on this machine only" in done.stderr
    [listed] = said(host, "token", "list")
    assert (listed["scope"], listed["ends"]) == ("read", None), "the lesser right unless another is asked for"


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("add", "Alice"), 2, "INVALID_SETTING"),
        (("add", "admin"), 2, "INVALID_SETTING"),
        (("add", "../../etc"), 2, "INVALID_SETTING"),
        (("add", "a" * 65), 2, "INVALID_SETTING"),
        (("add", ""), 2, "INVALID_SETTING"),
        (("remove", "nobody"), 1, "NOT_KNOWN"),
        (("add", "x", "--scope", "root"), 2, None),
        (("add", "x", "--expires", "0"), 2, None),
        (("add", "x", "--expires", "99999"), 2, None),
        (("add",), 2, None),
    ],
)
def test_mistakes_are_told_and_make_no_token(
    tmp_path: Path, words: tuple[str, ...], code: int, error: str | None
) -> None:
    make_host(tmp_path / "host", World(), SystemClock())
    done = quorate("host", "token", *words, "--json", state_dir=tmp_path / "host")
    assert done.returncode == code, done.stderr
    if error is not None:
        assert json.loads(done.stdout)["error"] == error
    assert not (tmp_path / "host" / "admin.tokens").exists()


def test_what_is_done_on_the_machine_is_on_record_with_its_user(host: Hosted, tmp_path: Path) -> None:
    said(host, "set", "renewal-interval", "60")
    said(host, "set", "renewal-interval", "14", code=2)
    [made] = said(host, "token", "add", "alice")
    said(host, "token", "add", "alice", code=1)
    said(host, "request", "-o", str(tmp_path / "contoso.req"))
    said(host, "backup", str(tmp_path / "kms.backup"))
    rows = said(host, "events", "--id", "12315", "--limit", "6")
    assert [(row["action"], row["code"]) for row in rows] == [
        ("settings", None),
        ("settings", "INVALID_SETTING"),
        ("token", None),
        ("token", "TOKEN_EXISTS"),
        ("request", None),
        ("backup", None),
    ]
    assert {row["source"] for row in rows} == {"local"}
    me = quorate("host", "events", "--id", "12315", state_dir=host.state_dir).stdout
    assert f"{rows[0]['actor']} (local): renewal-interval: 10080 -> 60" in me
    assert rows[0]["actor"].split()[0] in (os.environ.get("USER", ""), "root", f"uid {os.geteuid()}")
    assert rows[0]["changes"] == [{"name": "renewal-interval", "before": "10080", "after": "60"}]
    assert made["token"] not in json.dumps(rows)


def test_a_host_that_was_made_restored_or_given_a_new_database_says_so(tmp_path: Path) -> None:
    make_host(tmp_path / "host", World(), SystemClock())
    backup = str(tmp_path / "kms.backup")
    assert quorate("host", "token", "add", "alice", state_dir=tmp_path / "host").returncode == 0
    assert quorate("host", "backup", backup, state_dir=tmp_path / "host").returncode == 0
    assert quorate("host", "restore", backup, state_dir=tmp_path / "again").returncode == 0
    again = quorate("host", "events", "--id", "12315", "--json", state_dir=tmp_path / "again").stdout
    actions = [json.loads(line)["action"] for line in again.splitlines()]
    assert (actions[0], actions[-1], "backup" in actions) == ("init", "restore", False)
    assert "alice" in quorate("host", "token", "list", state_dir=tmp_path / "again").stdout
    for path in (tmp_path / "again").glob("host.db*"):
        path.unlink()
    assert quorate("host", "new-database", state_dir=tmp_path / "again").returncode == 0
    [row] = quorate("host", "events", "--id", "12315", "--json", state_dir=tmp_path / "again").stdout.splitlines()
    assert json.loads(row)["action"] == "new-database"


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="quorate-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize(
    "words",
    [
        ("quorate", "host", "status"),
        ("quorate", "host", "set", "port", "1700"),
        ("quorate", "host", "token", "add", "mallory", "--scope", "operate"),
        ("quorate", "host", "backup", "/nowhere/kms.backup"),
        ("quorate", "host", "run"),
        ("quorate-slmgr", "/dlv"),
        ("quorate-slmgr", "/sai", "60"),
    ],
)
def test_another_user_of_the_machine_is_told_whose_host_it_is(open_folder: Path, words: tuple[str, ...]) -> None:
    need_root()
    state = open_folder / "host"
    make_host(state, World(), SystemClock())
    environ = {**os.environ, "QUORATE_STATE_DIR": str(state)}
    command = [sys.executable, "-c", AS_NOBODY, *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S, env=environ, check=False)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert (told["error"], told["hresult"]) == ("ACCESS_DENIED", "0x80070005")
    assert str(state) in told["message"]
    assert f"sudo -u root {words[0]}" in told["hint"]
